#include "common/net/connection_table.h"

#include <sys/stat.h>

namespace mansio::net {
namespace {

// 0 when `fd` is closed or not a socket.
uint64_t SocketInode(int fd) {
  struct stat info;
  if (fstat(fd, &info) != 0 || !S_ISSOCK(info.st_mode)) return 0;
  return info.st_ino;
}

}  // namespace

void ConnectionTable::Add(int fd) {
  const uint64_t inode = SocketInode(fd);
  MutexLock lock(&mutex_);
  inodes_[fd] = inode;
}

void ConnectionTable::Forget(int fd) {
  MutexLock lock(&mutex_);
  inodes_.erase(fd);
}

int64_t ConnectionTable::Known() const {
  MutexLock lock(&mutex_);
  return static_cast<int64_t>(inodes_.size());
}

int64_t ConnectionTable::CountOpen() {
  MutexLock lock(&mutex_);
  absl::erase_if(inodes_,
                 [](const auto& entry) { return SocketInode(entry.first) != entry.second; });
  return static_cast<int64_t>(inodes_.size());
}

}  // namespace mansio::net
