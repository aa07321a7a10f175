#include "common/gateway/admin_gateway.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <set>
#include <utility>

#include "absl/time/clock.h"
#include "common/access/cluster_secret.h"
#include "common/gateway/address_text.h"
#include "common/gateway/broker_answers.h"
#include "common/gateway/forwarded_by.h"
#include "common/gateway/local_call.h"
#include "common/names/utf8.h"
#include "common/rpc/proto_call.h"
#include "common/status/no_broker.h"
#include "common/status/wire_status.h"
#include "common/sync/sync.h"
#include "common/timer/timer_queue.h"

namespace mansio::gateway {

namespace v2 = apache::rocketmq::v2;

namespace {

// The brokers' answers must come in time to be passed back.
constexpr absl::Duration kCommandWayBack = absl::Milliseconds(200);
constexpr int64_t kLookAgainMs = 10;

std::string PathOf(const char* name) { return fmt::format("/mansio.v1.Admin/{}", name); }

template <typename Request>
concept NamesBrokers = requires(const Request& request) {
  request.brokers();
};

std::vector<std::string> Successful(const std::vector<Outcome>& outcomes) {
  std::vector<std::string> brokers;
  for (const Outcome& outcome : outcomes) {
    if (outcome.status.ok()) brokers.push_back(outcome.broker);
  }
  return brokers;
}

template <typename Response>
void FillOutcomes(std::vector<Outcome> outcomes, Response* response) {
  LeaveOutAbsent(&outcomes);
  ToWire(Summarise(outcomes), response->mutable_status());
  if constexpr (requires { response->mutable_results(); }) {
    response->clear_results();
    FillResults(outcomes, response->mutable_results());
  }
}

std::string NotRegistered(const std::string& broker) {
  return fmt::format("no broker '{}' is known to this node; `mansio cluster list` shows them",
                     EscapeForLog(broker));
}

// The brokers that a request is for: those it names, or all. What it names and nobody knows is an
// answer already.
template <typename Request, typename Response>
std::vector<Master> TargetsOf(const Request& request, std::vector<Master> masters,
                              Answers<Response>* unknown) {
  if constexpr (NamesBrokers<Request>) {
    if (request.brokers().empty()) return masters;
    std::vector<Master> named;
    for (const std::string& broker : request.brokers()) {
      const auto is = [&broker](const Master& master) { return master.broker == broker; };
      const auto found = std::find_if(masters.begin(), masters.end(), is);
      if (found == masters.end()) {
        unknown->push_back({broker, absl::UnavailableError(NotRegistered(broker)), {}});
      } else if (std::none_of(named.begin(), named.end(), is)) {
        named.push_back(*found);
      }
    }
    return named;
  } else {
    return masters;
  }
}

bool TakesMessageGroups(const v1::TopicInfo& topic) {
  return topic.mixed() || topic.message_type() == v2::FIFO;
}

// A topic with message groups says between which brokers they are divided. Given again, its
// creation leaves that as it is, and without brokers it is for those that have a part in the topic:
// others take a share when they are added to it.
void Prepare(const Directory& directory, const std::vector<Master>& masters,
             v1::CreateTopicRequest* request) {
  v1::TopicInfo* topic = request->mutable_topic();
  if (!TakesMessageGroups(*topic)) return;
  const std::vector<std::string> sharing = directory.Sharing(topic->name());
  if (request->brokers().empty()) {
    std::set<std::string> having(sharing.begin(), sharing.end());
    for (std::string& broker : directory.OthersWith(topic->name()))
      having.insert(std::move(broker));
    if (directory.Has(topic->name())) having.emplace(directory.Self());
    if (having.empty()) {
      for (const Master& master : masters) having.insert(master.broker);
    }
    request->mutable_brokers()->Assign(having.begin(), having.end());
  }
  if (!topic->brokers().empty()) return;
  if (!sharing.empty()) {
    topic->mutable_brokers()->Assign(sharing.begin(), sharing.end());
  } else if (request->brokers_size() > 1) {
    *topic->mutable_brokers() = request->brokers();
  }
}

template <typename Request>
void Prepare(const Directory&, const std::vector<Master>&, Request*) {}

}  // namespace

// The answers to one command, as they come.
struct AdminGateway::Gathering {
  Gathering(size_t count, AllAnswered all_answered)
      : answers(count), open(count), done(std::move(all_answered)) {}

