#ifndef MANSIO_CLIENT_LIB_MESSAGE_ID_H_
#define MANSIO_CLIENT_LIB_MESSAGE_ID_H_

#include <array>
#include <atomic>
#include <cstdint>
#include <string>

#include "absl/time/time.h"

namespace mansio::client {

// Makes message ids as the official SDKs do (RocketMQ 5 API): 34 upper-case hex
// characters for the version 01, the host's MAC address (6 bytes), the low 2 bytes of the process
// id, the seconds since 2021-01-01 UTC (4 bytes) and a counter (4 bytes). Thread-safe.
class MessageIdGenerator {
 public:
  // A generator for this process: its first non-zero MAC address (random bytes when there is none),
  // its id and the present time. The counter starts at a random value, so that several generators
  // in one process and second stay apart.
  MessageIdGenerator();
  // The same with everything given; for tests.
  MessageIdGenerator(std::array<uint8_t, 6> mac, uint16_t process, absl::Time start,
                     uint32_t counter);

  // The next id; never the same twice from one generator (until the counter has gone around).
  std::string Next();

 private:
  const std::string prefix_;  // everything before the counter
  std::atomic<uint32_t> counter_;
};

}  // namespace mansio::client

#endif  // MANSIO_CLIENT_LIB_MESSAGE_ID_H_
