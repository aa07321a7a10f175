#ifndef MANSIO_TESTS_INTEGRATION_SERVER_PROCESS_H_
#define MANSIO_TESTS_INTEGRATION_SERVER_PROCESS_H_

#include <memory>
#include <string>
#include <vector>

#include "client/lib/admin_client.h"
#include "client/lib/producer.h"
#include "client/lib/simple_consumer.h"
#include "tests/process/process.h"

namespace mansio::testing {

// The path of a program of this build.
std::string Binary(const std::string& name);

// A nameserver or broker that runs as a program, and clients for it. It keeps its address and data
// over restarts. Not thread-safe, but clients may be made by any thread.
class ServerProcess {
 public:
  // Starts it and returns the line that says that it is ready.
  std::string Start();
  // From its next start on it has this setting, key=value, over those before.
  void Change(const std::string& setting);
  // SIGTERM; its exit code.
  int Stop();
  void Kill();
  // Waits for a line of its log that contains `text`; "" when none comes in time.
  std::string WaitForLog(const std::string& text);
  std::string Log() const { return process_->Err(); }
  pid_t pid() const { return process_->pid(); }
  const std::string& address() const { return address_; }
  // Of its own, removed at the end.
  std::string data() const { return directory_.Path("data"); }

  client::ClientOptions Client(bool tls = false) const;
  std::unique_ptr<client::AdminClient> Admin(bool tls = false) const;
  std::unique_ptr<client::Producer> Producer(bool tls = false) const;
  // Subscribed to `topic`.
  std::unique_ptr<client::SimpleConsumer> Consumer(const std::string& group,
                                                   const std::string& topic,
                                                   bool tls = false) const;
  absl::Status CreateTopic(const std::string& name, int queues = 1) const;
  // One that begins with the oldest message.
  absl::Status CreateEarliestGroup(const std::string& name) const;

 protected:
  // `settings`: key=value each, besides `listen` and `data_key`, the key of its directory.
  ServerProcess(std::string program, const std::string& data_key,
                std::vector<std::string> settings);

 private:
  const std::string program_;
  const TemporaryDirectory directory_;
  const std::string address_;
  std::vector<std::string> arguments_;
  std::unique_ptr<Process> process_;
};

class BrokerProcess final : public ServerProcess {
 public:
  explicit BrokerProcess(std::vector<std::string> settings = {})
      : ServerProcess("mansio-broker", "store.path", std::move(settings)) {}
};

class NameserverProcess final : public ServerProcess {
 public:
  explicit NameserverProcess(std::vector<std::string> settings = {})
      : ServerProcess("mansio-nameserver", "tls.generated-dir", std::move(settings)) {}
};

client::Message MessageTo(const std::string& topic, const std::string& body);

}  // namespace mansio::testing

#endif  // MANSIO_TESTS_INTEGRATION_SERVER_PROCESS_H_
