// A room that speaks lines.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <thread>
#include <vector>

#include "common/error.hpp"
#include "tests/behaviour/client.hpp"
#include "tests/behaviour/lessons.hpp"
#include "tests/grade/grade_checks.hpp"

namespace {

using std::chrono::milliseconds;

// Somebody in the room.
class Member {
 public:
  explicit Member(Context& context, bool small_buffer = false)
      : context_(&context), number_(context.next_client()) {
    socket_ = Descriptor(::socket(AF_INET, SOCK_STREAM, 0));
    if (!socket_) throw CallFailed("socket", errno);
    const int least = 1;
    if (small_buffer) (void)setsockopt(socket_.fd(), SOL_SOCKET, SO_RCVBUF, &least, sizeof least);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(context.server().port());
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (!set_patience(socket_.fd(), context.patience())) throw CallFailed("setsockopt", errno);
    if (connect(socket_.fd(), reinterpret_cast<const sockaddr*>(&address), sizeof address) < 0)
      context.fail("member " + name() + " could not connect: " + error_symbol(errno));
    context.note("member " + name() + " connected");
  }

  int socket() const { return socket_.fd(); }

  void say(std::string_view bytes) {
    if (!try_to_say(bytes)) context_->fail("member " + name() + " could not send what it said");
    context_->note("member " + name() + " sent " + readable(bytes, 40));
  }

  bool try_to_say(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t count = send_some(socket_.fd(), bytes);
      if (count < 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(count));
    }
    return true;
  }

  // The next line without its line feed; nothing at the end or after silence.
  std::optional<std::string> hear() {
    for (;;) {
      if (const std::size_t end = heard_.find('\n'); end != heard_.npos) {
        std::string line = heard_.substr(0, end);
        heard_.erase(0, end + 1);
        return line;
      }
      std::array<char, 16 * 1024> room;
      const ssize_t count = receive(socket_.fd(), room);
      if (count <= 0) {
        was_silence_ = count < 0 && is_not_ready(errno);
        return std::nullopt;
      }
      heard_.append(room.data(), static_cast<std::size_t>(count));
    }
  }

  void expect_line(const std::string& wanted) {
    const auto line = hear();
    const std::string seen = line           ? "heard '" + readable(*line) + "'"
                             : was_silence_ ? "heard nothing"
                                            : "was thrown out of the room";
    context_->expect(line == wanted,
                     "member " + name() + " " + seen + " instead of '" + readable(wanted) + "'");
  }

  void expect_end() {
    while (hear()) {
    }
    context_->expect(!was_silence_, "member " + name() + " is still in the room");
  }

