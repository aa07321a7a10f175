// The broker's records and values, and what clients send as text.

#include <google/protobuf/stubs/logging.h>

#include <array>
#include <string>

#include "absl/strings/escaping.h"
#include "apache/rocketmq/v2/definition.pb.h"
#include "apache/rocketmq/v2/service.pb.h"
#include "broker/consumption/queue_progress.h"
#include "broker/consumption/receipt_handle.h"
#include "broker/consumption/records.h"
#include "broker/core/codec.h"
#include "broker/deadletter/records.h"
#include "broker/filter/sql_parser.h"
#include "broker/filter/tag_filter.h"
#include "broker/message/stored_message.h"
#include "broker/metadata/records.h"
#include "broker/transaction/records.h"
#include "broker/transaction/transaction_id.h"
#include "common/hash/siphash.h"
#include "common/status/wire_status.h"
#include "tests/fuzz/targets.h"

namespace mansio::fuzz {
namespace {

using namespace broker;  // NOLINT(google-build-using-namespace): all of it is about the broker
namespace v2 = apache::rocketmq::v2;

// ---- Records: the first byte says which ----

std::vector<std::string> RecordSeeds() {
  const std::vector<QueueOffsets> queues = {{0, 12, {9, 10, 11}}, {3, 7, {2}}};
  const TopicRecord topic{1, "orders", MessageType::kFifo, 8, 1700000000000};
  const TopicRecord retry{.id = 3,
                          .name = "%RETRY%billing",
                          .queues = 2,
                          .kind = TopicKind::kRetry,
                          .group = 2,
                          .origins = {1, 4}};
  const TopicRecord transactional{.id = 4,
                                  .name = "payments",
                                  .type = MessageType::kTransaction,
                                  .queues = 8,
                                  .check_back = {1000, 2000, 3}};
  GroupRecord group{.id = 2, .name = "billing", .fifo = true, .start = StartPolicy::kEarliest};
  const std::string list = group.Encode();
  group.backoff = {.exponential = Backoff::Exponential{}};
  return {std::string(1, '\0') + topic.Encode(),
          std::string(1, '\0') + retry.Encode(),
          std::string(1, '\0') + transactional.Encode(),
          "\1" + list,
          "\1" + group.Encode(),
          "\2" + PositionRecord{2, 1, false, {0, 5, 1000}}.Encode(),
          "\3" + LeaseRecord{2, 1, true, 77, 1700000000000, queues}.Encode(),
          "\3" + LeaseRecord{2, 1, true, 77, 1700000000000, {{3, 9, {5, 7}, {{5, 1}, {8, 2}}}}, 55}
                     .Encode(),
          "\4" + LeasesEndRecord{2, 1, false, queues}.Encode(),
          "\5" + LeaseChangedRecord{2, 1, 3, 2, 1700000000000}.Encode(),
          "\6" + PositionMovedRecord{2, 1, {{0, 12}, {3, 0}}}.Encode(),
          "\7" + GroupPausedRecord{2, true}.Encode(),
          "\10" + HalfRecord{7, 60000}.Encode(),
          "\11" + TransactionEndRecord{300, TransactionOutcome::kCommitted}.Encode(),
          "\12" + HalvesCheckedRecord{1700000000000, {1, 2, 300}}.Encode(),
          "\13" + DeadLettersRemovedRecord{4, {3, 4, 2000}}.Encode()};
}

// What Decode accepts, Encode writes so that it is read back as the same.
template <typename Record>
void CheckRecord(std::string_view body) {
  const auto record = Record::Decode(body);
  if (!record.ok()) return;
  const std::string encoded = record->Encode();
  const auto again = Record::Decode(encoded);
  MANSIO_FUZZ_CHECK(again.ok());
  MANSIO_FUZZ_CHECK(again->Encode() == encoded);
}

int ReadRecord(const uint8_t* data, size_t size) {
  constexpr void (*kChecks[])(std::string_view) = {
      CheckRecord<TopicRecord>,         CheckRecord<GroupRecord>,
      CheckRecord<PositionRecord>,      CheckRecord<LeaseRecord>,
      CheckRecord<LeasesEndRecord>,     CheckRecord<LeaseChangedRecord>,
      CheckRecord<PositionMovedRecord>, CheckRecord<GroupPausedRecord>,
      CheckRecord<HalfRecord>,          CheckRecord<TransactionEndRecord>,
      CheckRecord<HalvesCheckedRecord>, CheckRecord<DeadLettersRemovedRecord>};
  std::string_view input = AsText(data, size);
  kChecks[TakeByte(input) % std::size(kChecks)](input);
  return 0;
}

// ---- A group's position on a queue ----

std::vector<std::string> ProgressSeeds() {
  QueueProgress progress(10);
  const Lease lease{.id = {3, 4096}, .deadline_ms = 1700000000000, .owner = 77};
  progress.ApplyLease(5, lease);
  progress.ApplyLease(7, lease);
  progress.ApplyEnd(7, true);
  QueueProgress fifo(5, true);
  for (const store::QueueOffset offset : {5, 6, 7}) fifo.ApplyWait(offset, 1);
  fifo.ApplyLease(5, lease);
  fifo.ApplyLease(6, lease);
  fifo.ApplyAck(6);
  return {QueueProgress(0).Encode(), progress.Encode(), fifo.Encode()};
}

int ReadProgress(const uint8_t* data, size_t size) {
  const auto progress = QueueProgress::Decode(AsText(data, size));
  if (!progress.ok()) return 0;
  MANSIO_FUZZ_CHECK(progress->applied_outstanding() <= progress->outstanding());
  MANSIO_FUZZ_CHECK(progress->ready().size() <= progress->waiting());
  MANSIO_FUZZ_CHECK(progress->waiting() <= progress->outstanding());
  const std::string encoded = progress->Encode();
  const auto again = QueueProgress::Decode(encoded);
  MANSIO_FUZZ_CHECK(again.ok());
  MANSIO_FUZZ_CHECK(again->Encode() == encoded);
  return 0;
}

// ---- The content of a stored message ----

std::string Content(v2::Message message, const Provenance& provenance = {}) {
  const ContentEncoder encoder(&message, "10.0.0.1:5000", 1700000000000, provenance);
  std::string content(encoder.size(), '\0');
  encoder.EncodeTo(content.data(), BodyDigest(message.body()));
  return content;
}

std::vector<std::string> ContentSeeds() {
  v2::Message message;
  message.mutable_system_properties()->set_tag("tagA");
  message.mutable_system_properties()->set_message_id("01AB");
  message.mutable_system_properties()->set_message_group("group");
  (*message.mutable_user_properties())["key"] = "value";
  message.set_body("body");
  const Provenance provenance{
      .topic = 1, .queue = 2, .offset = 3, .attempts = 4, .group = "billing", .reason = "attempts"};
  return {Content(v2::Message()), Content(message), Content(message, provenance)};
}

void CheckProvenance(std::string_view bytes) {
  const auto provenance = Provenance::Decode(bytes);
  if (!provenance.ok()) return;
  const std::string encoded = provenance->Encode();
  const auto again = Provenance::Decode(encoded);
  MANSIO_FUZZ_CHECK(again.ok());
  MANSIO_FUZZ_CHECK(*again == *provenance);
}

int ReadContent(const uint8_t* data, size_t size) {
  const auto content = DecodeContent(AsText(data, size));
  if (!content.ok()) return 0;
  const std::string_view tag = TagOf(*content);
  MANSIO_FUZZ_CHECK(tag.size() <= content->system.size());
  MANSIO_FUZZ_CHECK((TagHash(tag) == 0) == tag.empty());
  CheckProvenance(content->provenance);

  const Delivery delivery{.topic = "orders",
                          .store_host = "10.0.0.1:8081",
                          .receipt_handle = "handle",
                          .queue_id = 3,
                          .queue_offset = 9,
                          .store_time_ms = 1700000000000,
                          .attempt = 2};
  constexpr size_t kShareFrom = 16;
  const auto owner = std::make_shared<int>();
  const std::string answer = EncodeReceivedMessage(*content, delivery, owner, kShareFrom).Flatten();
  // Stored bytes are spliced as they are: when they are right, so is the answer.
  const google::protobuf::LogSilencer silence;  // it reports every text that is not UTF-8
  v2::Message properties;
  v2::SystemProperties system;
  const auto parses = [](google::protobuf::MessageLite& message, std::string_view bytes) {
    return message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()));
  };
  if (!parses(system, content->system) || !parses(properties, content->properties)) return 0;
  v2::ReceiveMessageResponse response;
  MANSIO_FUZZ_CHECK(parses(response, answer));
  MANSIO_FUZZ_CHECK(response.message().body() == content->body);
  MANSIO_FUZZ_CHECK(response.message().system_properties().delivery_attempt() == 2);
  return 0;
}

