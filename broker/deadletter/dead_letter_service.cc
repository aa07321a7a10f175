#include "broker/deadletter/dead_letter_service.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "apache/rocketmq/v2/service.pb.h"
#include "broker/core/timestamps.h"
#include "broker/message/stored_message.h"
#include "broker/send/send_append.h"
#include "common/clock/broker_time.h"
#include "common/names/names.h"
#include "common/names/utf8.h"
#include "common/rpc/proto_call.h"
#include "common/status/wire_status.h"

namespace mansio::broker {

namespace v2 = apache::rocketmq::v2;

namespace {

constexpr int32_t kDefaultLimit = 50;
constexpr int32_t kMaxLimit = 1000;
constexpr size_t kMaxPageLetters = 256;
constexpr int kGroupsInOneJob = 100;  // whose dead letters are counted
constexpr int kMaxRefusalsTold = 20;
constexpr int64_t kMaxDelaySeconds = 365 * 24 * 3600;

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

absl::Status TooManyReads() {
  return WireError(v2::TOO_MANY_REQUESTS,
                   "too many reads of old messages wait for the disk; try again later");
}

void FillMessage(const DeadLetterMessage& found, v2::Message* message) {
  rpc::Parse(found.content.properties, message);
  rpc::Parse(found.content.system, message->mutable_system_properties());
  message->mutable_topic()->set_name(std::string(found.provenance.topic_name));
  message->set_body(std::string(found.content.body));
}

void FillProgress(const DeadLetterPageRead& page, v1::DeadLetterProgress* progress) {
  progress->set_next(static_cast<int64_t>(page.next));
  progress->set_done(page.done);
  progress->set_examined(static_cast<int64_t>(page.examined));
  progress->set_matched(static_cast<int64_t>(page.letters.size()));
}

}  // namespace

// Imported dead letters on their way into the log.
class DeadLetterService::ImportAppend : public store::Append {
 public:
  ImportAppend(const DeadLetterService* service, rpc::UnaryCall* call, int64_t count)
      : service_(service), call_(call), count_(count) {}
  void Applied(const store::AppendResult&) override {
    v1::ImportDeadLettersResponse response;
    response.set_imported(count_);
    service_->Answer<v1::ImportDeadLettersResponse>(*call_, std::move(response));
  }
  void Failed(const absl::Status& status) override {
    service_->Answer<v1::ImportDeadLettersResponse>(*call_, ToSendStatus(status));
  }

