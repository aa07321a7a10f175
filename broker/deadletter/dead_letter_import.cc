#include "broker/deadletter/dead_letter_import.h"

#include <fmt/format.h>

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "apache/rocketmq/v2/service.pb.h"
#include "broker/core/admin_call.h"
#include "broker/core/timestamps.h"
#include "broker/message/stored_message.h"
#include "broker/send/send_append.h"
#include "common/clock/broker_time.h"
#include "common/names/names.h"
#include "common/names/utf8.h"
#include "common/status/wire_status.h"

namespace mansio::broker {

namespace v2 = apache::rocketmq::v2;

namespace {

// What a letter was, as another broker has exported it or somebody has written it.
absl::Status CheckOrigin(const v1::DeadLetter& letter) {
  if (letter.queue_id() < 0 || letter.queue_offset() < 0 || letter.attempts() < 0) {
    return WireError(v2::BAD_REQUEST, "its queue, offset and attempts must not be negative");
  }
  if (!IsTime(letter.first_delivery()) || !IsTime(letter.last_delivery()) ||
      !IsTime(letter.time())) {
    return WireError(v2::BAD_REQUEST, "its times must be from 1970 to 9999");
  }
  return absl::OkStatus();
}

}  // namespace

// Imported dead letters on their way into the log.
class DeadLetterImport::ImportAppend : public store::Append {
 public:
  ImportAppend(const DeadLetterContext* context, rpc::UnaryCall* call, int64_t count)
      : context_(context), call_(call), count_(count) {}
  void Applied(const store::AppendResult&) override {
    v1::ImportDeadLettersResponse response;
    response.set_imported(count_);
    AnswerAdmin(*call_, context_->broker_name, absl::OkStatus(), std::move(response));
  }
  void Failed(const absl::Status& status) override {
    AnswerAdmin(*call_, context_->broker_name, ToSendStatus(status),
                v1::ImportDeadLettersResponse());
  }

 private:
  const DeadLetterContext* const context_;
  rpc::UnaryCall* const call_;
  const int64_t count_;
};

void DeadLetterImport::Refuse(rpc::UnaryCall& call, const absl::Status& status) const {
  AnswerAdmin(call, context_->broker_name, status, v1::ImportDeadLettersResponse());
}

void DeadLetterImport::Run(rpc::UnaryCall& call,
                           const v1::ImportDeadLettersRequest& request) const {
  const auto letters = requests_.Find(request.group());
  if (!letters.ok()) return Refuse(call, letters.status());
  if (absl::Status s = Check(request); !s.ok()) return Refuse(call, s);
  if (letters->topic != nullptr) return Into(call, *letters, request);
  context_->metadata->EnsureDeadLetters(
      letters->group,
      [this, &call, group = letters->group, request](const absl::StatusOr<TopicPtr>& topic) {
        if (!topic.ok()) return Refuse(call, topic.status());
        call.Post([this, &call, letters = GroupLetters{group, *topic}, request] {
          Into(call, letters, request);
        });
      });
}

absl::Status DeadLetterImport::Check(const v1::ImportDeadLettersRequest& request) const {
  if (absl::Status s = requests_.CheckBroker(request.broker()); !s.ok()) return s;
  if (request.letters_size() == 0 || request.letters_size() > static_cast<int>(kMaxPageLetters)) {
    return WireError(v2::BAD_REQUEST,
                     fmt::format("an import has from 1 to {} dead letters", kMaxPageLetters));
  }
  for (const v1::ExportedDeadLetter& letter : request.letters()) {
    if (names::IsRetryTopic(letter.message().topic().name())) {
      return WireError(v2::ILLEGAL_TOPIC,
                       fmt::format("dead letter {}: no message is sent to a retry topic; name the "
                                   "topic that it was sent to",
                                   EscapeForLog(letter.dead_letter().message_id())));
    }
    v2::SendMessageRequest send;
    *send.add_messages() = letter.message();
    // What it was does not count any more: nothing is stored but a dead letter.
    v2::SystemProperties& system = *send.mutable_messages(0)->mutable_system_properties();
    system.clear_delivery_timestamp();
    absl::Status s = CheckOrigin(letter.dead_letter());
    if (s.ok()) s = ValidateSend(send, context_->limits, context_->time->NowMillis());
    if (!s.ok()) {
      return WireError(CodeOf(s), fmt::format("dead letter {}: {}",
                                              EscapeForLog(letter.dead_letter().message_id()),
                                              std::string(s.message())));
    }
  }
  return absl::OkStatus();
}

void DeadLetterImport::Into(rpc::UnaryCall& call, const GroupLetters& letters,
                            v1::ImportDeadLettersRequest request) const {
  const int64_t now_ms = context_->time->NowMillis();
  auto append = std::make_unique<ImportAppend>(context_, &call, request.letters_size());
  for (v1::ExportedDeadLetter& imported : *request.mutable_letters()) {
    const v1::DeadLetter& letter = imported.dead_letter();
    const std::string topic_name = imported.message().topic().name();
    const TopicPtr topic = context_->metadata->FindTopic(topic_name);
    Provenance p;
    p.topic = topic == nullptr ? 0 : topic->id;
    p.topic_name = topic_name;
    p.queue = static_cast<uint32_t>(letter.queue_id());
    p.offset = static_cast<store::QueueOffset>(letter.queue_offset());
    p.attempts = static_cast<uint32_t>(letter.attempts());
    p.first_ms = MillisOf(letter.first_delivery());
    p.last_ms = MillisOf(letter.last_delivery());
    p.dead_ms = MillisOf(letter.time());
    p.group = letters.group->name;
    p.reason = letter.reason();
    v2::Message* message = imported.mutable_message();
    const ContentEncoder encoder(message, call.Peer(), now_ms, p);
    const v2::SystemProperties& system = message->system_properties();
    encoder.EncodeTo(append->BeginMessage({letters.topic->id, 0},
                                          EntryHash(system.tag(), system.message_group()), now_ms,
                                          encoder.size()),
                     BodyDigest(message->body()));
    append->SealMessage();
  }
  const absl::Status status = context_->state->store()->Submit(std::move(append));
  if (!status.ok()) Refuse(call, ToSendStatus(status));
}

}  // namespace mansio::broker
