#include "tests/kit/containment.hpp"

#include <fcntl.h>
#include <grp.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#ifdef __linux__
#include <linux/capability.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#endif

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <stdexcept>
#include <utility>

#include "common/error.hpp"
#include "common/socket.hpp"
#include "tests/kit/check.hpp"
#include "tests/kit/forked.hpp"
#include "tests/kit/sockets.hpp"

extern char** environ;  // environ(7): no header has to declare it, and macOS' does not

namespace {

namespace files = std::filesystem;

void limit(int resource, rlim_t most) {
  rlimit both{};
  if (getrlimit(static_cast<decltype(RLIMIT_CPU)>(resource), &both) < 0) return;
  both.rlim_max = std::min(both.rlim_max, most);
  both.rlim_cur = both.rlim_max;
  (void)setrlimit(static_cast<decltype(RLIMIT_CPU)>(resource), &both);
}

void live_in(const std::string& room) {
  setenv("HOME", room.c_str(), 1);
  setenv("TMPDIR", room.c_str(), 1);
}

void clear_environment(const std::string& room) {
  forget_environment_but({});
  live_in(room);
  setenv("PATH", "/usr/local/bin:/usr/bin:/bin", 1);
  setenv("LANG", "C.UTF-8", 1);
  // A program may bring defaults of its own for these; what the environment says wins.
  const std::string log = "log_path=stderr:exitcode=" + std::to_string(sanitizer_exit_status);
  setenv("ASAN_OPTIONS", (log + ":detect_leaks=1:halt_on_error=1").c_str(), 1);
  setenv("UBSAN_OPTIONS", (log + ":halt_on_error=1").c_str(), 1);
  setenv("TSAN_OPTIONS", log.c_str(), 1);
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

// Tried where nothing is lost. Some systems let a process into a namespace, and forbid it there
// what the namespace is for: then it must not be us who has entered.
bool works_in_a_child(const std::function<bool()>& attempt) {
  return Forked([&attempt] { return attempt() ? 0 : 1; }).wait() == 0;
}

// To ourselves. Not every system says so when it has not started loopback.
bool can_connect() try {
  const Descriptor listener = listen_on("127.0.0.1", 0);
  return static_cast<bool>(connect_blocking(local_port(listener.fd()), std::chrono::seconds(5)));
} catch (const std::exception&) {
  return false;
}

#ifdef __linux__
bool can_write(const char* path, const std::string& text) {
  std::ofstream file(path);
  file << text << std::flush;  // in one piece, as these files want it
  return file.good();
}

bool leave_network() {
  if (unshare(CLONE_NEWNET) == 0) return true;
  const std::string user = std::to_string(getuid());
  const std::string group = std::to_string(getgid());
  if (unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0) return false;
  // Who has no group of a known number cannot run make: it sets it for what it starts.
  return can_write("/proc/self/uid_map", user + ' ' + user + " 1") &&
         can_write("/proc/self/setgroups", "deny") &&
         can_write("/proc/self/gid_map", group + ' ' + group + " 1");
}

bool start_loopback() {
  const Descriptor socket(::socket(AF_INET, SOCK_DGRAM, 0));
  ifreq request{};
  std::strcpy(request.ifr_name, "lo");
  if (!socket || ioctl(socket.fd(), SIOCGIFFLAGS, &request) < 0) return false;
  request.ifr_flags = static_cast<short>(request.ifr_flags | IFF_UP);
  return ioctl(socket.fd(), SIOCSIFFLAGS, &request) == 0;
}

bool try_empty_network() {
  return leave_network() && start_loopback() && can_connect();
}
#endif

// Is `outer` that folder, or one that it lies in?
bool holds(const files::path& outer, const files::path& inner) {
  return std::mismatch(outer.begin(), outer.end(), inner.begin(), inner.end()).first == outer.end();
}

#ifdef __linux__
bool bind_to_itself(const std::string& folder) {
  return mount(folder.c_str(), folder.c_str(), nullptr, MS_BIND | MS_REC, nullptr) == 0;
}

// The folder on top of itself, and there read-only (mount(2)). What else is forbidden in it stays
// so: a user namespace may not allow it again. ST_ has the values of MS_.
bool make_read_only(const std::string& folder) {
  struct statvfs mounted {};
  if (!bind_to_itself(folder) || statvfs(folder.c_str(), &mounted) < 0) return false;
  const unsigned long kept = mounted.f_flag & (ST_NOSUID | ST_NODEV | ST_NOEXEC);
  return mount(nullptr, folder.c_str(), nullptr, MS_REMOUNT | MS_BIND | MS_RDONLY | kept,
               nullptr) == 0;
}

bool hide(const std::string& folder) {
  return mount("none", folder.c_str(), "tmpfs", MS_RDONLY | MS_NOSUID | MS_NODEV, "size=4k") == 0;
}

// What is mounted from now on is seen by this process, and by those that come from it.
bool leave_mounts() {
  return unshare(CLONE_NEWNS) == 0 &&
         mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0;
}

// An empty folder in its place, which is gone with the last process that sees it. What is needed of
// the old one is there again: the project may lie in /tmp.
bool replace(const std::string& folder, const std::vector<std::string>& needed) {
  std::vector<std::pair<std::string, Descriptor>> kept;
  for (const std::string& path : needed)
    if (holds(folder, path)) kept.emplace_back(path, Descriptor(open(path.c_str(), O_PATH)));
  constexpr unsigned long flags = MS_NOSUID | MS_NODEV;
  if (mount("none", folder.c_str(), "tmpfs", flags, "size=64m,mode=1777") < 0) return false;
  for (const auto& [path, old] : kept) {
    if (files::exists(path)) continue;  // inside of one that is there again
    files::create_directories(path);
    const std::string source = "/proc/self/fd/" + std::to_string(old.fd());
    if (mount(source.c_str(), path.c_str(), nullptr, MS_BIND | MS_REC, nullptr) < 0) return false;
  }
  return true;
}

// What everybody may write to would tell one submission of another, and stay when it has gone; so
// would memory and queues of System V.
bool replace_what_is_shared(std::vector<std::string> needed) {
  (void)unshare(CLONE_NEWIPC);
  for (std::string& path : needed) path = files::weakly_canonical(path);
  std::error_code unknown;
  for (const char* const folder : {"/tmp", "/var/tmp", "/dev/shm", "/run/lock"})
    if (files::is_directory(folder, unknown) && !replace(folder, needed)) return false;
  return true;
}

bool leave_processes() {
  return unshare(CLONE_NEWPID) == 0;
}

bool mount_own_processes() {
  constexpr unsigned long flags = MS_NOSUID | MS_NODEV | MS_NOEXEC;
  return leave_mounts() && mount("proc", "/proc", "proc", flags, nullptr) == 0;
}

// As many of these as can be, also where one of them cannot.
bool apply(bool (*change)(const std::string&), const std::vector<std::string>& folders) {
  bool all_is_done = true;
  std::error_code unknown;
  for (const std::string& folder : folders)
    if (files::is_directory(folder, unknown) && !change(folder)) all_is_done = false;
  return all_is_done;
}

// The room stays writable, wherever it lies. The project first: what is hidden may lie inside.
bool hide_folders(const Containment& containment, const std::string& room) {
  if (!leave_mounts() || !bind_to_itself(room)) return false;
  const bool is_kept = apply(make_read_only, containment.unchanged);
  const bool is_hidden = apply(hide, containment.hidden);
  std::vector<std::string> needed = containment.unchanged;
  needed.push_back(room);
  needed.push_back(files::current_path());
  return replace_what_is_shared(needed) && is_hidden && is_kept;
}
#else
bool hide_folders(const Containment&, const std::string&) {
  return false;
}
#endif

// Root's files and processes are out of reach for this one.
constexpr uid_t nobody = 65534;

bool become_nobody(const std::string& room) {
  const bool is_done = chown(room.c_str(), nobody, nobody) == 0 && setgroups(0, nullptr) == 0 &&
                       setgid(nobody) == 0 && setuid(nobody) == 0;
#ifdef __linux__
  prctl(PR_SET_PDEATHSIG, SIGKILL);  // another user's process forgets what was set
#endif
  return is_done;
}

bool can_be_entered(const std::string& folder) {
  return access(folder.c_str(), X_OK) == 0;
}

bool can_be_nobody(const Containment& containment, const std::string& room) {
  const std::vector<std::string>& folders = containment.unchanged;
  return become_nobody(room) && can_be_entered(room) &&
         std::all_of(folders.begin(), folders.end(), can_be_entered);
}

void give_up_what_is_not_needed(const Containment& containment, const std::string& room) {
  constexpr rlim_t most_cpu_seconds = 60;
  constexpr rlim_t most_descriptors = 40'000;  // ten thousand clients are an exercise
  limit(RLIMIT_CPU, most_cpu_seconds);
  limit(RLIMIT_NOFILE, most_descriptors);
  limit(RLIMIT_CORE, 0);
  if (containment.changes_user && !become_nobody(room)) throw CallFailed("setuid", errno);
  give_up_privileges();
}

void hide_what_is_hidden(const Containment& containment, const std::string& room,
                         const std::string& working_directory) {
  if (!hide_folders(containment, room) && containment.hides) throw CallFailed("mount", errno);
  if (chdir(working_directory.c_str()) < 0) throw CallFailed("chdir " + working_directory, errno);
}

// Links are not followed.
void unlock(const files::path& folder) {
  std::error_code problem;
  if (!files::is_directory(files::symlink_status(folder, problem))) return;
  files::permissions(folder, files::perms::owner_all, problem);
  for (files::directory_iterator entry(folder, problem), end; !problem && entry != end;
       entry.increment(problem))
    unlock(entry->path());
}

}  // namespace

void forget_environment_but(const std::vector<std::string>& kept) {
  std::vector<std::string> forgotten;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string name(*entry, std::strcspn(*entry, "="));
    if (std::find(kept.begin(), kept.end(), name) == kept.end()) forgotten.push_back(name);
  }
  for (const std::string& name : forgotten) unsetenv(name.c_str());
}

