#include "common/net/http_server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "tests/common/net/http_get.h"

namespace mansio::net {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::StartsWith;

HttpResponse Echo(std::string_view path) {
  if (path == "/large") return {.body = std::string(8 << 20, 'x')};
  return {.status = path == "/none" ? 404 : 200, .body = "path " + std::string(path)};
}

class HttpServerTest : public ::testing::Test {
 protected:
  std::unique_ptr<HttpServer> Start(HttpServerOptions options = {}) {
    options.listen = "127.0.0.1:0";
    options.name = "test";
    auto server = HttpServer::Start(options, Echo);
    EXPECT_TRUE(server.ok()) << server.status();
    return *std::move(server);
  }
};

TEST_F(HttpServerTest, AnswersGetWithoutTheQuery) {
  const auto server = Start();
  const std::string answer = HttpGet(server->Address(), "/a/b?detail=1");
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(answer, HasSubstr("Content-Length: 9\r\n"));
  EXPECT_THAT(answer, EndsWith("\r\n\r\npath /a/b"));
  EXPECT_THAT(HttpGet(server->Address(), "/none"), StartsWith("HTTP/1.1 404 Not Found\r\n"));
}

TEST_F(HttpServerTest, HeadHasNoBody) {
  const auto server = Start();
  const std::string answer = HttpExchange(server->Address(), "HEAD /a HTTP/1.1\r\n\r\n");
  EXPECT_THAT(answer, HasSubstr("Content-Length: 7\r\n"));
  EXPECT_THAT(answer, EndsWith("\r\n\r\n"));
}

TEST_F(HttpServerTest, AnAnswerLargerThanTheSocketsBuffersArrivesWhole) {
  const auto server = Start();
  const std::string answer = HttpGet(server->Address(), "/large");
  EXPECT_EQ(answer.size() - answer.find("\r\n\r\n") - 4, size_t{8 << 20});
}

TEST_F(HttpServerTest, RefusesWhatItDoesNotServe) {
  const auto server = Start();
  EXPECT_THAT(HttpExchange(server->Address(), "POST /a HTTP/1.1\r\n\r\n"),
              StartsWith("HTTP/1.1 405 "));
  EXPECT_THAT(HttpExchange(server->Address(), "nonsense\r\n\r\n"), StartsWith("HTTP/1.1 400 "));
  EXPECT_THAT(HttpExchange(server->Address(), "GET /\r\n\r\n"), StartsWith("HTTP/1.1 400 "));
  EXPECT_THAT(HttpExchange(server->Address(), "GET " + std::string(8192, 'a')),
              StartsWith("HTTP/1.1 400 "));
}

TEST_F(HttpServerTest, OneThatSaysNothingHoldsNobodyUpAndIsClosed) {
  const auto server = Start({.patience = absl::Milliseconds(300)});
  RawSocket silent(ParseHostPort(server->Address())->port);
  ASSERT_TRUE(silent.connected());
  EXPECT_THAT(HttpGet(server->Address(), "/a"), StartsWith("HTTP/1.1 200 "));
  bool closed = false;
  EXPECT_EQ(silent.ReadToEnd(&closed), "");
  EXPECT_TRUE(closed);
}

TEST_F(HttpServerTest, BeyondTheLimitOneWaitsUntilAnotherIsClosed) {
  const auto server = Start({.connections = 1, .patience = absl::Milliseconds(300)});
  RawSocket silent(ParseHostPort(server->Address())->port);
  ASSERT_TRUE(silent.connected());
  EXPECT_THAT(HttpGet(server->Address(), "/a"), StartsWith("HTTP/1.1 200 "));
}

TEST_F(HttpServerTest, StopClosesThePort) {
  const auto server = Start();
  server->Stop();
  EXPECT_EQ(HttpGet(server->Address(), "/a"), "");
  server->Stop();
}

TEST_F(HttpServerTest, ATakenPortIsNamed) {
  const auto server = Start();
  const auto second = HttpServer::Start({.listen = server->Address(), .name = "test"}, Echo);
  ASSERT_FALSE(second.ok());
  EXPECT_THAT(std::string(second.status().message()),
              HasSubstr("cannot listen on " + server->Address()));
}

}  // namespace
}  // namespace mansio::net
