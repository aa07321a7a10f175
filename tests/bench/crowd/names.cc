#include "tests/bench/crowd/names.h"

#include <fmt/format.h>

namespace mansio::bench {

std::string TopicName(int number) {
  return fmt::format("region-{:02}-orders-created-{:06}", number % 37, number);
}
std::string GroupName(int number) {
  return fmt::format("region-{:02}-billing-worker-{:06}", number % 37, number);
}
std::string BrokerName(int number) { return fmt::format("broker-{:04}", number); }

}  // namespace mansio::bench