  void Answer(size_t which, absl::StatusOr<rpc::Payload> response) {
    {
      MutexLock lock(&mutex);
      answers[which].response = std::move(response);
      if (--open > 0) return;
    }
    done(std::move(answers));
  }

  Mutex mutex;
  std::vector<RawAnswer> answers;  // complete when nothing is open
  size_t open ABSL_GUARDED_BY(mutex);
  AllAnswered done;
};

bool AdminGateway::IsForThisNodeAlone(const rpc::Call& call) const {
  return !call.Metadata(kForwardedBy).empty();
}

void AdminGateway::Ask(rpc::UnaryCall& call, const std::string& path,
                       const std::vector<Master>& brokers, const std::string& request,
                       const rpc::UnaryHandler& local, AllAnswered done) {
  if (brokers.empty()) return done({});
  auto gathering = std::make_shared<Gathering>(brokers.size(), std::move(done));
  for (size_t i = 0; i < brokers.size(); ++i) gathering->answers[i].broker = brokers[i].broker;
  const absl::Time deadline =
      std::min(absl::Now() + options_.broker_deadline, call.Deadline() - kCommandWayBack);
  for (size_t i = 0; i < brokers.size(); ++i) {
    if (local && brokers[i].broker == environment_.directory->StandsFor()) {
      local(*new LocalCall(call, request, [gathering, i](absl::StatusOr<rpc::Payload> response) {
        gathering->Answer(i, std::move(response));
      }));
      continue;
    }
    rpc::OutgoingCall outgoing{.address = AddressText(brokers[i].address),
                               .path = path,
                               .headers = {{std::string(kForwardedBy), options_.node}},
                               .deadline = deadline};
    if (!options_.cluster_secret.empty()) {
      outgoing.headers.emplace_back(access::kProofHeader,
                                    access::MakeProof(options_.cluster_secret, path, absl::Now()));
    }
    const std::string address = outgoing.address;
    environment_.peers->CallUnary(
        std::move(outgoing), rpc::Payload(request),
        [gathering, i, address](absl::StatusOr<rpc::Payload> response) {
          if (!response.ok()) {
            const absl::Status& why = response.status();
            response = absl::Status(
                absl::IsDeadlineExceeded(why) ? why.code() : absl::StatusCode::kUnavailable,
                fmt::format("no answer from {}: {}", address, std::string(why.message())));
          }
          gathering->Answer(i, std::move(response));
        });
  }
}

void AdminGateway::AwaitShown(Shown shown, absl::Time until, std::function<void()> done) {
  if (!shown || shown() || absl::Now() >= until) return done();
  environment_.timers->ScheduleAfter(
      kLookAgainMs, [this, shown = std::move(shown), until, done = std::move(done)]() mutable {
        AwaitShown(std::move(shown), until, std::move(done));
      });
}

AdminGateway::Shown AdminGateway::TopicShown(const std::string& topic,
                                             std::vector<std::string> brokers, bool present) const {
  return [this, topic, brokers = std::move(brokers), present] {
    const std::vector<std::string> having = environment_.directory->OthersWith(topic);
    return std::all_of(brokers.begin(), brokers.end(), [&](const std::string& broker) {
      return broker == environment_.directory->Self() ||
             (std::count(having.begin(), having.end(), broker) > 0) == present;
    });
  };
}

AdminGateway::Shown AdminGateway::GroupShown(const std::string& group,
                                             std::vector<std::string> brokers, bool present) const {
  return [this, group, brokers = std::move(brokers), present] {
    const std::vector<std::string> having = environment_.directory->OthersWithGroup(group);
    return std::all_of(brokers.begin(), brokers.end(), [&](const std::string& broker) {
      return broker == environment_.directory->Self() ||
             (std::count(having.begin(), having.end(), broker) > 0) == present;
    });
  };
}

namespace {

// What the first broker answered that did what was asked.
template <typename Response>
Response First(const Answers<Response>& answers) {
  for (const auto& answer : answers) {
    if (answer.status.ok()) return answer.response;
  }
  return Response();
}

// The same of a creation; that it existed only where it did on each.
template <typename Response>
Response FirstMade(const Answers<Response>& answers) {
  Response first = First(answers);
  for (const auto& answer : answers) {
    if (answer.status.ok() && !answer.response.existed()) first.set_existed(false);
  }
  return first;
}

template <typename Response, typename Raw>
Answers<Response> ParseAnswers(const std::vector<Raw>& raw) {
  Answers<Response> answers;
  for (const Raw& one : raw) {
    BrokerAnswer<Response>& answer = answers.emplace_back();
    answer.broker = one.broker;
    if (!one.response.ok()) {
      answer.status = one.response.status();
    } else if (!rpc::Parse(one.response->Flatten(), &answer.response)) {
      answer.status = WireError(v2::INTERNAL_SERVER_ERROR,
                                fmt::format("the answer of broker {} cannot be read", one.broker));
    } else {
      answer.status = FromWire(answer.response.status());
    }
  }
  return answers;
}

}  // namespace

template <typename Request, typename Serve>
void AdminGateway::PutInFront(rpc::MethodTable& methods, const char* name, Serve serve) {
  const std::string path = PathOf(name);
  auto& all = methods.unary;
  auto found =
      std::find_if(all.begin(), all.end(), [&](const auto& entry) { return entry.path == path; });
  if (found == all.end()) {
    all.push_back({path, nullptr});
    found = std::prev(all.end());
  }
  found->handler = [this, serve, local = std::move(found->handler)](rpc::UnaryCall& call) {
    if (IsForThisNodeAlone(call)) {
      if (local) return local(call);
      return call.Abort(absl::FailedPreconditionError(
          fmt::format("{} is no broker, and passes on what another node has passed on to nobody; "
                      "the broker that was meant has another address by now: try again",
                      options_.node)));
    }
    Request request;
    if (!rpc::Parse(call.Request(), &request)) return call.Abort(rpc::CannotParse(request));
    serve(call, std::move(request), local);
  };
}

template <typename Request, typename Response>
void AdminGateway::Spread(rpc::MethodTable& methods, const char* name,
                          Response (*merge)(const Answers<Response>&)) {
  Spread<Request, Response>(
      methods, name,
      [merge](const Request&, const Answers<Response>& answers) { return merge(answers); });
}

template <typename Request, typename Response>
void AdminGateway::Spread(rpc::MethodTable& methods, const char* name,
                          Merge<Request, Response> merge, ShownBy<Request> shown) {
  PutInFront<Request>(
      methods, name,
      [this, path = PathOf(name), merge = std::move(merge), shown = std::move(shown)](
          rpc::UnaryCall& call, Request request, const rpc::UnaryHandler& local) {
        if (commands_.fetch_add(1) >= options_.max_commands) {
          commands_.fetch_sub(1);
          Response response;
          ToWire(absl::ResourceExhaustedError(
                     "too many commands are waiting for brokers; try again later"),
                 response.mutable_status());
          return rpc::Reply(call, response);
        }
        const std::vector<Master> masters = environment_.directory->Masters();
        Prepare(*environment_.directory, masters, &request);
        Answers<Response> unknown;
        const std::vector<Master> targets = TargetsOf(request, masters, &unknown);
        const std::string encoded = request.SerializeAsString();
        Ask(call, path, targets, encoded, local,
            [this, &call, &merge, &shown, request = std::move(request),
             unknown = std::move(unknown)](std::vector<RawAnswer> raw) mutable {
              Answers<Response> answers = ParseAnswers<Response>(raw);
              std::move(unknown.begin(), unknown.end(), std::back_inserter(answers));
              Response response = merge(request, answers);
              const std::vector<Outcome> outcomes = OutcomesOf(answers);
              FillOutcomes(outcomes, &response);
              if (outcomes.empty()) {
                ToWire(NobodyToAsk(environment_.directory->WithoutMaster()),
                       response.mutable_status());
              }
              AwaitShown(shown ? shown(request, Successful(outcomes)) : nullptr,
                         absl::Now() + options_.routes_deadline,
                         [this, &call, response = std::move(response)] {
                           commands_.fetch_sub(1);
                           rpc::Reply(call, response);
                         });
            });
      });
}

template <typename Request, typename Response, typename BrokerOf>
void AdminGateway::PassToOne(rpc::MethodTable& methods, const char* name, BrokerOf broker_of) {
  PutInFront<Request>(
      methods, name,
      [this, path = PathOf(name), broker_of](rpc::UnaryCall& call, const Request& request,
                                             const rpc::UnaryHandler& local) {
        const std::string& broker = broker_of(request);
        if (local && (broker.empty() || broker == environment_.directory->StandsFor())) {
          return local(call);
        }
        std::vector<Master> named = environment_.directory->Masters();
        std::erase_if(named, [&](const Master& master) { return master.broker != broker; });
        Ask(call, path, named, request.SerializeAsString(), local,
            [&call, broker](std::vector<RawAnswer> raw) {
              if (!raw.empty() && raw[0].response.ok()) {
                return call.Finish(*std::move(raw[0].response));
              }
              Response response;
              absl::Status why;
              if (!raw.empty()) {
                why = raw[0].response.status();
              } else if (broker.empty()) {
                why = WireError(v2::NOT_FOUND,
                                "the call names no broker; where there are several it has to");
              } else {
                why = WireError(v2::NOT_FOUND, NotRegistered(broker));
              }
              ToWire(why, response.mutable_status());
              rpc::Reply(call, response);
            });
      });
}

void AdminGateway::Install(rpc::MethodTable& methods) {
  InstallTopics(methods);
  InstallGroups(methods);
  InstallDeadLetters(methods);
  InstallMessages(methods);
  if (options_.spread_lists) InstallLists(methods);
}

void AdminGateway::InstallTopics(rpc::MethodTable& methods) {
  Spread<v1::CreateTopicRequest, v1::CreateTopicResponse>(
      methods, "CreateTopic", [](const auto&, const auto& answers) { return FirstMade(answers); },
      [this](const v1::CreateTopicRequest& request, std::vector<std::string> brokers) {
        return TopicShown(request.topic().name(), std::move(brokers), true);
      });
  Spread<v1::AlterTopicRequest>(methods, "AlterTopic", &First<v1::AlterTopicResponse>);
  Spread<v1::HoldTopicRequest>(methods, "HoldTopic", &MergeHold);
  Spread<v1::DescribeTopicRequest>(methods, "DescribeTopic", &MergeTopic);
  Spread<v1::DeleteTopicRequest, v1::DeleteTopicResponse>(
      methods, "DeleteTopic", [](const auto&, const auto& answers) { return First(answers); },
      [this](const v1::DeleteTopicRequest& request, std::vector<std::string> brokers) {
        return TopicShown(request.name(), std::move(brokers), false);
      });
}

void AdminGateway::InstallGroups(rpc::MethodTable& methods) {
  Spread<v1::CreateGroupRequest, v1::CreateGroupResponse>(
      methods, "CreateGroup", [](const auto&, const auto& answers) { return FirstMade(answers); },
      [this](const v1::CreateGroupRequest& request, std::vector<std::string> brokers) {
        return GroupShown(request.group().name(), std::move(brokers), true);
      });
  Spread<v1::AlterGroupRequest>(methods, "AlterGroup", &First<v1::AlterGroupResponse>);
  Spread<v1::DeleteGroupRequest, v1::DeleteGroupResponse>(
      methods, "DeleteGroup", [](const auto&, const auto& answers) { return First(answers); },
      [this](const v1::DeleteGroupRequest& request, std::vector<std::string> brokers) {
        return GroupShown(request.name(), std::move(brokers), false);
      });
  Spread<v1::DescribeGroupRequest>(methods, "DescribeGroup", &MergeGroup);
  Spread<v1::ResetGroupRequest>(methods, "ResetGroup", &MergeReset);
  Spread<v1::PauseGroupRequest>(methods, "PauseGroup", &First<v1::PauseGroupResponse>);
  Spread<v1::ResumeGroupRequest>(methods, "ResumeGroup", &First<v1::ResumeGroupResponse>);
  Spread<v1::ExplainGroupRequest>(methods, "ExplainGroup", &MergeExplanations);
  Spread<v1::ListClientsRequest, v1::ListClientsResponse>(
      methods, "ListClients", [](const auto& request, const auto& answers) {
        return MergeClients(answers, request.limit());
      });
}

void AdminGateway::InstallDeadLetters(rpc::MethodTable& methods) {
  Spread<v1::ListDeadLettersRequest, v1::ListDeadLettersResponse>(
      methods, "ListDeadLetters", [](const auto& request, const auto& answers) {
        return MergeDeadLetters(answers, request.limit());
      });
  Spread<v1::DescribeDeadLetterRequest>(methods, "DescribeDeadLetter",
                                        &First<v1::DescribeDeadLetterResponse>);
  Spread<v1::DeadLetterStatsRequest>(methods, "DeadLetterStats", &MergeDeadLetterStats);
  const auto of_page = [](const auto& request) -> const std::string& {
    return request.page().broker();
  };
  PassToOne<v1::ResendDeadLettersRequest, v1::ResendDeadLettersResponse>(
      methods, "ResendDeadLetters", of_page);
  PassToOne<v1::PurgeDeadLettersRequest, v1::PurgeDeadLettersResponse>(methods, "PurgeDeadLetters",
                                                                       of_page);
  PassToOne<v1::ExportDeadLettersRequest, v1::ExportDeadLettersResponse>(
      methods, "ExportDeadLetters", of_page);
  PassToOne<v1::ImportDeadLettersRequest, v1::ImportDeadLettersResponse>(
      methods, "ImportDeadLetters",
      [](const auto& request) -> const std::string& { return request.broker(); });
}

// Of messages that wait for a decision or a time. Each is on one broker, and the others answer
// NOT_FOUND.
void AdminGateway::InstallMessages(rpc::MethodTable& methods) {
  Spread<v1::TransactionStatsRequest>(methods, "TransactionStats", &MergeTransactionStats);
  Spread<v1::ListTransactionsRequest>(methods, "ListTransactions", &MergeTransactions);
  Spread<v1::DescribeTransactionRequest>(methods, "DescribeTransaction",
                                         &First<v1::DescribeTransactionResponse>);
  Spread<v1::ResolveTransactionRequest>(methods, "ResolveTransaction",
                                        &First<v1::ResolveTransactionResponse>);
  Spread<v1::QueryMessagesRequest, v1::QueryMessagesResponse>(
      methods, "QueryMessages", [](const auto& request, const auto& answers) {
        return MergeFoundMessages(answers, request.limit());
      });
  Spread<v1::GetMessageRequest>(methods, "GetMessage", &MergeMessagesAtPlace);
  Spread<v1::TraceMessageRequest>(methods, "TraceMessage", &MergeTraces);
  Spread<v1::DelayStatsRequest>(methods, "DelayStats", &MergeDelayStats);
  Spread<v1::ListDelayedMessagesRequest, v1::ListDelayedMessagesResponse>(
      methods, "ListDelayedMessages", [](const auto& request, const auto& answers) {
        return MergeDelayedMessages(answers, request.limit());
      });
  Spread<v1::CancelDelayedMessageRequest>(methods, "CancelDelayedMessage",
                                          &First<v1::CancelDelayedMessageResponse>);
}

void AdminGateway::InstallLists(rpc::MethodTable& methods) {
  Spread<v1::ListBrokersRequest, v1::ListBrokersResponse>(
      methods, "ListBrokers", [this](const auto&, const auto& answers) {
        v1::ListBrokersResponse merged = MergeBrokers(answers);
        for (const auto& answer : answers) {
          if (answer.broker != environment_.directory->StandsFor()) continue;
          merged.set_answered_by(answer.response.answered_by());
        }
        if (merged.answered_by().empty()) merged.set_answered_by(options_.node);
        return merged;
      });
  Spread<v1::ListTopicsRequest>(methods, "ListTopics", &MergeTopics);
  Spread<v1::ListGroupsRequest>(methods, "ListGroups", &MergeGroups);
}

}  // namespace mansio::gateway
