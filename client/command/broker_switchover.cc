// mansio broker switchover: an elected master gives its group to another member.
#include <fmt/format.h>

#include <memory>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/time/clock.h"
#include "client/command/admin_views.h"
#include "client/command/broker_access.h"
#include "client/command/brokers.h"
#include "client/lib/admin_client.h"

namespace mansio::command {
namespace {

// The master waits until the heir has everything, for less.
constexpr absl::Duration kHandOverTimeout = absl::Seconds(30);
// Until the new master has opened its store.
constexpr absl::Duration kOpenPatience = absl::Seconds(30);
constexpr absl::Duration kLookAgain = absl::Milliseconds(200);

struct SwitchoverArguments {
  std::string broker;
  int32_t heir = 0;  // 0: any
  bool yes = false;
};

struct MasterAndHeir {
  v1::BrokerIdentity master;
  v1::BrokerIdentity heir;
};

// The group's master, and the member that is wanted: the in-sync slave that has most of the log
// where none is named.
absl::StatusOr<MasterAndHeir> FindMembers(const Context& context,
                                          const SwitchoverArguments& arguments) {
  auto admin = client::AdminClient::Create(context.client);
  if (!admin.ok()) return admin.status();
  const auto response = (*admin)->ListBrokers();
  if (!response.ok()) return response.status();
  MasterAndHeir members;
  int64_t most = -1;
  for (const v1::BrokerOverview& overview : MembersOf(context, *response)) {
    const v1::BrokerIdentity& broker = overview.broker();
    if (broker.name() != arguments.broker || !overview.online() || broker.addresses().empty()) {
      continue;
    }
    if (broker.role() == "master") {
      members.master = broker;
    } else if (arguments.heir != 0 ? broker.member() == arguments.heir
                                   : overview.in_sync() && overview.log_end() > most) {
      members.heir = broker;
      most = overview.log_end();
    }
  }
  const std::string hint = "mansio broker list shows the members";
  if (members.master.addresses().empty()) {
    return absl::NotFoundError(fmt::format("{} knows no master of broker {}; {}",
                                           response->answered_by(), arguments.broker, hint));
  }
  if (!members.heir.addresses().empty()) return members;
  if (arguments.heir == members.master.member()) {
    return absl::FailedPreconditionError(
        fmt::format("member {} is the master already", arguments.heir));
  }
  return absl::NotFoundError(
      arguments.heir == 0
          ? fmt::format("no slave of broker {} is in sync; {}", arguments.broker, hint)
          : fmt::format("{} knows no member {} of broker {}; {}", response->answered_by(),
                        arguments.heir, arguments.broker, hint));
}

int Switchover(const Context& context, const SwitchoverArguments& arguments) {
  const auto members = FindMembers(context, arguments);
  if (!members.ok()) return Fail(context, members.status());
  const auto& [master, heir] = *members;
  const std::string what = fmt::format("makes member {} the master of {} in the place of member {}",
                                       heir.member(), arguments.broker, master.member());
  if (!Agree(context, arguments.yes, what)) return kUsage;

  client::ClientOptions options = OptionsOf(context, master);
  options.request_timeout = kHandOverTimeout;
  auto admin = client::AdminClient::Create(options, client::AdminClient::Scope::kNode);
  if (!admin.ok()) return Fail(context, admin.status());
  v1::HandOverRequest request;
  request.set_broker(arguments.broker);
  request.set_member(master.member());
  request.set_heir(heir.member());
  const auto response = (*admin)->HandOver(request);
  if (!response.ok()) return Fail(context, response.status());
  if (!AwaitMaster(context, heir)) {
    return Fail(context, absl::DeadlineExceededError(fmt::format(
                             "member {} has handed over, and member {} is not the master yet: "
                             "mansio broker list shows who is, and their logs say why",
                             master.member(), heir.member())));
  }
  PrintDone(context,
            {{"broker", arguments.broker},
             {"id", heir.member()},
             {"address", Addresses(heir).front()},
             {"previous", master.member()}},
            fmt::format("member {} is the master of broker {} now, and member {} its slave",
                        heir.member(), arguments.broker, master.member()));
  return kOk;
}

}  // namespace

bool AwaitMaster(const Context& context, const v1::BrokerIdentity& member) {
  const absl::Time give_up = absl::Now() + kOpenPatience;
  do {
    auto admin =
        client::AdminClient::Create(OptionsOf(context, member), client::AdminClient::Scope::kNode);
    const auto list = admin.ok() ? (*admin)->ListBrokers() : admin.status();
    if (list.ok() && !list->brokers().empty() && list->brokers(0).broker().role() == "master") {
      return true;
    }
    absl::SleepFor(kLookAgain);
  } while (absl::Now() < give_up);
  return false;
}

void AddSwitchover(CLI::App& broker, Context& context) {
  CLI::App* switchover = broker.add_subcommand(
      "switchover", "Give a broker group that elects its master to another member");
  auto arguments = std::make_shared<SwitchoverArguments>();
  switchover->add_option("BROKER", arguments->broker, "The group's name")->required();
  switchover->add_option("ID", arguments->heir,
                         "The broker.id of the new master; any member that is in sync without it");
  switchover->add_flag("--yes", arguments->yes, "Do not ask");
  switchover->footer(
      "For maintenance of the master's machine. Sends wait a moment meanwhile, and nothing is lost:\n"
      "the master takes no more, waits until the other member has everything, and steps down.\n"
      "Groups with static roles: mansio broker promote BROKER ID --demote.\n"
      "Examples:\n"
      "  mansio broker switchover broker-a\n"
      "  mansio broker switchover broker-a 2 --yes");
  switchover->fallthrough();
  switchover->callback([&context, arguments] {
    context.action = [&context, arguments] { return Switchover(context, *arguments); };
  });
}

}  // namespace mansio::command
