#include "client/command/message_print.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <ostream>
#include <utility>
#include <vector>

#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "client/command/message_views.h"
#include "client/command/point.h"
#include "client/lib/pull_consumer.h"
#include "common/sync/sync.h"

namespace mansio::command {
namespace {

constexpr char kPrintGroup[] = "mansio-print";  // names this client; brokers do not create it
constexpr int kPullBatch = 32;                  // what brokers give at a time
constexpr absl::Duration kFollowWait = absl::Seconds(20);

// One queue and how far it is printed.
struct Reader {
  client::PullQueue queue;
  int64_t next = 0;
  int64_t end = 0;  // not with --follow: where the queue ended when the command began
};

// Results of pulls on their way to the thread that prints. Thread-safe; shared with callbacks.
class Arrivals {
 public:
  struct Arrival {
    size_t reader = 0;
    absl::StatusOr<client::PullResult> result;
  };
  void Put(size_t reader, absl::StatusOr<client::PullResult> result) {
    MutexLock lock(&mutex_);
    waiting_.push_back({reader, std::move(result)});
    came_.SignalAll();
  }
  Arrival Take() {
    MutexLock lock(&mutex_);
    while (waiting_.empty()) came_.Wait(&mutex_);
    Arrival arrival = std::move(waiting_.front());
    waiting_.erase(waiting_.begin());
    return arrival;
  }

 private:
  Mutex mutex_;
  CondVar came_;
  std::vector<Arrival> waiting_ ABSL_GUARDED_BY(mutex_);
};

class Printer {
 public:
  Printer(const Context& context, const PrintArguments& arguments)
      : context_(context), arguments_(arguments) {}

  // False when no more are wanted.
  bool Print(const client::ReceivedMessage& message) {
    if (arguments_.max && printed_ >= *arguments_.max) return false;
    ++printed_;
    std::ostream& out = *context_.out;
    if (arguments_.raw) {
      out << message.body << "\n";
    } else if (context_.format == Format::kJson) {
      out << MessageJson(message).dump(-1, ' ', false, Json::error_handler_t::replace) << "\n";
    } else if (context_.format == Format::kYaml) {
      out << "---\n" << Render(MessageJson(message), Format::kYaml);
    } else {
      out << Line(message) << "\n";
    }
    return !Full();
  }
  bool Full() const { return arguments_.max && printed_ >= *arguments_.max; }

 private:
  static std::string Line(const client::ReceivedMessage& message) {
    const std::string place =
        fmt::format("{}/{}/{}", message.broker, message.queue_id, message.queue_offset);
    std::string line =
        fmt::format("{}  {}", InstantText(message.store_time).get<std::string>(), place);
    if (!message.tag.empty()) line += "  tag " + message.tag;
    if (!message.keys.empty()) line += "  keys " + absl::StrJoin(message.keys, ",");
    line += message.corrupted ? "  (corrupted) " : "  ";
    // One line a message, and no control character reaches the terminal.
    for (const char c : message.body) {
      line += static_cast<unsigned char>(c) < 0x20 || c == 0x7f ? ' ' : c;
    }
    return line;
  }

  const Context& context_;
  const PrintArguments& arguments_;
  int printed_ = 0;
};

absl::StatusOr<int64_t> FirstOffset(client::PullConsumer& consumer, const client::PullQueue& queue,
                                    const Point& from) {
  switch (from.kind) {
    case Point::Kind::kEarliest:
      return consumer.Beginning(queue);
    case Point::Kind::kLatest:
      return consumer.End(queue);
    case Point::Kind::kTime:
      return consumer.AtTime(queue, from.time);
    case Point::Kind::kOffset:
      break;
  }
  const auto begin = consumer.Beginning(queue);
  if (!begin.ok()) return begin;
  const auto end = consumer.End(queue);
  if (!end.ok()) return end;
  return std::clamp(from.offset, *begin, *end);
}

absl::StatusOr<std::vector<Reader>> OpenReaders(client::PullConsumer& consumer,
                                                const PrintArguments& arguments,
                                                const Point& from) {
  const auto queues = consumer.Queues(arguments.topic);
  if (!queues.ok()) return queues.status();
  std::vector<Reader> readers;
  for (const client::PullQueue& queue : *queues) {
    if (arguments.queue && queue.queue_id != *arguments.queue) continue;
    const auto next = FirstOffset(consumer, queue, from);
    if (!next.ok()) return next.status();
    const auto end = consumer.End(queue);
    if (!end.ok()) return end.status();
    readers.push_back({queue, *next, *end});
  }
  return readers;
}

// Pulls from all readers at the same time and prints what comes.
class PrintSession {
 public:
  PrintSession(const Context& context, const PrintArguments& arguments,
               client::PullConsumer& consumer, std::vector<Reader> readers)
      : context_(context),
        arguments_(arguments),
        consumer_(consumer),
        readers_(std::move(readers)),
        printer_(context, arguments) {}

  int Run() {
    for (size_t i = 0; i < readers_.size(); ++i) Pull(i);
    while (pulling_ > 0) {
      Arrivals::Arrival arrival = arrivals_->Take();
      --pulling_;
      if (!arrival.result.ok()) return Fail(context_, arrival.result.status());
      if (!Show(arrival.reader, *arrival.result)) break;
      Pull(arrival.reader);
    }
    return context_.out->good() ? kOk : kFailed;
  }

 private:
  void Pull(size_t i) {
    const Reader& reader = readers_[i];
    if (!arguments_.follow && reader.next >= reader.end) return;
    ++pulling_;
    consumer_.PullAsync(reader.queue, reader.next, kPullBatch, arguments_.filter,
                        arguments_.follow ? kFollowWait : absl::ZeroDuration(),
                        [arrivals = arrivals_, i](absl::StatusOr<client::PullResult> result) {
                          arrivals->Put(i, std::move(result));
                        });
  }

  // False when the command is to end.
  bool Show(size_t i, const client::PullResult& result) {
    Reader& reader = readers_[i];
    for (const client::ReceivedMessage& message : result.messages) {
      if (!arguments_.follow && message.queue_offset >= reader.end) break;
      if (!printer_.Print(message)) break;
    }
    reader.next = result.next_offset;
    context_.out->flush();
    return context_.out->good() && !printer_.Full();
  }

  const Context& context_;
  const PrintArguments& arguments_;
  client::PullConsumer& consumer_;
  std::vector<Reader> readers_;
  Printer printer_;
  size_t pulling_ = 0;
  const std::shared_ptr<Arrivals> arrivals_ = std::make_shared<Arrivals>();
};

}  // namespace

int PrintMessages(const Context& context, const PrintArguments& arguments) {
  const auto from = ParsePoint(arguments.from, absl::Now());
  if (!from.ok()) {
    return FailUsage(context, std::string(from.status().message()),
                     "mansio message print --help explains the command");
  }
  auto consumer = client::PullConsumer::Create(context.client, kPrintGroup);
  if (!consumer.ok()) return Fail(context, consumer.status());
  auto readers = OpenReaders(**consumer, arguments, *from);
  if (!readers.ok()) return Fail(context, readers.status());
  if (readers->empty()) {
    return FailUsage(context, fmt::format("topic {} has no such queue", arguments.topic),
                     "mansio topic describe shows the queues of a topic");
  }
  return PrintSession(context, arguments, **consumer, *std::move(readers)).Run();
}

}  // namespace mansio::command