 private:
  const DeadLetterService* const service_;
  rpc::UnaryCall* const call_;
  const int64_t count_;
};

void DeadLetterService::Register(rpc::MethodTable& methods) {
  const auto add = [this, &methods]<typename Request>(std::string_view name, auto method, Request) {
    methods.unary.push_back(
        {fmt::format("/mansio.v1.Admin/{}", name),
         rpc::ParsedUnary<Request>([this, method](rpc::UnaryCall& call, const Request& request) {
           (this->*method)(call, request);
         })});
  };
  add("ListDeadLetters", &DeadLetterService::List, v1::ListDeadLettersRequest());
  add("DescribeDeadLetter", &DeadLetterService::Describe, v1::DescribeDeadLetterRequest());
  add("DeadLetterStats", &DeadLetterService::Stats, v1::DeadLetterStatsRequest());
  add("ExportDeadLetters", &DeadLetterService::Export, v1::ExportDeadLettersRequest());
  add("ResendDeadLetters", &DeadLetterService::Resend, v1::ResendDeadLettersRequest());
  add("PurgeDeadLetters", &DeadLetterService::Purge, v1::PurgeDeadLettersRequest());
  add("ImportDeadLetters", &DeadLetterService::Import, v1::ImportDeadLettersRequest());
}

template <typename Response>
void DeadLetterService::Answer(rpc::UnaryCall& call, absl::StatusOr<Response> result) const {
  Response response;
  if (result.ok()) response = *std::move(result);
  ToWire(result.status(), response.mutable_status());
  v1::BrokerResult* own = response.add_results();
  own->set_broker(options_.broker_name);
  *own->mutable_status() = response.status();
  rpc::Reply(call, response);
}

template <typename Response, typename Read>
void DeadLetterService::AnswerCold(rpc::UnaryCall& call, Read read) const {
  const bool queued = environment_.state->store()->RunCold(
      [this, &call, read = std::move(read)] { Answer<Response>(call, read()); });
  if (!queued) Answer<Response>(call, TooManyReads());
}

template <typename Response, typename Piece>
void DeadLetterService::AnswerInPieces(rpc::UnaryCall& call, Piece piece) const {
  GoOn<Response>(call, std::make_shared<Work<Response>>(Work<Response>{std::move(piece), {}}));
}

template <typename Response>
void DeadLetterService::GoOn(rpc::UnaryCall& call, std::shared_ptr<Work<Response>> work) const {
  const bool queued = environment_.state->store()->RunCold([this, &call, work] {
    const absl::StatusOr<bool> done = work->piece(work->response);
    if (!done.ok()) return Answer<Response>(call, done.status());
    if (*done) return Answer<Response>(call, std::move(work->response));
    if (!call.Cancelled()) return GoOn(call, work);
    Answer<Response>(
        call, WireError(v2::REQUEST_TIMEOUT, "the search took longer than the caller has waited"));
  });
  if (!queued) Answer<Response>(call, TooManyReads());
}

absl::StatusOr<DeadLetterService::Letters> DeadLetterService::Find(const std::string& name) const {
  Letters letters;
  letters.group = environment_.metadata->FindGroup(name);
  if (letters.group == nullptr) return environment_.metadata->GroupMissing(name);
  letters.topic = environment_.metadata->FindDeadLetters(*letters.group);
  return letters;
}

absl::Status DeadLetterService::CheckBroker(const std::string& broker) const {
  if (broker.empty() || broker == options_.broker_name) return absl::OkStatus();
  return WireError(v2::NOT_FOUND,
                   fmt::format("this is broker {}, not {}; ask that one, or a nameserver",
                               options_.broker_name, EscapeForLog(broker)));
}

absl::StatusOr<DeadLetterStretch> DeadLetterService::StretchOf(const v1::DeadLetterPage& page,
                                                               const Letters& letters) const {
  if (absl::Status s = CheckBroker(page.broker()); !s.ok()) return s;
  if (page.from() < 0 || page.until() < 0 || page.limit() < 0) {
    return WireError(v2::BAD_REQUEST, "a page of dead letters cannot have negative numbers");
  }
  DeadLetterStretch stretch;
  stretch.from = static_cast<store::QueueOffset>(page.from());
  if (letters.topic != nullptr) {
    stretch.until = environment_.state->store()->Range({letters.topic->id, 0}).next;
  }
  if (page.until() > 0) {
    stretch.until = std::min(stretch.until, static_cast<store::QueueOffset>(page.until()));
  }
  stretch.limit = page.limit() == 0 ? kMaxPageLetters
                                    : std::min(kMaxPageLetters, static_cast<size_t>(page.limit()));
  return stretch;
}

void DeadLetterService::Fill(const DeadLetterMessage& found, v1::DeadLetter* letter) const {
  const Provenance& p = found.provenance;
  letter->set_broker(options_.broker_name);
  letter->set_offset(static_cast<int64_t>(found.offset));
  letter->set_message_id(std::string(MessageIdOf(found.content)));
  letter->set_topic(std::string(p.topic_name));
  letter->set_queue_id(static_cast<int32_t>(p.queue));
  letter->set_queue_offset(static_cast<int64_t>(p.offset));
  letter->set_attempts(static_cast<int32_t>(p.attempts));
  // A message that made way for others was never delivered.
  if (p.first_ms > 0) SetMillis(p.first_ms, letter->mutable_first_delivery());
  if (p.last_ms > 0) SetMillis(p.last_ms, letter->mutable_last_delivery());
  SetMillis(found.dead_ms(), letter->mutable_time());
  letter->set_reason(std::string(p.reason));
  letter->set_resends(static_cast<int32_t>(found.resends()));
}

void DeadLetterService::List(rpc::UnaryCall& call,
                             const v1::ListDeadLettersRequest& request) const {
  using Response = v1::ListDeadLettersResponse;
  const auto letters = Find(request.group());
  if (!letters.ok()) return Answer<Response>(call, letters.status());
  if (letters->topic == nullptr) return Answer<Response>(call, Response());
  const int32_t limit = request.limit() <= 0 ? kDefaultLimit : std::min(request.limit(), kMaxLimit);
  AnswerInPieces<Response>(
      call,
      [this, topic = letters->topic->id,
       cursor = DeadLetterCursor{.left = static_cast<uint64_t>(limit)}](
          Response& response) mutable -> absl::StatusOr<bool> {
        const auto add = [this, &response](const DeadLetterMessage& found) {
          Fill(found, response.add_dead_letters());
          return false;
        };
        const absl::Status s = DeadLetterReader(environment_.state, topic).WalkBack(cursor, add);
        if (!s.ok()) return s;
        response.set_total(static_cast<int64_t>(environment_.state->Count(topic)));
        return cursor.left == 0;
      });
}

void DeadLetterService::Describe(rpc::UnaryCall& call,
                                 const v1::DescribeDeadLetterRequest& request) const {
  using Response = v1::DescribeDeadLetterResponse;
  const auto letters = Find(request.group());
  if (!letters.ok()) return Answer<Response>(call, letters.status());
  const absl::Status none =
      WireError(v2::MESSAGE_NOT_FOUND,
                fmt::format("none of the group's newest {} dead letters has the id '{}'; "
                            "`mansio dlq list` shows them",
                            kMaxSearched, EscapeForLog(request.message_id())));
  if (letters->topic == nullptr) return Answer<Response>(call, none);
  AnswerInPieces<Response>(call,
                           [this, none, topic = letters->topic->id, id = request.message_id(),
                            cursor = DeadLetterCursor{.left = kMaxSearched}](
                               Response& response) mutable -> absl::StatusOr<bool> {
                             const auto look = [&](const DeadLetterMessage& found) {
                               if (MessageIdOf(found.content) != id) return false;
                               Fill(found, response.mutable_dead_letter());
                               FillMessage(found, response.mutable_message());
                               return true;
                             };
                             const absl::Status s =
                                 DeadLetterReader(environment_.state, topic).WalkBack(cursor, look);
                             if (!s.ok()) return s;
                             if (cursor.left == 0 && !response.has_dead_letter()) return none;
                             return cursor.left == 0;
                           });
}

void DeadLetterService::Stats(rpc::UnaryCall& call,
                              const v1::DeadLetterStatsRequest& request) const {
  using Response = v1::DeadLetterStatsResponse;
  std::vector<GroupPtr> groups;
  if (request.group().empty()) {
    groups = environment_.metadata->Groups();
  } else {
    const auto letters = Find(request.group());
    if (!letters.ok()) return Answer<Response>(call, letters.status());
    groups.push_back(letters->group);
  }
  AnswerInPieces<Response>(call,
                           [this, groups = std::move(groups),
                            next = size_t{0}](Response& response) mutable -> absl::StatusOr<bool> {
                             SetMillis(environment_.time->NowMillis(), response.mutable_answered());
                             const int enough = response.groups_size() + kGroupsInOneJob;
                             while (next < groups.size() && response.groups_size() < enough) {
                               if (absl::Status s = AddStats(*groups[next++], response); !s.ok())
                                 return s;
                             }
                             return next == groups.size();
                           });
}

absl::Status DeadLetterService::AddStats(const GroupRecord& group,
                                         v1::DeadLetterStatsResponse& response) const {
  const TopicPtr topic = environment_.metadata->FindDeadLetters(group);
  const uint64_t count = topic == nullptr ? 0 : environment_.state->Count(topic->id);
  if (count == 0) return absl::OkStatus();
  v1::GroupDeadLetters* out = response.add_groups();
  out->set_broker(options_.broker_name);
  out->set_group(group.name);
  out->set_count(static_cast<int64_t>(count));
  DeadLetterReader reader(environment_.state, topic->id);
  if (const auto oldest = reader.Oldest(); oldest.ok()) {
    SetMillis(oldest->dead_ms(), out->mutable_oldest());
    out->set_begin_offset(static_cast<int64_t>(oldest->offset));
  }
  DeadLetterCursor last{.left = 1};
  const absl::Status walked = reader.WalkBack(last, [out](const DeadLetterMessage& newest) {
    SetMillis(newest.dead_ms(), out->mutable_newest());
    out->set_newest_reason(std::string(newest.provenance.reason));
    return true;
  });
  const store::QueueRange range = environment_.state->store()->Range({topic->id, 0});
  out->set_end_offset(static_cast<int64_t>(range.next));
  return walked;
}

void DeadLetterService::Export(rpc::UnaryCall& call,
                               const v1::ExportDeadLettersRequest& request) const {
  using Response = v1::ExportDeadLettersResponse;
  const auto letters = Find(request.group());
  if (!letters.ok()) return Answer<Response>(call, letters.status());
  const auto stretch = StretchOf(request.page(), *letters);
  if (!stretch.ok()) return Answer<Response>(call, stretch.status());
  auto selection = DeadLetterSelection::From(request.selection());
  if (!selection.ok()) return Answer<Response>(call, selection.status());
  AnswerCold<Response>(
      call,
      [this, letters = *letters, stretch = *stretch, selection = *std::move(selection),
       ids_only = request.ids_only()]() -> absl::StatusOr<Response> {
        Response response;
        if (letters.topic == nullptr) {
          response.mutable_progress()->set_done(true);
          return response;
        }
        const auto page =
            DeadLetterReader(environment_.state, letters.topic->id).ReadPage(stretch, selection);
        if (!page.ok()) return page.status();
        FillProgress(*page, response.mutable_progress());
        for (const DeadLetterMessage& found : page->letters) {
          v1::ExportedDeadLetter* letter = response.add_letters();
          Fill(found, letter->mutable_dead_letter());
          letter->set_group(letters.group->name);
          if (!ids_only) FillMessage(found, letter->mutable_message());
        }
        return response;
      });
}

absl::StatusOr<DeadLetterMove> DeadLetterService::MoveOf(const std::string& group,
                                                         const v1::DeadLetterSelection& selection,
                                                         const v1::DeadLetterPage& page) const {
  const auto letters = Find(group);
  if (!letters.ok()) return letters.status();
  const auto stretch = StretchOf(page, *letters);
  if (!stretch.ok()) return stretch.status();
  auto selected = DeadLetterSelection::From(selection);
  if (!selected.ok()) return selected.status();
  DeadLetterMove move;
  move.group = letters->group;
  move.letters = letters->topic;
  move.selection = *std::move(selected);
  move.stretch = *stretch;
  return move;
}

absl::Status DeadLetterService::SetTarget(const v1::ResendDeadLettersRequest& request,
                                          DeadLetterMove& move) const {
  if (!request.to_topic().empty()) {
    move.target = ResendTarget::kTopic;
    move.topic = environment_.metadata->FindTopic(request.to_topic());
    if (move.topic == nullptr) return environment_.metadata->TopicMissing(request.to_topic());
    if (move.topic->kind != TopicKind::kUser) {
      return WireError(v2::ILLEGAL_TOPIC,
                       fmt::format("topic {} belongs to a group; dead letters can be resent to "
                                   "topics of the users",
                                   move.topic->name));
    }
  } else if (request.all_groups()) {
    move.target = ResendTarget::kOrigin;
  } else if (move.group->fifo || move.group->broadcast) {
    return WireError(
        v2::BAD_REQUEST,
        fmt::format("group {} is a {} group, which has no retries of its own: its dead letters can "
                    "go back to the end of their topic, where every group gets them, with "
                    "--all-groups, or to another one with --to-topic",
                    move.group->name, move.group->fifo ? "FIFO" : "broadcast"));
  }
  const auto& delay = request.delay();
  if (!IsLength(delay) || delay.seconds() > kMaxDelaySeconds) {
    return WireError(v2::BAD_REQUEST, "the delay is not valid; give one of at most 365 days");
  }
  move.delay_ms = MillisFrom(delay);
  return absl::OkStatus();
}

template <typename Response, typename Tell>
void DeadLetterService::RunMove(rpc::UnaryCall& call, DeadLetterMove move, Tell tell) const {
  if (move.letters == nullptr) {
    Response nothing;
    nothing.mutable_progress()->set_done(true);
    return Answer<Response>(call, std::move(nothing));
  }
  environment_.moves->Run(std::move(move),
                          [this, &call, tell](const absl::StatusOr<DeadLetterMoveResult>& result) {
                            if (!result.ok()) return Answer<Response>(call, result.status());
                            Response response;
                            FillProgress(result->page, response.mutable_progress());
                            tell(*result, response);
                            Answer<Response>(call, std::move(response));
                          });
}

void DeadLetterService::Resend(rpc::UnaryCall& call,
                               const v1::ResendDeadLettersRequest& request) const {
  using Response = v1::ResendDeadLettersResponse;
  auto move = MoveOf(request.group(), request.selection(), request.page());
  if (!move.ok()) return Answer<Response>(call, move.status());
  if (absl::Status s = SetTarget(request, *move); !s.ok()) return Answer<Response>(call, s);
  move->force = request.force();
  move->dry_run = request.dry_run();
  RunMove<Response>(call, *std::move(move),
                    [](const DeadLetterMoveResult& result, Response& response) {
                      response.set_resent(static_cast<int64_t>(result.moved));
                      response.set_refused(static_cast<int64_t>(result.refusals.size()));
                      for (const auto& refusal : result.refusals) {
                        if (response.refusals_size() == kMaxRefusalsTold) break;
                        v1::DeadLetterRefusal* out = response.add_refusals();
                        out->set_message_id(refusal.message_id);
                        out->set_offset(static_cast<int64_t>(refusal.offset));
                        out->set_reason(refusal.reason);
                      }
                    });
}

void DeadLetterService::Purge(rpc::UnaryCall& call,
                              const v1::PurgeDeadLettersRequest& request) const {
  using Response = v1::PurgeDeadLettersResponse;
  auto move = MoveOf(request.group(), request.selection(), request.page());
  if (!move.ok()) return Answer<Response>(call, move.status());
  move->purge = true;
  move->dry_run = request.dry_run();
  RunMove<Response>(call, *std::move(move),
                    [](const DeadLetterMoveResult& result, Response& response) {
                      response.set_purged(static_cast<int64_t>(result.moved));
                    });
}

absl::Status DeadLetterService::CheckImport(const v1::ImportDeadLettersRequest& request) const {
  if (absl::Status s = CheckBroker(request.broker()); !s.ok()) return s;
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
    if (s.ok()) s = ValidateSend(send, options_.limits, environment_.time->NowMillis());
    if (!s.ok()) {
      return WireError(CodeOf(s), fmt::format("dead letter {}: {}",
                                              EscapeForLog(letter.dead_letter().message_id()),
                                              std::string(s.message())));
    }
  }
  return absl::OkStatus();
}

