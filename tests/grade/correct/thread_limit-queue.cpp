// thread_limit, otherwise: the main thread accepts, and only while a thread is free; sockets go to
// the threads through a queue with a condition variable, and a pipe tells of threads come free.
#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <mutex>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

#include "blocking/straight_line.hpp"
#include "common/handler.hpp"
#include "common/program.hpp"
#include "common/signals.hpp"

using namespace two_ways;

namespace {

struct Pool {
  Options options;
  Counters counters;
  Signals signals{counters};
  std::mutex mutex;
  std::condition_variable changed;
  std::deque<int> jobs;  // accepted, and nobody's yet
  std::set<int> served;  // sockets
  std::size_t busy = 0;  // jobs and served
  bool stopping = false;
  int freed[2] = {-1, -1};
};

void* worker(void* argument) {
  Pool& pool = *static_cast<Pool*>(argument);
  Context context{handle, pool.signals.stop_requested(), pool.counters, pool.options.backend_port};
  for (;;) {
    std::unique_lock lock(pool.mutex);
    pool.changed.wait(lock, [&] { return pool.stopping || !pool.jobs.empty(); });
    if (pool.jobs.empty()) return nullptr;
    const int fd = pool.jobs.front();
    pool.jobs.pop_front();
    pool.served.insert(fd);
    if (pool.stopping) shutdown(fd, SHUT_RD);
    lock.unlock();
    serve_client(fd, pool.options.idle_limit, context);
    lock.lock();
    pool.served.erase(fd);
    --pool.busy;
    close(fd);
    Counters::count(pool.counters.closed);
    [[maybe_unused]] const ssize_t written = write(pool.freed[1], "x", 1);
  }
}

void end_threads(Pool& pool, const std::vector<pthread_t>& threads) {
  {
    const std::lock_guard lock(pool.mutex);
    pool.stopping = true;
    for (const int fd : pool.served) shutdown(fd, SHUT_RD);
  }
  pool.changed.notify_all();
  for (const pthread_t thread : threads) pthread_join(thread, nullptr);
}

std::vector<pthread_t> start_threads(Pool& pool) {
  std::vector<pthread_t> threads;
  threads.reserve(pool.options.thread_limit);
  while (threads.size() < pool.options.thread_limit) {
    pthread_t thread;
    const int error = pthread_create(&thread, nullptr, worker, &pool);
    if (error != 0) {
      end_threads(pool, threads);
      throw std::runtime_error(std::string("pthread_create: ") + std::strerror(error));
    }
    threads.push_back(thread);
  }
  return threads;
}

void accept_clients(Pool& pool, int listener) {
  int pause = -1;
  while (!pool.signals.stop_requested()) {
    bool has_free = false;
    {
      const std::lock_guard lock(pool.mutex);
      has_free = pool.busy < pool.options.thread_limit;
    }
    pollfd watched[3] = {{pool.signals.stop_descriptor(), POLLIN, 0},
                         {pool.freed[0], POLLIN, 0},
                         {has_free && pause < 0 ? listener : -1, POLLIN, 0}};
    const int ready = poll(watched, 3, pause);
    if (pause >= 0 && ready == 0) pause = -1;
    if (ready <= 0) continue;
    char bytes[256];
    if (watched[1].revents != 0) {
      [[maybe_unused]] const ssize_t count = read(pool.freed[0], bytes, sizeof bytes);
      pause = -1;
    }
    if (watched[2].revents == 0 || pool.signals.stop_requested()) continue;
    const int fd = accept(listener, nullptr, nullptr);
    if (fd < 0) {
      if (is_exhaustion(errno)) pause = 50;
      continue;
    }
    Counters::count(pool.counters.accepted);
    {
      const std::lock_guard lock(pool.mutex);
      pool.jobs.push_back(fd);
      ++pool.busy;
    }
    pool.changed.notify_one();
  }
}

void run_server(int argc, char** argv) {
  Pool pool;
  pool.options = read_options(argc, argv, "apbtnh", "A pool with a queue.", {.thread_limit = 64});
  Descriptor listener = open_listener(pool.options);
  if (pipe(pool.freed) < 0) throw std::runtime_error("pipe");
  set_nonblocking(pool.freed[1]);
  const std::vector<pthread_t> threads = start_threads(pool);
  announce(listener.fd());
  accept_clients(pool, listener.fd());
  listener = Descriptor();
  end_threads(pool, threads);
}

}  // namespace

int main(int argc, char** argv) {
  return run_program(argc, argv, run_server);
}
