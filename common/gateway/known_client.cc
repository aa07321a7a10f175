#include "common/gateway/known_client.h"

#include <algorithm>
#include <utility>

namespace mansio::gateway {
namespace {

// What is remembered of a header that only describes the client.
constexpr size_t kMaxHeaderBytes = 64;

size_t DescribedBytes(std::string_view topic) { return sizeof(std::string) + topic.size(); }

size_t DescribedBytes(std::string_view group, const std::vector<std::string>& topics) {
  size_t bytes = group.size();
  for (const std::string& topic : topics) bytes += DescribedBytes(topic);
  return bytes;
}

size_t DescribedBytes(const ClientInfo& client) {
  return DescribedBytes(client.group, client.topics);
}

void AddMissing(const std::vector<std::string>& from, std::vector<std::string>& to) {
  StringSet known(to.begin(), to.end());
  for (const std::string& topic : from) {
    if (known.insert(topic).second) to.push_back(topic);
  }
}

}  // namespace

bool KnownClient::Signs::Expired(absl::Duration now, bool has_stream, absl::Duration silence,
                                 absl::Duration disconnected) const {
  if (now - last >= silence) return true;
  // Of a client that never had a stream, the connections are not known here.
  return !has_stream && had_stream && now - std::max(last, stream_closed) >= disconnected;
}

bool KnownClient::HasStream() const {
  return !streams_.empty() ||
         std::any_of(relayed_.begin(), relayed_.end(),
                     [](const Relayed& other) { return other.stream != nullptr; });
}

KnownClient::Stream KnownClient::NewestStream() const {
  if (!streams_.empty()) return streams_.back();
  for (const Relayed& other : relayed_) {
    if (other.stream != nullptr) return other.stream;
  }
  return nullptr;
}

KnownClient::Stream KnownClient::NewestStreamHere() const {
  return streams_.empty() ? nullptr : streams_.back();
}

void KnownClient::SeenHere(absl::Duration now) {
  SeenElsewhere(now);
  is_here_ = true;
  here_.last = now;
}

void KnownClient::SeenElsewhere(absl::Duration now) {
  alive_ = true;
  anywhere_.last = now;
}

bool KnownClient::Expire(absl::Duration now, absl::Duration silence, absl::Duration disconnected) {
  if (!alive_) return false;
  if (here_.Expired(now, !streams_.empty(), silence, disconnected)) is_here_ = false;
  return anywhere_.Expired(now, HasStream(), silence, disconnected);
}

ClientInfo KnownClient::Bury() {
  ClientInfo lost = Snapshot();
  Count(0).IgnoreError();  // less is always possible
  std::erase_if(relayed_, [](const Relayed& other) { return other.stream == nullptr; });
  for (Relayed& other : relayed_) other.info = {};
  alive_ = false;
  is_here_ = false;
  published_.clear();
  info_ = ClientInfo{.id = lost.id};
  return lost;
}

absl::Status KnownClient::Count(size_t described_bytes) {
  absl::Status counted = budget_->Replace(described_bytes_, described_bytes);
  if (counted.ok()) described_bytes_ = described_bytes;
  return counted;
}

absl::Status KnownClient::Describe(ClientRole role, std::string_view group,
                                   std::vector<std::string> topics, std::string_view language,
                                   std::string_view version, std::string_view peer) {
  // What a lost link told is kept only as long as nothing better is known.
  const auto is_lost = [](const Relayed& other) { return other.link == nullptr; };
  size_t known = DescribedBytes(info_);
  for (const Relayed& other : relayed_) {
    if (is_lost(other)) known += DescribedBytes(other.info);
  }
  absl::Status counted = Count(described_bytes_ - known + DescribedBytes(group, topics));
  if (!counted.ok()) return counted;
  std::erase_if(relayed_, is_lost);
  info_.role = role;
  info_.group = group;
  info_.topics = std::move(topics);
  info_.language = language.substr(0, kMaxHeaderBytes);
  info_.version = version.substr(0, kMaxHeaderBytes);
  info_.peer = peer;
  return counted;
}

absl::Status KnownClient::NotePublished(std::string_view topic) {
  if (published_.contains(topic)) return absl::OkStatus();
  absl::Status counted = Count(described_bytes_ + DescribedBytes(topic));
  if (counted.ok()) published_.emplace(topic);
  return counted;
}

void KnownClient::AddStream(Stream stream) {
  streams_.push_back(std::move(stream));
  here_.had_stream = anywhere_.had_stream = true;
}

absl::Status KnownClient::Relay(const void* link, ClientInfo client, Stream stream,
                                absl::Duration now, Stream* replaced) {
  client.id.clear();
  client.language.resize(std::min(client.language.size(), kMaxHeaderBytes));
  client.version.resize(std::min(client.version.size(), kMaxHeaderBytes));
  auto found = std::find_if(relayed_.begin(), relayed_.end(), [link](const Relayed& other) {
    return other.link == link || other.link == nullptr;
  });
  if (found == relayed_.end()) found = relayed_.emplace(found);
  if (found->link == link && client.streams_lost > found->info.streams_lost) stream_lost_ = true;
  absl::Status counted =
      Count(described_bytes_ - DescribedBytes(found->info) + DescribedBytes(client));
  if (counted.ok()) found->info = std::move(client);
  found->link = link;
  *replaced = std::exchange(found->stream, std::move(stream));
  if (found->stream != nullptr) anywhere_.had_stream = true;
  if (found->stream == nullptr && *replaced != nullptr) anywhere_.stream_closed = now;
  return counted;
}

KnownClient::Stream KnownClient::RemoveStream(const rpc::BidiCall* stream, absl::Duration now) {
  const auto found = std::find_if(streams_.begin(), streams_.end(),
                                  [stream](const Stream& s) { return s.get() == stream; });
  if (found == streams_.end()) return nullptr;
  Stream closed = std::move(*found);
  streams_.erase(found);
  here_.stream_closed = anywhere_.stream_closed = now;
  stream_lost_ = true;
  ++streams_lost_;
  return closed;
}

KnownClient::Stream KnownClient::RemoveLink(const void* link, absl::Duration now) {
  const auto found = std::find_if(relayed_.begin(), relayed_.end(),
                                  [link](const Relayed& other) { return other.link == link; });
  if (found == relayed_.end()) return nullptr;
  Stream closed = std::exchange(found->stream, nullptr);
  if (closed != nullptr) {
    anywhere_.stream_closed = now;
    stream_lost_ = true;
  }
  found->link = nullptr;
  // Its death will be told with what is known of it.
  const bool known = info_.role != ClientRole::kUnknown || relayed_.size() > 1;
  if (!known && alive_) return closed;
  Count(described_bytes_ - DescribedBytes(found->info)).IgnoreError();  // less is always possible
  relayed_.erase(found);
  return closed;
}

ClientInfo KnownClient::SnapshotHere() const {
  ClientInfo info = info_;
  info.published.assign(published_.begin(), published_.end());
  info.last_seen = here_.last;
  info.stream_open = !streams_.empty();
  info.streams_lost = streams_lost_;
  return info;
}

ClientInfo KnownClient::Snapshot() const {
  ClientInfo info = SnapshotHere();
  for (const Relayed& other : relayed_) {
    if (other.info.role == ClientRole::kUnknown) {
      AddMissing(other.info.topics, info.published);
      continue;
    }
    if (info.role == ClientRole::kUnknown) {
      info.role = other.info.role;
      info.group = other.info.group;
      info.language = other.info.language;
      info.version = other.info.version;
      info.peer = other.info.peer;
    }
    AddMissing(other.info.topics, info.topics);
  }
  info.last_seen = anywhere_.last;
  info.stream_open = HasStream();
  return info;
}

void KnownClient::Visit(absl::FunctionRef<void(const ClientInfo&)> visit) const {
  if (relayed_.empty()) {
    visit(info_);
  } else {
    visit(Snapshot());
  }
}

bool KnownClient::MayBeOf(std::string_view group) const {
  return group.empty() || !relayed_.empty() || info_.group == group;
}

void KnownClient::ForEachProduced(absl::FunctionRef<void(const std::string&)> visit) const {
  std::for_each(published_.begin(), published_.end(), visit);
  if (info_.role == ClientRole::kProducer) {
    std::for_each(info_.topics.begin(), info_.topics.end(), visit);
  }
  for (const Relayed& other : relayed_) {
    // Of one that has not said what it is, the topics that it sends to are relayed.
    if (IsConsumer(other.info.role)) continue;
    std::for_each(other.info.topics.begin(), other.info.topics.end(), visit);
  }
}

}  // namespace mansio::gateway
