#include "broker/send/queue_choice.h"

#include <algorithm>

#include "common/hash/siphash.h"

namespace mansio::broker {

uint32_t JumpHash(uint64_t key, uint32_t buckets) {
  int64_t bucket = -1;
  int64_t next = 0;
  while (next < buckets) {
    bucket = next;
    key = key * 2862933555777941757ull + 1;
    next = static_cast<int64_t>(
        static_cast<double>(bucket + 1) *
        (static_cast<double>(1ll << 31) / static_cast<double>((key >> 33) + 1)));
  }
  return static_cast<uint32_t>(bucket);
}

uint32_t QueueOfGroup(std::string_view message_group, uint32_t queues) {
  return JumpHash(SipHash24({0, 0}, message_group), queues);
}

uint32_t QueueOfPriority(int32_t priority, uint32_t queues) {
  return std::min(static_cast<uint32_t>(priority), queues - 1);
}

}  // namespace mansio::broker
