#include "common/buffers.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "tests/unit/memory.hpp"

using namespace two_ways;

namespace {

void put(Buffer& buffer, std::string_view bytes) {
  REQUIRE(buffer.room().size() >= bytes.size());
  std::copy(bytes.begin(), bytes.end(), buffer.room().begin());
  buffer.add(bytes.size());
}

}  // namespace

TEST_CASE("buffers: bytes come at the back and leave at the front") {
  BufferPool pool(BufferPool::Sharing::no);
  const BorrowedBuffer buffer = pool.borrow();
  CHECK(buffer->empty());
  CHECK(buffer->room().size() == Buffer::capacity);
  put(*buffer, "one two");
  CHECK(buffer->bytes() == "one two");
  CHECK(buffer->room().size() == Buffer::capacity - 7);
  buffer->remove(4);
  CHECK(buffer->bytes() == "two");
  INFO("what is free at the front is no room until the rest has moved there");
  CHECK(buffer->room().size() == Buffer::capacity - 7);
  buffer->compact();
  CHECK(buffer->bytes() == "two");
  CHECK(buffer->room().size() == Buffer::capacity - 3);
  put(*buffer, std::string(Buffer::capacity - 3, 'x'));
  CHECK(buffer->room().empty());
  buffer->remove(Buffer::capacity);
  CHECK(buffer->empty());
  CHECK(buffer->room().size() == Buffer::capacity);
}

TEST_CASE("buffers: what is given back is lent again, empty, and the last one first") {
  BufferPool pool(BufferPool::Sharing::no);
  BorrowedBuffer one = pool.borrow();
  BorrowedBuffer two = pool.borrow();
  const Buffer* const first = one.get();
  const Buffer* const second = two.get();
  put(*one, "left over");
  two.reset();
  one.reset();
  one = pool.borrow();
  two = pool.borrow();
  CHECK(one.get() == first);
  CHECK(two.get() == second);
  CHECK(one->empty());
  CHECK(one->room().size() == Buffer::capacity);
}

TEST_CASE("buffers: a pool keeps no more than it is told, and frees them in the end") {
  for (const int max_kept : {0, 1, 3}) {
    CAPTURE(max_kept);
    std::vector<BorrowedBuffer> lent(5);
    const long before = allocations_in_use();
    long kept = 0;
    {
      BufferPool pool(BufferPool::Sharing::yes, max_kept);
      for (int round = 0; round < 2; ++round) {
        for (BorrowedBuffer& buffer : lent) buffer = pool.borrow();
        for (BorrowedBuffer& buffer : lent) buffer.reset();
      }
      kept = allocations_in_use() - before;
    }
    const long after = allocations_in_use() - before;
    CHECK(kept == max_kept);
    CHECK(after == 0);
  }
}
