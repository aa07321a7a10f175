#ifndef MANSIO_CLIENT_BENCH_QUERY_H_
#define MANSIO_CLIENT_BENCH_QUERY_H_

#include <cstdint>

#include "absl/status/statusor.h"
#include "client/bench/load.h"
#include "client/bench/target.h"

namespace mansio::bench {

struct QueryOptions {
  TargetOptions target;
  LoadOptions load;
  int64_t keys = 0;  // the topic has messages of `mansio bench produce --keyed` with these numbers
};

// Queries for one message each by its key, all over the log. A query that finds no message, or more
// than one, counts as an error. Errors as Target::Connect and RunLoad.
absl::StatusOr<LoadResult> Query(const QueryOptions& options);

}  // namespace mansio::bench

#endif  // MANSIO_CLIENT_BENCH_QUERY_H_
