#include "common/status/wire_status.h"

#include <gtest/gtest.h>

#include "apache/rocketmq/v2/definition.pb.h"
#include "common/names/utf8.h"

namespace mansio {
namespace {

namespace v2 = apache::rocketmq::v2;

v2::Status Wire(const absl::Status& status) {
  v2::Status wire;
  ToWire(status, &wire);
  return wire;
}

TEST(WireStatus, EveryErrorCodeSurvivesTheWayOutAndBack) {
  const auto* codes = v2::Code_descriptor();
  for (int i = 0; i < codes->value_count(); ++i) {
    const auto code = static_cast<v2::Code>(codes->value(i)->number());
    if (code == v2::OK || code == v2::CODE_UNSPECIFIED) continue;
    const absl::Status status = WireError(code, "because; do this");
    EXPECT_FALSE(status.ok());
    EXPECT_EQ(CodeOf(status), code);
    const v2::Status wire = Wire(status);
    EXPECT_EQ(wire.code(), code);
    EXPECT_EQ(wire.message(), codes->value(i)->name() + ": because; do this");
    EXPECT_EQ(FromWire(wire), status);
  }
}

TEST(WireStatus, OkIsSpelledOut) {
  EXPECT_EQ(Wire(absl::OkStatus()).code(), v2::OK);
  EXPECT_EQ(Wire(absl::OkStatus()).message(), "OK");
  EXPECT_TRUE(FromWire(Wire(absl::OkStatus())).ok());
}

TEST(WireStatus, CanonicalCodesOfPublicOnes) {
  EXPECT_TRUE(absl::IsInvalidArgument(WireError(v2::ILLEGAL_TOPIC, "x")));
  EXPECT_TRUE(absl::IsNotFound(WireError(v2::TOPIC_NOT_FOUND, "x")));
  EXPECT_TRUE(absl::IsResourceExhausted(WireError(v2::TOO_MANY_REQUESTS, "x")));
  EXPECT_TRUE(absl::IsUnimplemented(WireError(v2::NOT_IMPLEMENTED, "x")));
  EXPECT_TRUE(absl::IsUnavailable(WireError(v2::HA_NOT_AVAILABLE, "x")));
  EXPECT_TRUE(absl::IsInvalidArgument(WireError(v2::MESSAGE_BODY_TOO_LARGE, "x")));
}

TEST(WireStatus, PlainStatusesAreMapped) {
  EXPECT_EQ(CodeOf(absl::InvalidArgumentError("x")), v2::BAD_REQUEST);
  EXPECT_EQ(CodeOf(absl::NotFoundError("x")), v2::NOT_FOUND);
  EXPECT_EQ(CodeOf(absl::ResourceExhaustedError("x")), v2::TOO_MANY_REQUESTS);
  EXPECT_EQ(CodeOf(absl::UnimplementedError("x")), v2::NOT_IMPLEMENTED);
  EXPECT_EQ(CodeOf(absl::DeadlineExceededError("x")), v2::PROXY_TIMEOUT);
  EXPECT_EQ(CodeOf(absl::DataLossError("x")), v2::INTERNAL_SERVER_ERROR);
}

TEST(WireStatus, MessageIsNeverEmptyAndAlwaysUtf8) {
  EXPECT_EQ(Wire(WireError(v2::FORBIDDEN, "")).message(), "FORBIDDEN");
  const v2::Status wire = Wire(WireError(v2::BAD_REQUEST, "bytes \xff\xfe"));
  EXPECT_TRUE(IsValidUtf8(wire.message()));
  EXPECT_TRUE(wire.message().starts_with("BAD_REQUEST: bytes "));
}

TEST(WireStatus, ASuccessCodeIsNoError) {
  EXPECT_TRUE(absl::IsInternal(WireError(v2::OK, "x")));
  EXPECT_EQ(CodeOf(WireError(v2::CODE_UNSPECIFIED, "x")), v2::INTERNAL_SERVER_ERROR);
  EXPECT_TRUE(absl::IsInternal(FromWire(v2::Status())));
}

TEST(WireStatus, ACodeOfALaterVersionKeepsItsNumber) {
  v2::Status wire;
  wire.set_code(static_cast<v2::Code>(49'999));
  wire.set_message("new");
  const absl::Status status = FromWire(wire);
  EXPECT_EQ(static_cast<int>(CodeOf(status)), 49'999);
  EXPECT_EQ(Wire(status).message(), "49999: new");
}

}  // namespace
}  // namespace mansio
