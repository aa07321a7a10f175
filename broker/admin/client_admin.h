#ifndef MANSIO_BROKER_ADMIN_CLIENT_ADMIN_H_
#define MANSIO_BROKER_ADMIN_CLIENT_ADMIN_H_

#include "absl/status/status.h"
#include "broker/admin/admin_context.h"
#include "common/rpc/call.h"
#include "mansio/v1/admin.pb.h"

namespace mansio::broker {

// The part of mansio.v1.Admin that is about the clients of this broker. Thread-safe.
class ClientAdmin {
 public:
  explicit ClientAdmin(const AdminContext* context) : context_(context) {}
  // Adds its methods.
  void Register(rpc::MethodTable& methods) const;

 private:
  void List(rpc::UnaryCall& call, const v1::ListClientsRequest& request) const;
  void Describe(rpc::UnaryCall& call, const v1::ListClientsRequest& request) const;
  void Add(const gateway::ClientInfo& client, v1::ListClientsResponse* response) const;
  void Answer(rpc::UnaryCall& call, const absl::Status& status,
              v1::ListClientsResponse response) const;

  const AdminContext* const context_;
};

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_ADMIN_CLIENT_ADMIN_H_
