#include "client/command/message_views.h"

#include "absl/strings/escaping.h"
#include "common/names/utf8.h"

namespace mansio::command {

Json InstantText(absl::Time time) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ", time, absl::UTCTimeZone());
}

Json MessageJson(const client::ReceivedMessage& message) {
  Json value = {{"message_id", message.message_id},
                {"broker", message.broker},
                {"queue", message.queue_id},
                {"queue_offset", message.queue_offset},
                {"delivery_attempt", message.delivery_attempt},
                {"tag", message.tag},
                {"keys", message.keys},
                {"message_group", message.message_group},
                {"properties", Json(message.properties)},
                {"born_time", InstantText(message.born_time)},
                {"store_time", InstantText(message.store_time)},
                {"corrupted", message.corrupted}};
  if (IsValidUtf8(message.body)) {
    value["body"] = message.body;
  } else {
    value["body_base64"] = absl::Base64Escape(message.body);
  }
  return value;
}

}  // namespace mansio::command