// ---- Receipt handles, ids: a first byte of 1 signs what follows, of 0 takes it as text ----

constexpr std::array<uint64_t, 2> kHandleKey = {0x0706050403020100, 0x0f0e0d0c0b0a0908};

std::vector<std::string> HandleSeeds() {
  const ReceiptHandle handle{"broker-a", 3, 1000, 7, 123456789, 2, {5, 987654321}};
  const std::string text = handle.Encode(kHandleKey);
  std::string bytes;
  absl::WebSafeBase64Unescape(text, &bytes);
  return {std::string(1, '\0') + text, "\1" + bytes.substr(0, bytes.size() - 8)};
}

std::string SignedOrPlain(std::string_view input) {
  const bool sign = TakeByte(input) % 2 == 1;
  if (!sign) return std::string(input);
  ByteWriter w;
  w.Raw(input).Fixed64(SipHash24(kHandleKey, input));
  return absl::WebSafeBase64Escape(absl::string_view(w.str().data(), w.size()));
}

int ReadHandle(const uint8_t* data, size_t size) {
  const std::string text = SignedOrPlain(AsText(data, size));
  const auto handle = ReceiptHandle::Decode(text, kHandleKey);
  if (!handle.ok()) {
    MANSIO_FUZZ_CHECK(CodeOf(handle.status()) == v2::INVALID_RECEIPT_HANDLE);
    return 0;
  }
  const std::string encoded = handle->Encode(kHandleKey);
  const auto again = ReceiptHandle::Decode(encoded, kHandleKey);
  MANSIO_FUZZ_CHECK(again.ok());
  MANSIO_FUZZ_CHECK(again->Encode(kHandleKey) == encoded);
  return 0;
}

