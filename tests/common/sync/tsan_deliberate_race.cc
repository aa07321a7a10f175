// Two threads write one plain int without a lock. Under ThreadSanitizer the program must report a
// data race and exit non-zero; a ThreadSanitizer run that lets it pass proves nothing.

#include <cstdio>
#include <thread>

int main() {
  int unguarded = 0;
  auto add = [&unguarded] {
    for (int i = 0; i < 100'000; ++i) {
      ++unguarded;
      asm volatile("" ::: "memory");  // Keeps every iteration's store.
    }
  };
  std::thread first(add);
  std::thread second(add);
  first.join();
  second.join();
  std::printf("the sum is %d\n", unguarded);
  return 0;
}
