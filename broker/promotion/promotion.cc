#include "broker/promotion/promotion.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <atomic>
#include <map>
#include <memory>
#include <utility>

#include "absl/time/clock.h"
#include "common/access/cluster_secret.h"
#include "common/gateway/forwarded_by.h"
#include "common/logging/logging.h"
#include "common/rpc/proto_call.h"
#include "common/status/wire_status.h"

namespace mansio::broker {
namespace {

// A member that is there answers at once; one that is stopped never does.
constexpr absl::Duration kAskDeadline = absl::Seconds(2);
// A master may wait for the new one's disk.
constexpr absl::Duration kHandOverDeadline = absl::Seconds(15);
// Three steps, one of them a hand-over.
constexpr absl::Duration kPromoteDeadline = absl::Seconds(20);

std::string Text(const absl::Status& status) { return std::string(status.message()); }

HostPort HostPortOf(const apache::rocketmq::v2::Address& address) {
  return {address.host(), static_cast<uint16_t>(address.port())};
}

rpc::OutgoingCall CallTo(const PromotionEnvironment& environment, std::string address,
                         const std::string& path, absl::Duration deadline) {
  rpc::OutgoingCall call{
      .address = std::move(address),
      .path = path,
      .headers = {{std::string(gateway::kForwardedBy), environment.self.ToString()}},
      .deadline = absl::Now() + deadline};
  if (!environment.cluster_secret.empty()) {
    call.headers.emplace_back(access::kProofHeader,
                              access::MakeProof(environment.cluster_secret, path, absl::Now()));
  }
  return call;
}

template <typename Response>
absl::StatusOr<Response> Parsed(absl::StatusOr<rpc::Payload> payload) {
  if (!payload.ok()) return payload.status();
  Response response;
  if (!rpc::Parse(payload->Flatten(), &response)) {
    return absl::InternalError("the answer cannot be read");
  }
  if (absl::Status status = FromWire(response.status()); !status.ok()) return status;
  return response;
}

// One promotion under way; owned by what is to be called back. A step begins when the one before it
// has ended, so that one thread at a time is in it.
class Run : public std::enable_shared_from_this<Run> {
 public:
  using Done = absl::AnyInvocable<void(absl::Status, v1::PromoteBrokerResponse)>;
  Run(const PromotionEnvironment& environment, const v1::PromoteBrokerRequest& request, Done done)
      : environment_(environment), request_(request), done_(std::move(done)) {}

  void Begin() {
    const MemberState self = environment_.state();
    if (self.copying) {
      return End(absl::FailedPreconditionError(fmt::format(
          "member {} is new and still copies its master's log: nothing can be read in it yet. "
          "Promote another one",
          self.id)));
    }
    for (const std::string& address : AddressesToAsk()) asked_.push_back({.address = address});
    v1::ListBrokersRequest list;
    CallAll<v1::ListBrokersResponse>(
        asked_.size(), "ListBrokers", kAskDeadline,
        [&](size_t n) { return std::pair(asked_[n].address, list.SerializeAsString()); },
        [](Run& run, auto answers) { run.TakeAnswers(std::move(answers)); });
  }

 private:
  // Somebody at an address, a member of this group once it has answered so.
  struct Other {
    std::string address;
    bool is_member = false;
    MemberState state = {};
    absl::Status told = absl::UnknownError("it was not told");
    bool follows() const { return is_member && told.ok(); }
  };

  std::vector<std::string> AddressesToAsk() const {
    std::set<std::string> addresses;
    if (!environment_.master.empty()) addresses.insert(environment_.master.ToString());
    for (const v1::BrokerIdentity& member : environment_.members()) {
      if (member.addresses_size() > 0) {
        addresses.insert(HostPortOf(member.addresses(0)).ToString());
      }
    }
    for (const auto& address : request_.others()) addresses.insert(HostPortOf(address).ToString());
    addresses.erase(environment_.self.ToString());
    return {addresses.begin(), addresses.end()};
  }

  // Calls `count` members at the same time, and `next` with all answers, in their order.
  template <typename Response, typename RequestTo, typename Next>
  void CallAll(size_t count, std::string_view method, absl::Duration deadline, RequestTo request_to,
               Next next) {
    using Answers = std::vector<absl::StatusOr<Response>>;
    auto answers = std::make_shared<Answers>(count, absl::UnknownError("no answer"));
    auto missing = std::make_shared<std::atomic<size_t>>(count);
    if (count == 0) return next(*this, std::move(*answers));
    const std::string path = fmt::format("/mansio.v1.Admin/{}", method);
    for (size_t n = 0; n < count; ++n) {
      auto [address, request] = request_to(n);
      environment_.peers->CallUnary(
          CallTo(environment_, std::move(address), path, deadline),
          rpc::Payload(std::move(request)),
          [self = shared_from_this(), answers, missing, n, next](auto payload) mutable {
            (*answers)[n] = Parsed<Response>(std::move(payload));
            if (missing->fetch_sub(1) == 1) next(*self, std::move(*answers));
          });
    }
  }

