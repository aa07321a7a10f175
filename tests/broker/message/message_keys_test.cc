#include "broker/message/message_keys.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "apache/rocketmq/v2/service.pb.h"
#include "broker/message/stored_message.h"

namespace mansio::broker {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::string Encoded(const std::vector<std::string>& keys, const std::string& id) {
  apache::rocketmq::v2::Message message;
  message.mutable_topic()->set_name("orders");
  message.set_body("hello");
  message.mutable_system_properties()->set_message_id(id);
  message.mutable_system_properties()->set_tag("new");
  for (const std::string& key : keys) message.mutable_system_properties()->add_keys(key);
  const ContentEncoder encoder(&message, "10.0.0.9", 1'700'000'000'000);
  std::string bytes(encoder.size(), '\0');
  encoder.EncodeTo(bytes.data(), BodyDigest(message.body()));
  return bytes;
}

std::vector<uint64_t> HashesOf(const std::string& content) {
  std::vector<uint64_t> hashes;
  ContentKeys().ForEach(content, [&](uint64_t hash) { hashes.push_back(hash); });
  return hashes;
}

TEST(MessageKeysTest, TheIdAndEachKey) {
  EXPECT_THAT(HashesOf(Encoded({"order-17", "blue"}, "ID1")),
              ElementsAre(MessageIdHash("ID1"), KeyHash("order-17"), KeyHash("blue")));
  EXPECT_THAT(HashesOf(Encoded({}, "ID1")), ElementsAre(MessageIdHash("ID1")));
}

TEST(MessageKeysTest, DamagedContentsHaveNone) {
  const std::string content = Encoded({"order-17"}, "ID1");
  EXPECT_THAT(HashesOf(""), IsEmpty());
  EXPECT_THAT(HashesOf(content.substr(0, 20)), IsEmpty());
}

// The files of an index outlive the program: these values never change.
TEST(MessageKeysTest, HashesAreStable) {
  EXPECT_EQ(KeyHash("order-17"), 0xceaf7553f5c99229);
  EXPECT_EQ(MessageIdHash("order-17"), 0x1402d83a0fb12e53u);
}

}  // namespace
}  // namespace mansio::broker
