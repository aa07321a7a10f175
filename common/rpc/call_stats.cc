#include "common/rpc/call_stats.h"

#include <string_view>
#include <utility>

namespace mansio::rpc {
namespace {

constexpr int kOk = 20000;  // v2.Code.OK; the transport knows no more of the public messages

// Takes a varint from the front of `bytes`; false when there is none.
bool TakeVarint(std::string_view* bytes, uint64_t* value) {
  *value = 0;
  for (int shift = 0; shift < 64 && !bytes->empty(); shift += 7) {
    const auto byte = static_cast<uint8_t>(bytes->front());
    bytes->remove_prefix(1);
    *value |= static_cast<uint64_t>(byte & 0x7f) << shift;
    if (byte < 0x80) return true;
  }
  return false;
}

}  // namespace

int OutcomeOf(const Payload& response) {
  constexpr char kStatusTag = (1 << 3) | 2;
  constexpr char kCodeTag = 1 << 3;
  if (response.pieces().empty()) return kNoCode;
  std::string_view bytes = response.pieces().front().bytes();
  uint64_t length = 0, code = 0;
  if (bytes.empty() || bytes.front() != kStatusTag) return kNoCode;
  bytes.remove_prefix(1);
  if (!TakeVarint(&bytes, &length) || bytes.empty() || bytes.front() != kCodeTag) return kNoCode;
  bytes.remove_prefix(1);
  if (!TakeVarint(&bytes, &code) || code == 0 || code > 1'000'000) return kNoCode;
  return static_cast<int>(code);
}

MethodStats::MethodStats(std::string path, bool streaming)
    : path_(std::move(path)), streaming_(streaming) {
  slots_.front().outcome = kOk;
  slots_.back().outcome = kOtherCodes;
}

void MethodStats::Record(int outcome, int64_t nanos) {
  for (Slot& slot : slots_) {
    int present = slot.outcome.load(std::memory_order_relaxed);
    if (present == 0 &&
        slot.outcome.compare_exchange_strong(present, outcome, std::memory_order_relaxed)) {
      present = outcome;
    }
    if (present == outcome || present == kOtherCodes) return slot.nanos.Record(nanos);
  }
}

std::vector<MethodStats::Outcome> MethodStats::Outcomes() const {
  std::vector<Outcome> outcomes;
  for (const Slot& slot : slots_) {
    const int outcome = slot.outcome.load(std::memory_order_relaxed);
    if (outcome == 0) continue;
    metrics::HistogramSnapshot nanos = slot.nanos.Snapshot();
    if (nanos.count() > 0) outcomes.push_back({outcome, std::move(nanos)});
  }
  return outcomes;
}

}  // namespace mansio::rpc
