#ifndef MANSIO_TESTS_BENCH_CROWD_ROUTES_H_
#define MANSIO_TESTS_BENCH_CROWD_ROUTES_H_

#include <string>

#include "absl/status/statusor.h"
#include "client/bench/load.h"

namespace mansio::bench {

// Queries for the routes of topics 0 to `topics` - 1, all over them, at one access point. Each that
// is answered counts as one message. Errors as RunLoad.
absl::StatusOr<LoadResult> QueryRoutes(const std::string& nameserver, int topics,
                                       const LoadOptions& load);

}  // namespace mansio::bench

#endif  // MANSIO_TESTS_BENCH_CROWD_ROUTES_H_
