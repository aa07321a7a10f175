#include "nameserver/registration_service.h"

#include <fmt/format.h>

#include <string>
#include <utility>

#include "common/logging/logging.h"
#include "common/names/utf8.h"
#include "common/rpc/proto_call.h"
#include "common/status/wire_status.h"

namespace mansio::nameserver {

namespace {

constexpr char kPath[] = "/mansio.v1.Registration/Register";

// Of a snapshot's parts: for each topic or group that it may have. Theirs have about 150.
constexpr size_t kBytesPerEntry = 512;

class RegistrationStream final : public rpc::ParsedBidiEvents<v1::RegistrationUpdate> {
 public:
  RegistrationStream(std::shared_ptr<rpc::BidiCall> call, SessionId session, size_t max_entries,
                     RoutingTable& table)
      : ParsedBidiEvents(std::move(call)),
        session_(session),
        max_entries_(max_entries),
        table_(table) {}

  void OnElement(v1::RegistrationUpdate update) override {
    if (ended_) return;
    const absl::Status status = Take(update);
    v1::RegistrationReply reply;
    reply.set_acknowledged_sequence(update.sequence());
    ToWire(status, reply.mutable_status());
    reply.set_superseded_by(SupersededBy(status));
    rpc::Write(*call(), reply);
    if (status.ok()) return;
    ended_ = true;
    LOG_WARNING_EVERY(absl::Seconds(10), "refused a registration from {}: {}", call()->Peer(),
                      EscapeForLog(reply.status().message(), 1000));
    call()->Finish(absl::OkStatus());
  }

  void OnHalfClose() override { call()->Finish(absl::OkStatus()); }

  void OnClosed() override { table_.Remove(session_); }

 private:
  absl::Status Take(v1::RegistrationUpdate& update) {
    if (update.sequence() != ++sequence_) {
      return absl::InvalidArgumentError(
          fmt::format("update {} came where {} was expected", update.sequence(), sequence_));
    }
    switch (update.update_case()) {
      case v1::RegistrationUpdate::kSnapshot:
        return TakePart(std::move(*update.mutable_snapshot()));
      case v1::RegistrationUpdate::kDelta:
        return table_.Change(session_, std::move(*update.mutable_delta()));
      case v1::RegistrationUpdate::kKeepAlive:
        return table_.KeepAlive(session_);
      case v1::RegistrationUpdate::UPDATE_NOT_SET:
        break;
    }
    return absl::InvalidArgumentError(
        fmt::format("update {} has no content that this nameserver knows", update.sequence()));
  }

  absl::Status TakePart(v1::Snapshot part) {
    const size_t entries = static_cast<size_t>(parts_.topics_size()) + parts_.groups_size() +
                           part.topics_size() + part.groups_size();
    if (entries > max_entries_) {
      return absl::ResourceExhaustedError(
          fmt::format("the snapshot has {} topics and groups or more; at most {} are taken",
                      entries, max_entries_));
    }
    bytes_ += part.ByteSizeLong();
    if (bytes_ > max_entries_ * kBytesPerEntry) {
      return absl::ResourceExhaustedError(
          fmt::format("the snapshot has {} bytes or more; at most {} are taken", bytes_,
                      max_entries_ * kBytesPerEntry));
    }
    const bool last = part.last_part();
    if (last) bytes_ = 0;
    parts_.MergeFrom(part);
    // The last identity counts, not the sum of all: its addresses are a repeated field.
    *parts_.mutable_broker() = std::move(*part.mutable_broker());
    return last ? table_.Install(session_, std::exchange(parts_, {})) : absl::OkStatus();
  }

  const SessionId session_;
  const size_t max_entries_;
  RoutingTable& table_;
  uint64_t sequence_ = 0;
  v1::Snapshot parts_;  // of a snapshot that is not complete
  size_t bytes_ = 0;    // of those parts
  bool ended_ = false;
};

}  // namespace

void RegistrationService::Register(rpc::MethodTable& methods) {
  methods.bidi.push_back({kPath, [this](std::shared_ptr<rpc::BidiCall> call) {
                            return std::make_unique<RegistrationStream>(
                                std::move(call), ++last_session_, max_entries_, *table_);
                          }});
}

}  // namespace mansio::nameserver
