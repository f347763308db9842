#include "tests/attack/attacks.hpp"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "common/socket.hpp"
#include "tests/kit/client.hpp"

using namespace two_ways;

// These clients look at no answer and mind no error: whatever the server does to them is fine.
namespace {

using std::chrono::milliseconds;

void rest(int length) {
  std::this_thread::sleep_for(milliseconds(length));
}

// Connected, or on its way: nobody waits for it here.
Descriptor come(const Target& target) {
  return start_connecting(target.port);
}

// As much as the kernel takes at once. False when the connection is gone.
bool say(const Descriptor& client, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t count = send_some(client.fd(), bytes);
    if (count < 0) return is_not_ready(errno);
    bytes.remove_prefix(static_cast<std::size_t>(count));
  }
  return true;
}

std::vector<Descriptor> crowd(const Target& target, int size) {
  std::vector<Descriptor> clients;
  for (int i = 0; i < size && target.goes_on(); ++i) {
    Descriptor client = come(target);
    if (client) clients.push_back(std::move(client));
  }
  return clients;
}

// Every client of the crowd again and again, until the time is up. Those that are gone come anew.
template <class Act>
void keep_at_it(const Target& target, int size, int pause, Act act) {
  std::vector<Descriptor> clients = crowd(target, size);
  while (target.goes_on()) {
    for (Descriptor& client : clients)
      if (!client || !act(client)) client = come(target);
    rest(pause);
  }
}

void wait_until_the_end(const Target& target) {
  while (target.goes_on()) rest(10);
}

