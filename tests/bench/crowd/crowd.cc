#include "tests/bench/crowd/crowd.h"

#include <algorithm>
#include <optional>
#include <string_view>
#include <utility>

#include "broker/registration/registration_client.h"
#include "tests/bench/crowd/names.h"

namespace mansio::bench {

namespace v2 = apache::rocketmq::v2;

namespace {

constexpr int kFirstPort = 10'000;  // of the addresses that nobody listens on

// What a broker says of itself; made when it is asked for, so that a thousand take little memory.
class GeneratedSource final : public broker::RegistrationSource {
 public:
  GeneratedSource(int number, int queues) : number_(number), queues_(queues) {}

  void AddTopic(int topic) { topics_.push_back(topic); }
  void AddGroup(int group) { groups_.push_back(group); }

  v1::BrokerIdentity Identity() const override {
    v1::BrokerIdentity identity;
    identity.set_cluster("mansio");
    identity.set_name(BrokerName(number_));
    identity.set_epoch(1);
    identity.set_version("crowd");
    identity.set_role("master");
    identity.set_durability("sync");
    identity.set_lineage(static_cast<uint64_t>(number_) + 1);
    v2::Address* const address = identity.add_addresses();
    address->set_host("192.0.2.1");
    address->set_port(kFirstPort + number_);
    return identity;
  }
  std::vector<v1::TopicInfo> Topics() const override {
    std::vector<v1::TopicInfo> infos;
    for (const int number : topics_) {
      v1::TopicInfo& info = infos.emplace_back();
      info.set_name(TopicName(number));
      info.set_message_type(v2::NORMAL);
      info.set_queues(queues_);
      info.set_permission(v2::READ_WRITE);
    }
    return infos;
  }
  std::vector<v1::GroupInfo> Groups() const override {
    std::vector<v1::GroupInfo> infos;
    for (const int number : groups_) {
      v1::GroupInfo& info = infos.emplace_back();
      info.set_name(GroupName(number));
      info.set_max_attempts(17);
      info.mutable_created()->set_seconds(1'700'000'000);
    }
    return infos;
  }
  // Nothing ever changes, so that nobody asks.
  std::optional<v1::TopicInfo> FindTopic(std::string_view) const override { return std::nullopt; }
  std::optional<v1::GroupInfo> FindGroup(std::string_view) const override { return std::nullopt; }
  void SetListener(broker::RegistrationListener*) override {}

 private:
  const int number_;
  const int queues_;
  std::vector<int> topics_;
  std::vector<int> groups_;
};

}  // namespace

class Crowd::Member {
 public:
  Member(int number, const CrowdOptions& options)
      : source(number, options.queues),
        registration({.nameservers = {options.nameserver}}, &source) {}

  GeneratedSource source;
  broker::RegistrationClient registration;
};

Crowd::Crowd(const CrowdOptions& options) {
  for (int number = 0; number < options.brokers; ++number) {
    members_.push_back(std::make_unique<Member>(number, options));
  }
  // Neighbours, so that each broker has as many.
  const auto place = [&](int64_t number, int64_t copy) -> GeneratedSource& {
    return members_[static_cast<size_t>((number * options.copies + copy) % options.brokers)]
        ->source;
  };
  for (int copy = 0; copy < std::min(options.copies, options.brokers); ++copy) {
    for (int topic = 0; topic < options.topics; ++topic) place(topic, copy).AddTopic(topic);
    for (int group = 0; group < options.groups; ++group) place(group, copy).AddGroup(group);
  }
  for (const auto& member : members_) member->registration.Start();
}

Crowd::~Crowd() = default;

int Crowd::Registered() const {
  return static_cast<int>(std::count_if(members_.begin(), members_.end(), [](const auto& member) {
    return member->registration.States().front().registered;
  }));
}

}  // namespace mansio::bench
