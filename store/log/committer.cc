#include "store/log/committer.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "store/log/frame_codec.h"
#include "store/log/frame_reader.h"
#include "store/log/observer_scope.h"
#include "store/log/record_codec.h"

namespace mansio::store {
namespace {

constexpr size_t kRunBytes = 1 << 20;

}  // namespace

void Committer::Begin(LogOffset applied, LogObserver* observer) {
  applied_ = applied;
  observer_ = observer;
}

bool Committer::Allow(LogOffset offset) {
  LogOffset before = allowed_.load();
  while (before < offset && !allowed_.compare_exchange_weak(before, offset)) {
  }
  return (before < offset || held_back_.load()) && !due_.exchange(true);
}

void Committer::Add(Batch& batch) {
  Waiting waiting{batch.position(), batch.accepted_bytes(), std::move(batch.placed())};
  batch.placed().clear();
  waiting_.push_back(std::move(waiting));
  if (!stopped_.ok()) Fail(stopped_, /*for_good=*/false);
}

void Committer::Run() {
  due_.store(false);
  while (stopped_.ok() && !state_->failed()) {
    const LogOffset limit = std::min(allowed_.load(), state_->appended.load());
    if (applied_ >= limit) return;
    // Asked after `limit` was read: what came to be committed later is asked for again.
    const bool may = may_commit_();
    held_back_.store(!may);
    if (!may || !ApplyRun(limit)) return;
  }
}

bool Committer::ApplyRun(LogOffset limit) {
  state_->Working();
  const auto run = ReadFrameRun(*segments_, *cache_, applied_, limit, kRunBytes);
  if (!run.ok()) {
    state_->Fail(run.status());
    Fail(state_->failure(), /*for_good=*/true);
    return false;
  }
  if (run->next == applied_) return false;
  state_->committed.store(run->next);
  const ObserverScope scope(observer_);
  ApplyFrames(*run);
  applied_ = run->next;
  state_->applied.store(applied_);
  Answer(applied_);
  return true;
}

void Committer::ApplyFrames(const FrameRun& run) {
  // Too little was left in the segment before even for a filler.
  if (run.first != applied_) PassedSegment(run.first);
  // The log's own encoding, or checked when it was taken: it is not malformed.
  for (std::string_view rest = run.bytes.bytes; !rest.empty();) {
    FrameHeader header;
    if (DecodeFrameHeader(rest, &header) != FrameFault::kNone) break;
    const std::string_view frame = rest.substr(0, FrameBytes(header));
    static_cast<void>(ForEachRecord(
        header, frame, /*replay=*/false,
        [this](const RecordView& record, uint32_t n) { observer_->Apply(record, n); }));
    rest.remove_prefix(frame.size());
  }
  const auto segment = segments_->Find(run.first);
  if (segment != nullptr && segment->end() == run.next) PassedSegment(run.next);
}

void Committer::PassedSegment(LogOffset end) {
  const auto segment = segments_->Find(end - 1);
  if (segment != nullptr) observer_->SegmentEnded(segment->first(), end);
}

void Committer::Answer(LogOffset applied) {
  while (!waiting_.empty() && waiting_.front().end <= applied) {
    Waiting& first = waiting_.front();
    state_->uncommitted.fetch_sub(first.accepted_bytes, std::memory_order_relaxed);
    for (Batch::Placed& placed : first.placed) placed.append->Applied(placed.result);
    waiting_.pop_front();
  }
}

void Committer::Fail(const absl::Status& status, bool for_good) {
  if (for_good && stopped_.ok()) stopped_ = status;
  if (waiting_.empty()) return;
  const ObserverScope scope(observer_);
  for (Waiting& waiting : waiting_) {
    state_->uncommitted.fetch_sub(waiting.accepted_bytes, std::memory_order_relaxed);
    for (Batch::Placed& placed : waiting.placed) placed.append->Failed(status);
  }
  waiting_.clear();
}

}  // namespace mansio::store
