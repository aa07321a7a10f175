// What producers and consumers share, against nodes in this process.
#include "client/lib/runtime.h"

#include <memory>

#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/client/fake_node.h"

namespace mansio::client {
namespace {

namespace v2 = apache::rocketmq::v2;
using ::testing::UnorderedElementsAre;

constexpr absl::Duration kPatience = absl::Seconds(30);

void AwaitNodes(const Runtime& runtime, size_t count) {
  const absl::Time deadline = absl::Now() + kPatience;
  while (runtime.Nodes().size() != count && absl::Now() < deadline) {
    absl::SleepFor(absl::Milliseconds(5));
  }
}

std::unique_ptr<Runtime> StartRuntime(const FakeNode& access_point) {
  ClientOptions options;
  options.endpoint = access_point.endpoint();
  options.request_timeout = absl::Seconds(30);
  Runtime::Role role;
  v2::TelemetryCommand settings;
  settings.mutable_settings()->mutable_publishing();
  role.settings = [text = settings.SerializeAsString()] { return text; };
  auto runtime = Runtime::Start(
      options, role, {.heartbeat = absl::Milliseconds(20), .route = absl::Milliseconds(50)});
  EXPECT_TRUE(runtime.ok()) << runtime.status();
  return *std::move(runtime);
}

TEST(RuntimeTest, SessionsWithNodesThatAreGoneEnd) {
  FakeNode access_point;
  FakeNode lives;
  auto leaves = std::make_unique<FakeNode>();
  const std::string gone = leaves->endpoint();
  const auto runtime = StartRuntime(access_point);
  runtime->SessionWith(lives.endpoint());
  runtime->SessionWith(gone);
  EXPECT_EQ(runtime->Nodes().size(), 3u);
  leaves.reset();
  AwaitNodes(*runtime, 2);
  EXPECT_THAT(runtime->Nodes(), UnorderedElementsAre(access_point.endpoint(), lives.endpoint()));
}

TEST(RuntimeTest, ASessionStaysWhileARouteNamesItsNode) {
  FakeNode access_point;
  auto in_route = std::make_unique<FakeNode>();
  auto outside = std::make_unique<FakeNode>();
  const std::string needed = in_route->endpoint();
  access_point.hooks.route = [needed](const v2::QueryRouteRequest& request) {
    return MakeRoute(request.topic().name(), {needed}, 1);
  };
  const auto runtime = StartRuntime(access_point);
  absl::Notification found;
  runtime->FindRoute("orders", [&](const auto& route) {
    EXPECT_TRUE(route.ok()) << route.status();
    found.Notify();
  });
  found.WaitForNotification();
  runtime->SessionWith(needed);
  runtime->SessionWith(outside->endpoint());
  in_route.reset();
  const absl::Time deadline = absl::Now() + kPatience;
  while (!runtime->IsIsolated(needed) && absl::Now() < deadline) {
    absl::SleepFor(absl::Milliseconds(5));
  }
  outside.reset();
  AwaitNodes(*runtime, 2);  // both fail their heartbeats by now; only one goes
  EXPECT_THAT(runtime->Nodes(), UnorderedElementsAre(access_point.endpoint(), needed));
}

}  // namespace
}  // namespace mansio::client