  void TakeAnswers(std::vector<absl::StatusOr<v1::ListBrokersResponse>> answers) {
    std::set<BrokerId> seen = {environment_.state().id};
    for (size_t n = 0; n < answers.size(); ++n) {
      Other& other = asked_[n];
      if (!answers[n].ok()) {
        other.told = answers[n].status();
        continue;
      }
      // A node that is asked for itself alone is the first one in its answer.
      if (answers[n]->brokers().empty()) continue;
      const v1::BrokerOverview& overview = answers[n]->brokers(0);
      const v1::BrokerIdentity& broker = overview.broker();
      if (broker.cluster() != environment_.cluster || broker.name() != environment_.broker) {
        other.told = absl::FailedPreconditionError(fmt::format(
            "this is {} of {}, no member of the group", broker.name(), broker.cluster()));
        continue;
      }
      other.is_member = seen.insert(broker.member()).second;
      other.state = {.id = broker.member(),
                     .address = other.address,
                     .role = broker.role() == RoleName(store::Role::kMaster) ? store::Role::kMaster
                                                                             : store::Role::kSlave,
                     .epoch = static_cast<store::Epoch>(broker.epoch()),
                     .end = static_cast<store::LogOffset>(overview.log_end()),
                     .copying = overview.copying(),
                     .whole = !overview.may_lack(),
                     .returning = overview.returning()};
    }
    // Its last set may be in a part of the log that has to be read.
    InCold([](Run& run) { run.ReadSet(); });
  }

  void ReadSet() {
    absl::StatusOr<std::set<BrokerId>> in_sync = environment_.in_sync();
    if (!in_sync.ok()) return End(in_sync.status());
    in_sync_ = *std::move(in_sync);
    if (environment_.state().role == store::Role::kMaster) return Tell();
    const Other* const master = Master();
    if (master == nullptr || !request_.demote()) {
      if (!MayGoOn([](const Other& other) { return other.is_member; })) return;
      return Tell();
    }
    HandOver(*master);
  }

  const Other* Master() const {
    for (const Other& other : asked_) {
      if (other.is_member && other.state.role == store::Role::kMaster) return &other;
    }
    // One that is to be the master, and has none, hands over to the one that has more.
    for (const Other& other : asked_) {
      if (other.is_member && other.state.returning) return &other;
    }
    return nullptr;
  }

  // Ends the run where messages could be lost, unless that is forced. `counts`: whose answers do.
  template <typename Counts>
  bool MayGoOn(Counts counts) {
    Candidacy candidacy{.candidate = environment_.state(),
                        .durability = environment_.durability,
                        .min_in_sync = environment_.min_in_sync,
                        .in_sync = in_sync_,
                        .handed_over = handed_over_};
    for (const v1::BrokerIdentity& member : environment_.members()) {
      candidacy.members.insert(member.member());
    }
    for (const Other& other : asked_) {
      if (!other.is_member) continue;
      candidacy.members.insert(other.state.id);
      if (counts(other)) candidacy.answers.push_back(other.state);
    }
    const std::vector<std::string> losses = LossesOf(candidacy);
    response_.clear_losses();
    for (const std::string& loss : losses) response_.add_losses(loss);
    if (losses.empty() || request_.force()) return true;
    End(absl::FailedPreconditionError(fmt::format(
        "messages that were acknowledged may be lost: {}. --force makes member {} the master "
        "nevertheless",
        fmt::join(losses, "; "), candidacy.candidate.id)));
    return false;
  }

  v1::FollowMasterRequest FollowOf(const MemberState& member) const {
    v1::FollowMasterRequest follow;
    follow.set_broker(environment_.broker);
    follow.set_member(member.id);
    follow.set_master_member(environment_.state().id);
    follow.mutable_master()->set_host(environment_.self.host);
    follow.mutable_master()->set_port(environment_.self.port);
    return follow;
  }

  void HandOver(const Other& master) {
    v1::FollowMasterRequest follow = FollowOf(master.state);
    follow.set_hand_over(true);
    CallAll<v1::FollowMasterResponse>(
        1, "FollowMaster", kHandOverDeadline,
        [&](size_t) { return std::pair(master.address, follow.SerializeAsString()); },
        [member = master.state.id](Run& run, auto answers) {
          run.TakeHandOver(member, answers[0]);
        });
  }

