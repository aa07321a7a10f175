#ifndef MANSIO_BROKER_SERVER_PROCESS_SIGNALS_H_
#define MANSIO_BROKER_SERVER_PROCESS_SIGNALS_H_

#include <signal.h>

namespace mansio::broker {

// The signals that the main thread takes one by one: SIGTERM and SIGINT end the process, kReopen
// asks for the Broker to be stopped and started again. For the main thread, but for AskToReopen.
class ProcessSignals {
 public:
  static constexpr int kReopen = SIGUSR1;

  // From now on they wait to be taken. Before any other thread is started, which inherits that.
  ProcessSignals();

  // Waits for the next one. An end goes before anything else.
  int Take() const;
  // Whether the end of the process was asked for: Take returns that.
  bool end_waits() const;

  // As if kReopen had been sent to the process. Any thread.
  static void AskToReopen();

 private:
  sigset_t ends_;
  sigset_t all_;
};

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_SERVER_PROCESS_SIGNALS_H_
