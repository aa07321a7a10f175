#include "broker/message/content_copy.h"

#include <gtest/gtest.h>

#include <string>

#include "apache/rocketmq/v2/definition.pb.h"
#include "broker/core/codec.h"

namespace mansio::broker {
namespace {

namespace v2 = apache::rocketmq::v2;

std::string Content(const Provenance& provenance = {}) {
  v2::Message message;
  message.set_body("hello");
  message.mutable_system_properties()->set_tag("tag-a");
  message.mutable_system_properties()->set_message_id("id-1");
  (*message.mutable_user_properties())["DELAY"] = "3";
  (*message.mutable_user_properties())["colour"] = "blue";
  const ContentEncoder encoder(&message, "10.0.0.9:4711", 1'700'000'000'000, provenance);
  std::string bytes(encoder.size(), '\0');
  encoder.EncodeTo(bytes.data(), BodyDigest(message.body()));
  return bytes;
}

std::string Copy(const std::string& content, const CopyChanges& changes) {
  const auto source = DecodeContent(content);
  EXPECT_TRUE(source.ok()) << source.status();
  const ContentCopy copy(*source, changes);
  std::string bytes(copy.size(), '\0');
  copy.EncodeTo(bytes.data());
  return bytes;
}

Provenance Full() {
  return {.topic = 1,
          .queue = 2,
          .offset = 3,
          .stored_ms = 1'700'000'000'000,
          .attempts = 5,
          .due_ms = 1'800'000'000'000,
          .level = 18,
          .group = "group",
          .topic_name = "orders",
          .reason = "used up",
          .dead_ms = 1'750'000'000'000,
          .delivered = "inner",
          .dead_letter = "outer"};
}

TEST(ProvenanceTest, ComesBackAsItWas) {
  EXPECT_EQ(*Provenance::Decode(Full().Encode()), Full());
  EXPECT_EQ(Provenance{}.Encode(), "");
  EXPECT_TRUE(Provenance::Decode("")->empty());
}

TEST(ProvenanceTest, DamageIsSaid) {
  const std::string bytes = Full().Encode();
  EXPECT_EQ(Provenance::Decode(bytes.substr(0, bytes.size() - 1)).status().code(),
            absl::StatusCode::kDataLoss);
  EXPECT_EQ(Provenance::Decode("\x0d").status().code(), absl::StatusCode::kDataLoss);
}

TEST(ProvenanceTest, FieldsOfALaterVersionArePassedOver) {
  ByteWriter later;
  later.Varint(99 << 3 | 0).Varint(7).Varint(98 << 3 | 2).Bytes("new").Raw(Full().Encode());
  EXPECT_EQ(*Provenance::Decode(later.str()), Full());
}

TEST(ContentCopyTest, AContentCarriesItsProvenance) {
  const std::string bytes = Content(Full());
  const auto content = DecodeContent(bytes);
  ASSERT_TRUE(content.ok());
  EXPECT_EQ(*Provenance::Decode(content->provenance), Full());
  EXPECT_EQ(content->body, "hello");
  EXPECT_EQ(TagOf(*content), "tag-a");
}

TEST(ContentCopyTest, ThereAndBackIsTheSameContent) {
  const std::string plain = Content();
  const std::string pending = Copy(plain, {.provenance = Full()});
  const auto content = DecodeContent(pending);
  ASSERT_TRUE(content.ok());
  EXPECT_EQ(*Provenance::Decode(content->provenance), Full());
  EXPECT_EQ(Copy(pending, {}), plain);
}

TEST(ContentCopyTest, PropertiesAreDroppedReplacedAndAdded) {
  const std::string bytes =
      Copy(Content(),
           {.drop_property = "DELAY", .set_properties = {{"colour", "red"}, {"origin", "orders"}}});
  const auto copy = DecodeContent(bytes);
  ASSERT_TRUE(copy.ok());
  EXPECT_EQ(FindProperty(copy->properties, "DELAY"), std::nullopt);
  EXPECT_EQ(FindProperty(copy->properties, "colour"), "red");
  EXPECT_EQ(FindProperty(copy->properties, "origin"), "orders");
  EXPECT_EQ(copy->body, "hello");
  v2::Message parsed;
  ASSERT_TRUE(parsed.ParseFromString(std::string(copy->properties)));
  EXPECT_EQ(parsed.user_properties().size(), 2u);
}

TEST(ContentCopyTest, IsAddedWithItsTag) {
  struct Held : store::Append {
    void Applied(const store::AppendResult&) override {}
    void Failed(const absl::Status&) override {}
  } append;
  const std::string plain = Content();
  const auto source = DecodeContent(plain);
  const ContentCopy copy(*source, {});
  copy.AddTo(append, {7, 1}, 1'700'000'000'000);
  EXPECT_GE(append.size(), copy.size());
}

}  // namespace
}  // namespace mansio::broker
