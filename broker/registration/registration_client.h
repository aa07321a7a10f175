#ifndef MANSIO_BROKER_REGISTRATION_REGISTRATION_CLIENT_H_
#define MANSIO_BROKER_REGISTRATION_REGISTRATION_CLIENT_H_

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"
#include "broker/registration/registration_source.h"

namespace mansio::broker {

struct RegistrationOptions {
  std::vector<std::string> nameservers;  // HOST:PORT each; names are resolved at every attempt
  std::string cluster_secret;            // that nameservers may ask for; empty: none
  absl::Duration keep_alive = absl::Seconds(1);  // at most; up to 30 % less, by chance
  // Pause between attempts: doubles from the first to the longest; likewise.
  absl::Duration first_pause = absl::Milliseconds(200);
  absl::Duration longest_pause = absl::Seconds(1);
};

// How the broker stands with one nameserver.
struct RegistrationState {
  std::string nameserver;
  bool registered = false;                  // the snapshot was accepted, the stream is open
  absl::Time since = absl::InfinitePast();  // when it last became registered
  std::string last_error;                   // why it is not, or was not before
  // The member of this broker's group that has become its master since, when that is why it was
  // refused; until it is accepted.
  std::string superseded_by;
};

// Keeps the broker registered with every nameserver, each on a thread and a stream of its own
// (design section 2; mansio/v1/registration.proto): a snapshot, what changed, and a keep-alive each
// second. A nameserver that is down or slow concerns nothing but its own thread. Logs one line when
// a registration succeeds and one when it is lost or refused for another reason than before.
// Thread-safe.
class RegistrationClient final : public RegistrationListener {
 public:
  // `source` is borrowed and must outlive this object.
  RegistrationClient(RegistrationOptions options, RegistrationSource* source);
  ~RegistrationClient() override;

  // Starts registering. Once.
  void Start();
  // Ends all streams, so that nameservers forget the broker at once, and joins the threads.
  // Idempotent.
  void Stop();
  // By nameserver, in the order of the options.
  std::vector<RegistrationState> States() const;

  void TopicChanged(std::string_view name) override;
  void GroupChanged(std::string_view name) override;

 private:
  class Session;

  RegistrationSource* const source_;
  const RegistrationOptions options_;
  std::vector<std::unique_ptr<Session>> sessions_;
};

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_REGISTRATION_REGISTRATION_CLIENT_H_
