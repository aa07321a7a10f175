// HTTP/2 frames that no client sends: after each, the server must be there and serve others. What
// such a client can still cost is in docs/security.md.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/rpc/server.h"
#include "tests/common/net/raw_socket.h"
#include "tests/common/rpc/test_client.h"

namespace mansio::rpc {
namespace {

using ::testing::HasSubstr;

enum FrameType : uint8_t {
  kData = 0,
  kHeaders = 1,
  kPriority = 2,
  kReset = 3,
  kSettings = 4,
  kPing = 6,
  kGoAway = 7,
  kWindowUpdate = 8,
  kContinuation = 9,
};
constexpr uint8_t kEndStream = 1;
constexpr uint8_t kAck = 1;
constexpr uint8_t kEndHeaders = 4;

std::string BigEndian(uint64_t value, int bytes) {
  std::string text;
  for (int shift = (bytes - 1) * 8; shift >= 0; shift -= 8) {
    text += static_cast<char>((value >> shift) & 0xFF);
  }
  return text;
}

// RFC 9113, 4.1.
std::string Frame(FrameType type, uint8_t flags, uint32_t stream, std::string_view payload = {}) {
  return BigEndian(payload.size(), 3) + static_cast<char>(type) + static_cast<char>(flags) +
         BigEndian(stream, 4) + std::string(payload);
}

// An HPACK string (RFC 7541, 5.2) without Huffman coding.
std::string HpackString(std::string_view text) {
  std::string length;
  if (text.size() < 127) {
    length += static_cast<char>(text.size());
  } else {
    length += static_cast<char>(127);
    size_t rest = text.size() - 127;
    for (; rest >= 128; rest /= 128) length += static_cast<char>(rest % 128 + 128);
    length += static_cast<char>(rest);
  }
  return length + std::string(text);
}

// A header that enters no table (RFC 7541, 6.2.2).
std::string Header(std::string_view name, std::string_view value) {
  return std::string(1, '\0') + HpackString(name) + HpackString(value);
}

std::string RequestHeaders(std::string_view path = "/t.S/Echo", std::string_view te = "trailers") {
  return Header(":method", "POST") + Header(":scheme", "http") + Header(":path", path) +
         Header(":authority", "test") + Header("content-type", "application/grpc") +
         Header("te", te);
}

// A gRPC message: compressed flag, length, bytes.
std::string Message(std::string_view bytes, char compressed = 0) {
  return compressed + BigEndian(bytes.size(), 4) + std::string(bytes);
}

struct Received {
  uint8_t type = 0;
  uint8_t flags = 0;
  uint32_t stream = 0;
  std::string payload;
};

class Http2FramesTest : public ::testing::Test {
 protected:
  void SetUp() override {
    MethodTable methods;
    methods.unary.push_back(
        {"/t.S/Echo", [](UnaryCall& call) { call.Finish(Payload(std::string(call.Request()))); }});
    auto server = Server::Start({.listen = "127.0.0.1:0"}, std::move(methods));
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
    socket_ = std::make_unique<net::RawSocket>(net::PortOf(server_->Address()));
    Send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + Frame(kSettings, 0, 0));
  }
  // The server is there, and answers others.
  void TearDown() override {
    const auto other = Connect(server_->Address());
    EXPECT_EQ(CallUnary(other, "/t.S/Echo", "still here").response, "still here");
  }

  void Send(const std::string& frames) { socket_->Send(frames); }
  // The next frame of `type`; type 255 at the end of the connection.
  Received Next(FrameType type) {
    while (true) {
      const std::string head = socket_->Read(9);
      if (head.size() < 9) return {.type = 255};
      const auto* bytes = reinterpret_cast<const uint8_t*>(head.data());
      const size_t length = bytes[0] << 16 | bytes[1] << 8 | bytes[2];
      Received frame{bytes[3], bytes[4], 0, socket_->Read(length)};
      frame.stream =
          static_cast<uint32_t>(bytes[5]) << 24 | bytes[6] << 16 | bytes[7] << 8 | bytes[8];
      if (frame.type == type) return frame;
    }
  }
  // The value of grpc-status in the trailers of the connection's first response; gRPC writes it
  // without Huffman coding, and later ones refer to it.
  std::string StatusOfFirstResponse() {
    while (true) {
      const Received headers = Next(kHeaders);
      if (headers.type != kHeaders) return "connection closed";
      const size_t at = headers.payload.find("grpc-status");
      if (at == std::string::npos) continue;
      const size_t value = at + std::string_view("grpc-status").size();
      return headers.payload.substr(value + 1, static_cast<size_t>(headers.payload[value]));
    }
  }

