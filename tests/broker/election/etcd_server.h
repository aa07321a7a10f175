#ifndef MANSIO_TESTS_BROKER_ELECTION_ETCD_SERVER_H_
#define MANSIO_TESTS_BROKER_ELECTION_ETCD_SERVER_H_

#include <gtest/gtest.h>
#include <signal.h>

#include <memory>
#include <string>

#include "tests/process/process.h"

namespace mansio::testing {

// A real etcd of one server on this machine. It keeps its address and its data when it is killed
// and started again. Not thread-safe.
class EtcdServer {
 public:
  // The path of Debian's etcd, which is unpacked below the build directory the first time; "" and a
  // failure of the test when that cannot be done.
  static std::string Binary() {
    static const Finished* const ensured = new Finished(
        RunToEnd("/bin/bash", {"-c",
                               "set -euo pipefail; source \"$0/scripts/lib/common.sh\"; "
                               "source \"$0/scripts/lib/etcd.sh\"; ensure_etcd >&2; "
                               "printf %s \"$MANSIO_ETCD\"",
                               MANSIO_SOURCE_DIR}));
    EXPECT_EQ(ensured->code, 0) << ensured->err;
    return ensured->code == 0 ? ensured->out : "";
  }

  void Start() {
    const std::string peers = "http://" + peer_address_;
    const std::string clients = "http://" + address_;
    process_ = std::make_unique<Process>(
        Binary(),
        std::vector<std::string>{
            "--name=one", "--data-dir=" + directory_.Path("etcd"),
            "--listen-client-urls=" + clients, "--advertise-client-urls=" + clients,
            "--listen-peer-urls=" + peers, "--initial-advertise-peer-urls=" + peers,
            "--initial-cluster=one=" + peers, "--logger=zap", "--log-outputs=stderr"},
        directory_.path(), "etcd");
    EXPECT_NE(process_->WaitForError("serving client traffic", absl::Seconds(60)), "")
        << process_->Err();
  }
  void Kill() {
    process_->Signal(SIGKILL);
    EXPECT_EQ(process_->Wait(), 128 + SIGKILL);
  }

  const std::string& address() const { return address_; }

 private:
  const TemporaryDirectory directory_;
  const std::string address_ = FreeAddress();
  const std::string peer_address_ = FreeAddress();
  std::unique_ptr<Process> process_;
};

}  // namespace mansio::testing

#endif  // MANSIO_TESTS_BROKER_ELECTION_ETCD_SERVER_H_
