#include "store/log/log_source.h"

#include <algorithm>

namespace mansio::store {
namespace {

constexpr size_t kReadBytes = 1 << 20;

}  // namespace

SegmentSource::SegmentSource(const SegmentSet* segments) : segments_(segments) {}

std::optional<LogSource::Span> SegmentSource::SegmentAt(LogOffset offset) {
  if (!span_.has_value() || offset < span_->first || offset >= span_->end) {
    const auto segment = segments_->Find(offset);
    if (segment == nullptr) return std::nullopt;
    span_ = Span{segment->first(), segment->end()};
  }
  return span_;
}

absl::StatusOr<std::string_view> SegmentSource::Peek(LogOffset offset, size_t bytes) {
  const auto span = SegmentAt(offset);
  if (!span.has_value()) return std::string_view();
  bytes = std::min<uint64_t>(bytes, span->end - offset);
  const bool inside = offset >= begin_ && offset < begin_ + filled_;
  const size_t skip = inside ? offset - begin_ : 0;
  if (!inside || (filled_ - skip < bytes && !at_end_)) {
    const LogOffset end = read_ahead_ ? span->end : segments_->NextHole(offset);
    const uint64_t piece = std::min<uint64_t>(kReadBytes, end - offset);
    const size_t wanted = std::max<uint64_t>(bytes, piece);
    if (capacity_ < wanted) {
      buffer_.reset(new char[wanted]);
      capacity_ = wanted;
    }
    filled_ = 0;
    auto read = segments_->Read(offset, buffer_.get(), wanted);
    if (!read.ok()) return read.status();
    begin_ = offset;
    filled_ = *read;
    at_end_ = *read < wanted || offset + *read == span->end;
    return std::string_view(buffer_.get(), std::min(bytes, filled_));
  }
  return std::string_view(buffer_.get() + skip, std::min(bytes, filled_ - skip));
}

void SegmentSource::SetReadAhead(LogOffset offset, bool on) {
  read_ahead_ = on;
  segments_->SetReadAhead(offset, on);
}

std::optional<LogSource::Span> MemorySource::SegmentAt(LogOffset offset) {
  if (offset < first_ || offset - first_ >= bytes_.size()) return std::nullopt;
  return Span{first_, first_ + bytes_.size()};
}

absl::StatusOr<std::string_view> MemorySource::Peek(LogOffset offset, size_t bytes) {
  if (!SegmentAt(offset).has_value()) return std::string_view();
  return bytes_.substr(offset - first_, bytes);
}

}  // namespace mansio::store