void expect_loopback() {
  if (!can_connect())
    throw std::runtime_error(
        "the grader itself cannot connect to 127.0.0.1 here, so no server could pass: is the "
        "loopback interface up (Linux: ip link set lo up)?");
}

bool enter_empty_network() {
#ifdef __linux__
  return works_in_a_child(try_empty_network) && try_empty_network();
#else
  return false;
#endif
}

bool can_own_processes() {
#ifdef __linux__
  return works_in_a_child(
      [] { return leave_processes() && works_in_a_child(mount_own_processes); });
#else
  return false;
#endif
}

void enter_own_processes() {
#ifdef __linux__
  if (!leave_processes()) throw CallFailed("unshare", errno);
#endif
}

void show_own_processes() {
#ifdef __linux__
  if (!mount_own_processes()) throw CallFailed("mount /proc", errno);
#endif
}

void refuse_to_hide(const std::vector<std::string>& folders,
                    const std::vector<std::string>& needed) {
  std::vector<std::string> all = needed;
  all.emplace_back("/tmp");
  for (const std::string& folder : folders)
    for (const std::string& inner : all)
      if (holds(files::weakly_canonical(folder), files::weakly_canonical(inner)))
        throw std::invalid_argument("what is graded must not see " + folder + ", and needs " +
                                    inner + ": choose a folder for nothing else");
}

