#include "tests/kit/fault_plan.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <stdexcept>

#include "common/error.hpp"
#include "common/socket.hpp"

using namespace two_ways;

FaultPlan::FaultPlan(const std::string& library, Faults faults, std::uint64_t seed, double share)
    : faults_(faults), seed_(seed), share_(share) {
  std::error_code missing;
  const auto target = std::filesystem::canonical(library, missing);
  if (missing)
    throw std::runtime_error("there is no library " + library +
                             " (it is built on Linux only: LD_PRELOAD and epoll)");
  char name[] = "/tmp/faults.XXXXXX";
  const Descriptor file(mkstemp(name));
  if (!file) throw CallFailed("mkstemp", errno);
  board_path_ = name;
  library_ = board_path_ + ".so";
  if (symlink(target.c_str(), library_.c_str()) < 0) throw CallFailed("symlink", errno);
  if (ftruncate(file.fd(), sizeof(FaultBoard)) < 0) throw CallFailed("ftruncate", errno);
  void* const memory =
      mmap(nullptr, sizeof(FaultBoard), PROT_READ | PROT_WRITE, MAP_SHARED, file.fd(), 0);
  if (memory == MAP_FAILED) throw CallFailed("mmap", errno);
  board_ = static_cast<FaultBoard*>(memory);
}

FaultPlan::~FaultPlan() {
  munmap(board_, sizeof(FaultBoard));
  unlink(library_.c_str());
  unlink(board_path_.c_str());
}

std::string FaultPlan::command_words() const {
  std::string words = "FAULTS=seed=" + std::to_string(seed_);
  for (const FaultKind& kind : all_fault_kinds) {
    if ((faults_ & only(kind.fault)) == 0) continue;
    char text[64];
    std::snprintf(text, sizeof text, ",%s=%g", kind.name, kind.percent * share_);
    words += text;
  }
  return words;
}

std::vector<std::string> FaultPlan::environment() const {
  // AddressSanitizer wants to be the first library of all, and can do without.
  const char* const options = std::getenv("ASAN_OPTIONS");
  const std::string before = options == nullptr ? "" : std::string(options) + ":";
  return {"LD_PRELOAD=" + library_, command_words(), "FAULTS_BOARD=" + board_path_,
          "ASAN_OPTIONS=" + before + "verify_asan_link_order=0"};
}

FaultCounts FaultPlan::counts() const {
  FaultCounts counts{};
  for (std::size_t i = 0; i < fault_kinds; ++i) counts[i] = board_->injected[i];
  return counts;
}

std::uint64_t FaultPlan::happened(Faults kinds) const {
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < fault_kinds; ++i)
    if ((kinds & (1u << i)) != 0) sum += board_->injected[i];
  return sum;
}
