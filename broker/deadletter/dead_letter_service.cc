#include "broker/deadletter/dead_letter_service.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "broker/core/admin_call.h"
#include "broker/core/timestamps.h"
#include "broker/message/stored_message.h"
#include "common/clock/broker_time.h"
#include "common/names/utf8.h"
#include "common/rpc/proto_call.h"
#include "common/status/wire_status.h"

namespace mansio::broker {

namespace v2 = apache::rocketmq::v2;

namespace {

constexpr int32_t kDefaultLimit = 50;
constexpr int32_t kMaxLimit = 1000;
constexpr int kGroupsInOneJob = 100;  // whose dead letters are counted
constexpr int kMaxRefusalsTold = 20;

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

DeadLetterService::DeadLetterService(Options options, Environment environment)
    : context_{.broker_name = std::move(options.broker_name),
               .limits = options.limits,
               .metadata = environment.metadata,
               .state = environment.state,
               .moves = environment.moves,
               .time = environment.time} {}

void DeadLetterService::Register(rpc::MethodTable& methods) {
  AddAdminMethod(methods, "ListDeadLetters", this, &DeadLetterService::List);
  AddAdminMethod(methods, "DescribeDeadLetter", this, &DeadLetterService::Describe);
  AddAdminMethod(methods, "DeadLetterStats", this, &DeadLetterService::Stats);
  AddAdminMethod(methods, "ExportDeadLetters", this, &DeadLetterService::Export);
  AddAdminMethod(methods, "ResendDeadLetters", this, &DeadLetterService::Resend);
  AddAdminMethod(methods, "PurgeDeadLetters", this, &DeadLetterService::Purge);
  AddAdminMethod(methods, "ImportDeadLetters", &import_, &DeadLetterImport::Run);
}

template <typename Response>
void DeadLetterService::Answer(rpc::UnaryCall& call, absl::StatusOr<Response> result) const {
  AnswerAdmin(call, context_.broker_name, std::move(result));
}

template <typename Response, typename Read>
void DeadLetterService::AnswerCold(rpc::UnaryCall& call, Read read) const {
  const bool queued = context_.state->store()->RunCold(
      [this, &call, read = std::move(read)] { Answer<Response>(call, read()); });
  if (!queued) Answer<Response>(call, TooManyReads());
}

template <typename Response, typename Piece>
void DeadLetterService::AnswerInPieces(rpc::UnaryCall& call, Piece piece) const {
  GoOn<Response>(call, std::make_shared<Work<Response>>(Work<Response>{std::move(piece), {}}));
}

template <typename Response>
void DeadLetterService::GoOn(rpc::UnaryCall& call, std::shared_ptr<Work<Response>> work) const {
  const bool queued = context_.state->store()->RunCold([this, &call, work] {
    const absl::StatusOr<bool> done = work->piece(work->response);
    if (!done.ok()) return Answer<Response>(call, done.status());
    if (*done) return Answer<Response>(call, std::move(work->response));
    if (!call.Cancelled()) return GoOn(call, work);
    Answer<Response>(
        call, WireError(v2::REQUEST_TIMEOUT, "the search took longer than the caller has waited"));
  });
  if (!queued) Answer<Response>(call, TooManyReads());
}

void DeadLetterService::Fill(const DeadLetterMessage& found, v1::DeadLetter* letter) const {
  const Provenance& p = found.provenance;
  letter->set_broker(context_.broker_name);
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
  const auto letters = requests_.Find(request.group());
  if (!letters.ok()) return Answer<Response>(call, letters.status());
  if (letters->topic == nullptr) return Answer<Response>(call, Response());
  const int32_t limit = request.limit() <= 0 ? kDefaultLimit : std::min(request.limit(), kMaxLimit);
  AnswerInPieces<Response>(call,
                           [this, topic = letters->topic->id,
                            cursor = DeadLetterCursor{.left = static_cast<uint64_t>(limit)}](
                               Response& response) mutable -> absl::StatusOr<bool> {
                             const auto add = [this, &response](const DeadLetterMessage& found) {
                               Fill(found, response.add_dead_letters());
                               return false;
                             };
                             const absl::Status s =
                                 DeadLetterReader(context_.state, topic).WalkBack(cursor, add);
                             if (!s.ok()) return s;
                             response.set_total(static_cast<int64_t>(context_.state->Count(topic)));
                             return cursor.left == 0;
                           });
}

void DeadLetterService::Describe(rpc::UnaryCall& call,
                                 const v1::DescribeDeadLetterRequest& request) const {
  using Response = v1::DescribeDeadLetterResponse;
  const auto letters = requests_.Find(request.group());
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
                                 DeadLetterReader(context_.state, topic).WalkBack(cursor, look);
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
    groups = context_.metadata->Groups();
  } else {
    const auto letters = requests_.Find(request.group());
    if (!letters.ok()) return Answer<Response>(call, letters.status());
    groups.push_back(letters->group);
  }
  AnswerInPieces<Response>(call,
                           [this, groups = std::move(groups),
                            next = size_t{0}](Response& response) mutable -> absl::StatusOr<bool> {
                             SetMillis(context_.time->NowMillis(), response.mutable_answered());
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
  const TopicPtr topic = context_.metadata->FindDeadLetters(group);
  const uint64_t count = topic == nullptr ? 0 : context_.state->Count(topic->id);
  if (count == 0) return absl::OkStatus();
  v1::GroupDeadLetters* out = response.add_groups();
  out->set_broker(context_.broker_name);
  out->set_group(group.name);
  out->set_count(static_cast<int64_t>(count));
  DeadLetterReader reader(context_.state, topic->id);
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
  const store::QueueRange range = context_.state->store()->Range({topic->id, 0});
  out->set_end_offset(static_cast<int64_t>(range.next));
  return walked;
}

void DeadLetterService::Export(rpc::UnaryCall& call,
                               const v1::ExportDeadLettersRequest& request) const {
  using Response = v1::ExportDeadLettersResponse;
  const auto letters = requests_.Find(request.group());
  if (!letters.ok()) return Answer<Response>(call, letters.status());
  const auto stretch = requests_.StretchOf(request.page(), *letters);
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
            DeadLetterReader(context_.state, letters.topic->id).ReadPage(stretch, selection);
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

template <typename Response, typename Tell>
void DeadLetterService::RunMove(rpc::UnaryCall& call, DeadLetterMove move, Tell tell) const {
  if (move.letters == nullptr) {
    Response nothing;
    nothing.mutable_progress()->set_done(true);
    return Answer<Response>(call, std::move(nothing));
  }
  context_.moves->Run(std::move(move),
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
  auto move = requests_.ResendOf(request);
  if (!move.ok()) return Answer<Response>(call, move.status());
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
  auto move = requests_.PurgeOf(request);
  if (!move.ok()) return Answer<Response>(call, move.status());
  RunMove<Response>(call, *std::move(move),
                    [](const DeadLetterMoveResult& result, Response& response) {
                      response.set_purged(static_cast<int64_t>(result.moved));
                    });
}

}  // namespace mansio::broker
