#include "tests/integration/broker_group.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "absl/time/clock.h"

namespace mansio::testing {
namespace {

constexpr absl::Duration kInvisible = absl::Minutes(5);
constexpr absl::Duration kPolling = absl::Seconds(20);

std::string ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace

std::vector<std::string> BrokerGroup::Segments(int id) const {
  std::vector<std::string> segments;
  for (const auto& entry : std::filesystem::directory_iterator(members_[id - 1]->data() + "/log")) {
    const std::string name = entry.path().filename();
    if (std::all_of(name.begin(), name.end(), [](char c) { return c >= '0' && c <= '9'; })) {
      segments.push_back(entry.path());
    }
  }
  std::sort(segments.begin(), segments.end());
  return segments;
}

std::string BrokerGroup::LogBytes(int id) const {
  std::string bytes;
  for (const std::string& path : Segments(id)) bytes += ReadFile(path);
  bytes.resize(bytes.find_last_not_of('\0') + 1);
  return bytes;
}

void BrokerGroup::LosePower(int id, size_t bytes) {
  // The log's files are longer than what is in them.
  std::string path;
  std::string content;
  for (const std::string& segment : Segments(id)) {
    const std::string read = ReadFile(segment);
    if (read.find_last_not_of('\0') == std::string::npos) break;
    path = segment;
    content = read;
  }
  const size_t end = content.find_last_not_of('\0') + 1;
  ASSERT_GT(end, bytes);
  content.replace(end - bytes, bytes, bytes, '\0');
  std::ofstream(path, std::ios::binary) << content;
  std::ofstream(members_[id - 1]->data() + "/RUNNING") << "another boot of the machine\n";
}

void BrokerGroup::Promote(int id) {
  for (int other = 1; other <= 3; ++other) {
    at(other).Change(other == id ? "role=master" : "role=slave");
    if (other != id) at(other).Change("replication.master=" + at(id).address());
  }
}

bool BrokerGroup::AwaitCopy(int id, const std::string& bytes) const {
  const absl::Time deadline = absl::Now() + absl::Seconds(60);
  while (LogBytes(id).find(bytes) == std::string::npos) {
    if (absl::Now() > deadline) return false;
    absl::SleepFor(absl::Milliseconds(50));
  }
  return true;
}

void BrokerGroup::ReceiveUntil(int id,
                               const std::function<bool(const std::string&)>& enough) const {
  const auto consumer = members_[id - 1]->Consumer("billing", "orders");
  for (bool is_enough = false; !is_enough;) {
    const auto received = consumer->Receive(32, kInvisible, kPolling);
    EXPECT_TRUE(received.ok()) << received.status();
    if (!received.ok() || received->empty()) return;
    for (const auto& message : *received) {
      is_enough = enough(message.body);
      EXPECT_TRUE(consumer->Ack(message).ok());
    }
  }
}

std::multiset<std::string> BrokerGroup::ReceiveAtLeast(int id, size_t count) const {
  std::multiset<std::string> bodies;
  ReceiveUntil(id, [&](const std::string& body) {
    bodies.insert(body);
    return bodies.size() >= count;
  });
  return bodies;
}

std::set<std::string> BrokerGroup::Missing(int id, std::set<std::string> bodies) const {
  ReceiveUntil(id, [&](const std::string& body) {
    bodies.erase(body);
    return bodies.empty();
  });
  return bodies;
}

size_t BrokerGroup::SalvagedFiles(int id) const {
  size_t files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(members_[id - 1]->data() + "/log")) {
    if (entry.path().extension() == ".salvaged") ++files;
  }
  return files;
}

void BrokerGroup::ExpectSameLogs(int id) {
  for (int other = 1; other <= 3; ++other) {
    if (other == id) continue;
    EXPECT_EQ(at(other).Stop(), 0) << at(other).Log();
  }
  EXPECT_EQ(at(id).Stop(), 0) << at(id).Log();
  const std::string log = LogBytes(id);
  for (int other = 1; other <= 3; ++other) {
    if (other == id) continue;
    const std::string copy = LogBytes(other);
    EXPECT_EQ(log.compare(0, copy.size(), copy), 0) << "member " << other << " has another log";
  }
}

}  // namespace mansio::testing
