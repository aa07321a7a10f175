// mansio context: which cluster the command talks to when no --endpoint is given.
#include <fmt/format.h>

#include <filesystem>
#include <functional>
#include <memory>

#include "CLI/CLI.hpp"
#include "client/command/admin_views.h"
#include "client/command/context.h"
#include "client/command/saved_contexts.h"
#include "client/lib/admin_client.h"
#include "common/files/posix_file_system.h"

namespace mansio::command {
namespace {

absl::Status NoSuchContext(const std::string& name) {
  return absl::NotFoundError(fmt::format(
      "there is no context '{}'; mansio context list shows them, mansio context add makes one",
      name));
}

int ChangeContexts(const Context& context,
                   const std::function<absl::Status(SavedContexts&)>& change) {
  PosixFileSystem files;
  const absl::Status status = ContextFile(&files, context.config_directory).Change(change);
  if (status.ok()) return kOk;
  if (!absl::IsInvalidArgument(status)) return Fail(context, status);
  return FailUsage(context, std::string(status.message()), "");
}

int AddContext(const Context& context, const std::string& name, bool replace) {
  SavedContext added = {context.client.endpoint, context.client.tls, context.cluster_secret_file};
  // It is to be found from any directory later.
  if (std::string& file = added.cluster_secret_file; !file.empty()) {
    file = std::filesystem::absolute(file).string();
  }
  // Refuses an address that could never be called.
  if (auto admin = client::AdminClient::Create(context.client); !admin.ok()) {
    return FailUsage(context, std::string(admin.status().message()), "");
  }
  bool in_use = false;
  const int exit = ChangeContexts(context, [&](SavedContexts& saved) {
    if (absl::Status status = CheckContextName(name); !status.ok()) return status;
    const auto found = saved.contexts.find(name);
    if (found != saved.contexts.end() && !replace && found->second != added) {
      return absl::AlreadyExistsError(
          fmt::format("the context {} is there already, for {}; --replace changes it", name,
                      found->second.endpoint));
    }
    saved.contexts[name] = added;
    if (saved.current.empty()) saved.current = name;
    in_use = saved.current == name;
    return absl::OkStatus();
  });
  if (exit != kOk) return exit;
  PrintDone(context, {{"name", name}, {"endpoint", added.endpoint}, {"current", in_use}},
            fmt::format("context {} is {}{}", name, added.endpoint,
                        in_use ? ", and in use" : fmt::format("; mansio context use {}", name)));
  return kOk;
}

int UseContext(const Context& context, const std::string& name) {
  const int exit = ChangeContexts(context, [&](SavedContexts& saved) {
    if (!saved.contexts.contains(name)) return NoSuchContext(name);
    saved.current = name;
    return absl::OkStatus();
  });
  if (exit != kOk) return exit;
  PrintDone(context, {{"name", name}, {"current", true}},
            fmt::format("context {} is in use", name));
  return kOk;
}

int RemoveContext(const Context& context, const std::string& name, bool yes) {
  if (!Confirm(context, yes, fmt::format("the context {}", name), name)) return kUsage;
  const int exit = ChangeContexts(context, [&](SavedContexts& saved) {
    if (saved.contexts.erase(name) == 0) return NoSuchContext(name);
    if (saved.current == name) saved.current.clear();
    return absl::OkStatus();
  });
  if (exit != kOk) return exit;
  PrintDone(context, {{"name", name}, {"removed", true}}, fmt::format("removed context {}", name));
  return kOk;
}

int ListContexts(const Context& context) {
  PosixFileSystem files;
  const auto saved = ContextFile(&files, context.config_directory).Load();
  if (!saved.ok()) return FailUsage(context, std::string(saved.status().message()), "");
  Json rows = Json::array();
  for (const auto& [name, one] : saved->contexts) {
    rows.push_back({{"name", name},
                    {"current", name == saved->current},
                    {"endpoint", one.endpoint},
                    {"tls", one.tls},
                    {"cluster_secret_file",
                     one.cluster_secret_file.empty() ? Json() : Json(one.cluster_secret_file)}});
  }
  context.Print(rows);
  return kOk;
}

// A verb that touches no server; its options live as long as its callback.
void Locally(CLI::App& verb, Context& context, std::function<int()> run) {
  verb.fallthrough();
  verb.callback([&context, run = std::move(run)] {
    context.needs_cluster = false;
    context.action = run;
  });
}

CLI::App* AddNamed(CLI::App& noun, const char* verb, const char* description, std::string* name) {
  CLI::App* app = noun.add_subcommand(verb, description);
  app->add_option("NAME", *name, "The context")->required()->type_name("CONTEXT");
  return app;
}

}  // namespace

void AddContexts(CLI::App& app, Context& context) {
  CLI::App* noun = app.add_subcommand("context", "Name the clusters you work with, and choose one");
  noun->require_subcommand(1)->fallthrough();
  auto name = std::make_shared<std::string>();
  auto flag = std::make_shared<bool>(false);

  CLI::App* add = AddNamed(*noun, "add",
                           "Save --endpoint, --tls and --cluster-secret-file under a name; the "
                           "first one is in use at once",
                           name.get());
  add->add_flag("--replace", *flag, "Change the context if it is there already");
  add->footer("Example:\n  mansio context add staging --endpoint 10.0.0.5:9876 --tls");
  Locally(*add, context, [&context, name, flag] { return AddContext(context, *name, *flag); });

  CLI::App* use = AddNamed(*noun, "use", "Let every command talk to that cluster", name.get());
  use->footer("Example:\n  mansio context use staging");
  Locally(*use, context, [&context, name] { return UseContext(context, *name); });

  CLI::App* list = noun->add_subcommand("list", "List the saved contexts and the one in use");
  list->footer("Example:\n  mansio context list");
  Locally(*list, context, [&context] { return ListContexts(context); });

  CLI::App* remove = AddNamed(*noun, "remove", "Forget a context", name.get());
  remove->add_flag("--yes", *flag, "Do not ask");
  remove->footer("Example:\n  mansio context remove staging --yes");
  Locally(*remove, context,
          [&context, name, flag] { return RemoveContext(context, *name, *flag); });
}

}  // namespace mansio::command
