#include "common/gateway/forwarder.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <memory>
#include <utility>

#include "absl/time/clock.h"
#include "apache/rocketmq/v2/service.pb.h"
#include "common/gateway/ack_answer.h"
#include "common/gateway/ack_split.h"
#include "common/gateway/address_text.h"
#include "common/gateway/client_relay.h"
#include "common/gateway/group_owner.h"
#include "common/gateway/preamble.h"
#include "common/gateway/refusal.h"
#include "common/gateway/send_holds.h"
#include "common/gateway/stream_relay.h"
#include "common/names/names.h"
#include "common/names/utf8.h"
#include "common/rpc/proto_call.h"
#include "common/status/wire_status.h"
#include "common/timer/timer_queue.h"

namespace mansio::gateway {

namespace v2 = apache::rocketmq::v2;

namespace {

// What owners look at, or will (RocketMQ 5 API).
constexpr std::array<std::string_view, 10> kHeaders = {
    "x-mq-client-id",  "x-mq-language",         "x-mq-client-version", "x-mq-protocol",
    "x-mq-request-id", "x-mq-protocol-version", "x-mq-date-time",      "x-mq-namespace",
    "authorization",   "x-mq-session-token"};

// Unary calls whose client set no deadline.
constexpr absl::Duration kLongest = absl::Seconds(30);
// The owner must answer this much before the client's deadline, so that its answer, or that there
// was none, is heard in time. Not where little is left.
constexpr absl::Duration kWayBack = absl::Milliseconds(50);
constexpr int64_t kPauseMs = 1000;
constexpr int64_t kMovedPauseMs = 300;

absl::Time DeadlineFor(const rpc::Call& call) {
  const absl::Time now = absl::Now();
  const absl::Time deadline = call.Deadline();
  if (deadline - now < 10 * kWayBack) return deadline;
  return std::min(deadline - kWayBack, now + kLongest);
}

// What the transport said of an owner, as its client should hear it. Not OK, and not a refusal of
// the call's form, which `IsOfForm` tells.
absl::Status NoAnswer(const std::string& broker, const std::string& address,
                      const absl::Status& why) {
  const std::string text(why.message());
  if (absl::IsDeadlineExceeded(why)) {
    return WireError(v2::PROXY_TIMEOUT,
                     fmt::format("broker '{}' at {} did not answer in time; it may have done what "
                                 "was asked",
                                 broker, address));
  }
  return WireError(v2::INTERNAL_SERVER_ERROR,
                   fmt::format("broker '{}' at {} cannot be reached from the node that was asked "
                               "({}); try again, or send to another broker",
                               broker, address, text));
}

bool IsOfForm(const absl::Status& status) {
  return absl::IsInvalidArgument(status) || absl::IsUnimplemented(status) ||
         absl::IsResourceExhausted(status);
}

}  // namespace

// A forwarded call's share of the limits, from its beginning to its end.
class Forwarder::Ticket {
 public:
  static absl::StatusOr<std::shared_ptr<Ticket>> Take(Forwarder& owner, size_t bytes) {
    auto ticket = std::make_shared<Ticket>(owner, bytes);
    if (owner.calls_.load() <= owner.options_.max_calls &&
        owner.bytes_.load() <= owner.options_.max_bytes) {
      return ticket;
    }
    return WireError(v2::TOO_MANY_REQUESTS,
                     fmt::format("{} forwards as many calls, or bytes of them, as "
                                 "limits.forwarded-calls and limits.forwarded-bytes allow; send "
                                 "to the brokers of the route, or raise these",
                                 owner.options_.node));
  }
  Ticket(Forwarder& owner, size_t bytes) : owner_(owner), bytes_(bytes) {
    owner_.calls_.fetch_add(1);
    owner_.bytes_.fetch_add(bytes_);
  }
  ~Ticket() {
    owner_.calls_.fetch_sub(1);
    owner_.bytes_.fetch_sub(bytes_);
  }
  Ticket(const Ticket&) = delete;
  Ticket& operator=(const Ticket&) = delete;

  // Counts more, or less; whether that is within the limit.
  bool Reserve(int64_t bytes) {
    bytes_ += static_cast<size_t>(bytes);
    return owner_.bytes_.fetch_add(static_cast<size_t>(bytes)) + static_cast<size_t>(bytes) <=
           owner_.options_.max_bytes;
  }

