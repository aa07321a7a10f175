#include "broker/placement/consumers.h"

#include <memory>
#include <utility>

#include "common/sync/sync.h"

namespace mansio::broker {

namespace {

// Waits for the positions of several groups.
class Admission {
 public:
  Admission(size_t groups, absl::AnyInvocable<void(const absl::Status&)> done)
      : open_(groups), done_(std::move(done)) {}

  void Answer(const absl::Status& status) {
    absl::Status first;
    {
      MutexLock lock(&mutex_);
      if (refused_.ok()) refused_ = status;
      if (--open_ > 0) return;
      first = refused_;
    }
    done_(first);
  }

 private:
  Mutex mutex_;
  size_t open_ ABSL_GUARDED_BY(mutex_);
  absl::Status refused_ ABSL_GUARDED_BY(mutex_);
  absl::AnyInvocable<void(const absl::Status&)> done_;
};

}  // namespace

std::vector<GroupPtr> ConsumersOf(const Metadata& metadata, const Consumption& consumption,
                                  const Topic& topic) {
  std::vector<GroupPtr> groups = metadata.Groups();
  std::erase_if(groups,
                [&](const GroupPtr& group) { return !consumption.HasPosition(*group, topic.id); });
  return groups;
}

void AdmitConsumers(Metadata* metadata, Consumption* consumption, const TopicPtr& topic,
                    std::vector<GroupRecord> groups,
                    absl::AnyInvocable<void(const absl::Status&)> done) {
  if (groups.empty()) return done(absl::OkStatus());
  const auto admission = std::make_shared<Admission>(groups.size(), std::move(done));
  for (GroupRecord& wanted : groups) {
    metadata->EnsureGroup(
        std::move(wanted), [consumption, topic, admission](const absl::StatusOr<GroupPtr>& group) {
          if (!group.ok()) return admission->Answer(group.status());
          consumption->EnsurePosition(*group, topic, [admission](const absl::Status& status) {
            admission->Answer(status);
          });
        });
  }
}

}  // namespace mansio::broker
