// buffers.hpp — memory for what is under way.
//
// A connection that works on something borrows a buffer, and gives it back when nothing is
// unfinished. So ten thousand idle connections hold none, and a loop whose clients are all quick
// needs two buffers in all: one for what comes in, one for what goes out.
//
// Gives: a pool, one for each loop. What has been given back is lent again, without malloc(3).
// Do not: let a buffer outlive its pool.
#pragma once

#include <array>
#include <cstddef>
#include <cstring>
#include <memory>
#include <mutex>
#include <span>
#include <string_view>
#include <utility>

namespace two_ways {

class BufferPool;

// Bytes that have come at its back and leave at its front.
class Buffer {
 public:
  static constexpr std::size_t capacity = 16 * 1024;

  explicit Buffer(BufferPool& pool) : pool_(&pool) {}  // the space is not zeroed

  bool empty() const { return begin_ == end_; }
  std::string_view bytes() const { return {space_.data() + begin_, end_ - begin_}; }

  // The free space at the back, to be written to; then say how much has come.
  std::span<char> room() { return std::span(space_).subspan(end_); }
  void add(std::size_t count) { end_ += count; }

  // The front has left.
  void remove(std::size_t count) {
    begin_ += count;
    if (empty()) begin_ = end_ = 0;
  }

  // All free space comes to the back. Whatever points to the bytes points elsewhere afterwards.
  void compact() {
    if (begin_ == 0) return;
    std::memmove(space_.data(), space_.data() + begin_, end_ - begin_);
    end_ -= std::exchange(begin_, 0);
  }

 private:
  friend class BufferPool;
  friend struct GiveBack;

  BufferPool* pool_;
  Buffer* next_ = nullptr;  // in the pool
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  std::array<char, capacity> space_;
};

struct GiveBack {
  inline void operator()(Buffer* buffer) const noexcept;
};
using BorrowedBuffer = std::unique_ptr<Buffer, GiveBack>;

class BufferPool {
 public:
  // A pool that threads share has a lock, and one that a loop has for itself needs none.
  enum class Sharing : bool { no, yes };

  // It keeps so many buffers that nobody uses; what else is given back is freed.
  explicit BufferPool(Sharing sharing, int max_kept = 16)
      : max_kept_(max_kept), is_shared_(sharing == Sharing::yes) {}
  BufferPool(const BufferPool&) = delete;
  BufferPool& operator=(const BufferPool&) = delete;
  ~BufferPool() {
    while (kept_ != nullptr) delete std::exchange(kept_, kept_->next_);
  }

  // Throws std::bad_alloc.
  BorrowedBuffer borrow() { return is_shared_ ? lend_locked() : lend(); }

 private:
  friend struct GiveBack;

  BorrowedBuffer lend() {
    if (kept_ == nullptr) return BorrowedBuffer(new Buffer(*this));
    --kept_count_;
    return BorrowedBuffer(std::exchange(kept_, kept_->next_));
  }

  void take_back(Buffer* buffer) noexcept {
    return is_shared_ ? keep_locked(buffer) : keep(buffer);
  }

  void keep(Buffer* buffer) noexcept {
    if (kept_count_ == max_kept_) {
      delete buffer;
      return;
    }
    buffer->begin_ = buffer->end_ = 0;
    buffer->next_ = std::exchange(kept_, buffer);
    ++kept_count_;
  }

  // Not inlined, so that what a loop does stays short.
  BorrowedBuffer lend_locked();
  void keep_locked(Buffer* buffer) noexcept;

  Buffer* kept_ = nullptr;  // the one given back last is lent first: the cache still holds it
  int kept_count_ = 0;
  int max_kept_;
  bool is_shared_;
  std::mutex mutex_;
};

void GiveBack::operator()(Buffer* buffer) const noexcept {
  buffer->pool_->take_back(buffer);
}

}  // namespace two_ways
