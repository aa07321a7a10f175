#include "common/files/recording_disk.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace mansio::recording {
namespace {

constexpr size_t kVersionsKept = 4;

size_t PagesFor(uint64_t size) { return (size + kPageSize - 1) / kPageSize; }

std::shared_ptr<Page> Copy(const PagePtr& page) {
  return page ? std::make_shared<Page>(*page) : std::make_shared<Page>(Page{});
}

// Each sector from one or the other, as a disk leaves a page that it was writing.
PagePtr Torn(const PagePtr& before, const PagePtr& after, Random& random) {
  std::shared_ptr<Page> result = Copy(before);
  const std::shared_ptr<Page> source = Copy(after);
  uint64_t choice = random();
  for (size_t at = 0; at < kPageSize; at += kSectorSize, choice >>= 1) {
    if (choice & 1) std::memcpy(result->data() + at, source->data() + at, kSectorSize);
  }
  return result;
}

}  // namespace

size_t FileNode::Read(uint64_t offset, char* out, size_t size) const {
  if (offset >= now_.size) return 0;
  size = std::min<uint64_t>(size, now_.size - offset);
  for (size_t done = 0; done < size;) {
    const size_t within = (offset + done) % kPageSize;
    const size_t n = std::min(size - done, kPageSize - within);
    const PagePtr& page = now_.pages[(offset + done) / kPageSize];
    if (page) {
      std::memcpy(out + done, page->data() + within, n);
    } else {
      std::memset(out + done, 0, n);
    }
    done += n;
  }
  return size;
}

void FileNode::Write(uint64_t offset, std::string_view data) {
  if (offset + data.size() > now_.size) SetSize(now_, offset + data.size());
  while (!data.empty()) {
    const size_t index = offset / kPageSize;
    const size_t within = offset % kPageSize;
    const size_t n = std::min(data.size(), kPageSize - within);
    std::shared_ptr<Page> page = Copy(now_.pages[index]);
    std::memcpy(page->data() + within, data.data(), n);
    ReplacePage(index, std::move(page));
    data.remove_prefix(n);
    offset += n;
  }
}

void FileNode::Resize(uint64_t size) {
  for (size_t index = size / kPageSize; index < now_.pages.size(); ++index) {
    if (!now_.pages[index]) continue;
    std::shared_ptr<Page> rest;  // Null: zeros.
    if (index * kPageSize < size) {
      rest = Copy(now_.pages[index]);
      std::fill(rest->begin() + static_cast<ptrdiff_t>(size % kPageSize), rest->end(), '\0');
    }
    ReplacePage(index, std::move(rest));
  }
  SetSize(now_, size);
}

void FileNode::ReplacePage(size_t index, PagePtr page) {
  PagePtr& present = now_.pages[index];
  auto [entry, is_first] = unsynced_.try_emplace(index);
  if (!is_first) {
    std::vector<PagePtr>& versions = entry->second;
    if (versions.size() == kVersionsKept) versions.erase(versions.begin());
    versions.push_back(present);
  }
  present = std::move(page);
}

void FileNode::Sync() {
  durable_.pages.resize(now_.pages.size());
  for (const auto& [index, versions] : unsynced_) {
    if (index < now_.pages.size()) durable_.pages[index] = now_.pages[index];
  }
  SetSize(durable_, now_.size);
  unsynced_.clear();
}

// Bytes beyond the size are zeros, so that a later extension reads zeros.
void FileNode::SetSize(State& state, uint64_t size) {
  state.pages.resize(PagesFor(size));
  const size_t tail = size % kPageSize;
  if (size < state.size && tail != 0 && state.pages.back()) {
    std::shared_ptr<Page> last = Copy(state.pages.back());
    std::fill(last->begin() + static_cast<ptrdiff_t>(tail), last->end(), '\0');
    state.pages.back() = std::move(last);
  }
  state.size = size;
}

std::shared_ptr<FileNode> FileNode::CrashCopy(CrashMode mode, Random& random) const {
  auto copy = std::make_shared<FileNode>();
  State& state = copy->durable_;
  state = durable_;
  if (mode == CrashMode::kRandomSubset) {
    const auto [least, most] = std::minmax(now_.size, durable_.size);
    const uint64_t sizes[] = {now_.size, durable_.size, least + random() % (most - least + 1)};
    const uint64_t size = sizes[random() % 3];
    SetSize(state, most);
    for (const auto& [index, versions] : unsynced_) {
      if (index >= state.pages.size()) continue;  // Written and cut off again.
      const PagePtr before = state.pages[index];
      const PagePtr after = index < now_.pages.size() ? now_.pages[index] : nullptr;
      switch (random() % 4) {
        case 0:
          break;  // Never written.
        case 1:
          state.pages[index] = after;
          break;
        case 2:
          state.pages[index] = versions.empty() ? after : versions[random() % versions.size()];
          break;
        default:
          state.pages[index] = Torn(before, after, random);
      }
    }
    SetSize(state, size);
  }
  copy->now_ = state;
  return copy;
}

void DirectoryNode::Apply(const Change& change, std::map<std::string, Node>& names) {
  if (!change.removed.empty()) names.erase(change.removed);
  if (!change.added.empty()) names[change.added] = change.node;
}

void DirectoryNode::Add(const std::string& name, Node node) {
  unsynced_.push_back({"", name, std::move(node)});
  Apply(unsynced_.back(), now_);
}

void DirectoryNode::Remove(const std::string& name) {
  unsynced_.push_back({name, "", {}});
  Apply(unsynced_.back(), now_);
}

void DirectoryNode::Rename(const std::string& from, const std::string& to) {
  if (from == to) return;
  unsynced_.push_back({from, to, now_.at(from)});
  Apply(unsynced_.back(), now_);
}

void DirectoryNode::Sync() {
  durable_ = now_;
  unsynced_.clear();
}

std::shared_ptr<DirectoryNode> DirectoryNode::CrashCopy(CrashMode mode, Random& random) const {
  std::map<std::string, Node> names = durable_;
  if (mode == CrashMode::kRandomSubset) {
    for (const Change& change : unsynced_) {
      if (random() % 2 == 0) Apply(change, names);
    }
  }
  auto copy = std::make_shared<DirectoryNode>();
  for (auto& [name, node] : names) {
    std::visit([&](auto& child) { child = child->CrashCopy(mode, random); }, node);
  }
  copy->durable_ = names;
  copy->now_ = std::move(names);
  return copy;
}

}  // namespace mansio::recording
