#ifndef MANSIO_TESTS_CLIENT_KEEPING_NODE_H_
#define MANSIO_TESTS_CLIENT_KEEPING_NODE_H_

#include <cstddef>
#include <set>
#include <string>
#include <vector>

#include "apache/rocketmq/v2/definition.pb.h"
#include "apache/rocketmq/v2/service.pb.h"
#include "tests/client/fake_node.h"

namespace mansio::client {

// Makes a FakeNode keep messages and give them out once, of whatever topic. What it has is read
// while no call runs.
class KeepingNode {
 public:
  // Sets the hooks of `node`, which is borrowed.
  explicit KeepingNode(FakeNode* node);
  // Stops the node: its calls are over before what they have used is gone.
  ~KeepingNode() { node_->Stop(); }

  // From now on it gives transaction ids, and keeps those that were ended.
  void UseTransactions();

  bool exists = false;  // a topic was made
  std::vector<apache::rocketmq::v2::Message> stored;
  std::set<std::string> acked;  // receipt handles
  int ack_requests = 0;
  std::set<std::string> committed;  // transaction ids
  std::set<std::string> rolled_back;

 private:
  std::vector<apache::rocketmq::v2::ReceiveMessageResponse> Give(
      const apache::rocketmq::v2::ReceiveMessageRequest& request);

  FakeNode* const node_;
  size_t given_ = 0;
};

}  // namespace mansio::client

#endif  // MANSIO_TESTS_CLIENT_KEEPING_NODE_H_
