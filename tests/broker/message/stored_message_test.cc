#include "broker/message/stored_message.h"

#include <gtest/gtest.h>

// GoogleTest first: rapidcheck's glue needs its macros.
#include <rapidcheck/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "apache/rocketmq/v2/service.pb.h"

namespace mansio::broker {
namespace {

namespace v2 = apache::rocketmq::v2;

constexpr int64_t kNow = 1'700'000'000'123;
constexpr int64_t kStored = 1'700'000'000'456;

std::string Encode(v2::Message message, std::string_view peer = "10.0.0.9:4711") {
  const ContentEncoder encoder(&message, peer, kNow);
  std::string bytes(encoder.size(), '\0');
  encoder.EncodeTo(bytes.data(), BodyDigest(message.body()));
  return bytes;
}

Delivery SomeDelivery() {
  Delivery delivery;
  delivery.topic = "orders";
  delivery.resource_namespace = "ns";
  delivery.store_host = "192.0.2.1:8081";
  delivery.receipt_handle = "handle-1";
  delivery.queue_id = 3;
  delivery.queue_offset = 77;
  delivery.store_time_ms = kStored;
  delivery.attempt = 2;
  delivery.invisible_ms = 15500;
  return delivery;
}

// What a client parses out of a delivery of `stored`.
v2::Message Receive(const std::string& stored, const Delivery& delivery, size_t share_from = 4096) {
  const auto content = DecodeContent(stored);
  EXPECT_TRUE(content.ok()) << content.status();
  const auto owner = std::make_shared<std::string>(stored);
  const auto shared = DecodeContent(*owner);
  v2::ReceiveMessageResponse response;
  EXPECT_TRUE(response.ParseFromString(
      EncodeReceivedMessage(*shared, delivery, owner, share_from).Flatten()));
  EXPECT_TRUE(response.has_message());
  return response.message();
}

v2::Message Simple() {
  v2::Message message;
  message.mutable_topic()->set_name("orders");
  message.set_body("hello");
  message.mutable_system_properties()->set_message_id("id-1");
  return message;
}

TEST(StoredMessageTest, DeliversEveryFieldOfTheContract) {
  v2::Message sent = Simple();
  auto* system = sent.mutable_system_properties();
  system->set_tag("tag-a");
  system->add_keys("k1");
  system->add_keys("k2");
  system->set_message_type(v2::FIFO);
  system->set_body_encoding(v2::GZIP);
  system->mutable_born_timestamp()->set_seconds(1'699'999'999);
  system->mutable_born_timestamp()->set_nanos(5000000);
  system->set_born_host("producer-host");
  system->set_message_group("group-1");
  system->set_trace_context("00-abc-01");
  (*sent.mutable_user_properties())["colour"] = "blue";
  (*sent.mutable_user_properties())["empty"] = "";

  const v2::Message got = Receive(Encode(sent), SomeDelivery());

  EXPECT_EQ(got.topic().name(), "orders");
  EXPECT_EQ(got.topic().resource_namespace(), "ns");
  EXPECT_EQ(got.body(), "hello");
  EXPECT_EQ(got.user_properties().size(), 2u);
  EXPECT_EQ(got.user_properties().at("colour"), "blue");
  EXPECT_EQ(got.user_properties().at("empty"), "");
  const auto& s = got.system_properties();
  EXPECT_EQ(s.tag(), "tag-a");
  EXPECT_EQ(std::vector<std::string>(s.keys().begin(), s.keys().end()),
            (std::vector<std::string>{"k1", "k2"}));
  EXPECT_EQ(s.message_id(), "id-1");
  EXPECT_EQ(s.body_digest().type(), v2::MD5);
  EXPECT_EQ(s.body_digest().checksum(), "5D41402ABC4B2A76B9719D911017C592");  // md5("hello")
  EXPECT_EQ(s.body_encoding(), v2::GZIP);
  EXPECT_EQ(s.message_type(), v2::FIFO);
  EXPECT_EQ(s.born_timestamp().seconds(), 1'699'999'999);
  EXPECT_EQ(s.born_timestamp().nanos(), 5000000);
  EXPECT_EQ(s.born_host(), "producer-host");
  EXPECT_EQ(s.store_timestamp().seconds(), kStored / 1000);
  EXPECT_EQ(s.store_timestamp().nanos(), kStored % 1000 * 1000000);
  EXPECT_EQ(s.store_host(), "192.0.2.1:8081");
  EXPECT_EQ(s.receipt_handle(), "handle-1");
  EXPECT_EQ(s.queue_id(), 3);
  EXPECT_EQ(s.queue_offset(), 77);
  EXPECT_EQ(s.invisible_duration().seconds(), 15);
  EXPECT_EQ(s.invisible_duration().nanos(), 500000000);
  EXPECT_EQ(s.delivery_attempt(), 2);
  EXPECT_EQ(s.message_group(), "group-1");
  EXPECT_EQ(s.trace_context(), "00-abc-01");
  EXPECT_FALSE(s.has_delivery_timestamp());
  EXPECT_FALSE(s.has_dead_letter_queue());
}

TEST(StoredMessageTest, QueueAndOffsetZeroAreThere) {
  Delivery first = SomeDelivery();
  first.queue_id = 0;
  first.queue_offset = 0;
  const v2::Message got = Receive(Encode(Simple()), first);
  EXPECT_EQ(got.system_properties().queue_id(), 0);
  EXPECT_TRUE(got.system_properties().has_queue_offset());
  EXPECT_EQ(got.system_properties().queue_offset(), 0);
}

TEST(StoredMessageTest, FillsWhatTheClientLeftOut) {
  const v2::Message got = Receive(Encode(Simple(), "10.0.0.9:4711"), SomeDelivery());
  const auto& s = got.system_properties();
  EXPECT_EQ(s.body_encoding(), v2::IDENTITY);
  EXPECT_EQ(s.born_timestamp().seconds(), kNow / 1000);
  EXPECT_EQ(s.born_timestamp().nanos(), kNow % 1000 * 1000000);
  EXPECT_EQ(s.born_host(), "10.0.0.9:4711");
}

TEST(StoredMessageTest, FieldsOnlyTheServerMaySetAreDropped) {
  v2::Message sent = Simple();
  auto* system = sent.mutable_system_properties();
  system->mutable_body_digest()->set_checksum("forged");
  system->mutable_store_timestamp()->set_seconds(1);
  system->set_store_host("forged");
  system->set_receipt_handle("forged");
  system->set_queue_id(99);
  system->set_queue_offset(99);
  system->mutable_invisible_duration()->set_seconds(99);
  system->set_delivery_attempt(99);
  system->mutable_dead_letter_queue()->set_topic("forged");
  system->set_lite_topic("forged");
  system->GetReflection()->MutableUnknownFields(system)->AddVarint(1000, 1);

  v2::Message plain = Simple();
  EXPECT_EQ(Encode(sent), Encode(plain));
}

TEST(StoredMessageTest, TimesThatTextFormsRefuseAreNormalised) {
  v2::Message sent = Simple();
  auto* born = sent.mutable_system_properties()->mutable_born_timestamp();
  born->set_seconds(-5);
  born->set_nanos(2'000'000'000);
  const v2::Message got = Receive(Encode(sent), SomeDelivery());
  EXPECT_EQ(got.system_properties().born_timestamp().seconds(), 0);
  EXPECT_EQ(got.system_properties().born_timestamp().nanos(), 0);
}

TEST(StoredMessageTest, LargeBodiesAreSharedAndSmallOnesCopied) {
  v2::Message sent = Simple();
  sent.set_body(std::string(5000, 'x'));
  const auto owner = std::make_shared<std::string>(Encode(sent));
  const auto content = DecodeContent(*owner);
  ASSERT_TRUE(content.ok());

  const rpc::Payload shared = EncodeReceivedMessage(*content, SomeDelivery(), owner, 5000);
  ASSERT_EQ(shared.pieces().size(), 2u);
  EXPECT_EQ(shared.pieces()[1].bytes().data(), content->body.data());
  const rpc::Payload copied = EncodeReceivedMessage(*content, SomeDelivery(), owner, 5001);
  EXPECT_EQ(copied.pieces().size(), 1u);
  EXPECT_EQ(shared.Flatten(), copied.Flatten());
}

TEST(StoredMessageTest, ReadsTheTagWithoutParsing) {
  v2::Message sent = Simple();
  EXPECT_EQ(TagOf(*DecodeContent(Encode(sent))), "");
  sent.mutable_system_properties()->set_tag("Aa");
  const std::string stored = Encode(sent);
  EXPECT_EQ(TagOf(*DecodeContent(stored)), "Aa");
}

TEST(StoredMessageTest, TagHashKeepsZeroForNoTag) {
  EXPECT_EQ(TagHash(""), 0u);
  EXPECT_NE(TagHash("Aa"), 0u);
  EXPECT_NE(TagHash("Aa"), TagHash("BB"));
}

TEST(StoredMessageTest, TheEntryHashHoldsTagAndMessageGroup) {
  EXPECT_EQ(EntryHash("", ""), 0u);
  EXPECT_EQ(EntryHash("Aa", ""), TagHash("Aa"));
  EXPECT_EQ(TagHashOf(EntryHash("Aa", "group")), TagHash("Aa"));
  EXPECT_EQ(MessageGroupHashOf(EntryHash("Aa", "group")), HashMessageGroup("group"));
  EXPECT_NE(HashMessageGroup("group"), 0u);
  EXPECT_NE(HashMessageGroup("group"), HashMessageGroup("other"));
}

TEST(StoredMessageTest, ReadsTheMessageGroupWithoutParsing) {
  v2::Message sent = Simple();
  EXPECT_EQ(MessageGroupOf(*DecodeContent(Encode(sent))), "");
  sent.mutable_system_properties()->set_message_group("group");
  const std::string stored = Encode(sent);
  EXPECT_EQ(MessageGroupOf(*DecodeContent(stored)), "group");
}

TEST(StoredMessageTest, ReadsTheTimeToLive) {
  v2::Message sent = Simple();
  (*sent.mutable_user_properties())["about"] = "mansio-ttl-ms";
  (*sent.mutable_user_properties())["not-mansio-ttl-ms"] = "7";
  std::string stored = Encode(sent);
  EXPECT_EQ(TtlOf(*DecodeContent(stored)), std::nullopt);
  (*sent.mutable_user_properties())["mansio-ttl-ms"] = "1500";
  stored = Encode(sent);
  EXPECT_EQ(TtlOf(*DecodeContent(stored)), 1500);
  EXPECT_EQ(ParseTtl("999999999999999999"), 999999999999999999);
  for (const char* bad : {"", "0", "000", "-1", "+1", "1.5", "1s", "1000000000000000000"}) {
    EXPECT_EQ(ParseTtl(bad), std::nullopt) << bad;
  }
}

TEST(StoredMessageTest, BytesThatAreNoContentAreDataLoss) {
  const std::string stored = Encode(Simple());
  for (size_t cut = 0; cut < stored.size() - sizeof("hello") + 1; ++cut) {
    EXPECT_EQ(DecodeContent(stored.substr(0, cut)).status().code(), absl::StatusCode::kDataLoss)
        << cut;
  }
  std::string other_version = stored;
  other_version[0] = 9;
  EXPECT_EQ(DecodeContent(other_version).status().code(), absl::StatusCode::kDataLoss);
}

// Random messages come back as they were sent, with the delivery's own fields and nothing else.
RC_GTEST_PROP(StoredMessageProperty, WhatWasSentIsDelivered, ()) {
  const auto text = rc::gen::container<std::string>(rc::gen::inRange<char>('a', 'z'));
  v2::Message sent;
  sent.mutable_topic()->set_name("orders");
  sent.set_body(*rc::gen::arbitrary<std::string>());
  for (const auto& [key, value] :
       *rc::gen::container<std::map<std::string, std::string>>(text, text)) {
    (*sent.mutable_user_properties())[key] = value;
  }
  auto* system = sent.mutable_system_properties();
  system->set_message_id(*rc::gen::nonEmpty(text));
  system->set_body_encoding(v2::IDENTITY);
  system->set_born_host("host");
  system->mutable_born_timestamp()->set_seconds(*rc::gen::inRange<int64_t>(0, 4'000'000'000));
  if (*rc::gen::arbitrary<bool>()) system->set_tag(*rc::gen::nonEmpty(text));
  for (const std::string& key : *rc::gen::container<std::vector<std::string>>(text)) {
    system->add_keys(key);
  }
  if (*rc::gen::arbitrary<bool>()) system->set_message_group(*rc::gen::nonEmpty(text));
  if (*rc::gen::arbitrary<bool>()) system->set_trace_context(*text);
  if (*rc::gen::arbitrary<bool>()) system->set_priority(*rc::gen::inRange(0, 10));
  const auto share_from = *rc::gen::inRange<size_t>(0, 64);

  v2::Message got = Receive(Encode(sent), SomeDelivery(), share_from);

  auto* s = got.mutable_system_properties();
  RC_ASSERT(s->body_digest().checksum().size() == 32u);
  RC_ASSERT(s->receipt_handle() == "handle-1");
  s->clear_body_digest();
  s->clear_store_timestamp();
  s->clear_store_host();
  s->clear_receipt_handle();
  s->clear_queue_id();
  s->clear_queue_offset();
  s->clear_invisible_duration();
  s->clear_delivery_attempt();
  got.mutable_topic()->clear_resource_namespace();
  RC_ASSERT(got.DebugString() == sent.DebugString());
}

}  // namespace
}  // namespace mansio::broker
