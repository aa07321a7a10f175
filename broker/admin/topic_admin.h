#ifndef MANSIO_BROKER_ADMIN_TOPIC_ADMIN_H_
#define MANSIO_BROKER_ADMIN_TOPIC_ADMIN_H_

#include <string_view>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "broker/admin/admin_context.h"
#include "common/rpc/call.h"
#include "mansio/v1/admin.pb.h"

namespace mansio::broker {

// The part of mansio.v1.Admin that is about topics. Thread-safe.
class TopicAdmin {
 public:
  explicit TopicAdmin(const AdminContext* context) : context_(context) {}
  // Adds its methods.
  void Register(rpc::MethodTable& methods);

 private:
  void Create(rpc::UnaryCall& call, const v1::CreateTopicRequest& request);
  void Alter(rpc::UnaryCall& call, const v1::AlterTopicRequest& request);
  void AlterNow(rpc::UnaryCall& call, const v1::AlterTopicRequest& request,
                const TopicChange& change);
  void List(rpc::UnaryCall& call, const v1::ListTopicsRequest& request) const;
  void Describe(rpc::UnaryCall& call, const v1::DescribeTopicRequest& request) const;
  void Delete(rpc::UnaryCall& call, const v1::DeleteTopicRequest& request);

  // The topic with positions for these groups, which consume it on other brokers: hands it to
  // `then`, or answers the call with the reason why there is none and the sentence `if_refused`.
  template <typename Response>
  void Admit(rpc::UnaryCall& call, const TopicPtr& topic,
             const google::protobuf::RepeatedPtrField<v1::GroupInfo>& consumers,
             std::string_view if_refused, absl::AnyInvocable<void()> then);
  template <typename Response>
  void Answer(rpc::UnaryCall& call, const absl::Status& status, Response response) const;

  const AdminContext* const context_;
};

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_ADMIN_TOPIC_ADMIN_H_