void try_out(Containment& containment, const std::string& parent) {
  const Room room(parent);
  containment.hides = works_in_a_child([&] { return hide_folders(containment, room.path()); });
  containment.changes_user =
      getuid() == 0 && works_in_a_child([&] { return can_be_nobody(containment, room.path()); });
}

std::string what_holds(const Containment& tried_out, bool has_own_network,
                       const std::string& hidden) {
  std::string text = "as this user";
  if (tried_out.changes_user)
    text = "as user " + std::to_string(nobody);
  else if (getuid() == 0)
    text = "as ROOT, because no other user can be had here, or none that could read the project";
  text += has_own_network ? "; in a network of its own"
                          : "; NOT network-isolated, because this system does not allow it";
  text += tried_out.hides
              ? "; with " + hidden + " hidden, the project read-only, and a /tmp of its own"
              : "; able to READ " + hidden +
                    " and to CHANGE what its user can, because this system does not allow "
                    "preventing it";
  return text;
}

void contain_this_process(const Containment& containment, const std::string& room) {
  hide_what_is_hidden(containment, room, room);
  clear_environment(room);
  give_up_what_is_not_needed(containment, room);
}

void contain_reader(const Containment& containment, const std::string& room) {
  hide_what_is_hidden(containment, room, files::current_path());
  forget_environment_but({"PATH", "CXX", "CXXFLAGS", "LDFLAGS", "LDLIBS", "QUEUE", "SDKROOT"});
  live_in(room);
  setenv("LC_ALL", "C", 1);
  setenv("CCACHE_DISABLE", "1", 1);  // what all submissions share is nobody's to write
  give_up_what_is_not_needed(containment, room);
}

void copy_file_of_others(const std::string& from, const std::string& to, unsigned mode,
                         std::uintmax_t most) {
  const Descriptor source(open(from.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  struct stat status {};
  if (!source || fstat(source.fd(), &status) < 0) throw CallFailed("open " + from, errno);
  if (!S_ISREG(status.st_mode)) throw std::runtime_error("it is not an ordinary file");
  if (static_cast<std::uintmax_t>(status.st_size) > most)
    throw std::runtime_error("it is larger than " + std::to_string(most) + " bytes");
  const Descriptor copy(open(to.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!copy) throw CallFailed("open " + to, errno);
  std::array<char, 64 * 1024> bytes;
  for (ssize_t count; (count = read(source.fd(), bytes.data(), bytes.size())) != 0;) {
    if (count < 0 || write(copy.fd(), bytes.data(), static_cast<std::size_t>(count)) != count)
      throw CallFailed("copy " + from, errno);
  }
  if (fchmod(copy.fd(), static_cast<mode_t>(mode)) < 0) throw CallFailed("fchmod " + to, errno);
}

Room::Room(const std::string& parent) : path_(parent + "/grade.XXXXXX") {
  if (mkdtemp(path_.data()) == nullptr) throw CallFailed("mkdtemp " + path_, errno);
  if (chmod(path_.c_str(), 0711) < 0) throw CallFailed("chmod " + path_, errno);
}

Room::~Room() {
  remove_folder(path_);
}

void remove_folder(const std::string& path) {
  std::error_code ignored;
  unlock(path);
  files::remove_all(path, ignored);
}

std::string temporary_folder() {
  const char* const named = std::getenv("TMPDIR");
  return named == nullptr || *named == '\0' ? "/tmp" : named;
}
