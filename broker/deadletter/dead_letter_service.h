#ifndef MANSIO_BROKER_DEADLETTER_DEAD_LETTER_SERVICE_H_
#define MANSIO_BROKER_DEADLETTER_DEAD_LETTER_SERVICE_H_

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "broker/deadletter/dead_letter_import.h"
#include "broker/deadletter/dead_letter_moves.h"
#include "broker/deadletter/dead_letter_requests.h"
#include "broker/deadletter/dead_letter_state.h"
#include "broker/metadata/metadata.h"
#include "broker/send/validation.h"
#include "common/rpc/call.h"
#include "mansio/v1/admin.pb.h"
#include "store/store.h"

namespace mansio::broker {

// The part of mansio.v1.Admin that is about dead letters: list, show, count, export, import, resend
// and purge them. Reads on the cold pool, a bounded piece for each call. Thread-safe once the
// state's store is open.
class DeadLetterService {
 public:
  // How many dead letters back one is looked for by its id.
  static constexpr uint64_t kMaxSearched = 100000;

  struct Options {
    std::string broker_name;
    SendLimits limits;  // of what is imported
  };
  // All borrowed.
  struct Environment {
    Metadata* metadata = nullptr;
    DeadLetterState* state = nullptr;
    DeadLetterMoves* moves = nullptr;
    BrokerTime* time = nullptr;
  };
  DeadLetterService(Options options, Environment environment);
  DeadLetterService(const DeadLetterService&) = delete;
  DeadLetterService& operator=(const DeadLetterService&) = delete;

  // Adds its methods.
  void Register(rpc::MethodTable& methods);

 private:
  // An answer that takes more than one job.
  template <typename Response>
  struct Work {
    std::function<absl::StatusOr<bool>(Response&)> piece;  // true: that was the last one
    Response response;
  };

  void List(rpc::UnaryCall& call, const v1::ListDeadLettersRequest& request) const;
  void Describe(rpc::UnaryCall& call, const v1::DescribeDeadLetterRequest& request) const;
  void Stats(rpc::UnaryCall& call, const v1::DeadLetterStatsRequest& request) const;
  void Export(rpc::UnaryCall& call, const v1::ExportDeadLettersRequest& request) const;
  void Resend(rpc::UnaryCall& call, const v1::ResendDeadLettersRequest& request) const;
  void Purge(rpc::UnaryCall& call, const v1::PurgeDeadLettersRequest& request) const;
  // Runs a move and answers with its progress and what `tell(result, response)` adds; that all is
  // done when the group has no dead letters yet.
  template <typename Response, typename Tell>
  void RunMove(rpc::UnaryCall& call, DeadLetterMove move, Tell tell) const;
  // Counts a group's dead letters, if it has any.
  absl::Status AddStats(const GroupRecord& group, v1::DeadLetterStatsResponse& response) const;
  void Fill(const DeadLetterMessage& found, v1::DeadLetter* letter) const;

  template <typename Response>
  void Answer(rpc::UnaryCall& call, absl::StatusOr<Response> result) const;
  // Runs `read`, which gives a StatusOr<Response>, on the cold pool, and answers.
  template <typename Response, typename Read>
  void AnswerCold(rpc::UnaryCall& call, Read read) const;
  // The same with a job for each piece, so that others have their turn.
  template <typename Response, typename Piece>
  void AnswerInPieces(rpc::UnaryCall& call, Piece piece) const;
  template <typename Response>
  void GoOn(rpc::UnaryCall& call, std::shared_ptr<Work<Response>> work) const;

  const DeadLetterContext context_;
  const DeadLetterRequests requests_{&context_};
  const DeadLetterImport import_{&context_};
};

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_DEADLETTER_DEAD_LETTER_SERVICE_H_
