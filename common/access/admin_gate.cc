#include "common/access/admin_gate.h"

#include <fmt/format.h>
#include <google/protobuf/descriptor.h>
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/message.h>
#include <google/protobuf/text_format.h>
#include <google/protobuf/wire_format_lite.h>

#include <algorithm>
#include <array>
#include <map>
#include <utility>
#include <vector>

#include "apache/rocketmq/v2/definition.pb.h"
#include "common/gateway/preamble.h"
#include "common/gateway/public_service.h"
#include "common/logging/logging.h"
#include "common/names/utf8.h"
#include "common/rpc/call_stats.h"
#include "common/rpc/proto_call.h"
#include "common/rpc/service_names.h"
#include "common/status/wire_status.h"

namespace mansio::access {
namespace {

namespace v2 = apache::rocketmq::v2;

constexpr std::string_view kAdmin = "mansio.v1.Admin";
// Of brokers and nameservers among themselves.
constexpr std::array<std::string_view, 3> kNodeServices = {
    "mansio.v1.Registration", "mansio.v1.Relay", "mansio.v1.Replication"};
constexpr size_t kMaxAuditBytes = 512;

constexpr std::array<std::string_view, 11> kLooks = {
    "ListBrokers",   "ListTopics",       "DescribeTopic", "ListGroups",
    "DescribeGroup", "TransactionStats", "DelayStats",    "DeadLetterStats",
    "ExplainGroup",  "ListClients",      "GetConfig"};
constexpr std::array<std::string_view, 9> kReveals = {
    "ListDeadLetters",  "DescribeDeadLetter",  "ExportDeadLetters",
    "ListTransactions", "DescribeTransaction", "ListDelayedMessages",
    "QueryMessages",    "GetMessage",          "TraceMessage"};

template <size_t kSize>
bool Has(const std::array<std::string_view, kSize>& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

bool IsAdmin(std::string_view service) {
  return service == kAdmin || service == gateway::kAdminService;
}

using Lists = std::map<const google::protobuf::FieldDescriptor*, size_t>;

// Copies what a line of the log may say of a request: all but its lists of messages, which it
// counts. These are what makes requests big (dead letters to import), and what clients have sent
// does not belong in a log. False for bytes that are no message.
bool LeaveOutLists(const google::protobuf::Descriptor& type, std::string_view request,
                   std::string& rest, Lists& lists) {
  using google::protobuf::internal::WireFormatLite;
  google::protobuf::io::CodedInputStream in(reinterpret_cast<const uint8_t*>(request.data()),
                                            static_cast<int>(request.size()));
  for (int begin = 0; const uint32_t tag = in.ReadTag(); begin = in.CurrentPosition()) {
    if (!WireFormatLite::SkipField(&in, tag)) return false;
    const auto* field = type.FindFieldByNumber(WireFormatLite::GetTagFieldNumber(tag));
    if (field != nullptr && field->is_repeated() && field->message_type() != nullptr) {
      ++lists[field];
    } else {
      rest += request.substr(begin, in.CurrentPosition() - begin);
    }
  }
  return in.ConsumedEntireMessage();
}

// A request as one line of text, about kMaxAuditBytes of it at most.
std::string RequestText(std::string_view path, std::string_view request) {
  using google::protobuf::DescriptorPool;
  const auto* service =
      DescriptorPool::generated_pool()->FindServiceByName(std::string(rpc::ServiceOf(path)));
  const auto* method =
      service == nullptr ? nullptr : service->FindMethodByName(std::string(rpc::MethodOf(path)));
  if (method == nullptr) return "";
  const google::protobuf::Message* prototype =
      google::protobuf::MessageFactory::generated_factory()->GetPrototype(method->input_type());
  if (prototype == nullptr) return "";
  const std::unique_ptr<google::protobuf::Message> message(prototype->New());
  std::string rest;
  Lists lists;
  if (!LeaveOutLists(*method->input_type(), request, rest, lists) ||
      !rpc::Parse(rest, message.get())) {
    return "(not a valid encoding)";
  }
  google::protobuf::TextFormat::Printer printer;
  printer.SetSingleLineMode(true);
  printer.SetTruncateStringFieldLongerThan(kMaxAuditBytes);
  std::string text;
  printer.PrintToString(*message, &text);
  if (!text.empty() && text.back() == ' ') text.pop_back();
  text = EscapeForLog(text, kMaxAuditBytes);
  for (const auto& [field, count] : lists) text += fmt::format(" {}: {}", field->name(), count);
  return text;
}

// A call that changes something: it writes its line when it is answered. Owned by itself until
// then.
class AuditedCall final : public rpc::UnaryCall {
 public:
  AuditedCall(rpc::UnaryCall* call, std::string_view path)
      : call_(call),
        who_(call->Peer()),
        what_(fmt::format("{} {{{}}}", rpc::MethodOf(path), RequestText(path, call->Request()))) {}

  std::string_view Metadata(std::string_view key) const override { return call_->Metadata(key); }
  std::string_view Peer() const override { return call_->Peer(); }
  absl::Time Deadline() const override { return call_->Deadline(); }
  bool Cancelled() const override { return call_->Cancelled(); }
  void OnCancel(absl::AnyInvocable<void()> fn) override { call_->OnCancel(std::move(fn)); }
  void Post(absl::AnyInvocable<void()> fn) override { call_->Post(std::move(fn)); }
  std::string_view Request() const override { return call_->Request(); }

  void Finish(rpc::Payload response) override {
    const int outcome = rpc::OutcomeOf(response);
    AfterLine(outcome == rpc::kNoCode ? "no status" : CodeName(static_cast<v2::Code>(outcome)),
              [response = std::move(response)](rpc::UnaryCall& call) mutable {
                call.Finish(std::move(response));
              });
  }
  void Abort(absl::Status status) override {
    AfterLine(absl::StatusCodeToString(status.code()),
              [status](rpc::UnaryCall& call) { call.Abort(status); });
  }

 private:
  // Often on the log thread, which should not wait for a file that it does not write itself. The
  // answer goes out behind the line: what somebody knows to be done has one.
  void AfterLine(std::string_view result, absl::AnyInvocable<void(rpc::UnaryCall&)> answer) {
    std::string line = fmt::format("audit: {} asked for {}: {}", who_, what_, result);
    rpc::UnaryCall* const call = End();
    call->Post([call, line = std::move(line), answer = std::move(answer)]() mutable {
      LOG_INFO("{}", line);
      answer(*call);
    });
  }
  rpc::UnaryCall* End() {
    rpc::UnaryCall* const call = call_;
    delete this;
    return call;
  }

  rpc::UnaryCall* const call_;
  const std::string who_;
  const std::string what_;
};

// What a stream that was refused is told of: nothing.
class RefusedStream final : public rpc::BidiEvents {
 public:
  void OnMessage(std::string_view) override {}
  void OnHalfClose() override {}
  void OnClosed() override {}
};

}  // namespace

AdminKind KindOf(std::string_view method) {
  if (Has(kLooks, method)) return AdminKind::kLook;
  if (Has(kReveals, method)) return AdminKind::kReveal;
  return AdminKind::kChange;
}

AdminGate::AdminGate(Options options, const Clock* clock)
    : options_(std::move(options)),
      judge_(options_.secret.empty() ? nullptr
                                     : std::make_unique<ProofJudge>(options_.secret, clock)) {}

absl::Status AdminGate::Admit(const rpc::Call& call, std::string_view path, AdminKind kind) {
  if (kind == AdminKind::kLook) return absl::OkStatus();
  const std::string_view peer = call.Peer();
  if (IsThisMachine(peer) || options_.allow.Contains(peer)) return absl::OkStatus();
  std::string why = fmt::format("{} is served to the machine itself", rpc::MethodOf(path));
  if (judge_ != nullptr) {
    const absl::Status proven = judge_->Judge(path, call.Metadata(kProofHeader));
    if (proven.ok()) return absl::OkStatus();
    why = std::string(proven.message());
  }
  WriteRefusal(path, peer, why);
  return WireError(
      v2::FORBIDDEN,
      fmt::format("{}, and not to {}; run the command there, set admin.allow to its network, or "
                  "give the servers and the command the same secret (admin.cluster-secret-file, "
                  "--cluster-secret-file)",
                  why, peer));
}

void AdminGate::WriteRefusal(std::string_view path, std::string_view peer, std::string_view why) {
  const auto left_out = refusals_.Admit();
  if (!left_out) return;
  LOG_WARNING("{}", logging::WithLeftOut(fmt::format("audit: {} was refused to {}: {}",
                                                     rpc::MethodOf(path), peer, why),
                                         *left_out));
}

rpc::UnaryHandler AdminGate::Guard(std::string path, rpc::UnaryHandler handler) {
  const AdminKind kind = KindOf(rpc::MethodOf(path));
  if (kind == AdminKind::kLook) return handler;
  return [this, kind, path = std::move(path), handler = std::move(handler)](rpc::UnaryCall& call) {
    if (absl::Status refusal = Admit(call, path, kind); !refusal.ok()) {
      return call.Finish(gateway::StatusResponse(refusal));
    }
    if (kind == AdminKind::kReveal) return handler(call);
    handler(*new AuditedCall(&call, path));
  };
}

rpc::ServerStreamHandler AdminGate::Guard(std::string path, rpc::ServerStreamHandler handler) {
  const AdminKind kind = KindOf(rpc::MethodOf(path));
  return [this, kind, path = std::move(path),
          handler = std::move(handler)](rpc::ServerStreamCall& call) {
    if (absl::Status refusal = Admit(call, path, kind); !refusal.ok()) {
      std::vector<rpc::Payload> only_status;
      only_status.push_back(gateway::StatusResponse(refusal));
      return call.Finish(std::move(only_status), [](bool) {});
    }
    handler(call);
  };
}

rpc::BidiHandler AdminGate::GuardNodes(std::string path, rpc::BidiHandler handler) {
  return [this, path = std::move(path), handler = std::move(handler)](
             std::shared_ptr<rpc::BidiCall> call) -> std::unique_ptr<rpc::BidiEvents> {
    const absl::Status proven = judge_->Judge(path, call->Metadata(kProofHeader));
    if (proven.ok()) return handler(std::move(call));
    const std::string why(proven.message());
    WriteRefusal(path, call->Peer(), why);
    call->Finish(absl::PermissionDeniedError(
        fmt::format("{}; give all brokers and nameservers of the cluster the same "
                    "admin.cluster-secret-file",
                    why)));
    return std::make_unique<RefusedStream>();
  };
}

void AdminGate::Protect(rpc::MethodTable& methods) {
  for (auto& method : methods.unary) {
    if (IsAdmin(rpc::ServiceOf(method.path))) {
      method.handler = Guard(method.path, std::move(method.handler));
    }
  }
  for (auto& method : methods.server_stream) {
    if (IsAdmin(rpc::ServiceOf(method.path))) {
      method.handler = Guard(method.path, std::move(method.handler));
    }
  }
  for (auto& method : methods.bidi) {
    if (judge_ != nullptr && Has(kNodeServices, rpc::ServiceOf(method.path))) {
      method.handler = GuardNodes(method.path, std::move(method.handler));
    }
  }
}

}  // namespace mansio::access
