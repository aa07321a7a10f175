#include "broker/filter/filter_cache.h"

#include <fmt/format.h>

#include <utility>

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
  absl::StatusOr<FilterPtr> filter = CompileFilter(type, expression);
  if (!filter.ok()) return filter;
  MutexLock lock(&mutex_);
  if (const auto it = by_key_.find(key); it != by_key_.end()) return it->second->filter;
  entries_.push_front({std::move(key), *filter});
  by_key_[entries_.front().key] = entries_.begin();
  if (entries_.size() > limit_) {
    by_key_.erase(entries_.back().key);
    entries_.pop_back();
  }
  return filter;
}

size_t FilterCache::size() const {
  MutexLock lock(&mutex_);
  return entries_.size();
}

}  // namespace mansio::broker
