#include "client/bench/send_template.h"

#include <fmt/format.h>

#include <charconv>

#include "apache/rocketmq/v2/service.pb.h"
#include "client/lib/wire.h"

namespace mansio::bench {

namespace v2 = apache::rocketmq::v2;

namespace {

// Stand-ins that occur nowhere else in an encoded request, replaced in place.
constexpr std::string_view kIdMark = "##############the-message-id##########";
constexpr std::string_view kSequenceMark = "##the-sequence##";
constexpr std::string_view kKeyMark = "###the-one-key##";
constexpr size_t kIdBytes = 34;
static_assert(kSequenceMark.size() == kSequenceBytes && kKeyMark.size() == kSequenceBytes);

// A timestamp whose two fields take 12 bytes, and the form in which others take as many: protobuf
// allows leading zeros in a number.
constexpr absl::Duration kDeliverAtMark = absl::Nanoseconds(1'999'999'999'987'654'321);
constexpr int kNumberBytes = 5;

void AppendNumber(char tag, uint64_t number, std::string* out) {
  out->push_back(tag);
  for (int i = 1; i < kNumberBytes; ++i, number >>= 7) {
    out->push_back(static_cast<char>((number & 0x7F) | 0x80));
  }
  out->push_back(static_cast<char>(number));
}

std::string EncodedTime(absl::Time time) {
  const int64_t nanos = absl::ToUnixNanos(time);
  std::string encoded;
  AppendNumber(0x08, static_cast<uint64_t>(nanos / 1'000'000'000), &encoded);  // seconds
  AppendNumber(0x10, static_cast<uint64_t>(nanos % 1'000'000'000), &encoded);  // nanos
  return encoded;
}

}  // namespace

std::string SequenceText(uint64_t sequence) { return fmt::format("{:016x}", sequence); }

bool ParseSequence(std::string_view body, uint64_t* sequence) {
  if (body.size() < kSequenceBytes) return false;
  const char* end = body.data() + kSequenceBytes;
  return std::from_chars(body.data(), end, *sequence, 16).ptr == end;
}

SendTemplate::SendTemplate(const SendShape& shape) {
  const std::string_view id_mark = kIdMark.substr(0, kIdBytes);
  const absl::Time deliver_at = absl::UnixEpoch() + kDeliverAtMark;
  v2::SendMessageRequest request;
  client::Message message;
  message.topic = shape.topic;
  message.message_group = shape.message_group;
  message.message_id = std::string(id_mark);
  message.body = std::string(kSequenceMark) + std::string(shape.body_bytes - kSequenceBytes, 'x');
  if (shape.keyed) message.keys = {std::string(kKeyMark)};
  if (shape.delayed) message.deliver_at = deliver_at;
  for (int i = 0; i < shape.batch; ++i) {
    v2::Message* encoded = request.add_messages();
    client::EncodeMessage(message, encoded);
    if (!shape.transactional) continue;
    encoded->mutable_system_properties()->set_message_type(v2::TRANSACTION);
  }
  encoded_ = request.SerializeAsString();
  const std::string time_mark = EncodedTime(deliver_at);
  Place place{};
  for (int i = 0; i < shape.batch; ++i) {
    place.id = encoded_.find(id_mark, place.id + 1);
    place.sequence = encoded_.find(kSequenceMark, place.sequence + 1);
    if (shape.keyed) place.key = encoded_.find(kKeyMark, place.key + 1);
    if (shape.delayed) place.deliver_at = encoded_.find(time_mark, place.deliver_at + 1);
    places_.push_back(place);
  }
}

std::string SendTemplate::Make(uint64_t first_sequence, const std::function<std::string()>& next_id,
                               const DeliverAt& deliver_at) const {
  std::string request = encoded_;
  uint64_t sequence = first_sequence;
  for (const Place& place : places_) {
    request.replace(place.id, kIdBytes, next_id());
    request.replace(place.sequence, kSequenceBytes, SequenceText(sequence));
    if (place.key > 0) request.replace(place.key, kSequenceBytes, SequenceText(sequence));
    if (place.deliver_at > 0) {
      const std::string time = EncodedTime(deliver_at(sequence));
      request.replace(place.deliver_at, time.size(), time);
    }
    ++sequence;
  }
  return request;
}

}  // namespace mansio::bench
