#include "broker/server/process_signals.h"

#include <unistd.h>

namespace mansio::broker {

ProcessSignals::ProcessSignals() {
  sigemptyset(&ends_);
  sigaddset(&ends_, SIGTERM);
  sigaddset(&ends_, SIGINT);
  all_ = ends_;
  sigaddset(&all_, kReopen);
  pthread_sigmask(SIG_BLOCK, &all_, nullptr);
}

int ProcessSignals::Take() const {
  int taken = 0;
  sigwait(&all_, &taken);
  // Of several that wait the kernel gives the one with the lowest number.
  if (taken == kReopen && end_waits()) sigwait(&ends_, &taken);
  return taken;
}

bool ProcessSignals::end_waits() const {
  sigset_t waiting;
  sigpending(&waiting);
  return sigismember(&waiting, SIGTERM) == 1 || sigismember(&waiting, SIGINT) == 1;
}

void ProcessSignals::AskToReopen() { kill(getpid(), kReopen); }

}  // namespace mansio::broker
