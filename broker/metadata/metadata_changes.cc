// How a change of a topic or group is made: its name is claimed, it is judged by what is there, its
// record is logged, and it is answered when that is applied. What comes for the same name meanwhile
// waits, and is then judged by what has become of the first one.

#include <memory>
#include <type_traits>
#include <utility>

#include "broker/metadata/metadata.h"

namespace mansio::broker {

// One metadata record on its way into the log.
class Metadata::LoggedRecord : public store::Append {
 public:
  explicit LoggedRecord(absl::AnyInvocable<void(const absl::Status&)> done)
      : done_(std::move(done)) {}
  void Applied(const store::AppendResult&) override { done_(absl::OkStatus()); }
  void Failed(const absl::Status& status) override { done_(status); }

 private:
  absl::AnyInvocable<void(const absl::Status&)> done_;
};

void Metadata::ChangeTopic(std::string_view name, Judge<TopicPtr> judge, Done<TopicPtr> done) {
  Change(&Metadata::topics_, name, std::move(judge), std::move(done));
}

void Metadata::ChangeGroup(std::string_view name, Judge<GroupPtr> judge, Done<GroupPtr> done) {
  Change(&Metadata::groups_, name, std::move(judge), std::move(done));
}

template <typename Ptr>
void Metadata::Change(EntryTable<Ptr> Metadata::*table, std::string_view name, Judge<Ptr> judge,
                      Done<Ptr> done) {
  std::string claimed(name);
  Verdict<Ptr> verdict;
  {
    MutexLock lock(&mutex_);
    EntryTable<Ptr>& entries = this->*table;
    if (entries.IsClaimed(claimed)) {
      auto again = [this, table, claimed, judge = std::move(judge),
                    done = std::move(done)]() mutable {
        Change(table, claimed, std::move(judge), std::move(done));
      };
      return entries.Wait(claimed, std::move(again));
    }
    verdict = judge(entries.Find(claimed));
    if (std::holds_alternative<ToLog<Ptr>>(verdict)) entries.Claim(claimed);
  }
  if (std::holds_alternative<NoSuchEntry>(verdict)) {
    if constexpr (std::is_same_v<Ptr, TopicPtr>) return done(TopicMissing(claimed));
    return done(GroupMissing(claimed));
  }
  if (auto* const answer = std::get_if<absl::StatusOr<Ptr>>(&verdict)) {
    return done(std::move(*answer));
  }
  auto& record = std::get<ToLog<Ptr>>(verdict);
  Log(record.kind, std::move(record.body),
      [this, table, name = std::move(claimed), id = record.id, deleted = record.deleted,
       done = std::move(done)](const absl::Status& status) mutable {
        Decided(table, name, id, deleted, status, done);
      });
}

template <typename Ptr>
void Metadata::Decided(EntryTable<Ptr> Metadata::*table, const std::string& name, uint32_t id,
                       const Ptr& deleted, const absl::Status& status, Done<Ptr>& done) {
  if (!status.ok()) {
    done(status);
  } else if (deleted != nullptr) {
    done(deleted);
  } else {
    Ptr made;
    {
      ReaderMutexLock lock(&mutex_);
      made = (this->*table).Find(id);
    }
    if (made != nullptr) {
      done(std::move(made));
    } else {  // only topics of a group go without a change of their own
      done(absl::NotFoundError("the consumer group was deleted meanwhile"));
    }
  }
  std::vector<absl::AnyInvocable<void()>> waiting;
  {
    MutexLock lock(&mutex_);
    waiting = (this->*table).EndClaim(name);
  }
  for (auto& again : waiting) again();
}

void Metadata::Log(store::RecordKind kind, std::string body,
                   absl::AnyInvocable<void(const absl::Status&)> done) {
  // The callback is shared because a refused Submit makes none of its own.
  auto shared = std::make_shared<absl::AnyInvocable<void(const absl::Status&)>>(std::move(done));
  auto record = std::make_unique<LoggedRecord>([shared](const absl::Status& s) { (*shared)(s); });
  record->AddRecord(kind, body);
  if (absl::Status status = store_->Submit(std::move(record)); !status.ok()) (*shared)(status);
}

absl::Status Metadata::LogAndWait(store::RecordKind kind, std::string body) {
  struct Outcome {
    Mutex mutex;
    CondVar changed;
    bool done = false;
    absl::Status status;
  };
  auto outcome = std::make_shared<Outcome>();
  Log(kind, std::move(body), [outcome](const absl::Status& status) {
    MutexLock lock(&outcome->mutex);
    outcome->status = status;
    outcome->done = true;
    outcome->changed.Signal();
  });
  MutexLock lock(&outcome->mutex);
  while (!outcome->done) outcome->changed.Wait(&outcome->mutex);
  return outcome->status;
}

}  // namespace mansio::broker
