#include "tests/integration/server_process.h"

#include <gtest/gtest.h>
#include <signal.h>

#include <utility>

namespace mansio::testing {
namespace {

constexpr absl::Duration kPatience = absl::Seconds(60);  // a loaded machine under a sanitizer

}  // namespace

std::string Binary(const std::string& name) { return std::string(MANSIO_BIN_DIR) + "/" + name; }

ServerProcess::ServerProcess(std::string program, const std::string& data_key,
                             std::vector<std::string> settings)
    : program_(std::move(program)), address_(FreeAddress()) {
  settings.insert(settings.begin(), {"listen=" + address_, data_key + "=" + data()});
  for (std::string& setting : settings) {
    arguments_.insert(arguments_.end(), {"--set", std::move(setting)});
  }
}

std::string ServerProcess::Start() {
  process_ = std::make_unique<Process>(Binary(program_), arguments_, directory_.path(), "server");
  std::string line = WaitForLog("ready");
  EXPECT_NE(line, "") << Log();
  return line;
}

void ServerProcess::Change(const std::string& setting) {
  arguments_.insert(arguments_.end(), {"--set", setting});
}

int ServerProcess::Stop() {
  process_->Signal(SIGTERM);
  return process_->Wait();
}

void ServerProcess::Kill() {
  process_->Signal(SIGKILL);
  EXPECT_EQ(process_->Wait(), 128 + SIGKILL);
}

std::string ServerProcess::WaitForLog(const std::string& text) {
  return process_->WaitForError(text, kPatience);
}

client::ClientOptions ServerProcess::Client(bool tls) const {
  client::ClientOptions options;
  options.endpoint = address_;
  options.tls = tls;
  options.request_timeout = absl::Seconds(30);
  options.max_attempts = 1;
  return options;
}

std::unique_ptr<client::AdminClient> ServerProcess::Admin(bool tls) const {
  auto admin = client::AdminClient::Create(Client(tls));
  EXPECT_TRUE(admin.ok()) << admin.status();
  return *std::move(admin);
}

std::unique_ptr<client::Producer> ServerProcess::Producer(bool tls) const {
  auto producer = client::Producer::Create(Client(tls));
  EXPECT_TRUE(producer.ok()) << producer.status();
  return *std::move(producer);
}

std::unique_ptr<client::SimpleConsumer> ServerProcess::Consumer(const std::string& group,
                                                                const std::string& topic,
                                                                bool tls) const {
  auto consumer = client::SimpleConsumer::Create(Client(tls), group);
  EXPECT_TRUE(consumer.ok()) << consumer.status();
  EXPECT_TRUE((*consumer)->Subscribe(topic).ok());
  return *std::move(consumer);
}

absl::Status ServerProcess::CreateTopic(const std::string& name, int queues) const {
  v1::TopicInfo topic;
  topic.set_name(name);
  topic.set_queues(queues);
  return Admin()->CreateTopic(topic).status();
}

absl::Status ServerProcess::CreateEarliestGroup(const std::string& name) const {
  v1::GroupInfo group;
  group.set_name(name);
  group.set_start(v1::START_POLICY_EARLIEST);
  return Admin()->CreateGroup(group).status();
}

client::Message MessageTo(const std::string& topic, const std::string& body) {
  client::Message message;
  message.topic = topic;
  message.body = body;
  return message;
}

}  // namespace mansio::testing
