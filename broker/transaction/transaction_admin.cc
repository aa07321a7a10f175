#include "broker/transaction/transaction_admin.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "broker/core/admin_call.h"
#include "broker/core/timestamps.h"
#include "broker/message/stored_message.h"
#include "common/rpc/proto_call.h"
#include "common/status/wire_status.h"

namespace mansio::broker {

namespace v2 = apache::rocketmq::v2;

namespace {

constexpr size_t kDefaultListed = 50;
constexpr size_t kMaxListed = 1000;
// How many of the newest expired ones are looked through for those of a topic, or for one.
constexpr size_t kMaxSearched = 10'000;
constexpr size_t kMaxSearchedBytes = 64u << 20;
// What is read at once: commits and timers wait behind it.
constexpr size_t kPiece = 256;
constexpr uint64_t kPieceBytes = 1u << 20;

v1::TransactionState StateOf(TransactionOutcome outcome) {
  switch (outcome) {
    case TransactionOutcome::kPending:
      return v1::TRANSACTION_STATE_PENDING;
    case TransactionOutcome::kCommitted:
      return v1::TRANSACTION_STATE_COMMITTED;
    case TransactionOutcome::kRolledBack:
      return v1::TRANSACTION_STATE_ROLLED_BACK;
    case TransactionOutcome::kExpired:
      return v1::TRANSACTION_STATE_EXPIRED;
  }
  return v1::TRANSACTION_STATE_UNSPECIFIED;
}

// What lists show of the message itself.
void AddMessage(const StoredContent& content, v1::TransactionInfo* info) {
  v2::SystemProperties system;
  rpc::Parse(content.system, &system);
  info->set_message_id(system.message_id());
  info->set_born_host(system.born_host());
  info->set_body_bytes(static_cast<int64_t>(content.body.size()));
}

// The whole message, as it was sent.
void AddContent(const StoredContent& content, v1::TransactionInfo* info) {
  v2::Message* message = info->mutable_message();
  rpc::Parse(content.properties, message);
  rpc::Parse(content.system, message->mutable_system_properties());
  message->mutable_topic()->set_name(info->topic());
  message->set_body(std::string(content.body));
}

absl::StatusOr<StoredContent> ContentOf(const absl::StatusOr<store::StoredMessage>& message) {
  if (!message.ok()) return message.status();
  return DecodeContent(message->view.content);
}

// Whether a search goes on behind this message: somebody waits for it, and it has not read too much
// by now.
bool GoesOn(const rpc::UnaryCall& call, const absl::StatusOr<store::StoredMessage>& message,
            size_t& searched) {
  if (message.ok()) searched += message->bytes.bytes.size();
  return searched <= kMaxSearchedBytes && !call.Cancelled();
}

}  // namespace

template <typename Response>
void TransactionAdmin::Answer(rpc::UnaryCall& call, const absl::Status& status,
                              Response response) const {
  AnswerAdmin(call, broker_name_, status, std::move(response));
}

void TransactionAdmin::Register(rpc::MethodTable& methods) {
  AddAdminMethod(methods, "TransactionStats", this, &TransactionAdmin::Stats);
  AddAdminMethod(methods, "ListTransactions", this, &TransactionAdmin::List);
  AddAdminMethod(methods, "DescribeTransaction", this, &TransactionAdmin::Describe);
  AddAdminMethod(methods, "ResolveTransaction", this, &TransactionAdmin::Resolve);
}

void TransactionAdmin::Stats(rpc::UnaryCall& call, const v1::TransactionStatsRequest&) const {
  v1::TransactionStatsResponse response;
  const TransactionTotals totals = environment_.state->totals();
  v1::TransactionTotals* out = response.add_totals();
  out->set_broker(broker_name_);
  out->set_started(static_cast<int64_t>(totals.halves));
  out->set_committed(static_cast<int64_t>(totals.committed));
  out->set_rolled_back(static_cast<int64_t>(totals.rolled_back));
  out->set_expired(static_cast<int64_t>(totals.expired));
  out->set_pending(static_cast<int64_t>(environment_.state->pending()));
  if (const auto oldest = environment_.state->List(0, 1, 0); !oldest.empty()) {
    SetMillis(oldest.front().second.stored_ms, out->mutable_oldest_pending());
  }
  for (const auto& [id, count] : environment_.state->CountByTopic()) {
    const TopicPtr topic = environment_.metadata->FindTopic(id);
    if (topic == nullptr) continue;
    v1::PendingTransactions* pending = response.add_topics();
    pending->set_broker(broker_name_);
    pending->set_topic(topic->name);
    pending->set_pending(static_cast<int64_t>(count));
  }
  Answer(call, absl::OkStatus(), std::move(response));
}

std::string TransactionAdmin::IdText(uint32_t topic, store::Epoch epoch,
                                     store::QueueOffset half) const {
  return TransactionId{broker_name_, topic, epoch, half}.Encode(
      environment_.metadata->handle_key());
}

v1::TransactionInfo TransactionAdmin::InfoOf(store::QueueOffset half, const Half& entry) const {
  v1::TransactionInfo info;
  info.set_broker(broker_name_);
  info.set_transaction_id(IdText(entry.topic, entry.epoch, half));
  if (const TopicPtr topic = environment_.metadata->FindTopic(entry.topic)) {
    info.set_topic(topic->name);
  }
  info.set_state(v1::TRANSACTION_STATE_PENDING);
  SetMillis(entry.stored_ms, info.mutable_stored());
  info.set_checks(static_cast<int32_t>(entry.checks));
  SetMillis(environment_.check_back->NextCheck(entry), info.mutable_next_check());
  return info;
}

void TransactionAdmin::List(rpc::UnaryCall& call,
                            const v1::ListTransactionsRequest& request) const {
  const TopicPtr topic =
      request.topic().empty() ? nullptr : environment_.metadata->FindTopic(request.topic());
  if (topic == nullptr && !request.topic().empty()) {
    return Answer(call, environment_.metadata->TopicMissing(request.topic()),
                  v1::ListTransactionsResponse());
  }
  const size_t max = request.limit() <= 0
                         ? kDefaultListed
                         : std::min<size_t>(static_cast<size_t>(request.limit()), kMaxListed);
  switch (request.state()) {
    case v1::TRANSACTION_STATE_UNSPECIFIED:
    case v1::TRANSACTION_STATE_PENDING:
      return ListPending(call, topic == nullptr ? 0 : topic->id, max);
    case v1::TRANSACTION_STATE_EXPIRED:
      return ListExpired(call, request.topic(), max);
    default:
      Answer(call,
             WireError(v2::BAD_REQUEST,
                       "pending and expired transactions can be listed; of "
                       "others only the outcome is remembered"),
             v1::ListTransactionsResponse());
  }
}

void TransactionAdmin::Read(std::vector<MoveSource> sources, Keep keep,
                            std::function<void()> done) const {
  if (sources.empty()) return done();
  std::vector<MoveSource> piece(sources.begin(),
                                sources.begin() + std::min(sources.size(), kPiece));
  environment_.mover->GatherSome(std::move(piece), kPieceBytes,
                                 [this, sources = std::move(sources), keep = std::move(keep),
                                  done = std::move(done)](const Messages& messages) mutable {
                                   for (size_t i = 0; i < messages.size(); ++i) {
                                     if (absl::IsCancelled(messages[i].status()))
                                       return done();  // the broker stops
                                     if (!keep(sources[i].offset, messages[i])) return done();
                                   }
                                   sources.erase(sources.begin(),
                                                 sources.begin() + messages.size());
                                   Read(std::move(sources), std::move(keep), std::move(done));
                                 });
}

void TransactionAdmin::ListPending(rpc::UnaryCall& call, uint32_t topic, size_t max) const {
  const auto halves = environment_.state->List(0, max, topic);
  const std::optional<store::QueueKey> queue = environment_.ender->HalfQueue();
  std::vector<MoveSource> sources;
  const auto response = std::make_shared<v1::ListTransactionsResponse>();
  for (const auto& [offset, half] : halves) {
    *response->add_transactions() = InfoOf(offset, half);
    if (queue) sources.push_back({*queue, offset, {}});
  }
  int next = 0;
  Read(
      std::move(sources),
      [response, next](store::QueueOffset, const Message& message) mutable {
        v1::TransactionInfo* info = response->mutable_transactions(next++);
        const auto content = ContentOf(message);
        if (content.ok()) AddMessage(*content, info);
        return true;
      },
      [this, &call, response] { Answer(call, absl::OkStatus(), std::move(*response)); });
}

std::vector<MoveSource> TransactionAdmin::NewestExpired(size_t max) const {
  std::vector<MoveSource> sources;
  const TopicPtr expired = environment_.metadata->FindTopic(kExpiredTopic);
  if (expired == nullptr) return sources;
  const store::QueueKey queue{expired->id, 0};
  const store::QueueRange range = environment_.state->store()->Range(queue);
  for (store::QueueOffset o = range.next; o > range.min && sources.size() < max; --o) {
    sources.push_back({queue, o - 1, {}});
  }
  return sources;
}

void TransactionAdmin::ListExpired(rpc::UnaryCall& call, const std::string& topic,
                                   size_t max) const {
  const auto response = std::make_shared<v1::ListTransactionsResponse>();
  Read(
      NewestExpired(topic.empty() ? max : kMaxSearched),
      [this, &call, topic, max, response, searched = size_t{0}](store::QueueOffset,
                                                                const Message& message) mutable {
        if (!GoesOn(call, message, searched)) return false;
        std::optional<v1::TransactionInfo> info = ExpiredInfo(message);
        if (info && (topic.empty() || info->topic() == topic)) {
          *response->add_transactions() = *std::move(info);
        }
        return static_cast<size_t>(response->transactions_size()) < max;
      },
      [this, &call, response] { Answer(call, absl::OkStatus(), std::move(*response)); });
}

std::optional<v1::TransactionInfo> TransactionAdmin::ExpiredInfo(const Message& message) const {
  const auto content = ContentOf(message);
  if (!content.ok()) return std::nullopt;
  const auto provenance = Provenance::Decode(content->provenance);
  if (!provenance.ok()) return std::nullopt;
  v1::TransactionInfo info;
  info.set_broker(broker_name_);
  if (const auto epoch = environment_.state->EpochOf(provenance->offset)) {
    info.set_transaction_id(IdText(provenance->topic, *epoch, provenance->offset));
  }
  info.set_topic(std::string(provenance->topic_name));
  info.set_state(v1::TRANSACTION_STATE_EXPIRED);
  info.set_checks(static_cast<int32_t>(provenance->attempts));
  info.set_reason(std::string(provenance->reason));
  SetMillis(provenance->stored_ms, info.mutable_stored());
  SetMillis(message->view.store_time, info.mutable_ended());
  AddMessage(*content, &info);
  return info;
}

absl::StatusOr<TransactionId> TransactionAdmin::Open(const std::string& text) const {
  // A nameserver asks every broker; that one does not have it is no failure.
  const std::optional<std::string> owner = TransactionId::BrokerOf(text);
  if (owner && *owner != broker_name_) {
    return WireError(v2::NOT_FOUND, "this transaction belongs to another broker");
  }
  return TransactionId::Decode(text, broker_name_, environment_.metadata->handle_key());
}

void TransactionAdmin::Describe(rpc::UnaryCall& call,
                                const v1::DescribeTransactionRequest& request) const {
  const auto id = Open(request.transaction_id());
  if (!id.ok()) return Answer(call, id.status(), v1::DescribeTransactionResponse());
  const HalfKey key{id->epoch, id->half};
  const auto outcome = environment_.state->OutcomeOf(key);
  if (!outcome) return Answer(call, UnknownTransaction(), v1::DescribeTransactionResponse());
  v1::DescribeTransactionResponse response;
  v1::TransactionInfo* info = response.mutable_transaction();
  info->set_broker(broker_name_);
  info->set_transaction_id(request.transaction_id());
  info->set_state(StateOf(*outcome));
  if (const TopicPtr topic = environment_.metadata->FindTopic(id->topic)) {
    info->set_topic(topic->name);
  }
  if (const auto half = environment_.state->Find(key)) *info = InfoOf(id->half, *half);
  if (*outcome == TransactionOutcome::kExpired) {
    return DescribeExpired(call, id->half, std::move(response));
  }
  const std::optional<store::QueueKey> queue = environment_.ender->HalfQueue();
  if (!queue) return Answer(call, absl::OkStatus(), std::move(response));
  // An ended half's bytes stay until retention takes them.
  environment_.mover->Gather(
      {{*queue, id->half, {}}},
      [this, &call, response = std::move(response)](const Messages& messages) mutable {
        const auto content = ContentOf(messages.front());
        if (content.ok()) {
          AddMessage(*content, response.mutable_transaction());
          AddContent(*content, response.mutable_transaction());
          SetMillis(messages.front()->view.store_time,
                    response.mutable_transaction()->mutable_stored());
        }
        Answer(call, absl::OkStatus(), std::move(response));
      });
}

void TransactionAdmin::DescribeExpired(rpc::UnaryCall& call, store::QueueOffset half,
                                       v1::DescribeTransactionResponse known) const {
  const auto response = std::make_shared<v1::DescribeTransactionResponse>(std::move(known));
  Read(
      NewestExpired(kMaxSearched),
      [this, &call, half, response, searched = size_t{0}](store::QueueOffset,
                                                          const Message& message) mutable {
        if (!GoesOn(call, message, searched)) return false;
        std::optional<v1::TransactionInfo> info = ExpiredInfo(message);
        v1::TransactionInfo* shown = response->mutable_transaction();
        const auto content = ContentOf(message);
        const auto provenance =
            content.ok() ? Provenance::Decode(content->provenance) : content.status();
        // An id without its epoch is forgotten by now, and this one is not.
        if (!info || !provenance.ok() || provenance->offset != half ||
            info->transaction_id() != shown->transaction_id()) {
          return true;
        }
        *shown = *std::move(info);
        AddContent(*content, shown);
        return false;
      },
      [this, &call, response] { Answer(call, absl::OkStatus(), std::move(*response)); });
}

void TransactionAdmin::Resolve(rpc::UnaryCall& call,
                               const v1::ResolveTransactionRequest& request) const {
  const auto id = Open(request.transaction_id());
  if (!id.ok()) return Answer(call, id.status(), v1::ResolveTransactionResponse());
  environment_.ender->End(
      {id->epoch, id->half},
      request.commit() ? TransactionOutcome::kCommitted : TransactionOutcome::kRolledBack,
      [this, &call](const absl::Status& status) {
        Answer(call, status, v1::ResolveTransactionResponse());
      });
}

}  // namespace mansio::broker
