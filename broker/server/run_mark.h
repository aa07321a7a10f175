#ifndef MANSIO_BROKER_SERVER_RUN_MARK_H_
#define MANSIO_BROKER_SERVER_RUN_MARK_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/files/file_system.h"

namespace mansio::broker {

// Whether the machine has gone down in the middle of this broker's work. With durability `replica`
// the broker may then lack what it has told others it holds, as the operating system had it and the
// disk did not; after the end of a process alone it has everything. The file RUNNING in the store's
// directory names the boot of the machine in which the broker began to work, until it has ended in
// order. A broker that began with an empty log, as after its disk was replaced, lacks everything
// whatever the durability: the file says so until it has got it. Not thread-safe.
class RunMark {
 public:
  // Looks at what the last run has left in `directory`, whose lock is held, and leaves the mark of
  // this one. `boot`: BootId(). `empty`: there is nothing in the log. Errors of the disk.
  static absl::StatusOr<RunMark> Begin(FileSystem* files, const std::string& directory,
                                       std::string boot, bool empty);

  // Whether Begin would find that the run that left `directory` so lacks nothing. Changes nothing.
  static absl::StatusOr<bool> LastRunIsWhole(FileSystem& files, const std::string& directory,
                                             const std::string& boot);

  // Everything that the broker has told others is in its log.
  bool whole() const { return whole_; }
  // It began with nothing, and has not got everything yet.
  bool began_empty() const { return began_empty_; }
  // It has got from others what it may have lost, or what it has counts from now on. Writes a file.
  absl::Status SetWhole();
  // The run ends in order: everything is on the disk. What may be lost still may be.
  absl::Status End();

 private:
  RunMark(FileSystem* files, std::string path, std::string boot)
      : files_(files), path_(std::move(path)), boot_(std::move(boot)) {}

  FileSystem* files_;
  std::string path_;
  std::string boot_;
  bool whole_ = false;
  bool began_empty_ = false;
};

// Names the machine's present boot; empty where the system does not say. Then every run that did
// not end in order counts as one whose machine went down.
std::string BootId();

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_SERVER_RUN_MARK_H_
