#ifndef MANSIO_BROKER_CORE_ADMIN_CALL_H_
#define MANSIO_BROKER_CORE_ADMIN_CALL_H_

#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/rpc/proto_call.h"
#include "common/status/wire_status.h"
#include "mansio/v1/admin.pb.h"

// Methods of mansio.v1.Admin that one broker serves, and their answers: what all features that have
// some do alike.
namespace mansio::broker {

// Answers for the broker of this name alone: sets the response's status from `status`, and adds the
// broker's own result with it, as access points merge the answers of all brokers. Ends the call.
template <typename Response>
void AnswerAdmin(rpc::UnaryCall& call, std::string_view broker, const absl::Status& status,
                 Response response) {
  ToWire(status, response.mutable_status());
  v1::BrokerResult* const own = response.add_results();
  own->set_broker(std::string(broker));
  *own->mutable_status() = response.status();
  rpc::Reply(call, response);
}

// The same where an error goes without a response.
template <typename Response>
void AnswerAdmin(rpc::UnaryCall& call, std::string_view broker, absl::StatusOr<Response> result) {
  Response response;
  if (result.ok()) response = *std::move(result);
  AnswerAdmin(call, broker, result.status(), std::move(response));
}

// Adds the method `name` to the table; `service`, which must outlive it, serves it with `method`.
template <typename Service, typename Request>
void AddAdminMethod(rpc::MethodTable& methods, std::string_view name, Service* service,
                    void (Service::*method)(rpc::UnaryCall&, const Request&)) {
  methods.unary.push_back(
      {"/mansio.v1.Admin/" + std::string(name),
       rpc::ParsedUnary<Request>([service, method](rpc::UnaryCall& call, const Request& request) {
         (service->*method)(call, request);
       })});
}
template <typename Service, typename Request>
void AddAdminMethod(rpc::MethodTable& methods, std::string_view name, const Service* service,
                    void (Service::*method)(rpc::UnaryCall&, const Request&) const) {
  methods.unary.push_back(
      {"/mansio.v1.Admin/" + std::string(name),
       rpc::ParsedUnary<Request>([service, method](rpc::UnaryCall& call, const Request& request) {
         (service->*method)(call, request);
       })});
}

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_CORE_ADMIN_CALL_H_