  void TakeHandOver(BrokerId member, const absl::StatusOr<v1::FollowMasterResponse>& answer) {
    if (!answer.ok()) {
      return End(absl::FailedPreconditionError(fmt::format(
          "the master, member {}, has not handed over: {}", member, Text(answer.status()))));
    }
    const store::LogOffset end = environment_.state().end;
    if (end < static_cast<store::LogOffset>(answer->log_end())) {
      return End(absl::InternalError(fmt::format(
          "member {} has handed over with its log at offset {}, and this one's ends at {}: make "
          "member {} the master again",
          member, answer->log_end(), end, member)));
    }
    handed_over_ = true;
    for (Other& other : asked_) {
      if (other.is_member && other.state.id == member) other.told = absl::OkStatus();
    }
    Tell();
  }

  void Tell() {
    std::vector<size_t> whom;
    for (size_t n = 0; n < asked_.size(); ++n) {
      if (asked_[n].is_member && !asked_[n].told.ok()) whom.push_back(n);
    }
    CallAll<v1::FollowMasterResponse>(
        whom.size(), "FollowMaster", kAskDeadline,
        [&](size_t n) {
          const Other& other = asked_[whom[n]];
          return std::pair(other.address, FollowOf(other.state).SerializeAsString());
        },
        [whom](Run& run, auto answers) { run.TakeTold(whom, answers); });
  }

  void TakeTold(const std::vector<size_t>& whom,
                const std::vector<absl::StatusOr<v1::FollowMasterResponse>>& answers) {
    for (size_t n = 0; n < whom.size(); ++n) {
      Other& other = asked_[whom[n]];
      other.told = answers[n].status();
      if (!answers[n].ok()) continue;
      other.state.role = store::Role::kSlave;
      other.state.epoch = static_cast<store::Epoch>(answers[n]->epoch());
      other.state.end = static_cast<store::LogOffset>(answers[n]->log_end());
    }
    InCold([](Run& run) { run.Decide(); });
  }

  void Decide() {
    if (environment_.state().role == store::Role::kMaster) return End(absl::OkStatus());
    if (!MayGoOn([](const Other& other) { return other.follows(); })) return;
    // A member whose log is of a later reign than this one's would never follow it.
    for (const Other& other : asked_) {
      if (other.is_member) environment_.roles->NoteEpoch(other.state.epoch);
    }
    const absl::Status kept = environment_.roles->Keep({.role = store::Role::kMaster});
    for (const std::string& loss : response_.losses()) {
      LOG_WARNING("Promoted by force: {}", loss);
    }
    if (kept.ok()) environment_.promoted(Silent());
    End(kept);
  }

  // Of the set, who has not answered.
  std::set<BrokerId> Silent() const {
    std::set<BrokerId> silent = in_sync_;
    silent.erase(environment_.state().id);
    for (const Other& other : asked_) {
      if (other.is_member) silent.erase(other.state.id);
    }
    return silent;
  }

  template <typename Step>
  void InCold(Step step) {
    const bool accepted = environment_.run_cold([self = shared_from_this(), step] { step(*self); });
    if (!accepted) End(absl::ResourceExhaustedError("the broker is busy; try again soon"));
  }

  void End(const absl::Status& status) {
    for (const Other& other : asked_) {
      v1::MemberResult* const result = response_.add_members();
      result->set_member(other.state.id);
      result->set_address(other.address);
      ToWire(other.told, result->mutable_status());
    }
    done_(status, std::move(response_));
  }

  const PromotionEnvironment& environment_;
  const v1::PromoteBrokerRequest request_;
  Done done_;
  std::vector<Other> asked_;
  std::set<BrokerId> in_sync_;
  bool handed_over_ = false;
  v1::PromoteBrokerResponse response_;
};

}  // namespace

void AskToPromote(const PromotionEnvironment& environment, const v1::BrokerIdentity& member,
                  const v1::PromoteBrokerRequest& request,
                  std::function<void(const absl::Status&)> done) {
  if (member.addresses_size() == 0) {
    return done(absl::UnavailableError("it does not say where it is reached"));
  }
  environment.peers->CallUnary(
      CallTo(environment, HostPortOf(member.addresses(0)).ToString(),
             "/mansio.v1.Admin/PromoteBroker", kPromoteDeadline),
      rpc::Payload(request.SerializeAsString()),
      [done = std::move(done)](absl::StatusOr<rpc::Payload> payload) {
        done(Parsed<v1::PromoteBrokerResponse>(std::move(payload)).status());
      });
}

void Promote(const PromotionEnvironment& environment, const v1::PromoteBrokerRequest& request,
             absl::AnyInvocable<void(absl::Status, v1::PromoteBrokerResponse)> done) {
  std::make_shared<Run>(environment, request, std::move(done))->Begin();
}

}  // namespace mansio::broker
