// The instruments of `make bench`, tried on what is known beforehand.
#include "tests/measure/bench/bench.hpp"

#include <doctest/doctest.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <latch>
#include <string>
#include <thread>
#include <vector>

#include "common/socket.hpp"
#include "tests/kit/reading.hpp"
#include "tests/measure/bench/herd.hpp"
#include "tests/measure/bench/results.hpp"
#include "tests/measure/bench/wakeup_cost.hpp"
#include "tests/measure/limits.hpp"
#include "tests/measure/text_table.hpp"

namespace {

using std::chrono::milliseconds;

const std::string csv_head =
    "model,clients,metric,median,min,max,repeats,ratio,ratio_min,ratio_max,mark,failure\n";

std::string whole(double value) {
  return with_digits(value, 0);
}

}  // namespace

TEST_CASE("results: the median of the repeats, with the least and the most") {
  Results results("clients");
  for (const double value : {3.0, 1.0, 10.0}) results.add("poll_loop", 64, "rate", value);
  const auto spread = results.spread("poll_loop", 64, "rate");
  REQUIRE(spread);
  CHECK(spread->median == 3);
  CHECK(spread->least == 1);
  CHECK(spread->most == 10);
  CHECK(spread->repeats == 3);
  CHECK(!results.find("poll_loop", 65, "rate"));
  CHECK(results.csv() == csv_head + "poll_loop,64,rate,3,1,10,3,,,,,\n");
}

TEST_CASE("results: a ratio is taken within a repeat, and the machine's moods are not in it") {
  Results results("clients", "event_loop");
  // The machine is ten times as slow in the second repeat. The ratio of the medians would be 0.1.
  for (const double value : {100.0, 10.0, 100.0}) results.add("event_loop", 64, "rate", value);
  for (const double value : {50.0, 5.0, 10.0}) results.add("poll_loop", 64, "rate", value);
  CHECK(results.ratio_at("poll_loop", 64, "rate", "event_loop", 64).median == doctest::Approx(0.5));
  CHECK(!results.ratio("poll_loop", 64, "rate", "select_loop", 64));
  CHECK(results.csv() ==
        csv_head +
            "event_loop,64,rate,100,10,100,3,1,1,1,,\npoll_loop,64,rate,10,5,50,3,0.5,0.1,0.5,,\n");
}

TEST_CASE("results: a constant has its ratio to the median of the other's repeats") {
  Results results("clients", "event_loop");
  for (const double rate : {2.0, 10.0, 11.0}) results.add("event_loop", 64, "rate", rate);
  results.add("Little's law", 64, "rate", 20);
  CHECK(results.ratio_at("Little's law", 64, "rate", "event_loop", 64).median == 2);
}

TEST_CASE("results: a ratio is one number where its turns agree, and a range where they do not") {
  CHECK(times(Spread{2, 1, 9, 1.9, 2.1, 7}) == "2.0 times");
  CHECK(times(Spread{2, 1, 9, 1.4, 2.6, 7}) == "1.4 to 2.6 times");
}

TEST_CASE(
    "figures: nobody is no number, what is saturated has a ring, and each bar has its number") {
  Results results("clients", "alone");
  for (const double x : {0.0, 100.0}) {
    for (const double rate : {8.0, 10.0}) results.add("alone", x, "rate", rate);
    for (const double rate : {4.0, 1.0}) results.add("poll_loop", x, "rate", rate);
  }
  results.mark("poll_loop", 0, "rate");
  const auto drawn = [&](const std::string& options) {
    const std::string command = "awk -F, -f tests/measure/figures.awk -v metric=rate -v factor=1 " +
                                options + " <<'END'\n" + results.csv() + "END\n";
    std::string text(1 << 16, ' ');
    FILE* const awk = popen(command.c_str(), "r");
    REQUIRE(awk != nullptr);
    text.resize(std::fread(text.data(), 1, text.size(), awk));
    CHECK(pclose(awk) == 0);
    return text;
  };
  const std::string lines = drawn("-v kind=lines -v axes=xlog -v base=alone");
  CHECK(lines.find("set xtics (\"none\" 10)") != lines.npos);
  CHECK(lines.find("$rings << END\n10 0.3\nEND") != lines.npos);
  CHECK(lines.find("\n100 0.3 0.1 0.5\n") != lines.npos);  // and its whiskers
  const std::string bars = drawn("-v kind=bars -v labels='0=none 100=a_hundred'");
  for (const char* number : {"\"9\"", "\"*2.5\"", "\"2.5\""}) CHECK(bars.find(number) != bars.npos);
}