std::vector<std::string> TransactionIdSeeds() {
  const std::string text = TransactionId{"broker-a", 3, 7, 123456789}.Encode(kHandleKey);
  std::string bytes;
  absl::WebSafeBase64Unescape(text, &bytes);
  return {std::string(1, '\0') + text, "\1" + bytes.substr(0, bytes.size() - 8)};
}

int ReadTransactionId(const uint8_t* data, size_t size) {
  const std::string text = SignedOrPlain(AsText(data, size));
  const auto id = TransactionId::Decode(text, "broker-a", kHandleKey);
  if (!id.ok()) {
    MANSIO_FUZZ_CHECK(CodeOf(id.status()) == v2::INVALID_TRANSACTION_ID);
    return 0;
  }
  MANSIO_FUZZ_CHECK(TransactionId::BrokerOf(text) == "broker-a");
  const std::string encoded = id->Encode(kHandleKey);
  const auto again = TransactionId::Decode(encoded, "broker-a", kHandleKey);
  MANSIO_FUZZ_CHECK(again.ok());
  MANSIO_FUZZ_CHECK(again->Encode(kHandleKey) == encoded);
  return 0;
}

// ---- Tag expressions ----

std::vector<std::string> TagSeeds() {
  return {"*", "", "tagA", "tagA || tagB", " a||b || || c\t", "a | b", "\xc3\xa4||\xe2\x82\xac"};
}

int ReadTagFilter(const uint8_t* data, size_t size) {
  const std::string_view input = AsText(data, size);
  const auto filter = TagFilter::Parse(input);
  if (!filter.ok()) {
    MANSIO_FUZZ_CHECK(CodeOf(filter.status()) == v2::ILLEGAL_FILTER_EXPRESSION);
    return 0;
  }
  for (const std::string_view tag :
       {input, input.substr(0, input.find('|')), std::string_view("tagA"), std::string_view()}) {
    if (filter->MatchesTag(tag)) MANSIO_FUZZ_CHECK(filter->MayMatch(TagHash(tag)));
    if (filter->all()) MANSIO_FUZZ_CHECK(filter->MatchesTag(tag));
  }
  return 0;
}

// ---- SQL expressions ----

std::vector<std::string> SqlSeeds() {
  return {"color = 'red' AND (price BETWEEN 10 AND 20 OR vip) AND TAGS IS NOT NULL",
          "a NOT IN ('x', 'it''s') OR NOT (b <> -1.5e3) -- comment",
          "a CONTAINS 'x' AND /* c */ b STARTSWITH 'y' OR c NOT ENDSWITH 'z' AND d <= 7L",
          "TRUE = (a > 1) OR b IS NULL OR NULL"};
}

int ReadSql(const uint8_t* data, size_t size) {
  const auto program = CompileSql(AsText(data, size));
  if (!program.ok()) {
    MANSIO_FUZZ_CHECK(CodeOf(program.status()) == v2::ILLEGAL_FILTER_EXPRESSION);
    return 0;
  }
  MANSIO_FUZZ_CHECK(program->steps.size() <= kMaxSqlSteps && program->names.size() <= kMaxSqlNames);
  for (const SqlValue& value : {SqlValue(), SqlValue(std::string_view("1")),
                                SqlValue(std::string_view("true")), SqlValue(std::string_view())}) {
    program->IsTrue(std::vector<SqlValue>(program->names.size(), value));
  }
  return 0;
}

}  // namespace

std::vector<Target> BrokerTargets() {
  return {{"broker_records", ReadRecord, RecordSeeds, 30'000},
          {"queue_progress", ReadProgress, ProgressSeeds, 30'000},
          {"stored_content", ReadContent, ContentSeeds, 20'000},
          {"receipt_handle", ReadHandle, HandleSeeds, 20'000},
          {"transaction_id", ReadTransactionId, TransactionIdSeeds, 20'000},
          {"tag_filter", ReadTagFilter, TagSeeds, 20'000},
          {"sql_filter", ReadSql, SqlSeeds, 20'000}};
}

}  // namespace mansio::fuzz
