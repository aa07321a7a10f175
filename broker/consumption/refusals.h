#ifndef MANSIO_BROKER_CONSUMPTION_REFUSALS_H_
#define MANSIO_BROKER_CONSUMPTION_REFUSALS_H_

#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "common/names/string_map.h"
#include "common/sync/sync.h"

namespace mansio::broker {

// The last refusal of what a client of a group asked for on a topic.
struct Refusal {
  std::string topic;
  std::string client;
  std::string text;   // as the client got it: the code's name and a sentence
  int64_t at_ms = 0;  // broker time
};

// Receives that were refused lately, so that operators see what only the clients were told: of each
// group the last ones of some clients. In memory only. Thread-safe.
class Refusals {
 public:
  // The latest are kept: of so many groups, and of so many clients and topics of one.
  static constexpr size_t kGroups = 256;
  static constexpr size_t kOfGroup = 16;

  void Note(std::string_view group, Refusal refusal);
  // The client was served. Cheap when nobody was refused lately.
  void Forget(std::string_view group, std::string_view topic, std::string_view client);
  // Those of a group, in no order.
  std::vector<Refusal> Of(std::string_view group) const;

 private:
  void DropOldestGroup() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  std::atomic<size_t> groups_{0};
  mutable Mutex mutex_;
  StringMap<std::vector<Refusal>> by_group_ ABSL_GUARDED_BY(mutex_);  // the latest is the last
};

// What a client is told when a receive fails with `status`, cut to a length that can be kept.
std::string RefusalText(const absl::Status& status);

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_CONSUMPTION_REFUSALS_H_
