#ifndef MANSIO_TESTS_BROKER_FAKE_CONSUMPTION_H_
#define MANSIO_TESTS_BROKER_FAKE_CONSUMPTION_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "broker/consumption/consumption.h"

namespace mansio::broker {

// Consumption as far as commands ask for it: says of groups what a test has put in, and keeps what
// it was told to do, which is done at once.
class FakeConsumption : public Consumption {
 public:
  std::vector<Feature*> features() override { return {}; }
  gateway::ClientObserver* observer() override { return nullptr; }
  void Register(rpc::MethodTable&) override {}
  void Start() override {}
  void Stop() override {}
  std::optional<store::QueueOffset> Position(const GroupPtr&, std::string_view,
                                             store::QueueKey) const override {
    return std::nullopt;
  }
  void SetPosition(const GroupPtr&, std::string_view, const TopicPtr&, QueueCursor,
                   PositionMoves::Done done) override {
    done(absl::OkStatus());
  }
  bool HasPosition(const GroupRecord& group, uint32_t topic) const override {
    return positions.contains({group.name, topic});
  }
  void EnsurePosition(const GroupPtr& group, const TopicPtr& topic,
                      PositionMoves::Done done) override {
    positions[{group->name, topic->id}] = topic->draining;
    done(position_refused);
  }
  void Reset(const GroupPtr& group, const TopicPtr& topic, ResetPoint to,
             std::optional<uint32_t> queue, PositionMoves::Done done) override {
    resets.push_back({group->name, topic->name, to, queue});
    done(absl::OkStatus());
  }
  std::vector<v1::GroupExplanation> Explain(const GroupRecord& group,
                                            bool may_read) const override {
    v1::GroupExplanation explanation;
    explanation.set_text(may_read ? "why " + group.name : "from memory");
    return {explanation};
  }
  std::vector<QueueConsumption> Describe(const GroupRecord& group) const override {
    ++described;
    const auto found = by_group.find(group.name);
    return found == by_group.end() ? std::vector<QueueConsumption>() : found->second;
  }
  Usage usage() const override { return {}; }
  DeliveryCounters& deliveries() override { return deliveries_; }

  std::map<std::string, std::vector<QueueConsumption>> by_group;
  mutable int described = 0;  // how often groups were looked at
  // Group and topic; whether the topic took no sends when it was made.
  std::map<std::pair<std::string, uint32_t>, bool> positions;
  absl::Status position_refused;
  struct ResetCall {
    std::string group;
    std::string topic;
    ResetPoint to;
    std::optional<uint32_t> queue;
  };
  std::vector<ResetCall> resets;

 private:
  DeliveryCounters deliveries_;
};

}  // namespace mansio::broker

#endif  // MANSIO_TESTS_BROKER_FAKE_CONSUMPTION_H_
