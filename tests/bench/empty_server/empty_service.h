#ifndef MANSIO_TESTS_BENCH_EMPTY_SERVER_EMPTY_SERVICE_H_
#define MANSIO_TESTS_BENCH_EMPTY_SERVER_EMPTY_SERVICE_H_

#include "common/net/address.h"
#include "common/rpc/call.h"

namespace mansio::bench {

// The methods that a load generator needs to send messages, with nothing behind them: SendMessage
// answers OK with one entry for each message, without looking into any; QueryRoute says that every
// topic has eight queues on the broker `advertised`; Telemetry and Heartbeat are answered as a
// producer expects.
rpc::MethodTable EmptyService(const net::HostPort& advertised);

}  // namespace mansio::bench

#endif  // MANSIO_TESTS_BENCH_EMPTY_SERVER_EMPTY_SERVICE_H_
