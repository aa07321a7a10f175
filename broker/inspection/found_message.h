#ifndef MANSIO_BROKER_INSPECTION_FOUND_MESSAGE_H_
#define MANSIO_BROKER_INSPECTION_FOUND_MESSAGE_H_

#include <string>

#include "absl/status/statusor.h"
#include "broker/message/provenance.h"
#include "broker/message/stored_message.h"
#include "broker/metadata/metadata.h"
#include "mansio/v1/admin.pb.h"
#include "store/record.h"

namespace mansio::broker {

// A stored message that was read and decoded; the views point into `message`.
struct DecodedMessage {
  store::StoredMessage message;
  StoredContent content;
  Provenance provenance;
};
// DataLoss when it is damaged.
absl::StatusOr<DecodedMessage> Decode(store::StoredMessage message);

// As administrators see it. `topic` is where it stands.
v1::FoundMessage FoundMessageOf(const DecodedMessage& message, const Topic& topic,
                                const std::string& broker, bool with_body);

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_INSPECTION_FOUND_MESSAGE_H_
