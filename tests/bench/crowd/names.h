#ifndef MANSIO_TESTS_BENCH_CROWD_NAMES_H_
#define MANSIO_TESTS_BENCH_CROWD_NAMES_H_

#include <string>

namespace mansio::bench {

// As long as names are where there are many: topic and group 30 characters, broker 11.
std::string TopicName(int number);
std::string GroupName(int number);
std::string BrokerName(int number);

}  // namespace mansio::bench

#endif  // MANSIO_TESTS_BENCH_CROWD_NAMES_H_
