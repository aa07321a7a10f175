#include "client/bench/send_template.h"

#include <fmt/format.h>

#include <charconv>

#include "apache/rocketmq/v2/service.pb.h"
#include "client/lib/wire.h"

namespace mansio::bench {
namespace {

// Stand-ins that occur nowhere else in an encoded request, replaced in place.
constexpr std::string_view kIdMark = "##############the-message-id##########";
constexpr std::string_view kSequenceMark = "##the-sequence##";
constexpr size_t kIdBytes = 34;
static_assert(kSequenceMark.size() == kSequenceBytes);

}  // namespace

std::string SequenceText(uint64_t sequence) { return fmt::format("{:016x}", sequence); }

bool ParseSequence(std::string_view body, uint64_t* sequence) {
  if (body.size() < kSequenceBytes) return false;
  const char* end = body.data() + kSequenceBytes;
  return std::from_chars(body.data(), end, *sequence, 16).ptr == end;
}

SendTemplate::SendTemplate(const std::string& topic, size_t body_bytes, int batch,
                           const std::string& message_group) {
  const std::string_view id_mark = kIdMark.substr(0, kIdBytes);
  apache::rocketmq::v2::SendMessageRequest request;
  client::Message message;
  message.topic = topic;
  message.message_group = message_group;
  message.message_id = std::string(id_mark);
  message.body = std::string(kSequenceMark) + std::string(body_bytes - kSequenceBytes, 'x');
  for (int i = 0; i < batch; ++i) client::EncodeMessage(message, request.add_messages());
  encoded_ = request.SerializeAsString();
  size_t id = 0;
  size_t sequence = 0;
  for (int i = 0; i < batch; ++i) {
    id = encoded_.find(id_mark, id + 1);
    sequence = encoded_.find(kSequenceMark, sequence + 1);
    places_.push_back({id, sequence});
  }
}

std::string SendTemplate::Make(uint64_t first_sequence,
                               const std::function<std::string()>& next_id) const {
  std::string request = encoded_;
  for (const Place& place : places_) {
    request.replace(place.id, kIdBytes, next_id());
    request.replace(place.sequence, kSequenceBytes, SequenceText(first_sequence++));
  }
  return request;
}

}  // namespace mansio::bench
