#ifndef MANSIO_TESTS_BENCH_CROWD_WATCHERS_H_
#define MANSIO_TESTS_BENCH_CROWD_WATCHERS_H_

#include <cstdint>
#include <memory>
#include <string>

namespace mansio::bench {

// Watch streams as brokers have them, each on a connection of its own; of what they are told only
// the brokers' names are kept, so that a thousand fit into one process. A stream that ends begins
// again a second later. Thread-safe.
class Watchers {
 public:
  // `brokers` is how many there are to know.
  Watchers(const std::string& nameserver, int count, int brokers);
  ~Watchers();

  // How many know all brokers now.
  int Knowing() const;
  // What all were told so far, encoded.
  int64_t Bytes() const;

 private:
  class Impl;
  const std::unique_ptr<Impl> impl_;
};

}  // namespace mansio::bench

#endif  // MANSIO_TESTS_BENCH_CROWD_WATCHERS_H_