void DeadLetterService::Import(rpc::UnaryCall& call,
                               const v1::ImportDeadLettersRequest& request) const {
  using Response = v1::ImportDeadLettersResponse;
  const auto letters = Find(request.group());
  if (!letters.ok()) return Answer<Response>(call, letters.status());
  if (absl::Status s = CheckImport(request); !s.ok()) return Answer<Response>(call, s);
  if (letters->topic != nullptr) return ImportInto(call, *letters, request);
  environment_.metadata->EnsureDeadLetters(
      letters->group,
      [this, &call, group = letters->group, request](const absl::StatusOr<TopicPtr>& topic) {
        if (!topic.ok()) return Answer<Response>(call, topic.status());
        call.Post([this, &call, letters = Letters{group, *topic}, request] {
          ImportInto(call, letters, request);
        });
      });
}

void DeadLetterService::ImportInto(rpc::UnaryCall& call, const Letters& letters,
                                   v1::ImportDeadLettersRequest request) const {
  const int64_t now_ms = environment_.time->NowMillis();
  auto append = std::make_unique<ImportAppend>(this, &call, request.letters_size());
  for (v1::ExportedDeadLetter& imported : *request.mutable_letters()) {
    const v1::DeadLetter& letter = imported.dead_letter();
    const std::string topic_name = imported.message().topic().name();
    const TopicPtr topic = environment_.metadata->FindTopic(topic_name);
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
  const absl::Status status = environment_.state->store()->Submit(std::move(append));
  if (!status.ok()) Answer<v1::ImportDeadLettersResponse>(call, ToSendStatus(status));
}

}  // namespace mansio::broker
