#ifndef MANSIO_BROKER_SERVER_RUN_MARK_H_
#define MANSIO_BROKER_SERVER_RUN_MARK_H_

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/files/file_system.h"

namespace mansio::broker {

// Whether the machine has gone down in the middle of this broker's work. With durability `replica`
// the broker may then lack what it has told others it holds, as the operating system had it and the
// disk did not; after the end of a process alone it has everything. The file RUNNING in the store's
// directory names the boot of the machine in which the broker began to work, until it has ended in
// order. A broker that began with an empty log, as after its disk was replaced, lacks everything
// whatever the durability: the file says so until it has got it.
//
// A run is that of a process: it begins when the store is opened first, which may be closed and
// opened again, and ends in order if the store was closed so the last time. Not thread-safe.
class RunMark {
 public:
  // `directory`: the store's. `boot`: BootId(). `files` is borrowed. Touches no file yet.
  RunMark(FileSystem* files, std::string_view directory, std::string boot);

  // The store is open, and so the directory's lock held. `empty`: there is nothing in its log.
  // The first time, the run begins: looks at what the last one has left, and leaves the mark of
  // this one. Errors of the disk, after which it has not begun.
  absl::Status StoreWasOpened(bool empty);
  // The store was closed; an error: not in order, and something may not be on the disk.
  void StoreWasClosed(const absl::Status& closed);
  // The run ends, and if everything is on the disk, so does its mark. What may be lost still may
  // be. A file that cannot be removed is logged: the next start sees an end without order.
  void End();

  bool has_begun() const { return begun_; }
  // Of a run that has begun: everything that the broker has told others is in its log.
  bool whole() const { return whole_; }
  // It began with nothing, and has not got everything yet.
  bool began_empty() const { return began_empty_; }
  // As whole(); before the run has begun, what it would find: then errors of the disk, too.
  absl::StatusOr<bool> IsOrWouldBeWhole() const;

  // It has got from others what it may have lost, or what it has counts from now on. Writes a file.
  absl::Status SetWhole();
  // The same for a run that has begun and is not whole. Whether it has just become so; a file that
  // cannot be written is logged.
  bool BecomeWhole();
  // The disk has failed, and it may lose what it has told others though the machine goes on: until
  // SetWhole. Writes a file.
  absl::Status Doubt();

 private:
  absl::StatusOr<std::string> ReadMark() const;
  absl::Status Begin(bool empty);

  FileSystem* files_;
  std::string path_;
  std::string boot_;
  bool begun_ = false;
  bool whole_ = false;
  bool began_empty_ = false;
  bool closed_in_order_ = false;
};

// Names the machine's present boot; empty where the system does not say. Then every run that did
// not end in order counts as one whose machine went down.
std::string BootId();

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_SERVER_RUN_MARK_H_
