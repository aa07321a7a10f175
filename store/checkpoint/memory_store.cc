#include "store/checkpoint/memory_store.h"

#include <utility>

namespace mansio::store {
namespace {

void Erase(MemoryStore::Content& content, std::string_view begin, std::string_view end) {
  content.erase(content.lower_bound(begin), content.lower_bound(end));
}

}  // namespace

absl::Status MemoryStore::Write(const KeyValueBatch& batch) {
  {
    const MutexLock lock(&mutex_);
    if (fail_writes_) return absl::ResourceExhaustedError("the disk is full");
  }
  auto next = std::make_shared<Content>(*content());
  batch.ForEach([&](const KeyValueBatch::Change& change) {
    switch (change.kind) {
      case KeyValueBatch::Kind::kPut:
        next->insert_or_assign(std::string(change.key), std::string(change.value));
        break;
      case KeyValueBatch::Kind::kDelete:
        if (const auto it = next->find(change.key); it != next->end()) next->erase(it);
        break;
      case KeyValueBatch::Kind::kDeleteRange:
        if (change.key < change.value) Erase(*next, change.key, change.value);
        break;
    }
  });
  SetContent(std::move(next));
  return absl::OkStatus();
}

absl::StatusOr<std::optional<std::string>> MemoryStore::Get(std::string_view key) const {
  const std::shared_ptr<const Content> now = content();
  const auto it = now->find(key);
  if (it == now->end()) return std::nullopt;
  return it->second;
}

absl::Status MemoryStore::Scan(
    std::string_view begin, std::string_view end,
    absl::FunctionRef<bool(std::string_view, std::string_view)> visit) const {
  const std::shared_ptr<const Content> now = content();
  for (auto it = now->lower_bound(begin); it != now->end() && it->first < end; ++it) {
    if (!visit(it->first, it->second)) break;
  }
  return absl::OkStatus();
}

absl::Status MemoryStore::Wipe() {
  SetContent(std::make_shared<const Content>());
  return absl::OkStatus();
}

std::shared_ptr<const MemoryStore::Content> MemoryStore::content() const {
  const MutexLock lock(&mutex_);
  return content_;
}

void MemoryStore::SetContent(std::shared_ptr<const Content> content) {
  const MutexLock lock(&mutex_);
  content_ = std::move(content);
}

void MemoryStore::FailWrites(bool fail) {
  const MutexLock lock(&mutex_);
  fail_writes_ = fail;
}

}  // namespace mansio::store