TEST_CASE("results: to next to nothing there is no ratio") {
  Results results("clients", "event_loop");
  for (const double bytes : {-16'384.0, 0.0, 16'384.0})
    results.add("event_loop", 64, "stacks", bytes);
  for (const double bytes : {1e6, 1e6, 1e6})
    results.add("thread_per_connection", 64, "stacks", bytes);
  CHECK(!results.ratio("thread_per_connection", 64, "stacks", "event_loop", 64));
  CHECK(results.csv().find("thread_per_connection,64,stacks,1e+06,1e+06,1e+06,3,,") !=
        std::string::npos);
}

TEST_CASE("results: the number of repeats is that of the samples, and a mark stands in the table") {
  Results results("clients");
  CHECK(results.repeats_text() == "no repeats");
  for (const double rate : {1.0, 2.0, 3.0}) results.add("event_loop", 64, "rate", rate);
  results.add("Little's law", 64, "rate", 20);
  CHECK(results.repeats_text() == "3 repeats");
  for (int i = 0; i < 5; ++i) results.add("poll_loop", 64, "rate", 4);
  CHECK(results.repeats_text() == "3 to 5 repeats");
  results.mark("poll_loop", 64, "rate");
  CHECK(results.csv().find("poll_loop,64,rate,4,4,4,5,,,,saturated,") != std::string::npos);
  CHECK(
      results.table("rate", whole) ==
      "clients       64\n----------------\nevent_loop     2\nLittle's law  20\npoll_loop     *4\n");
}

TEST_CASE("results: a server that fails once is shown as failed, never as a number") {
  Results results("clients");
  results.mention("event_loop");
  results.add("poll_loop", 64, "rate", 3);
  results.fail("poll_loop", 64, "said \"no\", and closed");
  results.add("poll_loop", 64, "rate", 4);
  results.add("event_loop", 64, "rate", 5);
  CHECK(!results.find("poll_loop", 64, "rate"));
  CHECK(results.csv().find("poll_loop,64,rate") == std::string::npos);
  CHECK(results.csv().find("poll_loop,64,,,,,,,,,,\"said \"\"no\"\", and closed\"") !=
        std::string::npos);
  CHECK(results.table("rate", whole) ==
        "clients         64\n------------------\nevent_loop       5\npoll_loop   FAILED\n");
}

