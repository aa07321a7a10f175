#include "broker/core/feature_set.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <vector>

#include "absl/time/time.h"

namespace mansio::broker {
namespace {

constexpr store::QueueKey kQueue{3, 1};

// Names live messages, and has no other state.
class LiveFeature : public Feature {
 public:
  explicit LiveFeature(char prefix) : prefix_(prefix) {}

  std::map<store::QueueOffset, absl::Duration> live;  // of kQueue

  std::vector<store::RecordKind> Kinds() const override { return {}; }
  char KeyPrefix() const override { return prefix_; }
  void Apply(const store::RecordView&) override {}
  void CaptureDirty(store::StateSink&) override {}
  void CaptureAll(store::StateSink&) override {}
  absl::Status Restore(std::string_view, std::string_view) override { return absl::OkStatus(); }
  void Clear() override {}
  std::vector<store::LiveMessage> LiveMessages(store::QueueKey queue, store::QueueOffset from,
                                               store::QueueOffset to, size_t max) const override {
    std::vector<store::LiveMessage> found;
    for (auto it = live.lower_bound(from); it != live.end() && it->first < to; ++it) {
      if (queue == kQueue && found.size() < max) found.push_back({it->first, it->second});
    }
    return found;
  }

 private:
  const char prefix_;
};

class LiveMessagesTest : public ::testing::Test {
 protected:
  LiveMessagesTest() {
    features_.Add(&leases_);
    features_.Add(&dead_letters_);
  }
  std::vector<store::QueueOffset> Offsets(store::QueueOffset from, store::QueueOffset to,
                                          size_t max) {
    std::vector<store::QueueOffset> offsets;
    for (const auto& live : features_.LiveMessages(kQueue, from, to, max)) {
      offsets.push_back(live.offset);
    }
    return offsets;
  }

  LiveFeature leases_{'L'};
  LiveFeature dead_letters_{'D'};
  FeatureSet features_;
};

TEST_F(LiveMessagesTest, AreThoseOfAllFeaturesLowestFirst) {
  for (const store::QueueOffset offset : {1, 5, 9}) leases_.live[offset] = absl::Hours(1);
  for (const store::QueueOffset offset : {2, 3, 8}) dead_letters_.live[offset] = absl::Hours(1);
  EXPECT_THAT(Offsets(0, 100, 100), ::testing::ElementsAre(1, 2, 3, 5, 8, 9));
  EXPECT_THAT(Offsets(2, 9, 100), ::testing::ElementsAre(2, 3, 5, 8));
  EXPECT_THAT(Offsets(0, 100, 4), ::testing::ElementsAre(1, 2, 3, 5));
  EXPECT_THAT(features_.LiveMessages({3, 2}, 0, 100, 100), ::testing::IsEmpty());
}

TEST_F(LiveMessagesTest, AreKeptAsLongAsAnyFeatureWants) {
  dead_letters_.live[4] = absl::Hours(3);
  leases_.live[4] = absl::InfiniteDuration();
  dead_letters_.live[5] = absl::Hours(3);
  leases_.live[5] = absl::Hours(2);
  const auto live = features_.LiveMessages(kQueue, 0, 100, 100);
  ASSERT_EQ(live.size(), 2u);
  EXPECT_EQ(live[0].keep, absl::InfiniteDuration());
  EXPECT_EQ(live[1].keep, absl::Hours(3));
}

}  // namespace
}  // namespace mansio::broker
