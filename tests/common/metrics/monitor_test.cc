#include "common/metrics/monitor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <thread>

#include "absl/synchronization/notification.h"
#include "tests/common/net/http_get.h"

namespace mansio::metrics {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr Metric kThings{"things", "How many."};

std::unique_ptr<Monitor> Start() {
  auto monitor = Monitor::Start({.listen = {"127.0.0.1", 0}, .max_series = 2}, {{"node_id", "n"}});
  EXPECT_TRUE(monitor.ok()) << monitor.status();
  return *std::move(monitor);
}

TEST(MonitorTest, WithoutAnAddressThereIsNone) {
  const auto monitor = Monitor::Start({}, {});
  ASSERT_TRUE(monitor.ok());
  EXPECT_EQ(*monitor, nullptr);
}

TEST(MonitorTest, AStartingProcessIsAliveAndNotReady) {
  const auto monitor = Start();
  EXPECT_THAT(net::HttpGet(monitor->Address(), "/healthz"), StartsWith("HTTP/1.1 200 "));
  EXPECT_THAT(net::HttpGet(monitor->Address(), "/readyz"), StartsWith("HTTP/1.1 503 "));
  EXPECT_THAT(net::HttpGet(monitor->Address(), "/metrics"), StartsWith("HTTP/1.1 503 "));
}

TEST(MonitorTest, ThePageIsCollectedAtEachScrape) {
  const auto monitor = Start();
  int scrapes = 0;
  monitor->SetReady([&scrapes](Exposition& page) { page.Add(kThings, ++scrapes); },
                    [] { return std::vector<Check>{}; });
  const std::string first = net::HttpGet(monitor->Address(), "/metrics");
  EXPECT_THAT(first, HasSubstr("Content-Type: text/plain; version=0.0.4"));
  EXPECT_THAT(first, HasSubstr("\nthings{node_id=\"n\"} 1\n"));
  EXPECT_THAT(net::HttpGet(monitor->Address(), "/metrics"), HasSubstr("things{node_id=\"n\"} 2\n"));
  EXPECT_THAT(first, HasSubstr("mansio_scrape_duration_seconds{"));
  EXPECT_THAT(net::HttpGet(monitor->Address(), "/"), StartsWith("HTTP/1.1 404 "));
}

TEST(MonitorTest, ReadyMeansThatEveryCheckIsFulfilled) {
  const auto monitor = Start();
  absl::Status disk;
  monitor->SetReady([](Exposition&) {},
                    [&disk] {
                      return std::vector<Check>{{"store", disk}, {"other", absl::OkStatus()}};
                    });
  std::string answer = net::HttpGet(monitor->Address(), "/readyz");
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 200 "));
  EXPECT_THAT(answer, EndsWith("\r\n\r\nok store\nok other\n"));
  disk = absl::UnavailableError("the disk is full");
  answer = net::HttpGet(monitor->Address(), "/readyz");
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 503 "));
  EXPECT_THAT(answer, EndsWith("\r\n\r\nfailed store: the disk is full\nok other\n"));
}

TEST(MonitorTest, WhatIsReplacedIsNotCalledAnyMore) {
  const auto monitor = Start();
  absl::Notification called;
  absl::Notification go_on;
  std::atomic<bool> replaced{false};
  monitor->SetReady(
      [&](Exposition& page) {
        called.Notify();
        go_on.WaitForNotification();
        EXPECT_FALSE(replaced);
        page.Add(kThings, 1);
      },
      [] { return std::vector<Check>{}; });
  std::string first;
  std::thread scrape([&] { first = net::HttpGet(monitor->Address(), "/metrics"); });
  called.WaitForNotification();
  std::thread replacing([&] {
    monitor->SetReady([](Exposition& page) { page.Add(kThings, 2); },
                      [] {
                        return std::vector<Check>{{"role", absl::UnavailableError("soon")}};
                      });
    replaced = true;
  });
  go_on.Notify();
  scrape.join();
  replacing.join();
  EXPECT_THAT(first, HasSubstr("things{node_id=\"n\"} 1\n"));
  EXPECT_THAT(net::HttpGet(monitor->Address(), "/metrics"), HasSubstr("things{node_id=\"n\"} 2\n"));
  EXPECT_THAT(net::HttpGet(monitor->Address(), "/readyz"), EndsWith("failed role: soon\n"));
  EXPECT_THAT(net::HttpGet(monitor->Address(), "/healthz"), StartsWith("HTTP/1.1 200 "));
}

TEST(MonitorTest, ATakenPortIsSaidWithItsKey) {
  const auto monitor = Start();
  const net::HostPort taken = *net::ParseHostPort(monitor->Address());
  const auto second = Monitor::Start({.listen = {taken.host, taken.port}, .max_series = 1}, {});
  ASSERT_FALSE(second.ok());
  EXPECT_THAT(std::string(second.status().message()), StartsWith("metrics.listen: cannot listen"));
}

}  // namespace
}  // namespace mansio::metrics
