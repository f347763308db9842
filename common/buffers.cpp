#include "common/buffers.hpp"

namespace two_ways {

BorrowedBuffer BufferPool::lend_locked() {
  const std::lock_guard lock(mutex_);
  return lend();
}

void BufferPool::keep_locked(Buffer* buffer) noexcept {
  const std::lock_guard lock(mutex_);
  keep(buffer);
}

}  // namespace two_ways
