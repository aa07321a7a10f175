#ifndef MANSIO_BROKER_METRICS_MEMBER_METRICS_H_
#define MANSIO_BROKER_METRICS_MEMBER_METRICS_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "absl/time/time.h"
#include "broker/replication/master.h"
#include "common/metrics/exposition.h"
#include "store/types.h"

namespace mansio::broker {

// How a broker stands in its group, at the time of a scrape.
struct MemberView {
  // Of one whose group elects its master.
  struct Election {
    bool has_trouble = false;     // as ElectionState::trouble
    absl::Duration acknowledges;  // as ElectionState's
    uint64_t won = 0;             // elections, since the start of the process
  };

  bool is_master = false;                 // it takes messages, or would if its slaves let it
  store::Epoch epoch = 0;                 // the last reign of the group that it knows of
  std::optional<bool> in_sync;            // where the group has an in-sync set
  std::optional<size_t> in_sync_members;  // of a master with one
  std::optional<size_t> min_in_sync;      // of a master whose sends wait for it
  store::LogOffset log_end = 0;
  std::vector<SlaveState> slaves;  // of a master
  std::optional<Election> election;
};

// Adds all of it.
void AddMember(const MemberView& view, metrics::Exposition& page);

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_METRICS_MEMBER_METRICS_H_
