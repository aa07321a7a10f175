#ifndef MANSIO_BROKER_REGISTRATION_REGISTRATION_STREAM_H_
#define MANSIO_BROKER_REGISTRATION_REGISTRATION_STREAM_H_

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "broker/registration/registration_source.h"

namespace mansio::broker {

// One registration stream to one nameserver, in plaintext. Every update waits for its reply. Used
// by one thread, but for Cancel.
class RegistrationStream {
 public:
  // Begins to connect to `nameserver`, HOST:PORT, and proves there to have `cluster_secret`, unless
  // that is empty.
  RegistrationStream(const std::string& nameserver, const std::string& cluster_secret);
  ~RegistrationStream();

  // Each returns when the nameserver has accepted what was sent. Any error ends the stream: the
  // nameserver's refusal (wire status), or kUnavailable when it cannot be reached.
  absl::Status SendSnapshot(const RegistrationSource& source);
  absl::Status SendDelta(v1::Delta delta);
  absl::Status SendKeepAlive();

  // Who has become the master of the broker's group, when that is why it was refused; else empty.
  const std::string& superseded_by() const;

  // Makes the call that is running, and every later one, fail at once. From any thread.
  void Cancel();

 private:
  class Impl;
  const std::unique_ptr<Impl> impl_;
};

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_REGISTRATION_REGISTRATION_STREAM_H_
