#ifndef MANSIO_BROKER_CONSUMPTION_DELIVERY_H_
#define MANSIO_BROKER_CONSUMPTION_DELIVERY_H_

#include <cstdint>
#include <optional>

#include "broker/consumption/context.h"
#include "broker/consumption/group_progress.h"
#include "broker/consumption/receive_request.h"
#include "broker/message/stored_message.h"
#include "broker/metadata/metadata.h"
#include "common/rpc/payload.h"
#include "store/record.h"

namespace mansio::broker {

// What all messages of one receive's answer have in common.
struct Delivering {
  const ConsumptionContext& context;
  const ReceiveRequest& request;
  const Topic& topic;  // that was asked for
  uint32_t group = 0;
  bool held = false;  // an earlier receive with the same attempt id leased them
};

// The element of the answer that hands out `taken`, whose stored form is `message` with `content`:
// as it was sent, with a receipt handle and what this delivery says of it (RocketMQ 5 API). A
// message of the retry queue names the place where it first stood. nullopt when what it says of
// that cannot be decoded. Thread-safe.
std::optional<rpc::Payload> EncodeDelivery(const Delivering& delivering, const TakenMessage& taken,
                                           const StoredContent& content,
                                           const store::StoredMessage& message);

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_CONSUMPTION_DELIVERY_H_
