#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "CLI/CLI.hpp"
#include "absl/time/clock.h"
#include "client/command/admin_views.h"
#include "client/command/context.h"
#include "client/lib/admin_client.h"

namespace mansio::command {

namespace v2 = apache::rocketmq::v2;

namespace {

const char* StateName(v1::TransactionState state) {
  switch (state) {
    case v1::TRANSACTION_STATE_COMMITTED:
      return "committed";
    case v1::TRANSACTION_STATE_ROLLED_BACK:
      return "rolled_back";
    case v1::TRANSACTION_STATE_EXPIRED:
      return "expired";
    default:
      return "pending";
  }
}

Json TransactionJson(const v1::TransactionInfo& info) {
  Json value = {{"transaction_id", info.transaction_id()}, {"topic", info.topic()},
                {"message_id", info.message_id()},         {"state", StateName(info.state())},
                {"stored", TimeText(info.stored())},       {"checks", info.checks()}};
  if (info.state() == v1::TRANSACTION_STATE_EXPIRED) {
    value["ended"] = TimeText(info.ended());
    value["reason"] = info.reason();
  } else {
    value["next_check"] = TimeText(info.next_check());
  }
  value["broker"] = info.broker();
  return value;
}

int Stats(const Context& context) {
  auto admin = client::AdminClient::Create(context.client);
  if (!admin.ok()) return Fail(context, admin.status());
  auto response = (*admin)->TransactionStats();
  if (!response.ok()) return Fail(context, response.status());
  Json value = {{"brokers", Json::array()}, {"topics", Json::array()}};
  for (const v1::TransactionTotals& totals : response->totals()) {
    value["brokers"].push_back({{"broker", totals.broker()},
                                {"started", totals.started()},
                                {"committed", totals.committed()},
                                {"rolled_back", totals.rolled_back()},
                                {"expired", totals.expired()},
                                {"pending", totals.pending()},
                                {"oldest_pending", TimeText(totals.oldest_pending())}});
  }
  for (const v1::PendingTransactions& topic : response->topics()) {
    value["topics"].push_back(
        {{"broker", topic.broker()}, {"topic", topic.topic()}, {"pending", topic.pending()}});
  }
  context.Print(value);
  return ReportRefusals(context, response->results());
}

struct ListArguments {
  std::string topic;
  std::string state = "pending";
  int limit = 50;
};

// Whether a check should have been made a while ago.
bool AnyOverdue(const google::protobuf::RepeatedPtrField<v1::TransactionInfo>& transactions) {
  constexpr absl::Duration kLate = absl::Seconds(5);  // clocks differ, and checks take their time
  const absl::Time now = absl::Now();
  return std::any_of(transactions.begin(), transactions.end(), [&](const auto& info) {
    return info.has_next_check() && TimeOf(info.next_check()) + kLate < now;
  });
}

int List(const Context& context, const ListArguments& arguments) {
  auto admin = client::AdminClient::Create(context.client);
  if (!admin.ok()) return Fail(context, admin.status());
  const v1::TransactionState state =
      arguments.state == "expired" ? v1::TRANSACTION_STATE_EXPIRED : v1::TRANSACTION_STATE_PENDING;
  auto response = (*admin)->ListTransactions(arguments.topic, state, arguments.limit);
  if (!response.ok()) return Fail(context, response.status());
  Json rows = Json::array();
  for (const v1::TransactionInfo& info : response->transactions()) {
    rows.push_back(TransactionJson(info));
  }
  context.Print(rows);
  if (AnyOverdue(response->transactions())) {
    context.Say(
        "a next check that is in the past waits for a producer of the topic to be connected "
        "(mansio client list); commit or rollback end a transaction without one");
  }
  if (state == v1::TRANSACTION_STATE_EXPIRED && !rows.empty()) {
    context.Say(
        "an expired transaction cannot be committed any more; transaction show has its message, "
        "which can be sent again");
  }
  return ReportRefusals(context, response->results());
}

int Show(const Context& context, const std::string& id) {
  auto admin = client::AdminClient::Create(context.client);
  if (!admin.ok()) return Fail(context, admin.status());
  auto response = (*admin)->DescribeTransaction(id);
  if (!response.ok()) return Fail(context, response.status());
  const v1::TransactionInfo& info = response->transaction();
  Json value = TransactionJson(info);
  value["born_host"] = info.born_host();
  value["tag"] = info.message().system_properties().tag();
  value["keys"] = Json::array();
  for (const std::string& key : info.message().system_properties().keys()) {
    value["keys"].push_back(key);
  }
  value["properties"] = Json::object();
  for (const auto& [key, text] : info.message().user_properties()) value["properties"][key] = text;
  value["body_bytes"] = info.body_bytes();
  AddBody(info.message(), &value);
  context.Print(value);
  return kOk;
}

int Resolve(const Context& context, const std::string& id, bool commit, bool yes) {
  if (!commit && !Agree(context, yes, fmt::format("drops the message of transaction {}", id))) {
    return kUsage;
  }
  auto admin = client::AdminClient::Create(context.client);
  if (!admin.ok()) return Fail(context, admin.status());
  auto response = (*admin)->ResolveTransaction(id, commit);
  if (!response.ok()) return Fail(context, response.status());
  PrintDone(context, {{"transaction_id", id}, {"state", commit ? "committed" : "rolled_back"}},
            fmt::format("{} transaction {}", commit ? "committed" : "rolled back", id));
  return kOk;
}

CLI::App* AddOfOne(CLI::App& transaction, Context& context, const char* name,
                   const char* description,
                   std::function<int(const Context&, const std::string&)> run) {
  CLI::App* verb = transaction.add_subcommand(name, description);
  auto id = std::make_shared<std::string>();
  verb->add_option("ID", *id, "The transaction id, as the list shows it")->required();
  verb->footer(fmt::format("Example:\n  mansio transaction {} VAhicm9rZXItYQEBAA", name));
  verb->fallthrough();
  verb->callback([&context, id, run = std::move(run)] {
    context.action = [&context, id, run] { return run(context, *id); };
  });
  return verb;
}

}  // namespace

void AddTransaction(CLI::App& app, Context& context) {
  CLI::App* transaction =
      app.add_subcommand("transaction", "Look at transactions, and end those that nobody ends");
  transaction->require_subcommand(1)->fallthrough();

  CLI::App* stats = transaction->add_subcommand("stats", "Show how many are pending and ended");
  stats->footer("Example:\n  mansio transaction stats -o json");
  stats->fallthrough();
  stats->callback([&context] { context.action = [&context] { return Stats(context); }; });

  CLI::App* list = transaction->add_subcommand("list", "List pending or expired transactions");
  auto arguments = std::make_shared<ListArguments>();
  list->add_option("--topic", arguments->topic, "Only those of this topic")->type_name("TOPIC");
  OneOf(list->add_option("--state", arguments->state,
                         "pending, oldest first; or expired: rolled back by the broker after the "
                         "last check, newest first"),
        {"pending", "expired"})
      ->capture_default_str();
  list->add_option("--limit", arguments->limit, "At most so many of each broker")
      ->check(CLI::Range(1, 1000).description(""))
      ->type_name("N")
      ->capture_default_str();
  list->footer("Example:\n  mansio transaction list --state expired");
  list->fallthrough();
  list->callback([&context, arguments] {
    context.action = [&context, arguments] { return List(context, *arguments); };
  });

  AddOfOne(*transaction, context, "show", "Show a transaction and its message", Show);
  AddOfOne(*transaction, context, "commit", "Make the message of a pending transaction visible",
           [](const Context& c, const std::string& id) { return Resolve(c, id, true, true); });
  auto yes = std::make_shared<bool>(false);
  AddOfOne(*transaction, context, "rollback", "Drop the message of a pending transaction",
           [yes](const Context& c, const std::string& id) { return Resolve(c, id, false, *yes); })
      ->add_flag("--yes", *yes, "Do not ask");
}

}  // namespace mansio::command