  void reset() {
    const linger at_once{1, 0};
    (void)setsockopt(socket_.fd(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    leave();
  }
  void leave() { socket_ = Descriptor(); }

 private:
  std::string name() const { return std::to_string(number_); }

  Context* context_;
  int number_;
  Descriptor socket_;
  std::string heard_;
  bool was_silence_ = false;
};

// Everybody is in the room when a line of each has reached the next.
void introduce(std::vector<Member>& members) {
  for (std::size_t i = 0; i < members.size(); ++i) {
    members[i].say("here\n");
    for (std::size_t other = 0; other < members.size(); ++other)
      if (other != i) members[other].expect_line("here");
  }
}

std::vector<Member> room_of(Context& context, int count, bool small_buffers = false) {
  Launch launch;
  launch.small_buffers = small_buffers;
  context.start(launch);
  std::vector<Member> members;
  for (int i = 0; i < count; ++i) members.emplace_back(context, small_buffers);
  context.wait_until_quiet();  // all have been accepted
  return members;
}

const Check checks[] = {
    {.id = "K01",
     .title = "what one says, the others hear, and the room closes on SIGTERM",
     .models = poll_loop,
     .hint = "which sockets does a line go to?",
     .lesson = lesson::asking,
     .run =
         [](Context& context) {
           context.scene("Three members entered, and the first said 'hello'.",
                         "the other two hear it; on SIGTERM the room ends with status 0.");
           std::vector<Member> members = room_of(context, 3);
           members[0].say("hello\n");
           members[1].expect_line("hello");
           members[2].expect_line("hello");
           context.expect_clean_stop();
         }},

    {.id = "K02",
     .title = "nobody hears himself",
     .models = poll_loop,
     .hint = "who said it?",
     .lesson = lesson::asking,
     .run =
         [](Context& context) {
           context.scene("One said 'mine', the other then 'yours'.",
                         "the first hears 'yours' and nothing else.");
           std::vector<Member> members = room_of(context, 2);
           members[0].say("mine\n");
           members[1].expect_line("mine");
           members[1].say("yours\n");
           members[0].expect_line("yours");
         }},

    {.id = "K03",
     .title = "two lines that come in pieces are not mixed",
     .models = poll_loop,
     .needs = need_sockets,
     .hint = "does one recv() bring one line?",
     .lesson = lesson::reading,
     .run =
         [](Context& context) {
           context.scene("Two members sent halves of a line in turn, the second ended first.",
                         "the third hears two whole lines.");
           std::vector<Member> members = room_of(context, 3);
           const auto until_read = [&context](const Member& member) {
             context.eventually(
                 [&] {
                   const auto look = server_side_of(member.socket());
                   return look && look->unread == 0;
                 },
                 [] { return std::string("the room does not read what was sent"); });
           };
           members[0].say("one ");
           until_read(members[0]);
           members[1].say("two ");
           until_read(members[1]);
           members[0].say("begins ");
           until_read(members[0]);
           members[1].say("ends\n");
           members[2].expect_line("two ends");
           members[0].say("and ends\n");
           members[2].expect_line("one begins and ends");
         }},

    {.id = "K04",
     .title = "many lines in one piece are many lines",
     .models = poll_loop,
     .hint = "what is behind the first line feed?",
     .lesson = lesson::reading,
     .run =
         [](Context& context) {
           context.scene("One member sent 300 lines, two empty ones among them, in one piece.",
                         "the other hears 300 lines in order.");
           std::vector<Member> members = room_of(context, 2);
           std::string all;
           for (int i = 0; i < 300; ++i) all += (i % 100 == 50 ? "" : std::to_string(i)) + "\n";
           members[0].say(all);
           for (int i = 0; i < 300; ++i)
             members[1].expect_line(i % 100 == 50 ? "" : std::to_string(i));
         }},

    {.id = "K05",
     .title = "three speak at once: every line whole, each one's in order",
     .models = poll_loop,
     .hint = "may a line be cut in two by another one?",
     .lesson = lesson::writing,
     .run =
         [](Context& context) {
           context.scene("While the room was stopped, three members said 100 lines each.",
                         "the fourth hears 300 whole lines, each speaker's in order.");
           std::vector<Member> members = room_of(context, 4);
           introduce(members);
           context.server().stop_running();
           for (int speaker = 0; speaker < 3; ++speaker) {
             std::string all;
             for (int i = 0; i < 100; ++i)
               all +=
                   std::to_string(speaker) + " " + std::to_string(i) + std::string(50, '.') + "\n";
             members[static_cast<std::size_t>(speaker)].say(all);
           }
           context.server().run_on();
           int next[3] = {};
           for (int i = 0; i < 300; ++i) {
             const auto line = members[3].hear();
             context.expect(line.has_value(), "after " + std::to_string(i) + " lines came no more");
             const bool names_speaker = line->size() > 2 && (*line)[0] >= '0' && (*line)[0] <= '2';
             const int speaker = names_speaker ? (*line)[0] - '0' : 0;
             const std::string wanted = std::to_string(speaker) + " " +
                                        std::to_string(next[speaker]++) + std::string(50, '.');
             context.expect(*line == wanted,
                            "it heard '" + readable(*line) + "' instead of '" + wanted + "'");
           }
         }},

    {.id = "K06",
     .title = "half a line of one who leaves is not said",
     .models = poll_loop,
     .hint = "when is a line a line?",
     .lesson = lesson::leaving,
     .run =
         [](Context& context) {
           context.scene(
               "One member sent 'whole', a line feed and 'half', and left. Another then "
               "said 'after'.",
               "the third hears 'whole' and 'after'.");
           std::vector<Member> members = room_of(context, 3);
           members[0].say("whole\nhalf");
           members[0].leave();
           members[2].expect_line("whole");
           context.wait_until_quiet();
           members[1].say("after\n");
           members[2].expect_line("after");
         }},

    {.id = "K07",
     .title = "who does not listen holds up nobody",
     .models = poll_loop,
     .hint = "what does send() do on a socket whose buffers are full?",
     .lesson = lesson::writing,
     .run =
         [](Context& context) {
           context.scene(
               "With small buffers, one member never read while two others talked for "
               "600 lines of 1000 bytes.",
               "each of the two hears every line of the other.");
           std::vector<Member> members = room_of(context, 3, true);
           for (int i = 0; i < 600; ++i) {
             const std::string line =
                 std::to_string(i) + std::string(990, 'x');  // no more than a socket takes at once
             members[1].say(line + "\n");
             members[2].expect_line(line);
           }
         }},

    {.id = "K08",
     .title = "who does not listen costs no memory without bound, and is let go",
     .models = poll_loop,
     .needs = need_proc,
     .hint = "how much may wait for one member, and what happens to the one for whom more waits?",
     .lesson = lesson::writing,
     .run =
         [](Context& context) {
           context.scene("With small buffers, one member never read while 8 MB of lines were said.",
                         "the room grows by 1 MiB at most, and the silent one is out.");
           std::vector<Member> members = room_of(context, 3, true);
           const std::size_t before = context.memory().resident_kib;
           for (int i = 0; i < 8000; ++i) {
             const std::string line = std::to_string(i) + std::string(990, 'x');
             members[1].say(line + "\n");
             members[2].expect_line(line);
           }
           const std::size_t after = context.memory().resident_kib;
           context.expect(after <= before + 1024,
                          "it grew by " + std::to_string(after - before) + " KiB");
           members[0].expect_end();
         }},

    {.id = "K09",
     .title = "who listens late hears everything",
     .models = poll_loop,
     .hint = "what does send() return when it takes only a part, and who sends the rest?",
     .lesson = lesson::writing,
     .run =
         [](Context& context) {
           context.scene(
               "With small buffers, 40 lines of 1000 bytes were said before the other "
               "member began to read.",
               "it hears all 40, whole and in order.");
           std::vector<Member> members = room_of(context, 2, true);
           const auto line = [](int i) { return std::to_string(i) + std::string(997, 'y'); };
           for (int i = 0; i < 40; ++i) members[0].say(line(i) + "\n");
           context.wait_until_quiet();
           for (int i = 0; i < 40; ++i) members[1].expect_line(line(i));
         }},

    {.id = "K10",
     .title = "a line without end: its speaker leaves, and it costs no memory",
     .models = poll_loop,
     .needs = need_proc,
     .hint = "how long may a line become before you stop collecting it?",
     .lesson = lesson::reading,
     .run =
         [](Context& context) {
           context.scene("One member sent 16 MB without a line feed.",
                         "it is out, nobody has heard of it, the room has grown by 1 MiB at most.");
           std::vector<Member> members = room_of(context, 3);
           const std::size_t before = context.memory().resident_kib;
           const std::string piece(64 * 1024, 'z');
           for (int i = 0; i < 256; ++i)
             if (!members[0].try_to_say(piece)) break;
           members[0].expect_end();
           members[1].say("after\n");
           members[2].expect_line("after");
           const std::size_t after = context.memory().resident_kib;
           context.expect(after <= before + 1024,
                          "it grew by " + std::to_string(after - before) + " KiB");
         }},

    {.id = "K11",
     .title = "a line of exactly 1024 bytes is heard, one more is not",
     .models = poll_loop,
     .hint = "does the line feed count?",
     .lesson = lesson::reading,
     .run =
         [](Context& context) {
           context.scene(
               "One member said a line of 1024 bytes, line feed included; another one "
               "of 1025.",
               "the first line is heard; the second's speaker is out.");
           std::vector<Member> members = room_of(context, 3);
           members[0].say(std::string(1023, 'a') + "\n");
           members[2].expect_line(std::string(1023, 'a'));
           members[1].expect_line(std::string(1023, 'a'));
           members[1].say(std::string(1024, 'b') + "\n");
           members[1].expect_end();
           members[0].say("after\n");
           members[2].expect_line("after");
         }},

    {.id = "K12",
     .title = "those who leave in every way leave nothing behind",
     .models = poll_loop,
     .needs = need_proc,
     .hint = "what does poll(2) report for a socket that has been reset?",
     .lesson = lesson::leaving,
     .run =
         [](Context& context) {
           context.scene(
               "Sixty members came, said half a line, and left, a third of them with a "
               "reset, while others talked.",
               "no descriptor is left, the others hear each other, the room sleeps.");
           std::vector<Member> members = room_of(context, 2);
           introduce(members);
           const std::size_t before = context.descriptors();
           for (int i = 0; i < 60; ++i) {
             Member guest(context);
             guest.try_to_say("half");
             members[0].say("x\n");
             members[1].expect_line("x");
             if (i % 3 == 0) guest.reset();
           }
           context.eventually([&] { return context.descriptors() <= before; },
                              [&] {
                                return "it had " + std::to_string(before) +
                                       " descriptors and has " +
                                       std::to_string(context.descriptors());
                              });
           introduce(members);
           context.expect_asleep("with two silent members");
         }},

    {.id = "K13",
     .title = "a silent room sleeps, also when somebody does not listen",
     .models = poll_loop,
     .needs = need_proc,
     .hint = "for whom do you ask about room to write?",
     .lesson = lesson::asking,
     .run =
         [](Context& context) {
           context.scene(
               "With small buffers, 40 members were silent, and for one some lines wait "
               "that it does not read.",
               "the room sleeps.");
           std::vector<Member> members = room_of(context, 40, true);
           std::thread listeners([&members] {
             for (std::size_t i = 2; i < members.size(); ++i)
               for (int line = 0; line < 30; ++line)
                 if (!members[i].hear()) return;
           });
           const std::string line = std::string(1000, 'w') + "\n";
           for (int i = 0; i < 30; ++i) members[0].try_to_say(line);
           listeners.join();
           context.expect_asleep("with 40 silent members");
         }},

    {.id = "K14",
     .title = "a signal is no reason to stop talking",
     .models = poll_loop,
     .hint = "what does poll(2) return when a signal comes, and what is in the array then?",
     .lesson = lesson::signals,
     .run =
         [](Context& context) {
           context.scene("Between twenty lines, twenty SIGUSR1 came.", "every line is heard.");
           std::vector<Member> members = room_of(context, 2);
           for (int i = 0; i < 20; ++i) {
             context.server().signal(SIGUSR1);
             context.wait_until_quiet();
             members[0].say(std::to_string(i) + "\n");
             members[1].expect_line(std::to_string(i));
           }
         }},

    {.id = "K15",
     .title = "who takes nothing for -t seconds is let go, who has nothing to take is not",
     .models = poll_loop,
     .hint = "since when has nothing moved for this member?",
     .lesson = lesson::time_limits,
     .run =
         [](Context& context) {
           context.scene(
               "With -t 0.5 and small buffers, 30 lines were said to one member who "
               "does not read and one who does; then everybody was silent.",
               "the first is let go, the others stay.");
           Launch launch;
           launch.small_buffers = true;
           launch.arguments = {"-t", "0.5"};
           context.start(launch);
           std::vector<Member> members;
           for (int i = 0; i < 3; ++i) members.emplace_back(context, true);
           context.wait_until_quiet();
           const std::string line(1000, 'w');
           for (int i = 0; i < 30; ++i) {
             members[1].say(line + "\n");
             members[2].expect_line(line);
           }
           context.eventually(
               [&] {
                 char byte = 0;
                 const auto look = server_side_of(members[0].socket());
                 return look ? look->closed
                             : recv(members[0].socket(), &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
               },
               [] { return std::string("who does not read is still in the room"); });
           members[1].say("still here\n");
           members[2].expect_line("still here");
         }},

    {.id = "K16",
     .title = "one thread serves the room",
     .models = poll_loop,
     .needs = need_proc,
     .hint = "what does poll(2) give you that a thread for each member would, too?",
     .lesson = lesson::asking,
     .run =
         [](Context& context) {
           context.scene("Ten members talked.", "there is one thread.");
           std::vector<Member> members = room_of(context, 10);
           introduce(members);
           context.expect(context.threads() == 1,
                          "there are " + std::to_string(context.threads()) + " threads");
         }},
};

}  // namespace

std::span<const Check> chat_checks() {
  return checks;
}
