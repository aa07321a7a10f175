#ifndef MANSIO_COMMON_ACCESS_ACCESS_CONFIG_H_
#define MANSIO_COMMON_ACCESS_ACCESS_CONFIG_H_

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "common/access/network_list.h"
#include "common/config/schema.h"

namespace mansio::access {

// Who may administer, as brokers and nameservers are configured.
struct AccessOptions {
  std::string allow;        // networks, for NetworkList::Parse
  std::string secret_file;  // empty: no secret
};

// Adds admin.allow and admin.cluster-secret-file, bound to the member `options` of the struct.
template <typename Config>
void AddAccess(config::Schema<Config>& schema, AccessOptions Config::*options) {
  const auto of = [options](auto member) {
    return
        [options, member](Config& config) -> decltype(auto) { return (config.*options.*member); };
  };
  schema
      .String(
          "admin.allow", of(&AccessOptions::allow), "",
          "The networks, separated by commas, from which commands may show messages and change "
          "things (as `mansio dlq show` and `mansio topic delete`), besides the machine itself: "
          "\"10.1.0.0/16, 192.168.1.7\". Others may only look at names, counts and settings.",
          [](std::string_view text) { return NetworkList::Parse(text).status(); })
      .Path("admin.cluster-secret-file", of(&AccessOptions::secret_file), "",
            "A file whose first line is a secret of at least 16 characters, the same for all "
            "brokers and nameservers of a cluster and for whoever administers it. With one, "
            "commands that prove to have it are served from everywhere (`mansio "
            "--cluster-secret-file FILE`), and brokers have to prove it to register. Empty: none.");
}

}  // namespace mansio::access

#endif  // MANSIO_COMMON_ACCESS_ACCESS_CONFIG_H_
