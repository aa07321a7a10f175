#include "client/command/reach.h"

#include <fmt/format.h>

#include "client/command/saved_contexts.h"
#include "common/access/cluster_secret.h"
#include "common/files/posix_file_system.h"

namespace mansio::command {
namespace {

absl::Status UseSavedContext(FileSystem& files, bool endpoint_given, bool tls_given,
                             Context* context) {
  if (endpoint_given && context->saved_context.empty()) return absl::OkStatus();
  const auto saved = ContextFile(&files, context->config_directory).Load();
  if (!saved.ok()) return saved.status();
  const std::string& name =
      context->saved_context.empty() ? saved->current : context->saved_context;
  if (name.empty()) return absl::OkStatus();
  const auto found = saved->contexts.find(name);
  if (found == saved->contexts.end()) {
    return absl::NotFoundError(
        fmt::format("there is no context '{}'; mansio context list shows them", name));
  }
  if (!endpoint_given) context->client.endpoint = found->second.endpoint;
  if (!tls_given) context->client.tls = found->second.tls;
  if (context->cluster_secret_file.empty()) {
    context->cluster_secret_file = found->second.cluster_secret_file;
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status ResolveReach(bool endpoint_given, bool tls_given, Context* context) {
  PosixFileSystem files;
  absl::Status status = UseSavedContext(files, endpoint_given, tls_given, context);
  if (!status.ok()) return status;
  absl::StatusOr<std::string> secret =
      access::ReadSecret(files, context->cluster_secret_file, "--cluster-secret-file");
  if (!secret.ok()) return secret.status();
  context->client.cluster_secret = *std::move(secret);
  return absl::OkStatus();
}

}  // namespace mansio::command
