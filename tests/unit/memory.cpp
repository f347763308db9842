#include "tests/unit/memory.hpp"

#include <atomic>
#include <cstdlib>
#include <new>

namespace {

std::atomic<long> in_use = 0;
thread_local long successes_left = -1;
thread_local bool has_failed = false;

void* allocate(std::size_t size) {
  if (successes_left == 0) {
    has_failed = true;
    throw std::bad_alloc();
  }
  if (successes_left > 0) --successes_left;
  void* memory = std::malloc(size != 0 ? size : 1);
  if (memory == nullptr) throw std::bad_alloc();
  in_use.fetch_add(1, std::memory_order_relaxed);
  return memory;
}

void release(void* memory) {
  if (memory == nullptr) return;
  in_use.fetch_sub(1, std::memory_order_relaxed);
  std::free(memory);
}

}  // namespace

// Those for arrays call these.
void* operator new(std::size_t size) {
  return allocate(size);
}

void operator delete(void* memory) noexcept {
  release(memory);
}

void operator delete(void* memory, std::size_t) noexcept {
  release(memory);
}

long allocations_in_use() {
  return in_use.load(std::memory_order_relaxed);
}

void fail_allocations_after(long successes) {
  successes_left = successes;
  has_failed = false;
}

bool allocation_has_failed() {
  return has_failed;
}