  std::unique_ptr<Server> server_;
  std::unique_ptr<net::RawSocket> socket_;
};

TEST_F(Http2FramesTest, AnswersAHandMadeRequest) {
  Send(Frame(kHeaders, kEndHeaders, 1, RequestHeaders()) +
       Frame(kData, kEndStream, 1, Message("hello")));
  EXPECT_THAT(Next(kData).payload, HasSubstr("hello"));
  EXPECT_EQ(StatusOfFirstResponse(), "0");
}

TEST_F(Http2FramesTest, NonsensePathIsUnimplemented) {
  Send(Frame(kHeaders, kEndHeaders | kEndStream, 1, RequestHeaders("nonsense")));
  EXPECT_EQ(StatusOfFirstResponse(), "12");
}

// CVE-2023-1428: a bad `te` or `:scheme` together with oversized headers made some versions abort.
TEST_F(Http2FramesTest, BadTeWithOversizedHeadersEndsOneStreamOnly) {
  std::string first = RequestHeaders("/t.S/Echo", "garbage");
  std::string rest;
  for (int i = 0; i < 12; ++i) rest += Header("x-a" + std::to_string(i), std::string(1000, 'y'));
  for (int i = 0; i < 6; ++i) first += Header("x-b" + std::to_string(i), std::string(1000, 'y'));
  Send(Frame(kHeaders, 0, 1, first) + Frame(kContinuation, kEndHeaders, 1, rest) +
       Frame(kData, kEndStream, 1, Message("")));
  EXPECT_NE(StatusOfFirstResponse(), "0");
}

TEST_F(Http2FramesTest, BadBinaryHeaderEndsOneStreamOnly) {
  Send(Frame(kHeaders, kEndHeaders, 1, RequestHeaders() + Header("x-bin", "!!! not base64 ***")) +
       Frame(kData, kEndStream, 1, Message("")));
  EXPECT_NE(StatusOfFirstResponse(), "0");
}

TEST_F(Http2FramesTest, OneTableEntryNamedTooOftenIsRefused) {
  // HPACK bomb: 3,900 bytes enter the table, and each further byte means them again.
  const std::string bomb = RequestHeaders() + "\x40" + HpackString("x-b") +
                           HpackString(std::string(3900, 'z')) + std::string(11'000, '\xBE');
  Send(Frame(kHeaders, kEndHeaders, 1, bomb));
  EXPECT_NE(StatusOfFirstResponse(), "0");
}

TEST_F(Http2FramesTest, CompressedMessageIsRefused) {
  Send(Frame(kHeaders, kEndHeaders, 1, RequestHeaders() + Header("grpc-encoding", "gzip")) +
       Frame(kData, kEndStream, 1, Message("garbage", 1)));
  EXPECT_EQ(StatusOfFirstResponse(), "12");
}

TEST_F(Http2FramesTest, TruncatedMessageIsRefused) {
  Send(Frame(kHeaders, kEndHeaders, 1, RequestHeaders()) +
       Frame(kData, kEndStream, 1, std::string_view("\0\0\0", 3)));
  EXPECT_NE(StatusOfFirstResponse(), "0");
}

TEST_F(Http2FramesTest, DeclaredLengthAllocatesNothing) {
  Send(Frame(kHeaders, kEndHeaders, 1, RequestHeaders()) +
       Frame(kData, 0, 1, std::string(1, '\0') + "\xFF\xFF\xFF\xFF" + "abc"));
  // The server waits for the rest, and serves other streams of the connection meanwhile.
  Send(Frame(kHeaders, kEndHeaders, 3, RequestHeaders()) +
       Frame(kData, kEndStream, 3, Message("other")));
  EXPECT_THAT(Next(kData).payload, HasSubstr("other"));
}

TEST_F(Http2FramesTest, StreamsBeyondTheLimitAreRefused) {
  while (Next(kSettings).flags != 0) {
  }
  Send(Frame(kSettings, kAck, 0));
  std::string flood;
  for (uint32_t i = 0; i < 1100; ++i) {
    flood += Frame(kHeaders, kEndHeaders, 1 + 2 * i, RequestHeaders());
  }
  Send(flood);
  // gRPC closes the connection, or refuses the streams; it must not keep them all.
  const Received end = Next(kReset);
  EXPECT_TRUE(end.type == kReset || end.type == 255);
}

TEST_F(Http2FramesTest, BurstsOfControlFramesAreTaken) {
  std::string burst;
  for (int i = 0; i < 5'000; ++i) {
    burst += Frame(kSettings, 0, 0, BigEndian(4, 2) + BigEndian(65'535, 4));
    burst += Frame(kPriority, 0, 1, BigEndian(3, 4) + "\x0A");
    burst += Frame(kPing, 0, 0, "12345678");
  }
  Send(burst);
}

TEST_F(Http2FramesTest, RapidResetsEndTheirCalls) {
  constexpr uint32_t kCancel = 8;
  std::string burst;
  for (uint32_t i = 0; i < 5'000; ++i) {
    burst += Frame(kHeaders, kEndHeaders, 1 + 2 * i, RequestHeaders());
    burst += Frame(kReset, 0, 1 + 2 * i, BigEndian(kCancel, 4));
  }
  Send(burst);
}

TEST_F(Http2FramesTest, HeadersWithoutEndHoldUpNobody) {
  Send(Frame(kHeaders, 0, 1, RequestHeaders()));
  std::string more;
  for (int i = 0; i < 1'000; ++i) {
    more += Frame(kContinuation, 0, 1, Header("x-a", std::string(1000, 'y')));
  }
  Send(more);
}

TEST_F(Http2FramesTest, ZeroWindowHoldsBackItsOwnStreamsOnly) {
  Send(Frame(kSettings, 0, 0, BigEndian(4, 2) + BigEndian(0, 4)));
  for (uint32_t i = 0; i < 500; ++i) {
    Send(Frame(kHeaders, kEndHeaders, 1 + 2 * i, RequestHeaders()) +
         Frame(kData, kEndStream, 1 + 2 * i, Message("x")));
  }
}

}  // namespace
}  // namespace mansio::rpc
