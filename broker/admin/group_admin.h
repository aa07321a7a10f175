#ifndef MANSIO_BROKER_ADMIN_GROUP_ADMIN_H_
#define MANSIO_BROKER_ADMIN_GROUP_ADMIN_H_

#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "broker/admin/admin_context.h"
#include "common/rpc/call.h"
#include "mansio/v1/admin.pb.h"

namespace mansio::broker {

// The part of mansio.v1.Admin that is about consumer groups and where they stand. Thread-safe.
class GroupAdmin {
 public:
  explicit GroupAdmin(const AdminContext* context) : context_(context) {}
  // Adds its methods.
  void Register(rpc::MethodTable& methods);

 private:
  void Create(rpc::UnaryCall& call, const v1::CreateGroupRequest& request);
  void Alter(rpc::UnaryCall& call, const v1::AlterGroupRequest& request);
  void List(rpc::UnaryCall& call, const v1::ListGroupsRequest& request) const;
  void Describe(rpc::UnaryCall& call, const v1::DescribeGroupRequest& request) const;
  void Explain(rpc::UnaryCall& call, const v1::ExplainGroupRequest& request) const;
  void Delete(rpc::UnaryCall& call, const v1::DeleteGroupRequest& request);
  void Reset(rpc::UnaryCall& call, const v1::ResetGroupRequest& request);
  void Pause(rpc::UnaryCall& call, const v1::PauseGroupRequest& request);
  void Resume(rpc::UnaryCall& call, const v1::ResumeGroupRequest& request);

  // Where the group stands in `topic`, or in all topics when it is empty.
  std::vector<v1::GroupPosition> PositionsOf(const GroupRecord& group,
                                             std::string_view topic) const;
  template <typename Response>
  void Answer(rpc::UnaryCall& call, const absl::Status& status, Response response) const;

  const AdminContext* const context_;
};

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_ADMIN_GROUP_ADMIN_H_
