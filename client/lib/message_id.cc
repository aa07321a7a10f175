#include "client/lib/message_id.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <random>

#include "absl/time/civil_time.h"
#include "absl/time/clock.h"

namespace mansio::client {
namespace {

using Mac = std::array<uint8_t, 6>;

bool IsZero(const Mac& mac) {
  return std::all_of(mac.begin(), mac.end(), [](uint8_t byte) { return byte == 0; });
}

// The address in a file such as /sys/class/net/eth0/address ("02:42:ac:11:00:02"); zero on failure.
Mac ReadMac(const std::filesystem::path& file) {
  std::ifstream in(file);
  std::string text;
  std::getline(in, text);
  Mac mac{};
  if (std::sscanf(text.c_str(), "%2hhx:%2hhx:%2hhx:%2hhx:%2hhx:%2hhx", &mac[0], &mac[1], &mac[2],
                  &mac[3], &mac[4], &mac[5]) != 6) {
    return Mac{};
  }
  return mac;
}

Mac HostMac() {
  std::error_code error;
  std::filesystem::directory_iterator interfaces("/sys/class/net", error);
  if (!error) {
    for (const auto& interface : interfaces) {
      const Mac mac = ReadMac(interface.path() / "address");
      if (!IsZero(mac)) return mac;
    }
  }
  std::random_device random;
  Mac mac{};
  std::generate(mac.begin(), mac.end(), [&random] { return static_cast<uint8_t>(random()); });
  return mac;
}

std::string Prefix(const Mac& mac, uint16_t process, absl::Time start) {
  static const absl::Time kEpoch =
      absl::FromCivil(absl::CivilSecond(2021, 1, 1), absl::UTCTimeZone());
  const auto seconds = static_cast<uint32_t>(absl::ToInt64Seconds(start - kEpoch));
  return fmt::format("01{:02X}{:02X}{:02X}{:02X}{:02X}{:02X}{:04X}{:08X}", mac[0], mac[1], mac[2],
                     mac[3], mac[4], mac[5], process, seconds);
}

}  // namespace

MessageIdGenerator::MessageIdGenerator()
    : MessageIdGenerator(HostMac(), static_cast<uint16_t>(getpid()), absl::Now(),
                         std::random_device()()) {}

MessageIdGenerator::MessageIdGenerator(std::array<uint8_t, 6> mac, uint16_t process,
                                       absl::Time start, uint32_t counter)
    : prefix_(Prefix(mac, process, start)), counter_(counter) {}

std::string MessageIdGenerator::Next() {
  return fmt::format("{}{:08X}", prefix_, counter_.fetch_add(1, std::memory_order_relaxed));
}

}  // namespace mansio::client
