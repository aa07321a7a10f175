#include "broker/election/promises.h"

#include <algorithm>

namespace mansio::broker {
namespace {

constexpr size_t kRemembered = 64;  // requests

}  // namespace

PromiseRequest PromisesOfOthers::Ask(absl::Duration now) {
  asked_[++last_] = now;
  if (asked_.size() > kRemembered) asked_.erase(asked_.begin());
  return {epoch_, last_};
}

void PromisesOfOthers::Take(BrokerId from, const Promise& promise) {
  const auto asked = asked_.find(promise.sequence);
  if (promise.epoch != epoch_ || asked == asked_.end()) return;
  const absl::Duration until = asked->second + promise.lasts - margin_;
  const auto [known, is_new] = until_.try_emplace(from, until);
  known->second = std::max(known->second, until);
}

absl::Duration PromisesOfOthers::Until(const std::set<BrokerId>& others) const {
  absl::Duration least = absl::InfiniteDuration();
  for (const BrokerId other : others) {
    const auto known = until_.find(other);
    if (known == until_.end()) return -absl::InfiniteDuration();
    least = std::min(least, known->second);
  }
  return least;
}

Promise OwnPromise::Give(absl::Duration now, const PromiseRequest& request) {
  until_ = std::max(until_, now + lasts_);
  epoch_ = std::max(epoch_, request.epoch);
  return {request.epoch, request.sequence, lasts_};
}

void OwnPromise::Release(store::Epoch epoch) {
  if (epoch_ <= epoch) until_ = -absl::InfiniteDuration();
}

}  // namespace mansio::broker
