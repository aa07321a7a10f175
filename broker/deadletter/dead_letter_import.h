#ifndef MANSIO_BROKER_DEADLETTER_DEAD_LETTER_IMPORT_H_
#define MANSIO_BROKER_DEADLETTER_DEAD_LETTER_IMPORT_H_

#include "absl/status/status.h"
#include "broker/deadletter/dead_letter_requests.h"
#include "common/rpc/call.h"
#include "mansio/v1/admin.pb.h"

namespace mansio::broker {

// ImportDeadLetters: letters that were exported, here or by another broker, become dead letters of
// a group again. Thread-safe.
class DeadLetterImport {
 public:
  explicit DeadLetterImport(const DeadLetterContext* context)
      : context_(context), requests_(context) {}

  // Answers when the letters are in the log.
  void Run(rpc::UnaryCall& call, const v1::ImportDeadLettersRequest& request) const;

 private:
  class ImportAppend;

  absl::Status Check(const v1::ImportDeadLettersRequest& request) const;
  void Into(rpc::UnaryCall& call, const GroupLetters& letters,
            v1::ImportDeadLettersRequest request) const;
  void Refuse(rpc::UnaryCall& call, const absl::Status& status) const;

  const DeadLetterContext* const context_;
  const DeadLetterRequests requests_;
};

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_DEADLETTER_DEAD_LETTER_IMPORT_H_
