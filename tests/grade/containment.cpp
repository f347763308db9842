#include "tests/grade/containment.hpp"

#include <net/if.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#ifdef __linux__
#include <linux/capability.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#endif

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "common/error.hpp"
#include "common/socket.hpp"

namespace {

void limit(int resource, rlim_t most) {
  rlimit both{};
  if (getrlimit(static_cast<decltype(RLIMIT_CPU)>(resource), &both) < 0) return;
  both.rlim_max = std::min(both.rlim_max, most);
  both.rlim_cur = both.rlim_max;
  (void)setrlimit(static_cast<decltype(RLIMIT_CPU)>(resource), &both);
}

void clear_environment(const std::string& room) {
#ifdef __linux__
  clearenv();
#else
  for (const char* name : {"LD_PRELOAD", "LD_LIBRARY_PATH", "DYLD_INSERT_LIBRARIES"})
    unsetenv(name);
#endif
  setenv("PATH", "/usr/local/bin:/usr/bin:/bin", 1);
  setenv("HOME", room.c_str(), 1);
  setenv("TMPDIR", room.c_str(), 1);
  setenv("LANG", "C.UTF-8", 1);
  // A program may bring defaults of its own for these; what the environment says wins.
  setenv("ASAN_OPTIONS", "log_path=stderr:detect_leaks=1:halt_on_error=1:exitcode=1", 1);
  setenv("UBSAN_OPTIONS", "log_path=stderr:halt_on_error=1", 1);
  setenv("TSAN_OPTIONS", "log_path=stderr:exitcode=66", 1);
}

// Even a program of root's then has no way into the processes that grade it.
void give_up_privileges() {
#ifdef __linux__
  for (int capability = 0; capability <= 63; ++capability)
    (void)prctl(PR_CAPBSET_DROP, capability, 0, 0, 0);
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  std::array<__user_cap_data_struct, 2> none{};
  (void)syscall(SYS_capset, &header, none.data());
  (void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  (void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
#endif
}

}  // namespace

bool enter_empty_network() {
#ifdef __linux__
  if (unshare(CLONE_NEWNET) < 0) {
    const uid_t user = getuid();
    if (unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0) return false;
    std::ofstream("/proc/self/uid_map") << user << ' ' << user << " 1\n";
  }
  const Descriptor socket(::socket(AF_INET, SOCK_DGRAM, 0));
  ifreq request{};
  std::strcpy(request.ifr_name, "lo");
  if (!socket || ioctl(socket.fd(), SIOCGIFFLAGS, &request) < 0) return false;
  request.ifr_flags = static_cast<short>(request.ifr_flags | IFF_UP);
  return ioctl(socket.fd(), SIOCSIFFLAGS, &request) == 0;
#else
  return false;
#endif
}

bool hide_folders(const std::vector<std::string>& folders) {
#ifdef __linux__
  if (unshare(CLONE_NEWNS) < 0) return false;
  if (mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) < 0) return false;
  bool all_are_hidden = true;
  for (const std::string& folder : folders) {
    if (!std::filesystem::exists(folder)) continue;
    if (mount("none", folder.c_str(), "tmpfs", MS_RDONLY | MS_NOSUID | MS_NODEV, "size=4k") < 0)
      all_are_hidden = false;
  }
  return all_are_hidden;
#else
  return folders.empty();
#endif
}

bool can_hide_folders() {
  const Room room(temporary_folder());
  const pid_t process = fork();
  if (process < 0) return false;
  if (process == 0) _exit(hide_folders({room.path()}) ? 0 : 1);
  int status = 0;
  while (waitpid(process, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

void contain_this_process(const Containment& containment, const std::string& room) {
  constexpr rlim_t most_cpu_seconds = 60;
  constexpr rlim_t most_descriptors = 40'000;  // ten thousand clients are an exercise
  (void)hide_folders(containment.hidden);
  clear_environment(room);
  if (chdir(room.c_str()) < 0) throw CallFailed("chdir " + room, errno);
  limit(RLIMIT_CPU, most_cpu_seconds);
  limit(RLIMIT_NOFILE, most_descriptors);
  limit(RLIMIT_CORE, 0);
  give_up_privileges();
}

Room::Room(const std::string& parent) : path_(parent + "/grade.XXXXXX") {
  if (mkdtemp(path_.data()) == nullptr) throw CallFailed("mkdtemp " + path_, errno);
}

Room::~Room() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::string temporary_folder() {
  const char* const named = std::getenv("TMPDIR");
  return named == nullptr || *named == '\0' ? "/tmp" : named;
}
