#include "broker/replication/pump.h"

#include <pthread.h>

#include "absl/time/clock.h"

namespace mansio::broker {

void Pump::Start() {
  thread_ = std::thread([this] {
    pthread_setname_np(pthread_self(), "mansio-repl");
    Run();
  });
}

void Pump::Wake() {
  const MutexLock lock(&mutex_);
  if (due_) return;
  due_ = true;
  changed_.Signal();
}

void Pump::Stop() {
  {
    const MutexLock lock(&mutex_);
    stopping_ = true;
    changed_.Signal();
  }
  if (thread_.joinable()) thread_.join();
}

void Pump::Run() {
  for (;;) {
    const absl::Time next = absl::Now() + work_();
    const MutexLock lock(&mutex_);
    while (!due_ && !stopping_ && !changed_.WaitUntil(&mutex_, next)) {
    }
    if (stopping_) return;
    due_ = false;
  }
}

}  // namespace mansio::broker
