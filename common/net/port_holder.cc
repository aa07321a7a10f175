#include "common/net/port_holder.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string_view>
#include <system_error>
#include <vector>

#include "absl/strings/escaping.h"

namespace mansio::net {
namespace {

namespace fs = std::filesystem;

// Link texts (`socket:[123]`) of the sockets that listen on `port`, from a table such as
// /proc/net/tcp: a header, then lines of "sl local_address rem_address st … inode" where st 0A is
// LISTEN.
void CollectListeners(const char* table, uint16_t port, std::vector<std::string>* sockets) {
  std::ifstream in(table);
  std::string line;
  std::getline(in, line);
  const std::string suffix = fmt::format(":{:04X}", port);
  while (std::getline(in, line)) {
    std::istringstream fields(line);
    const std::vector<std::string> words{std::istream_iterator<std::string>(fields), {}};
    if (words.size() < 10 || words[3] != "0A" || !words[1].ends_with(suffix)) continue;
    sockets->push_back(fmt::format("socket:[{}]", words[9]));
  }
}

bool HoldsOneOf(const fs::path& process, const std::vector<std::string>& sockets) {
  std::error_code error;
  for (fs::directory_iterator entry(process / "fd", error), end; !error && entry != end;
       entry.increment(error)) {
    std::error_code unreadable;
    const fs::path target = fs::read_symlink(entry->path(), unreadable);
    if (!unreadable &&
        std::find(sockets.begin(), sockets.end(), target.native()) != sockets.end()) {
      return true;
    }
  }
  return false;
}

std::string CommandLine(const fs::path& process) {
  constexpr size_t kMaxLength = 120;
  std::ifstream in(process / "cmdline", std::ios::binary);
  std::string text{std::istreambuf_iterator<char>(in), {}};
  while (!text.empty() && text.back() == '\0') text.pop_back();
  std::replace(text.begin(), text.end(), '\0', ' ');
  if (text.size() > kMaxLength) text = text.substr(0, kMaxLength) + "...";
  return absl::CHexEscape(text);
}

}  // namespace

std::string DescribePortHolder(uint16_t port) {
  std::vector<std::string> sockets;
  CollectListeners("/proc/net/tcp", port, &sockets);
  CollectListeners("/proc/net/tcp6", port, &sockets);
  if (sockets.empty()) return "";
  std::error_code error;
  for (fs::directory_iterator entry("/proc", error), end; !error && entry != end;
       entry.increment(error)) {
    const std::string pid = entry->path().filename();
    if (pid.find_first_not_of("0123456789") != std::string::npos) continue;
    if (!HoldsOneOf(entry->path(), sockets)) continue;
    const std::string command = CommandLine(entry->path());
    return command.empty() ? fmt::format("process {}", pid)
                           : fmt::format("process {} ({})", pid, command);
  }
  return "";
}

}  // namespace mansio::net
