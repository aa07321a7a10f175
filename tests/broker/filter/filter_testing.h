#ifndef MANSIO_TESTS_BROKER_FILTER_FILTER_TESTING_H_
#define MANSIO_TESTS_BROKER_FILTER_FILTER_TESTING_H_

#include <map>
#include <string>
#include <vector>

#include "apache/rocketmq/v2/definition.pb.h"
#include "broker/message/stored_message.h"

namespace mansio::broker {

// A message as it stands in the log.
class StoredBytes {
 public:
  explicit StoredBytes(const std::map<std::string, std::string>& properties,
                       const std::string& tag = "", const std::vector<std::string>& keys = {}) {
    apache::rocketmq::v2::Message message;
    for (const auto& [name, value] : properties) (*message.mutable_user_properties())[name] = value;
    if (!tag.empty()) message.mutable_system_properties()->set_tag(tag);
    for (const std::string& key : keys) message.mutable_system_properties()->add_keys(key);
    message.mutable_system_properties()->set_message_id("id");
    message.set_body("body");
    ContentEncoder encoder(&message, "host", 1);
    bytes_.resize(encoder.size());
    encoder.EncodeTo(bytes_.data(), BodyDigest("body"));
  }
  const std::string& bytes() const { return bytes_; }
  StoredContent content() const { return *DecodeContent(bytes_); }

 private:
  std::string bytes_;
};

}  // namespace mansio::broker

#endif  // MANSIO_TESTS_BROKER_FILTER_FILTER_TESTING_H_
