#include "broker/consumption/refusals.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "common/names/utf8.h"
#include "common/status/wire_status.h"

namespace mansio::broker {

namespace {
constexpr size_t kMaxText = 400;
}  // namespace

void Refusals::Note(std::string_view group, Refusal refusal) {
  MutexLock lock(&mutex_);
  if (by_group_.size() >= kGroups && !by_group_.contains(group)) DropOldestGroup();
  std::vector<Refusal>& refusals = by_group_.try_emplace(std::string(group)).first->second;
  std::erase_if(refusals, [&refusal](const Refusal& known) {
    return known.topic == refusal.topic && known.client == refusal.client;
  });
  if (refusals.size() >= kOfGroup) refusals.erase(refusals.begin());
  refusals.push_back(std::move(refusal));
  groups_ = by_group_.size();
}

void Refusals::DropOldestGroup() {
  const auto oldest = std::min_element(
      by_group_.begin(), by_group_.end(),
      [](const auto& a, const auto& b) { return a.second.back().at_ms < b.second.back().at_ms; });
  by_group_.erase(oldest);
}

void Refusals::Forget(std::string_view group, std::string_view topic, std::string_view client) {
  if (groups_.load(std::memory_order_relaxed) == 0) return;
  MutexLock lock(&mutex_);
  const auto known = by_group_.find(group);
  if (known == by_group_.end()) return;
  std::erase_if(known->second, [&](const Refusal& refusal) {
    return refusal.topic == topic && refusal.client == client;
  });
  if (known->second.empty()) by_group_.erase(known);
  groups_ = by_group_.size();
}

std::vector<Refusal> Refusals::Of(std::string_view group) const {
  MutexLock lock(&mutex_);
  const auto known = by_group_.find(group);
  return known == by_group_.end() ? std::vector<Refusal>() : known->second;
}

std::string RefusalText(const absl::Status& status) {
  return EscapeForLog(
      fmt::format("{}: {}", CodeName(CodeOf(status)), std::string(status.message())), kMaxText);
}

}  // namespace mansio::broker
