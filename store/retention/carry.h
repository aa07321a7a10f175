#ifndef MANSIO_STORE_RETENTION_CARRY_H_
#define MANSIO_STORE_RETENTION_CARRY_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "store/log/record_codec.h"
#include "store/queue/carry_table.h"
#include "store/record.h"
#include "store/types.h"

namespace mansio::store {

// The body of a CARRY record: a live message on its way out of a segment that goes. It holds the
// message's record as it first stood in the log, so that it is read at its new place as at any
// other; only its frame-back and index mean nothing there.
//
//   body := queue offset:u64 old log offset:u64 message record
std::string EncodeCarry(QueueOffset offset, LogOffset old_offset, std::string_view message_record);
// The message in the body of a CARRY record, and the body of its own record; false when there is
// none.
bool DecodeCarried(std::string_view body, EncodedMessage* message,
                   std::string_view* message_body = nullptr);
// The message's queue offset; `body` is one that DecodeCarried takes.
QueueOffset CarriedOffset(std::string_view body);
// `record_bytes`: of the CARRY record, with its header.
absl::StatusOr<CarryPlace> DecodeCarry(const RecordView& record, uint32_t record_bytes);

}  // namespace mansio::store

#endif  // MANSIO_STORE_RETENTION_CARRY_H_