 private:
  Forwarder& owner_;
  size_t bytes_;
};

Forwarder::Forwarder(ForwarderOptions options, Environment environment)
    : options_(std::move(options)), environment_(environment) {}

void Forwarder::Install(rpc::MethodTable& methods) {
  for (const OwnedMethod& method : kOwnedMethods) {
    const std::string path = MessagingPath(method.name);
    const auto named = [&path](const auto& entry) { return entry.path == path; };
    if (method.shape == Shape::kServerStream) {
      auto& all = methods.server_stream;
      auto found = std::find_if(all.begin(), all.end(), named);
      if (found == all.end()) {
        all.push_back({path, nullptr});
        found = std::prev(all.end());
      }
      found->handler = [this, &method, local = std::move(found->handler)](
                           rpc::ServerStreamCall& call) { Stream(call, method, local); };
    } else {
      auto& all = methods.unary;
      auto found = std::find_if(all.begin(), all.end(), named);
      if (found == all.end()) {
        all.push_back({path, nullptr, method.hot});
        found = std::prev(all.end());
      }
      const bool is_ack = method.by == OwnedMethod::Names::kHandles;
      found->handler = [this, &method, is_ack,
                        local = std::move(found->handler)](rpc::UnaryCall& call) {
        is_ack ? Ack(call, method, local) : Unary(call, method, local);
      };
    }
  }
}

absl::StatusOr<Forwarder::Owner> Forwarder::Named(const std::string& broker) const {
  if (const std::optional<HostPort> master = environment_.directory->MasterOf(broker)) {
    return Owner{broker, AddressText(*master)};
  }
  return WireError(
      v2::INTERNAL_SERVER_ERROR,
      fmt::format("broker '{}' is not known to {} at the moment; start it, with nameservers= "
                  "naming those of this cluster",
                  EscapeForLog(broker, 100), options_.node));
}

absl::StatusOr<std::vector<BrokerQueues>> Forwarder::Writable(std::string_view topic) const {
  absl::StatusOr<TopicRoute> route = environment_.directory->Route(topic);
  if (!route.ok()) return route.status();
  std::erase_if(route->brokers, [](const BrokerQueues& broker) { return !broker.writable; });
  if (!route->brokers.empty()) return std::move(route->brokers);
  return WireError(v2::INTERNAL_SERVER_ERROR,
                   fmt::format("every broker that has topic {} and is up is being drained of it; "
                               "add one with `mansio topic alter {} --add-broker`",
                               topic, topic));
}

absl::StatusOr<std::string> Forwarder::BrokerFor(const CallTarget& target) const {
  std::string owner = environment_.directory->GroupOwner(target.topic, target.message_group);
  if (!owner.empty()) return owner;
  const absl::StatusOr<std::vector<BrokerQueues>> brokers = Writable(target.topic);
  if (!brokers.ok()) return brokers.status();
  const auto name_of = [](const BrokerQueues& broker) -> std::string_view { return broker.broker; };
  return (*brokers)[BrokerOfGroup(target.message_group, *brokers, name_of)].broker;
}

absl::StatusOr<Forwarder::Owner> Forwarder::WithTopic(const CallTarget& target) {
  if (!target.message_group.empty()) {
    const absl::StatusOr<std::string> broker = BrokerFor(target);
    if (!broker.ok()) return broker.status();
    if (*broker == environment_.directory->Self()) return Owner{*broker, ""};
    return Named(*broker);
  }
  const absl::StatusOr<std::vector<BrokerQueues>> brokers = Writable(target.topic);
  if (!brokers.ok()) return brokers.status();
  const BrokerQueues& chosen =
      (*brokers)[turn_.fetch_add(1, std::memory_order_relaxed) % brokers->size()];
  return Owner{chosen.broker, AddressText(chosen.endpoints.front())};
}

absl::StatusOr<std::optional<Forwarder::Owner>> Forwarder::Locate(const rpc::Call& call,
                                                                  const CallTarget& target) {
  const std::string_view self = environment_.directory->Self();
  const bool is_broker = !self.empty();
  const std::string_view hop = call.Metadata(kForwardedBy);
  const bool names_other = !target.broker.empty() && target.broker != self;
  // What names nobody is for a broker with its topic. Where nobody has that, a broker's own service
  // says so, or makes it.
  bool of_other_group = false;
  if (!names_other && is_broker) {
    if (!target.broker.empty()) return std::nullopt;
    if (!target.message_group.empty()) {
      const std::string owner =
          environment_.directory->GroupOwner(target.topic, target.message_group);
      of_other_group = !owner.empty() && owner != self;
    }
    if (!of_other_group && environment_.directory->Stores(target.topic)) return std::nullopt;
    if (!of_other_group && !hop.empty()) return std::nullopt;
  }
  const bool may_go_on = !is_broker && hop.find(kForwardedAgainBy) == std::string_view::npos;
  if (!hop.empty() && !may_go_on) {
    return WireError(
        v2::INTERNAL_SERVER_ERROR,
        fmt::format("{} forwarded this call to {}, which cannot serve it: the broker group has no "
                    "master at present, or another one since just now; try again soon",
                    EscapeForLog(hop, 100), options_.node));
  }
  absl::StatusOr<Owner> owner;
  if (names_other) {
    owner = Named(target.broker);
  } else if (absl::Status s = names::ValidateTopic(target.topic); !s.ok()) {
    owner = s;
  } else {
    owner = WithTopic(target);
  }
  // A broker's own service says why there is nobody else. A message group may have come to this
  // broker meanwhile.
  const bool may_be_here = !names_other && is_broker;
  if (may_be_here && (owner.ok() ? owner->broker == self : !of_other_group)) return std::nullopt;
  if (!owner.ok()) return owner.status();
  return *std::move(owner);
}

absl::Status Forwarder::CheckGroups(const CallTarget& target,
                                    const std::vector<std::string_view>& groups) const {
  const absl::StatusOr<std::string> owner = BrokerFor(target);
  if (!owner.ok()) return owner.status();
  CallTarget other = target;
  for (const std::string_view group : groups) {
    if (group.empty() || group == target.message_group) continue;
    other.message_group = group;
    const absl::StatusOr<std::string> broker = BrokerFor(other);
    if (!broker.ok()) return broker.status();
    if (*broker == *owner) continue;
    return WireError(v2::BAD_REQUEST,
                     fmt::format("the message groups of this batch belong to different brokers; "
                                 "send each group in a request of its own",
                                 target.topic));
  }
  return absl::OkStatus();
}

absl::Status Forwarder::Note(const rpc::Call& call, const CallTarget& target) {
  const absl::StatusOr<std::string_view> client = IdentifyClient(call, *environment_.clients);
  if (!client.ok()) return client.status();
  if (!target.transaction) return absl::OkStatus();
  // So that check-backs reach the client through this node (RocketMQ 5 API).
  absl::Status noted = environment_.clients->NotePublished(*client, target.topic);
  if (noted.ok() && environment_.relay != nullptr) environment_.relay->Changed(*client);
  return noted;
}

rpc::OutgoingCall Forwarder::Outgoing(const rpc::Call& call, const OwnedMethod& method,
                                      const Owner& owner) const {
  rpc::OutgoingCall outgoing;
  outgoing.address = owner.address;
  outgoing.path = MessagingPath(method.name);
  outgoing.headers.reserve(kHeaders.size() + 1);
  for (const std::string_view key : kHeaders) {
    const std::string_view value = call.Metadata(key);
    if (!value.empty()) outgoing.headers.emplace_back(key, value);
  }
  const std::string_view hop = call.Metadata(kForwardedBy);
  outgoing.headers.emplace_back(
      kForwardedBy,
      hop.empty() ? options_.node : fmt::format("{}{}{}", hop, kForwardedAgainBy, options_.node));
  outgoing.deadline = method.shape == Shape::kServerStream ? call.Deadline() : DeadlineFor(call);
  return outgoing;
}

void Forwarder::Forward(const rpc::Call& call, const OwnedMethod& method, const Owner& owner,
                        std::string request, Answer answer) {
  auto ticket = Ticket::Take(*this, request.size());
  if (!ticket.ok()) return answer(ticket.status());
  environment_.peers->CallUnary(Outgoing(call, method, owner), rpc::Payload(std::move(request)),
                                [ticket = *std::move(ticket), owner, answer = std::move(answer)](
                                    absl::StatusOr<rpc::Payload> response) mutable {
                                  if (response.ok() || IsOfForm(response.status()))
                                    return answer(std::move(response));
                                  answer(NoAnswer(owner.broker, owner.address, response.status()));
                                });
}

void Forwarder::Unary(rpc::UnaryCall& call, const OwnedMethod& method,
                      const rpc::UnaryHandler& local) {
  const CallTarget target = TargetOf(method, call.Request());
  std::optional<SendHolds::Passage> passage;  // until it is submitted, or sent elsewhere
  if (environment_.holds != nullptr && !target.message_group.empty()) {
    passage = environment_.holds->Pass(
        target.topic, call, [this, &call, &method, &local] { Unary(call, method, local); });
    if (!passage.has_value()) return;
  }
  absl::StatusOr<std::optional<Owner>> owner = Locate(call, target);
  if (owner.ok() && !owner->has_value()) return local(call);
  passage.reset();
  absl::Status refused = Note(call, target);
  if (refused.ok()) refused = owner.status();
  if (refused.ok() && !target.message_group.empty()) {
    refused = CheckGroups(target, MessageGroupsOf(method, call.Request()));
  }
  if (!refused.ok()) {
    auto refuse = [&call, &method, refused] {
      call.Finish(RefusalOf(method, call.Request(), refused));
    };
    // Routes are just changing; some SDKs try again at once, and a few times only.
    const bool moved = method.by == OwnedMethod::Names::kNobody && !owner.ok() &&
                       !call.Metadata(kForwardedBy).empty();
    return moved ? After(kMovedPauseMs, call, std::move(refuse)) : refuse();
  }
  Forward(call, method, **owner, std::string(call.Request()),
          [&call, &method](absl::StatusOr<rpc::Payload> response) {
            if (response.ok()) return call.Finish(*std::move(response));
            if (IsOfForm(response.status()) && CodeOf(response.status()) != v2::TOO_MANY_REQUESTS) {
              return call.Abort(response.status());
            }
            call.Finish(RefusalOf(method, call.Request(), response.status()));
          });
}

void Forwarder::Ack(rpc::UnaryCall& call, const OwnedMethod& method,
                    const rpc::UnaryHandler& local) {
  const std::vector<std::string> brokers = BrokersOfAck(call.Request());
  const bool is_one = std::all_of(brokers.begin(), brokers.end(),
                                  [&](const std::string& b) { return b == brokers.front(); });
  if (is_one) return Unary(call, method, local);
  v2::AckMessageRequest request;
  if (!rpc::Parse(call.Request(), &request)) return call.Abort(rpc::CannotParse(request));
  auto split = std::make_shared<AckSplit>(call, request);
  CallTarget target;
  target.topic = request.topic().name();
  if (absl::Status refused = Note(call, target); !refused.ok()) return split->Refuse(refused);
  for (AckSplit::Part& part : split->Parts()) {
    target.broker = part.broker;
    absl::StatusOr<std::optional<Owner>> owner = Locate(call, target);
    if (!owner.ok()) {
      split->Answer(part, owner.status());
    } else if (!owner->has_value()) {
      split->ServeHere(part, local);
    } else {
      Forward(call, method, **owner, part.request.SerializeAsString(),
              [split, &part](absl::StatusOr<rpc::Payload> response) {
                split->Answer(part, std::move(response));
              });
    }
  }
}

void Forwarder::Stream(rpc::ServerStreamCall& call, const OwnedMethod& method,
                       const rpc::ServerStreamHandler& local) {
  const CallTarget target = TargetOf(method, call.Request());
  absl::StatusOr<std::optional<Owner>> owner = Locate(call, target);
  if (owner.ok() && !owner->has_value()) return local(call);
  absl::Status refused = Note(call, target);
  if (!refused.ok()) return RefuseStream(call, refused, false);
  if (!owner.ok()) return RefuseStream(call, owner.status(), !target.broker.empty());
  auto ticket = Ticket::Take(*this, call.Request().size());
  if (!ticket.ok()) return RefuseStream(call, ticket.status(), true);
  auto relay = std::make_shared<StreamRelay>(
      call, StreamRelay::Hooks{
                .reserve = [ticket = *ticket](int64_t bytes) { return ticket->Reserve(bytes); },
                .refuse =
                    [this, owner = **owner](rpc::ServerStreamCall& ended, const absl::Status& why) {
                      if (IsOfForm(why)) return ended.Abort(why);
                      RefuseStream(ended, NoAnswer(owner.broker, owner.address, why), true);
                    }});
  relay->Begin(environment_.peers->CallServerStream(
      Outgoing(call, method, **owner), rpc::Payload(std::string(call.Request())), relay->Events()));
  call.ForgetRequest();
}

void Forwarder::RefuseStream(rpc::ServerStreamCall& call, const absl::Status& status, bool pause) {
  auto refuse = [&call, status] {
    std::vector<rpc::Payload> elements;
    elements.push_back(StatusResponse(status));
    call.Finish(std::move(elements), [](bool) {});
  };
  pause ? After(kPauseMs, call, std::move(refuse)) : refuse();
}

void Forwarder::After(int64_t pause_ms, const rpc::Call& call, absl::AnyInvocable<void()> refuse) {
  const bool has_time = call.Deadline() - absl::Now() > absl::Milliseconds(2 * pause_ms);
  {
    MutexLock lock(&mutex_);
    if (has_time && !stopped_ && !call.Cancelled()) {
      const uint64_t number = ++last_pause_;
      pauses_.emplace(number, std::move(refuse));
      environment_.timers->ScheduleAfter(pause_ms, [this, number] {
        absl::AnyInvocable<void()> due;
        {
          MutexLock in_timer(&mutex_);
          const auto found = pauses_.find(number);
          if (found == pauses_.end()) return;
          due = std::move(found->second);
          pauses_.erase(found);
        }
        due();
      });
      return;
    }
  }
  refuse();
}

void Forwarder::Stop() {
  absl::flat_hash_map<uint64_t, absl::AnyInvocable<void()>> pauses;
  {
    MutexLock lock(&mutex_);
    stopped_ = true;
    pauses.swap(pauses_);
  }
  for (auto& [number, refuse] : pauses) refuse();
}

}  // namespace mansio::gateway
