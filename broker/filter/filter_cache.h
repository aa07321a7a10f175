#ifndef MANSIO_BROKER_FILTER_FILTER_CACHE_H_
#define MANSIO_BROKER_FILTER_FILTER_CACHE_H_

#include <cstddef>
#include <list>
#include <memory>
#include <string>
#include <string_view>

#include "broker/filter/message_filter.h"
#include "common/names/string_map.h"
#include "common/sync/sync.h"

namespace mansio::broker {

// Compiled filters by type and text, so that the receives of all subscribers with one expression
// share one filter. Keeps those used last; a filter lives on in the calls that hold it, which
// counts against `living_text`. Compiled, an expression takes at most some 20 times its text.
// Thread-safe.
class FilterCache {
 public:
  struct Limits {
    size_t filters = 1024;                 // kept here
    size_t kept_text = 1024 * 1024;        // bytes of expressions of the filters kept here
    size_t living_text = 4 * 1024 * 1024;  // the same of all filters that somebody holds
  };

  FilterCache() : FilterCache(Limits()) {}
  explicit FilterCache(Limits limits) : limits_(limits), living_(std::make_shared<Living>()) {}

  // As CompileFilter; expressions that are wrong are not kept. TOO_MANY_REQUESTS (wire status) when
  // too many different expressions are in use.
  absl::StatusOr<FilterPtr> Get(int type, std::string_view expression);

  size_t size() const;

 private:
  struct Entry {
    std::string key;
    FilterPtr filter;
  };
  // Outlives the cache while filters do.
  struct Living {
    Mutex mutex;
    size_t text ABSL_GUARDED_BY(mutex) = 0;
  };

  // CompileFilter, with the filter's text counted in living_ as long as it lives.
  absl::StatusOr<FilterPtr> CompileCounted(int type, std::string_view expression) const;

  const Limits limits_;
  const std::shared_ptr<Living> living_;
  mutable Mutex mutex_;
  std::list<Entry> entries_ ABSL_GUARDED_BY(mutex_);  // used last first
  StringMap<std::list<Entry>::iterator> by_key_ ABSL_GUARDED_BY(mutex_);
  size_t kept_text_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_FILTER_FILTER_CACHE_H_
