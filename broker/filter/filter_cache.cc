#include "broker/filter/filter_cache.h"

#include <fmt/format.h>

#include <utility>

#include "apache/rocketmq/v2/definition.pb.h"
#include "common/status/wire_status.h"

namespace mansio::broker {

absl::StatusOr<FilterPtr> FilterCache::Get(int type, std::string_view expression) {
  std::string key = fmt::format("{}:{}", type, expression);
  {
    MutexLock lock(&mutex_);
    if (const auto it = by_key_.find(key); it != by_key_.end()) {
      entries_.splice(entries_.begin(), entries_, it->second);
      return it->second->filter;
    }
  }
  absl::StatusOr<FilterPtr> filter = CompileCounted(type, expression);
  if (!filter.ok()) return filter;
  MutexLock lock(&mutex_);
  if (const auto it = by_key_.find(key); it != by_key_.end()) return it->second->filter;
  kept_text_ += key.size();
  entries_.push_front({std::move(key), *filter});
  by_key_[entries_.front().key] = entries_.begin();
  while (entries_.size() > limits_.filters || kept_text_ > limits_.kept_text) {
    kept_text_ -= entries_.back().key.size();
    by_key_.erase(entries_.back().key);
    entries_.pop_back();
  }
  return filter;
}

absl::StatusOr<FilterPtr> FilterCache::CompileCounted(int type, std::string_view expression) const {
  const size_t size = expression.size();
  absl::StatusOr<FilterPtr> filter = CompileFilter(type, expression);
  if (!filter.ok()) return filter;
  {
    MutexLock lock(&living_->mutex);
    if (living_->text + size > limits_.living_text) {
      return WireError(apache::rocketmq::v2::TOO_MANY_REQUESTS,
                       fmt::format("waiting receives use {} bytes of different filter expressions, "
                                   "and {} are allowed; use fewer or shorter ones",
                                   living_->text, limits_.living_text));
    }
    living_->text += size;
  }
  const MessageFilter* const plain = filter->get();
  return FilterPtr(plain,
                   [filter = *std::move(filter), living = living_, size](const MessageFilter*) {
                     MutexLock lock(&living->mutex);
                     living->text -= size;
                   });
}

size_t FilterCache::size() const {
  MutexLock lock(&mutex_);
  return entries_.size();
}

}  // namespace mansio::broker
