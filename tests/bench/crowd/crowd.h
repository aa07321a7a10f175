#ifndef MANSIO_TESTS_BENCH_CROWD_CROWD_H_
#define MANSIO_TESTS_BENCH_CROWD_CROWD_H_

#include <memory>
#include <string>
#include <vector>

namespace mansio::bench {

struct CrowdOptions {
  std::string nameserver;  // HOST:PORT
  int brokers = 1000;
  int topics = 100'000;  // in all
  int groups = 10'000;   // in all
  int copies = 1;        // on how many brokers each topic and group is
  int queues = 8;        // of each topic on each broker
};

// Brokers that register and do nothing else, each with a connection and a thread of its own, by the
// code that a real one does it with: keep-alives each second, and again when the nameserver was
// lost. Thread-safe.
class Crowd {
 public:
  // Begins to register.
  explicit Crowd(const CrowdOptions& options);
  ~Crowd();

  // How many are registered now.
  int Registered() const;

 private:
  class Member;
  std::vector<std::unique_ptr<Member>> members_;
};

}  // namespace mansio::bench

#endif  // MANSIO_TESTS_BENCH_CROWD_CROWD_H_