TEST_CASE("steps: none goes beyond the limit, and the last one is the limit") {
  using Steps = std::vector<std::size_t>;
  CHECK(steps_up_to(19'700, {0, 1'000, 10'000}) == Steps{0, 1'000, 10'000, 19'700});
  CHECK(steps_up_to(9'900, {0, 1'000, 10'000}) == Steps{0, 1'000, 9'900});
  CHECK(steps_up_to(1'000, {0, 1'000, 10'000}) == Steps{0, 1'000});
  // A limit of threads that is below the others finds its place.
  CHECK(steps_up_to(19'700, {0, 1'000, 10'000, 7'000, 1'000}) ==
        Steps{0, 1'000, 7'000, 10'000, 19'700});
}

TEST_CASE("wake-ups: every number of ready ones is found, by every call") {
  for (const WaitingCall call : waiting_calls)
    for (const std::size_t ready : {1u, 2u, 7u, 99u, 100u}) {
      CAPTURE(name_of(call));
      CAPTURE(ready);
      CHECK(wakeup_cost(call, WatchedSockets(100, ready), milliseconds(1)));
    }
}

TEST_CASE("wake-ups: asking about all grows with all, being told does not") {
  const auto growth = [](WaitingCall call) {
    std::vector<double> ratios;
    for (int i = 0; i < 5; ++i)
      ratios.push_back(wakeup_cost(call, WatchedSockets(900, 1), milliseconds(4)).value_or(0) /
                       wakeup_cost(call, WatchedSockets(9, 1), milliseconds(4)).value_or(1));
    return median(ratios);
  };
  CHECK(growth(WaitingCall::poll) > 20);
  CHECK(growth(WaitingCall::select) > 20);
  CHECK(growth(WaitingCall::being_told) < 5);
  // Beyond FD_SETSIZE.
  CHECK(!wakeup_cost(WaitingCall::select, WatchedSockets(2000, 1), milliseconds(1)));
}

TEST_CASE("memory: threads show as threads, address space and kernel stacks") {
  const ProcessReading before = read_process(getpid());
  const KernelMemory kernel_before = read_kernel_memory();
  if (!before.reserved_bytes || !kernel_before.stacks) {
    MESSAGE("this system does not tell; nothing to check");
    return;
  }
  constexpr std::size_t count = 400;
  std::latch go(1);
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < count; ++i) threads.emplace_back([&go] { go.wait(); });
  const ProcessReading after = read_process(getpid());
  const KernelMemory kernel_after = read_kernel_memory();
  go.count_down();
  for (std::thread& thread : threads) thread.join();
  CHECK(*after.threads - *before.threads == count);
  // At least a stack of 64 KiB each is reserved, whatever the limit is.
  CHECK(*after.reserved_bytes - *before.reserved_bytes >= count * 64 * 1024);
  // 8 or 16 KiB for each; other programs' threads come and go meanwhile.
  const double each =
      (static_cast<double>(*kernel_after.stacks) - static_cast<double>(*kernel_before.stacks)) /
      count;
  CHECK(each > 4 * 1024);
  CHECK(each < 64 * 1024);
}

// A page in each 2 MiB of address space needs a table of its own: 4 KiB on most machines.
TEST_CASE(
    "memory: reserved and resident are what was asked for and used, and pages far apart have "
    "tables") {
  const ProcessReading before = read_process(getpid());
  if (!before.page_table_bytes) {
    MESSAGE("this system does not tell; nothing to check");
    return;
  }
  constexpr std::size_t count = 2000;
  constexpr std::size_t distance = 2 * 1024 * 1024;
#ifdef MAP_NORESERVE  // FreeBSD needs none
  constexpr int kind = MAP_PRIVATE | MAP_ANON | MAP_NORESERVE;
#else
  constexpr int kind = MAP_PRIVATE | MAP_ANON;
#endif
  void* const start = mmap(nullptr, count * distance, PROT_READ | PROT_WRITE, kind, -1, 0);
  REQUIRE(start != MAP_FAILED);
#ifdef MADV_NOHUGEPAGE
  (void)madvise(start, count * distance, MADV_NOHUGEPAGE);  // fails where there are none
#endif
  for (std::size_t i = 0; i < count; ++i) static_cast<volatile char*>(start)[i * distance] = 1;
  const ProcessReading after = read_process(getpid());
  munmap(start, count * distance);
  const double each = static_cast<double>(*after.page_table_bytes - *before.page_table_bytes) /
                      static_cast<double>(count);
  CHECK(each > 0.9 * 4096);
  CHECK(each < 1.5 * 4096);
  const auto reserved = static_cast<double>(*after.reserved_bytes - *before.reserved_bytes);
  CHECK(reserved == doctest::Approx(count * distance).epsilon(0.01));
  // Of a library's pages a process has its share, which shrinks with each other that maps them.
  const auto resident = static_cast<double>(*after.resident_bytes - *before.resident_bytes);
  CHECK(resident == doctest::Approx(count * 4096).epsilon(0.1));
}

// The kernel's records are those of the whole machine, and other programs change them, too: the
// growth by so many sockets is looked at up to five times, and once must show it.
TEST_CASE("memory: sockets show in the kernel's records") {
  if (!read_kernel_memory().slab) {
    MESSAGE("this system does not tell; nothing to check");
    return;
  }
  constexpr std::size_t count = 4'000;
  std::vector<double> looks;
  for (int look = 0; look < 5; ++look) {
    const KernelMemory before = read_kernel_memory();
    std::vector<Descriptor> sockets;
    for (std::size_t i = 0; i < count; ++i) {
      sockets.emplace_back(socket(AF_INET, SOCK_STREAM, 0));
      if (!sockets.back()) {
        MESSAGE("fewer descriptors are allowed; nothing to check");
        return;
      }
    }
    const KernelMemory after = read_kernel_memory();
    const auto growth = [](std::uint64_t from, std::uint64_t to) {
      return (static_cast<double>(to) - static_cast<double>(from)) / count;
    };
    looks.push_back(growth(*before.slab, *after.slab));
    // About 2 to 4 KiB each: the TCP record, the inode, the open file. Only root is told the share
    // of the sockets.
    const double of_sockets =
        before.sockets && after.sockets ? growth(*before.sockets, *after.sockets) : 3'000;
    const bool as_expected = looks.back() > 1024 && looks.back() < 12 * 1024;
    if (as_expected && of_sockets > 2'000 && of_sockets < 6'000) return;
  }
  CAPTURE(looks.front());
  CAPTURE(looks.back());
  FAIL_CHECK("five times, the records did not grow by 1 to 12 KiB for each socket");
}

TEST_CASE("herd: nobody is lost, and a process alone wakes up once for each") {
  for (const Sharing& sharing : sharings()) {
    CAPTURE(sharing.name);
    const HerdReport report = watch_herd(sharing, 1, 40);
    CHECK(report.largest_share == 1);
    CHECK(report.wakeups == doctest::Approx(1).epsilon(0.3));
  }
}