const Attack all[] = {
    {"resets", "asks, and resets before, during or after the answer", false,
     [](const Target& target) {
       const std::string requests[] = {"", "GET /ec", get_request("/"),
                                       get_request("/bytes/3000000")};
       // Each fills a sketch's buffer. Who asks so and only closes answers the first response with
       // a reset, and a server that goes on gets SIGPIPE from its next send.
       const std::string filler(4096 - get_request("/").size() - 5, 'f');
       const std::string eager =
           repeated("GET / HTTP/1.1\r\nHost: x\r\nX: " + filler + "\r\n\r\n", 8);
       for (std::size_t i = 0; target.goes_on(); ++i) {
         Descriptor client = come(target);
         const bool only_closes = i % 8 == 7;
         say(client, only_closes ? eager : requests[i % 4]);
         if (only_closes) continue;
         if (i % 3 == 0) rest(1);
         reset(client);
       }
     }},
    {"half-closes", "closes its sending side and stays", false,
     [](const Target& target) {
       std::vector<Descriptor> clients = crowd(target, 200);
       rest(20);
       for (std::size_t i = 0; i < clients.size(); ++i) {
         if (i % 2 == 0) say(clients[i], get_request("/bytes/1000000") + "GET /more");
         (void)shutdown(clients[i].fd(), SHUT_WR);
       }
       wait_until_the_end(target);
     }},
    {"silence", "500 clients that say nothing", false,
     [](const Target& target) {
       const std::vector<Descriptor> clients = crowd(target, 500);
       wait_until_the_end(target);
     }},
    {"bytewise", "100 clients that send a byte now and then", false,
     [](const Target& target) {
       const std::string request = get_request("/echo/slow");
       std::size_t at = 0;
       keep_at_it(target, 100, 2, [&](const Descriptor& client) {
         return say(client, std::string_view(request).substr(at++ % request.size(), 1));
       });
     }},
    {"slowloris", "300 requests that never end, a field at a time", false,
     [](const Target& target) {
       keep_at_it(target, 300, 50, [started = false](const Descriptor& client) mutable {
         if (!started) say(client, "GET / HTTP/1.1\r\nHost: x\r\n");
         started = true;
         return say(client, "X: y\r\n");
       });
     }},
    {"no-reading", "50 clients that ask for 500 MB and do not read", false,
     [](const Target& target) {
       keep_at_it(target, 50, 100, [](const Descriptor& client) {
         return say(client, get_request("/bytes/500000000"));
       });
     }},
    {"pipelining", "20 clients that ask without end and do not read", false,
     [](const Target& target) {
       const std::string many = repeated(get_request("/bytes/3000"), 200);
       keep_at_it(target, 20, 1, [&many](const Descriptor& client) { return say(client, many); });
     }},
    {"broken-off", "reads a little of a large answer and resets", false,
     [](const Target& target) {
       std::vector<char> room(20'000);
       while (target.goes_on()) {
         std::vector<Descriptor> clients = crowd(target, 10);
         rest(2);
         for (const Descriptor& client : clients) say(client, get_request("/bytes/50000000"));
         rest(5);
         for (Descriptor& client : clients) {
           (void)receive(client.fd(), room);
           reset(client);
         }
       }
     }},
    {"flood", "connects and resets as fast as it can", false,
     [](const Target& target) {
       while (target.goes_on()) {
         std::vector<Descriptor> clients = crowd(target, 50);
         for (Descriptor& client : clients) reset(client);
         rest(1);
       }
     }},
    {"crowd", "3000 clients that stay", false,
     [](const Target& target) {
       const std::vector<Descriptor> clients = crowd(target, 3000);
       wait_until_the_end(target);
     }},
    {"oversize", "heads and targets without an end", false,
     [](const Target& target) {
       const std::string fields = repeated("X-Filler: ffffffffffffffffffffffff\r\n", 2000);
       const std::string letters(60'000, 'x');
       int turn = 0;
       keep_at_it(target, 20, 1, [&](const Descriptor& client) {
         if (++turn % 3 == 0) return say(client, "GET / HTTP/1.1\r\nHost: x\r\n" + fields);
         return say(client, turn % 3 == 1 ? "GET /" + letters : letters);
       });
     }},
    {"garbage", "noise, and requests that are nearly right", false,
     [](const Target& target) {
       unsigned seed = 4711;
       const auto next = [&seed] { return seed = seed * 1'664'525u + 1'013'904'223u; };
       const std::string nearly = "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n";
       while (target.goes_on()) {
         Descriptor client = come(target);
         rest(1);
         std::string noise = next() >> 31 == 0 ? nearly : std::string();
         for (unsigned i = next() >> 23; i > 0; --i) noise += static_cast<char>(next() >> 24);
         if (!noise.empty()) noise[next() % noise.size()] = static_cast<char>(next() >> 24);
         say(client, noise);
         if (next() >> 31 == 0) (void)shutdown(client.fd(), SHUT_WR);
         rest(1);
       }
     }},
    {"exhaustion", "200 clients, and a server that may have 64 descriptors", true,
     [](const Target& target) {
       keep_at_it(target, 200, 20,
                  [](const Descriptor& client) { return say(client, get_request("/")); });
     }},
};

}  // namespace

std::span<const Attack> attacks() {
  return all;
}

Forked attacker(const Attack& attack, const Target& target) {
  return Forked([&] {
    attack.run(target);
    return 0;
  });
}

Possessions possessions_of(Context& context) {
  const pid_t pid = context.server().pid();
  const auto memory = memory_of(pid);
  return {descriptors_of(pid).value_or(0), threads_of(pid).size(),
          memory ? memory->resident_kib : 0};
}

Standing aftermath(Context& context, const Possessions& before) {
  if (!can_observe_processes()) return {};
  constexpr std::size_t tolerated_kib = 16 * 1024;  // what a memory allocator keeps for itself
  using Clock = std::chrono::steady_clock;
  constexpr std::chrono::seconds most{8};  // without any change: it may be busy letting go
  const auto begin = Clock::now();
  Possessions after;
  for (auto deadline = begin + most; Clock::now() < std::min(deadline, begin + 4 * most);) {
    const std::size_t last = after.descriptors + after.threads;
    context.wait_until_quiet();
    after = possessions_of(context);
    if (after.descriptors + after.threads != last) deadline = Clock::now() + most;
    const bool back = after.descriptors <= before.descriptors && after.threads <= before.threads &&
                      after.resident_kib <= before.resident_kib + tolerated_kib;
    if (back) {
      const auto seen = watch(context.server().pid());
      if (seen && seen->runnable * 2 > seen->looks) return {"spins", context.describe_server()};
      return {};
    }
  }
  return {"leaked", "descriptors " + std::to_string(before.descriptors) + " -> " +
                        std::to_string(after.descriptors) + ", threads " +
                        std::to_string(before.threads) + " -> " + std::to_string(after.threads) +
                        ", resident KiB " + std::to_string(before.resident_kib) + " -> " +
                        std::to_string(after.resident_kib)};
}
