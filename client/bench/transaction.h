#ifndef MANSIO_CLIENT_BENCH_TRANSACTION_H_
#define MANSIO_CLIENT_BENCH_TRANSACTION_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "client/bench/produce.h"

namespace mansio::bench {

struct TransactionOptions {
  ProduceOptions produce;  // the plain load to compare with; load.duration: of one phase
  std::string transaction_topic = "bench-transaction";  // made when missing
  bool commit = true;                                   // or roll back
  int rounds = 3;
};

struct TransactionRound {
  LoadResult sends;         // of single messages to produce.target.topic
  LoadResult transactions;  // an operation is a half and its end
};

struct TransactionResult {
  std::vector<TransactionRound> rounds;
  Histogram end_latency;  // of the ends alone
};

// Plain sends and transactions in turn, under the same load.
absl::StatusOr<TransactionResult> Transact(const TransactionOptions& options);

}  // namespace mansio::bench

#endif  // MANSIO_CLIENT_BENCH_TRANSACTION_H_
