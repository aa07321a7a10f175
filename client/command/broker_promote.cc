// mansio broker promote: another master for a broker group with static roles.
#include <fmt/format.h>

#include <memory>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "client/command/admin_views.h"
#include "client/command/broker_access.h"
#include "client/command/brokers.h"
#include "client/lib/admin_client.h"
#include "common/config/host_port.h"
#include "common/status/wire_status.h"

namespace mansio::command {
namespace {

// The other members are asked and told, and a master hands over, in less.
constexpr absl::Duration kPromoteTimeout = absl::Seconds(30);

struct PromoteArguments {
  std::string broker;
  int32_t member = 0;
  std::vector<std::string> others;
  bool demote = false;
  bool force = false;
  bool yes = false;
};

void SetAddress(const HostPort& at, apache::rocketmq::v2::Address* address) {
  address->set_host(at.host);
  address->set_port(at.port);
}

// The member itself, and in `request` where the other ones are.
absl::StatusOr<v1::BrokerIdentity> FindMember(const Context& context,
                                              const PromoteArguments& arguments,
                                              v1::PromoteBrokerRequest* request) {
  auto admin = client::AdminClient::Create(context.client);
  if (!admin.ok()) return admin.status();
  const auto response = (*admin)->ListBrokers();
  if (!response.ok()) return response.status();
  absl::StatusOr<v1::BrokerIdentity> found = absl::NotFoundError(fmt::format(
      "{} knows no member {} of broker {}; mansio broker list shows the members, and a member that "
      "is not listed can be asked itself, with --endpoint",
      response->answered_by(), arguments.member, arguments.broker));
  for (const v1::BrokerOverview& overview : MembersOf(context, *response)) {
    const v1::BrokerIdentity& broker = overview.broker();
    if (broker.name() != arguments.broker || broker.addresses().empty()) continue;
    if (broker.member() != arguments.member) {
      *request->add_others() = broker.addresses(0);
    } else if (overview.online()) {
      found = broker;
    }
  }
  return found;
}

Json ResultJson(const v1::MemberResult& result) {
  const absl::Status status = FromWire(result.status());
  return {{"id", result.member() > 0 ? Json(result.member()) : Json()},
          {"address", result.address()},
          {"follows", status.ok()},
          {"error", status.ok() ? Json() : Json(result.status().message())}};
}

int Promote(const Context& context, const PromoteArguments& arguments) {
  v1::PromoteBrokerRequest request;
  for (const std::string& text : arguments.others) {
    const absl::StatusOr<HostPort> other = ParseHostPort(text);
    if (!other.ok()) return FailUsage(context, std::string(other.status().message()), "");
    SetAddress(*other, request.add_others());
  }
  request.set_broker(arguments.broker);
  request.set_member(arguments.member);
  request.set_force(arguments.force);
  request.set_demote(arguments.demote);
  const auto member = FindMember(context, arguments, &request);
  if (!member.ok()) return Fail(context, member.status());
  const std::string what =
      fmt::format("makes member {} the master of {}{}", arguments.member, arguments.broker,
                  arguments.force ? ", even if acknowledged messages are lost" : "");
  if (!Agree(context, arguments.yes, what)) return kUsage;

  client::ClientOptions options = OptionsOf(context, *member);
  options.request_timeout = kPromoteTimeout;
  auto admin = client::AdminClient::Create(options, client::AdminClient::Scope::kNode);
  if (!admin.ok()) return Fail(context, admin.status());
  const auto response = (*admin)->PromoteBroker(request);
  if (!response.ok()) return Fail(context, response.status());
  if (!AwaitMaster(context, *member)) {
    return Fail(context, absl::DeadlineExceededError(fmt::format(
                             "member {} has agreed and is not the master yet: its log says why",
                             arguments.member)));
  }
  Json value = {{"broker", arguments.broker},
                {"id", arguments.member},
                {"address", Addresses(*member).front()},
                {"losses", Json(std::vector<std::string>(response->losses().begin(),
                                                         response->losses().end()))},
                {"members", Json::array()}};
  for (const v1::MemberResult& other : response->members()) {
    value["members"].push_back(ResultJson(other));
  }
  PrintDone(
      context, value,
      fmt::format("member {} is the master of broker {} now", arguments.member, arguments.broker));
  int exit = kOk;
  for (const v1::MemberResult& other : response->members()) {
    const absl::Status status = FromWire(other.status());
    if (status.ok()) continue;
    const std::string hint =
        "run the command again when it can follow; until then it must not be started as the master";
    // The lost master, as a rule.
    if (other.member() == 0) {
      context.Say(fmt::format("{} was not reached ({}): {}", other.address(),
                              std::string(status.message()), hint));
      continue;
    }
    exit = kPartial;
    PrintError(context, CodeName(CodeOf(status)),
               fmt::format("member {} at {} does not follow it: {}", other.member(),
                           other.address(), std::string(status.message())),
               hint);
  }
  return exit;
}

}  // namespace

void AddPromote(CLI::App& broker, Context& context) {
  CLI::App* promote = broker.add_subcommand(
      "promote", "Make another member the master of a broker group whose roles are static");
  auto arguments = std::make_shared<PromoteArguments>();
  promote->add_option("BROKER", arguments->broker, "The group's name")->required();
  promote->add_option("ID", arguments->member, "The member's broker.id")->required();
  promote
      ->add_option("--member", arguments->others,
                   "Where a further member is, if it is not listed; can be repeated")
      ->type_name("HOST:PORT")
      ->allow_extra_args(false);
  promote->add_flag("--demote", arguments->demote,
                    "The present master hands over and becomes a slave");
  promote->add_flag("--force", arguments->force,
                    "Also where acknowledged messages may be lost; the answer says which");
  promote->add_flag("--yes", arguments->yes, "Do not ask");
  promote->footer(
      "The member asks the others how far their logs are, and refuses when it lacks something that\n"
      "may have been acknowledged. All members that can be reached follow it then; their role holds\n"
      "until role or replication.master of their configuration is changed. Given again for the\n"
      "present master, the command tells the other members once more: for one that was away.\n"
      "Examples:\n"
      "  mansio --endpoint 10.0.0.2:8081 broker promote broker-a 2\n"
      "  mansio broker promote broker-a 2 --demote\n"
      "  mansio --endpoint 10.0.0.2:8081 broker promote broker-a 2 --member 10.0.0.3:8081");
  promote->fallthrough();
  promote->callback([&context, arguments] {
    context.action = [&context, arguments] { return Promote(context, *arguments); };
  });
}

}  // namespace mansio::command
