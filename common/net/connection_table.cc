#include "common/net/connection_table.h"

#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>
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
  connections_[fd] = Connection{.inode = inode};
}

void ConnectionTable::Forget(int fd) {
  MutexLock lock(&mutex_);
  connections_.erase(fd);
}

int64_t ConnectionTable::Known() const {
  MutexLock lock(&mutex_);
  return static_cast<int64_t>(connections_.size());
}

int64_t ConnectionTable::CountOpen() {
  MutexLock lock(&mutex_);
  absl::erase_if(connections_,
                 [](const auto& entry) { return SocketInode(entry.first) != entry.second.inode; });
  return static_cast<int64_t>(connections_.size());
}

std::vector<int> ConnectionTable::FindUnanswered(uint64_t limit) {
  std::vector<int> found;
  MutexLock lock(&mutex_);
  for (auto& [fd, connection] : connections_) {
    tcp_info info{};
    socklen_t size = sizeof(info);
    if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) != 0) continue;
    if (info.tcpi_bytes_sent != connection.sent) {
      connection.sent = info.tcpi_bytes_sent;
      connection.received_at_sent = info.tcpi_bytes_received;
    } else if (info.tcpi_bytes_received > connection.received_at_sent + limit &&
               SocketInode(fd) == connection.inode) {
      found.push_back(fd);
    }
  }
  return found;
}

}  // namespace mansio::net
