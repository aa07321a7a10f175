#ifndef MANSIO_BROKER_FILTER_FILTER_CACHE_H_
#define MANSIO_BROKER_FILTER_FILTER_CACHE_H_

#include <cstddef>
#include <list>
#include <string>
#include <string_view>

#include "broker/filter/message_filter.h"
#include "common/names/string_map.h"
#include "common/sync/sync.h"

namespace mansio::broker {

// Compiled filters by type and text, so that the receives of all subscribers with one expression
// share one filter. Keeps the `limit` used last; a filter lives on in the calls that hold it.
// Thread-safe.
class FilterCache {
 public:
  explicit FilterCache(size_t limit = 1024) : limit_(limit) {}

  // As CompileFilter; expressions that are wrong are not kept.
  absl::StatusOr<FilterPtr> Get(int type, std::string_view expression);

  size_t size() const;

 private:
  struct Entry {
    std::string key;
    FilterPtr filter;
  };

  const size_t limit_;
  mutable Mutex mutex_;
  std::list<Entry> entries_ ABSL_GUARDED_BY(mutex_);  // used last first
  StringMap<std::list<Entry>::iterator> by_key_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_FILTER_FILTER_CACHE_H_
