#include "common/sync/burst.h"

#include <algorithm>

namespace mansio {
namespace {

thread_local Burst* burst_of_this_thread = nullptr;

}  // namespace

Burst::Burst() { burst_of_this_thread = this; }

Burst::~Burst() {
  End();
  burst_of_this_thread = nullptr;
}

bool Burst::Defer(BurstWork* work) {
  Burst* const burst = burst_of_this_thread;
  if (burst == nullptr) return false;
  auto& deferred = burst->deferred_;
  if (std::find(deferred.begin(), deferred.end(), work) == deferred.end()) deferred.push_back(work);
  return true;
}

void Burst::End() {
  for (BurstWork* work : deferred_) work->EndBurst();
  deferred_.clear();
}

}  // namespace mansio
