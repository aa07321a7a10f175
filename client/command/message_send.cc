#include "client/command/message_send.h"

#include <fmt/format.h>

#include <fstream>
#include <istream>
#include <iterator>
#include <memory>
#include <optional>
#include <utility>

#include "absl/time/clock.h"
#include "client/command/times.h"
#include "client/lib/producer.h"
#include "common/sync/sync.h"

namespace mansio::command {
namespace {

constexpr int kInFlight = 64;
constexpr size_t kListedInTable = 20;  // receipts; programs get all

// Where the bodies come from, one after the other.
class Bodies {
 public:
  Bodies(const Context& context, const SendArguments& arguments, std::optional<std::string> file)
      : in_(*context.in), template_(std::move(file)), count_(arguments.count) {
    if (arguments.has_body) template_ = arguments.body;
  }

  std::optional<std::string> Next() {
    if (!template_.has_value()) {
      std::string line;
      if (!std::getline(in_, line)) return std::nullopt;
      return line;
    }
    if (number_ == count_) return std::nullopt;
    ++number_;
    std::string body = *template_;
    const std::string number = std::to_string(number_);
    for (size_t at = 0; (at = body.find("{n}", at)) != std::string::npos; at += number.size()) {
      body.replace(at, 3, number);
    }
    return body;
  }

 private:
  std::istream& in_;
  std::optional<std::string> template_;  // none: the lines of `in_`
  const int count_;
  int number_ = 0;
};

// Receipts as they come in, and the bound on what is in flight. Thread-safe.
class Receipts {
 public:
  explicit Receipts(int limit) : limit_(limit) {}

  void Begin() {
    MutexLock lock(&mutex_);
    while (in_flight_ >= limit_) ended_.Wait(&mutex_);
    ++in_flight_;
  }

  void End(size_t number, absl::StatusOr<client::SendReceipt> receipt) {
    MutexLock lock(&mutex_);
    --in_flight_;
    if (receipts_.size() <= number) receipts_.resize(number + 1);
    if (receipt.ok()) {
      receipts_[number] = *std::move(receipt);
      ++sent_;
    } else {
      ++failed_;
      if (first_error_.ok()) first_error_ = receipt.status();
    }
    ended_.SignalAll();
  }

  void WaitForAll() {
    MutexLock lock(&mutex_);
    while (in_flight_ > 0) ended_.Wait(&mutex_);
  }

  bool failed() const {
    MutexLock lock(&mutex_);
    return failed_ > 0;
  }

  // Prints everything; to be called when all have ended.
  int Print(const Context& context, const std::string& topic) const {
    MutexLock lock(&mutex_);
    Json listed = Json::array();
    for (const client::SendReceipt& receipt : receipts_) {
      if (receipt.message_id.empty()) continue;
      listed.push_back(
          {{"message_id", receipt.message_id}, {"queue_offset", receipt.queue_offset}});
      if (receipt.recall_handle.empty()) continue;
      listed.back()["recall_handle"] = receipt.recall_handle;
    }
    if (context.format != Format::kTable) {
      context.Print({{"topic", topic},
                     {"sent", sent_},
                     {"failed", failed_},
                     {"messages", std::move(listed)}});
    } else {
      if (!listed.empty() && listed.size() <= kListedInTable) context.Print(listed);
      if (sent_ > 0 || failed_ == 0)
        context.Say(fmt::format("sent {} message{} to {}", sent_, sent_ == 1 ? "" : "s", topic));
    }
    if (failed_ == 0) return kOk;
    const int exit = Fail(context, first_error_);
    return sent_ > 0 ? static_cast<int>(kPartial) : exit;
  }

 private:
  const int limit_;
  mutable Mutex mutex_;
  CondVar ended_;
  int in_flight_ ABSL_GUARDED_BY(mutex_) = 0;
  int64_t sent_ ABSL_GUARDED_BY(mutex_) = 0;
  int64_t failed_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::Status first_error_ ABSL_GUARDED_BY(mutex_);
  std::vector<client::SendReceipt> receipts_ ABSL_GUARDED_BY(mutex_);  // in the order of sending
};

absl::Status AddProperties(const std::vector<std::string>& texts, client::Message* message) {
  for (const std::string& text : texts) {
    const size_t equals = text.find('=');
    if (equals == std::string::npos || equals == 0) {
      return absl::InvalidArgumentError(
          fmt::format("'{}' is not a property; write --property NAME=VALUE", text));
    }
    message->properties[text.substr(0, equals)] = text.substr(equals + 1);
  }
  return absl::OkStatus();
}

absl::Status SetDeliveryTime(const std::string& text, client::Message* message) {
  if (text.empty()) return absl::OkStatus();
  if (text[0] == '+') {
    const auto delay = ParseSpan(std::string_view(text).substr(1));
    if (delay) message->deliver_at = absl::Now() + *delay;
    if (delay) return absl::OkStatus();
  } else if (const auto time = ParseInstant(text)) {
    message->deliver_at = *time;
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(fmt::format(
      "'{}' is not a time; write for example 2030-01-31T09:00:00Z, or +90s or +1d for a time from "
      "now",
      text));
}

}  // namespace

int SendMessages(const Context& context, const SendArguments& arguments) {
  client::Message prototype = arguments.message;
  prototype.topic = arguments.topic;
  if (absl::Status s = AddProperties(arguments.properties, &prototype); !s.ok()) {
    return FailUsage(context, std::string(s.message()), "");
  }
  if (absl::Status s = SetDeliveryTime(arguments.deliver_at, &prototype); !s.ok()) {
    return FailUsage(context, std::string(s.message()), "");
  }
  std::optional<std::string> file;
  if (!arguments.file.empty()) {
    std::ifstream in(arguments.file, std::ios::binary);
    if (!in) return FailUsage(context, fmt::format("cannot read the file {}", arguments.file), "");
    file.emplace(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>());
  }
  auto producer = client::Producer::Create(context.client);
  if (!producer.ok()) return Fail(context, producer.status());

  Bodies bodies(context, arguments, std::move(file));
  Receipts receipts(prototype.message_group.empty() ? kInFlight : 1);
  for (size_t number = 0;; ++number) {
    std::optional<std::string> body = bodies.Next();
    if (!body.has_value()) break;
    receipts.Begin();
    if (receipts.failed()) {  // What follows would fail alike, or break the order of the group.
      receipts.End(number, absl::CancelledError("not sent, because a message before it failed"));
      break;
    }
    client::Message message = prototype;
    message.body = *std::move(body);
    (*producer)->SendAsync(std::move(message), [&receipts, number](auto receipt) {
      receipts.End(number, std::move(receipt));
    });
  }
  receipts.WaitForAll();
  const int exit = receipts.Print(context, arguments.topic);
  if (exit == kOk && arguments.message.delay_level > 0) {
    context.Say(
        fmt::format("delivered after the delay of level {}; mansio delay list --topic {} shows "
                    "when, and the handle to take them back with",
                    arguments.message.delay_level, arguments.topic));
  }
  return exit;
}

}  // namespace mansio::command
