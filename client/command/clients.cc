#include <memory>

#include "CLI/CLI.hpp"
#include "client/command/admin_views.h"
#include "client/command/context.h"
#include "client/lib/admin_client.h"

namespace mansio::command {
namespace {

int ListClients(const Context& context) {
  auto admin = client::AdminClient::Create(context.client);
  if (!admin.ok()) return Fail(context, admin.status());
  auto response = (*admin)->ListClients("");
  if (!response.ok()) return Fail(context, response.status());
  Json rows = Json::array();
  for (const v1::ClientDescription& client : response->clients()) {
    rows.push_back({{"client", client.id()},
                    {"role", client.role()},
                    {"group", client.group()},
                    {"language", client.language()},
                    {"version", client.version()},
                    {"address", client.peer()},
                    {"connected", client.connected()}});
  }
  context.Print(rows);
  return ReportRefusals(context, response->results());
}

int DescribeClient(const Context& context, const std::string& id) {
  auto admin = client::AdminClient::Create(context.client);
  if (!admin.ok()) return Fail(context, admin.status());
  auto response = (*admin)->ListClients("", id);
  if (!response.ok()) return Fail(context, response.status());
  for (const v1::ClientDescription& client : response->clients()) context.Print(ClientJson(client));
  return kOk;
}

}  // namespace

void AddClients(CLI::App& app, Context& context) {
  CLI::App* clients = app.add_subcommand("client", "Look at the producers and consumers");
  clients->require_subcommand(1)->fallthrough();
  CLI::App* list = clients->add_subcommand("list", "List the clients that are alive");
  list->footer("Example:\n  mansio client list");
  list->fallthrough();
  list->callback([&context] { context.action = [&context] { return ListClients(context); }; });

  auto id = std::make_shared<std::string>();
  CLI::App* describe = clients->add_subcommand(
      "describe", "Show one client: what it subscribes to, and when it was last heard of");
  describe->add_option("ID", *id, "The client id, as the list shows it")->required();
  describe->footer("Example:\n  mansio client describe host@17@2@abc");
  describe->fallthrough();
  describe->callback(
      [&context, id] { context.action = [&context, id] { return DescribeClient(context, *id); }; });
}

}  // namespace mansio::command
