#ifndef MANSIO_BROKER_INSPECTION_MESSAGE_QUERY_H_
#define MANSIO_BROKER_INSPECTION_MESSAGE_QUERY_H_

#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "broker/inspection/found_message.h"
#include "broker/metadata/metadata.h"
#include "mansio/v1/admin.pb.h"
#include "store/store.h"

namespace mansio::broker {

// One mansio.v1.QueryMessages, checked. Each call reads a bounded number of messages.
class MessageQuery {
 public:
  static constexpr int32_t kDefaultLimit = 32;
  static constexpr int32_t kMaxLimit = 1000;
  static constexpr size_t kMaxExamined = 2000;   // messages read for their key
  static constexpr size_t kMaxBytes = 2u << 20;  // of an answer, and one message

  // A wire status when the request is wrong: BAD_REQUEST, TOPIC_NOT_FOUND.
  static absl::StatusOr<MessageQuery> From(const v1::QueryMessagesRequest& request,
                                           const Metadata& metadata);

  // Reads; only inside Store::RunCold. Sets all but status and results.
  absl::StatusOr<v1::QueryMessagesResponse> Run(store::Store& store, const Metadata& metadata,
                                                const std::string& broker) const;

 private:
  struct Page {
    v1::QueryMessagesResponse response;
    size_t bytes = 0;  // of its messages, and of one that was too much
  };

  bool InTime(int64_t stored_ms) const { return stored_ms >= from_ms_ && stored_ms < until_ms_; }
  bool Has(const DecodedMessage& message) const;
  // Adds a message to a page; false when there is no room for more.
  bool Add(const DecodedMessage& message, const Topic& topic, const std::string& broker,
           Page* page) const;
  absl::Status RunByKey(store::Store& store, const Metadata& metadata, const std::string& broker,
                        Page* page) const;
  absl::Status RunByTime(store::Store& store, const std::string& broker, Page* page) const;

  TopicPtr topic_;  // null: any
  std::string key_;
  std::string message_id_;
  int64_t from_ms_ = 0;
  int64_t until_ms_ = std::numeric_limits<int64_t>::max();
  int32_t limit_ = kDefaultLimit;
  bool copies_ = false;
  bool with_bodies_ = false;
};

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_INSPECTION_MESSAGE_QUERY_H_
