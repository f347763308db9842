#include "common/buffers.hpp"

namespace two_ways {

// malloc(3) and free(3) may ask the kernel for memory. Meanwhile nobody waits for this lock.
BorrowedBuffer BufferPool::lend_locked() {
  {
    const std::lock_guard lock(mutex_);
    if (kept_ != nullptr) return lend();
  }
  return BorrowedBuffer(new Buffer(*this));
}

void BufferPool::keep_locked(Buffer* buffer) noexcept {
  {
    const std::lock_guard lock(mutex_);
    if (kept_count_ < max_kept_) return keep(buffer);
  }
  delete buffer;
}

}  // namespace two_ways
