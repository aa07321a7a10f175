#include "store/log/segment_preparer.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <utility>

#include "common/logging/logging.h"

namespace mansio::store {
namespace {

constexpr uint64_t kZeroStepBytes = 1 << 20;
constexpr uint64_t kZeroAheadBytes = 16 << 20;
constexpr absl::Duration kRetryInterval = absl::Milliseconds(200);

uint64_t RoundUp(uint64_t value) {
  return (value + kSegmentGranularity - 1) / kSegmentGranularity * kSegmentGranularity;
}

}  // namespace

SegmentPreparer::SegmentPreparer(SegmentSet* segments, Options options,
                                 std::function<void(const absl::Status&)> failed)
    : segments_(segments),
      options_(options),
      ahead_(std::min(kZeroAheadBytes, RoundUp(options.segment_bytes / 4))),
      failed_(std::move(failed)) {}

SegmentPreparer::~SegmentPreparer() { Stop(); }

void SegmentPreparer::Start(std::shared_ptr<const Segment> active, LogOffset tail) {
  {
    MutexLock lock(&mutex_);
    active_ = std::move(active);
    reserved_ = tail;
    zeroed_ = RoundUp(tail);
  }
  thread_ = std::thread([this] { Run(); });
}

void SegmentPreparer::Stop() {
  {
    MutexLock lock(&mutex_);
    stopping_ = true;
    work_.SignalAll();
    done_.SignalAll();
  }
  if (thread_.joinable()) thread_.join();
}

void SegmentPreparer::Reserve(LogOffset end) {
  MutexLock lock(&mutex_);
  reserved_ = end;
  while (zeroing_end_ != 0 && zeroed_ < end) done_.Wait(&mutex_);
  zeroed_ = std::max(zeroed_, RoundUp(end));
  if (ZerosAreDue() || NextIsDue()) work_.Signal();
}

absl::Status SegmentPreparer::WaitForNext(LogOffset first) {
  MutexLock lock(&mutex_);
  next_wanted_ = true;
  while (segments_->Find(first) == nullptr) {
    if (!problem_.ok()) return problem_;
    if (stopping_) return absl::UnavailableError("the commit log is closing");
    work_.Signal();
    done_.Wait(&mutex_);
  }
  return absl::OkStatus();
}

void SegmentPreparer::Rolled(std::shared_ptr<const Segment> active) {
  MutexLock lock(&mutex_);
  while (zeroing_end_ != 0) done_.Wait(&mutex_);
  active_ = std::move(active);
  reserved_ = active_->first();
  zeroed_ = active_->recycled() ? active_->end() : active_->first();
  next_wanted_ = false;
  work_.Signal();
}

absl::Status SegmentPreparer::problem() const {
  MutexLock lock(&mutex_);
  return problem_;
}

void SegmentPreparer::Retry() {
  MutexLock lock(&mutex_);
  retry_ = true;
  work_.Signal();
}

bool SegmentPreparer::NextIsDue() const {
  // Half a segment is time enough, and saves a new installation a second file for a while.
  const bool wanted = next_wanted_ || reserved_ - active_->first() >= active_->bytes() / 2;
  return wanted && retry_ && segments_->End() == active_->end();
}

bool SegmentPreparer::ZerosAreDue() const {
  return options_.zero_ahead && !broken_ && zeroed_ < active_->end() &&
         zeroed_ < reserved_ + ahead_ / 2;
}

void SegmentPreparer::Run() {
  MutexLock lock(&mutex_);
  while (!stopping_) {
    if (NextIsDue()) {
      PrepareNext();
    } else if (ZerosAreDue()) {
      WriteZeros();
    } else if (!problem_.ok()) {
      if (work_.WaitFor(&mutex_, kRetryInterval)) retry_ = true;
    } else {
      work_.Wait(&mutex_);
    }
  }
}

void SegmentPreparer::PrepareNext() {
  const LogOffset first = active_->end();
  retry_ = false;
  mutex_.Unlock();
  auto segment = MakeSegment(first);
  mutex_.Lock();
  if (segment.ok()) {
    segments_->Add(*std::move(segment));
    if (!problem_.ok()) LOG_INFO("The commit log has its next file and goes on.");
    problem_ = absl::OkStatus();
    retry_ = true;
  } else {
    const bool retried = !problem_.ok();
    problem_ = absl::UnavailableError(fmt::format(
        "the commit log cannot grow: {}; messages are refused until there is room for its "
        "next file of {} bytes",
        std::string(segment.status().message()), options_.segment_bytes));
    if (!retried) LOG_ERROR("{}.", std::string(problem_.message()));
  }
  stuck_.store(!problem_.ok(), std::memory_order_release);
  done_.SignalAll();
}

absl::StatusOr<Segment> SegmentPreparer::MakeSegment(LogOffset first) {
  FileSystem& files = segments_->files();
  if (const auto retired = segments_->TakeRetired(); retired.has_value()) {
    return ReuseSegment(files, retired->path, segments_->directory(), first, retired->bytes);
  }
  return CreateSegment(files, segments_->directory(), first, options_.segment_bytes);
}

void SegmentPreparer::WriteZeros() {
  // Steps up to the whole distance, so that the thread is woken once per half distance.
  const LogOffset target = std::min(active_->end(), RoundUp(reserved_ + ahead_));
  while (zeroed_ < target && !broken_ && !stopping_) {
    zeroing_end_ = std::min(target, zeroed_ + kZeroStepBytes);
    const auto segment = active_;
    const LogOffset begin = zeroed_;
    const LogOffset end = zeroing_end_;
    mutex_.Unlock();
    const absl::Status status = ZeroStep(*segment, begin, end);
    mutex_.Lock();
    zeroed_ = std::max(end, RoundUp(reserved_));  // the log may wait to pass by
    zeroing_end_ = 0;
    broken_ = !status.ok();
    done_.SignalAll();
    if (broken_) {
      mutex_.Unlock();
      failed_(status);
      mutex_.Lock();
    }
    if (active_ != segment) return;
  }
}

absl::Status SegmentPreparer::ZeroStep(const Segment& segment, LogOffset begin, LogOffset end) {
  if (zero_file_ == nullptr || zero_file_first_ != segment.first()) {
    auto file = segments_->files().Open(segment.path(), OpenMode::kReadWrite);
    if (!file.ok()) return file.status();
    zero_file_ = *std::move(file);
    zero_file_first_ = segment.first();
  }
  zeros_.resize(kZeroStepBytes);
  const auto zeros = std::string_view(zeros_).substr(0, end - begin);
  absl::Status status = zero_file_->Write(begin - segment.first(), zeros);
  return status.ok() ? zero_file_->Datasync() : status;
}

}  // namespace mansio::store
