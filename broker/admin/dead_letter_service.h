#ifndef MANSIO_BROKER_ADMIN_DEAD_LETTER_SERVICE_H_
#define MANSIO_BROKER_ADMIN_DEAD_LETTER_SERVICE_H_

#include <string>

#include "broker/metadata/metadata.h"
#include "common/rpc/call.h"
#include "mansio/v1/admin.pb.h"
#include "store/store.h"

namespace mansio::broker {

// The part of mansio.v1.Admin that reads a group's dead letters, newest first. It reads on the cold
// pool. Thread-safe once Attach has been called.
class DeadLetterService {
 public:
  // How many dead letters back one is looked for by its id.
  static constexpr uint64_t kMaxSearched = 100000;

  // `metadata` is borrowed.
  DeadLetterService(std::string broker_name, const Metadata* metadata)
      : broker_name_(std::move(broker_name)), metadata_(metadata) {}

  void Attach(store::Store* store) { store_ = store; }
  // Adds its methods.
  void Register(rpc::MethodTable& methods);

 private:
  void List(rpc::UnaryCall& call, const v1::ListDeadLettersRequest& request) const;
  void Describe(rpc::UnaryCall& call, const v1::DescribeDeadLetterRequest& request) const;
  // Runs `read`, which gives a response, on the cold pool, and answers.
  template <typename Response, typename Read>
  void Answer(rpc::UnaryCall& call, const std::string& group, Read read) const;

  const std::string broker_name_;
  const Metadata* const metadata_;
  store::Store* store_ = nullptr;
};

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_ADMIN_DEAD_LETTER_SERVICE_H_
