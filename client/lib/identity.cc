#include "client/lib/identity.h"

#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <atomic>

#include "absl/time/clock.h"

namespace mansio::client {

const char* Version() { return MANSIO_VERSION; }

const std::string& HostName() {
  static const std::string* const kName = [] {
    std::array<char, 256> name{};
    const bool known = gethostname(name.data(), name.size() - 1) == 0 && name[0] != '\0';
    return new std::string(known ? name.data() : "localhost");
  }();
  return *kName;
}

std::string NewClientId() {
  static std::atomic<int> next_index{0};
  return fmt::format("{}@{}@{}@{:x}", HostName(), getpid(), next_index.fetch_add(1),
                     absl::GetCurrentTimeNanos());
}

Headers IdentityHeaders(const std::string& client_id) {
  return {{"x-mq-client-id", client_id},
          {"x-mq-language", "CPP"},
          {"x-mq-client-version", Version()},
          {"x-mq-protocol", "v2"}};
}

}  // namespace mansio::client
