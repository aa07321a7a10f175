// A library for LD_PRELOAD: writes and flushes of files wait as long as the file named by
// FAULT_FILE exists, as on a disk that does not answer.
#include <dlfcn.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cstdlib>

namespace {

constexpr useconds_t kLook = 10'000;

void Wait() {
  static const char* const file = std::getenv("FAULT_FILE");
  while (file != nullptr && access(file, F_OK) == 0) usleep(kLook);
}

template <typename Function, typename... Arguments>
auto Pass(const char* name, Arguments... arguments) {
  Wait();
  return reinterpret_cast<Function>(dlsym(RTLD_NEXT, name))(arguments...);
}

using Flush = int (*)(int);
using Write = ssize_t (*)(int, const void*, size_t, off64_t);
using Gather = ssize_t (*)(int, const iovec*, int, off64_t);

}  // namespace

extern "C" {

int fdatasync(int file) { return Pass<Flush>("fdatasync", file); }
int fsync(int file) { return Pass<Flush>("fsync", file); }
ssize_t pwrite(int file, const void* data, size_t bytes, off_t at) {
  return Pass<Write>("pwrite", file, data, bytes, at);
}
ssize_t pwrite64(int file, const void* data, size_t bytes, off64_t at) {
  return Pass<Write>("pwrite64", file, data, bytes, at);
}
ssize_t pwritev(int file, const iovec* pieces, int count, off_t at) {
  return Pass<Gather>("pwritev", file, pieces, count, at);
}
ssize_t pwritev64(int file, const iovec* pieces, int count, off64_t at) {
  return Pass<Gather>("pwritev64", file, pieces, count, at);
}

}  // extern "C"
