#ifndef MANSIO_COMMON_GATEWAY_KNOWN_CLIENT_H_
#define MANSIO_COMMON_GATEWAY_KNOWN_CLIENT_H_

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "common/gateway/client_info.h"
#include "common/gateway/description_budget.h"
#include "common/names/string_map.h"
#include "common/rpc/call.h"

namespace mansio::gateway {

// What a node knows of one client: its signs of life, its streams, what it says of itself, and what
// other nodes relay. What it told this node itself is kept apart from that: two nodes that took
// each other's word for a client would keep it alive between them. One that is dead but has a
// stream open is kept, so that a later sign of life finds the stream. Times are of Clock::BootNow.
// Not thread-safe.
class KnownClient {
 public:
  using Stream = std::shared_ptr<rpc::BidiCall>;

  // `budget`, which counts the descriptions of all clients, is borrowed.
  KnownClient(std::string_view id, DescriptionBudget* budget) : budget_(budget) { info_.id = id; }

  const std::string& id() const { return info_.id; }
  bool alive() const { return alive_; }
  // Alive by what was heard here alone.
  bool is_here() const { return is_here_; }
  bool HasStream() const;
  // The newest; one that another node holds only where there is no other. Null: it has none.
  Stream NewestStream() const;
  // Of those to this node.
  Stream NewestStreamHere() const;

  // The client gave a sign of life here; another node says that it lives.
  void SeenHere(absl::Duration now);
  void SeenElsewhere(absl::Duration now);
  // Notices how long it has been silent. Whether it is alive and has to be buried: it was for
  // `silence`, or for `disconnected` without the streams that it had.
  bool Expire(absl::Duration now, absl::Duration silence, absl::Duration disconnected);
  // It is dead: forgets all but its streams, and returns what it was.
  ClientInfo Bury();

  // As ClientRegistry's. ResourceExhausted when the budget has no room.
  absl::Status Describe(ClientRole role, std::string_view group, std::vector<std::string> topics,
                        std::string_view language, std::string_view version, std::string_view peer);
  absl::Status NotePublished(std::string_view topic);
  void AddStream(Stream stream);
  // `replaced` gets the stream that led through the link, which is to be released without a lock.
  // When the budget has no room, the link and its stream are taken over nevertheless.
  absl::Status Relay(const void* link, ClientInfo client, Stream stream, absl::Duration now,
                     Stream* replaced);

  // Takes a stream from the client; null when it has no such one.
  Stream RemoveStream(const rpc::BidiCall* stream, absl::Duration now);
  // What came through the link is kept only where nobody else knows the client; its stream is
  // returned.
  Stream RemoveLink(const void* link, absl::Duration now);
  // Whether one of its streams has closed since this was last asked, here or, as another node says,
  // there, or is out of reach.
  bool TakeStreamLost() { return std::exchange(stream_lost_, false); }

  // As all nodes together know it; by what it said here.
  ClientInfo Snapshot() const;
  ClientInfo SnapshotHere() const;
  // Calls `visit` with the same as Snapshot, if need be without what it costs to say when it was
  // seen, whether it has a stream, and what it has published.
  void Visit(absl::FunctionRef<void(const ClientInfo&)> visit) const;
  // Whether it may be of this group; "" is any. False is certain, and costs no snapshot.
  bool MayBeOf(std::string_view group) const;
  // Calls `visit` with each topic that it sends to, if it may be a producer; with some twice.
  void ForEachProduced(absl::FunctionRef<void(const std::string&)> visit) const;

 private:
  // When signs of life came.
  struct Signs {
    absl::Duration last;
    bool had_stream = false;
    absl::Duration stream_closed;

    // As Expire.
    bool Expired(absl::Duration now, bool has_stream, absl::Duration silence,
                 absl::Duration disconnected) const;
  };
  // What another node says of it.
  struct Relayed {
    const void* link = nullptr;  // null: the link is lost, and nobody else has told what it told
    ClientInfo info;
    Stream stream;  // null: it has none there
  };

  absl::Status Count(size_t described_bytes);

  DescriptionBudget* budget_;
  ClientInfo info_;      // what it says here
  StringSet published_;  // by sends; `info_` has what its settings say
  bool alive_ = true;
  bool is_here_ = false;
  bool stream_lost_ = false;
  uint64_t streams_lost_ = 0;  // here
  Signs here_;
  Signs anywhere_;
  std::vector<Stream> streams_;   // to this node, oldest first
  std::vector<Relayed> relayed_;  // one for each link
  size_t described_bytes_ = 0;    // of all descriptions, as the budget has counted them
};

}  // namespace mansio::gateway

#endif  // MANSIO_COMMON_GATEWAY_KNOWN_CLIENT_H_
