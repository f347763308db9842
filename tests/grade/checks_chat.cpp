// A room that speaks lines, in all three models.
#include <algorithm>
#include <csignal>
#include <thread>
#include <vector>

#include "tests/attack/attacks.hpp"
#include "tests/behaviour/lessons.hpp"
#include "tests/grade/grade_checks.hpp"
#include "tests/kit/client.hpp"

namespace {

using std::chrono::milliseconds;

// Somebody in the room.
class Member : public Client {
 public:
  using Client::Client;

  void expect_line(const std::string& wanted) {
    const auto line = read_line();
    expect(line == wanted, (line          ? "heard '" + readable(*line) + "'"
                            : has_ended() ? "was thrown out of the room"
                                          : "heard nothing") +
                               std::string(" instead of '") + readable(wanted) + "'");
  }

  // Whatever it hears before.
  void expect_out() {
    while (read_line()) {
    }
    expect(has_ended(), "is still in the room");
  }

  // Until the room has read all that was said. Through small buffers some of it may still be on its
  // way, for as long as the kernel takes to send again what found no room; the room sleeps
  // meanwhile.
  void wait_until_heard() {
    context().eventually([this] { return unacknowledged_bytes(socket()) == 0; },
                         [] { return "the room does not read what was sent"; });
    wait_until_read();
  }

 private:
  void expect(bool holds, const std::string& seen) const {
    context().expect(holds, "client " + std::to_string(number()) + " " + seen + "; " +
                                context().describe_server());
  }
};

using Members = std::vector<Member>;
constexpr ClientOptions small{.small_buffer = true};

// One says a line, and these hear it.
void say(Members& members, std::size_t speaker, const std::string& line,
         std::initializer_list<std::size_t> listeners) {
  members[speaker].send(line + "\n");
  for (const std::size_t listener : listeners) members[listener].expect_line(line);
}

// Everybody is in the room when a line of each has reached the next.
void introduce(Members& members) {
  for (Member& speaker : members) {
    speaker.send("here\n");
    for (Member& other : members)
      if (&other != &speaker) other.expect_line("here");
  }
}

Members room_of(Context& context, int count, const Launch& launch = {}) {
  context.start(launch);
  Members members;
  for (int i = 0; i < count; ++i)
    members.emplace_back(context, launch.small_buffers ? small : ClientOptions{});
  context.wait_until_quiet();  // all have been accepted
  return members;
}

Members small_room_of(Context& context, int count, std::vector<std::string> arguments = {}) {
  return room_of(context, count, {.arguments = std::move(arguments), .small_buffers = true});
}

// What one speaker says, line by line.
using Talk = std::vector<std::string>;

// Lines by which their listener knows who speaks, and what should come next.
Talk talk_of(int speaker, int lines) {
  Talk talk;
  for (int i = 0; i < lines; ++i)
    talk.push_back(std::to_string(speaker) + " " + std::to_string(i) + std::string(50, '.'));
  return talk;
}

// In one piece.
void give(Member& speaker, const Talk& talk) {
  std::string all;
  for (const std::string& line : talk) all += line + "\n";
  speaker.send(all);
}

// Hears them whole, each in its order, and nothing but `ignored` besides.
void expect_talks(Member& listener, std::vector<Talk> talks, std::string_view ignored = {}) {
  const Context& context = listener.context();
  for (std::erase(talks, Talk{}); !talks.empty(); std::erase(talks, Talk{})) {
    const auto line = listener.read_line();
    context.expect(line.has_value(), "'" + readable(talks[0][0]) + "' never came, for example; " +
                                         context.describe_server());
    if (!ignored.empty() && *line == ignored) continue;
    const auto talk = std::find_if(talks.begin(), talks.end(),
                                   [&](const Talk& one) { return one.front() == *line; });
    context.expect(talk != talks.end(), "it heard '" + readable(*line) + "', where '" +
                                            readable(talks[0][0]) + "' might come, for example");
    talk->erase(talk->begin());
  }
}

// A line of 1000 bytes, or a few less, without its line feed.
std::string long_line(int number) {
  return std::to_string(number) + std::string(990, 'x');
}

// `count` long lines, each begun when `listener` has heard the one before: nobody who
// listens can fall behind.
void talk(Member& speaker, Member& listener, int count) {
  for (int i = 0; i < count; ++i) {
    speaker.send(long_line(i) + "\n");
    listener.expect_line(long_line(i));
  }
}

// The tester has as many sockets as the room.
void expect_descriptors_for(std::size_t members) {
  if (descriptor_limit() < members + 100) throw Skipped{"too few descriptors allowed (ulimit -n)"};
}

// CPU time of a wake-up that brings one byte of a line, in nanoseconds: the least of three rounds.
double cost_of_a_byte(Context& context, Member& speaker, Member& listener) {
  constexpr int bytes = 100;
  double least = 1e18;
  for (int round = 0; round < 3; ++round) {
    context.wait_until_quiet();
    const std::uint64_t before = context.cpu_nanoseconds();
    for (int i = 0; i < bytes; ++i) {
      speaker.send(".");
      speaker.wait_until_heard();
    }
    context.wait_until_quiet();  // the kernel settles a thread's account when it goes to sleep
    least = std::min(least, static_cast<double>(context.cpu_nanoseconds() - before) / bytes);
    speaker.send("\n");
    listener.expect_line(std::string(bytes, '.'));
  }
  return least;
}

}  // namespace

const std::vector<Check> chat_checks = {
    {.name{"K01", "what one says, the others hear"},
     .hint{"which sockets does a line go to?", lesson::writing},
     .scene{"Three members entered, and the first said 'hello'.", "the other two hear it."},
     .run = Body([](Context& context) {
       Members members = room_of(context, 3);
       say(members, 0, "hello", {1, 2});
     })},

    {.name{"K02", "nobody hears himself"},
     .hint{"who said it?", lesson::writing},
     .scene{"One said 'mine', the other then 'yours'.",
            "the first hears 'yours' and nothing else."},
     .run = Body([](Context& context) {
       Members members = room_of(context, 2);
       say(members, 0, "mine", {1});
       say(members, 1, "yours", {0});
     })},

    {.name{"K03", "two lines that come in pieces are not mixed"},
     .needs = need_sockets,
     .hint{"does one recv() bring one line?", lesson::reading},
     .scene{"Two members sent halves of a line in turn, the second ended first.",
            "the third hears two whole lines."},
     .run = Body([](Context& context) {
       Members members = room_of(context, 3);
       members[0].send("one ");
       members[0].wait_until_heard();
       members[1].send("two ");
       members[1].wait_until_heard();
       members[0].send("begins ");
       members[0].wait_until_heard();
       members[1].send("ends\n");
       members[2].expect_line("two ends");
       members[0].send("and ends\n");
       members[2].expect_line("one begins and ends");
     })},

    {.name{"K04", "many lines in one piece are many lines"},
     .hint{"what is behind the first line feed?", lesson::reading},
     .scene{"One member sent 300 lines, two empty ones among them, in one piece.",
            "the other hears 300 lines in order."},
     .run = Body([](Context& context) {
       Members members = room_of(context, 2);
       std::string all;
       for (int i = 0; i < 300; ++i) all += (i % 100 == 50 ? "" : std::to_string(i)) + "\n";
       members[0].send(all);
       for (int i = 0; i < 300; ++i) members[1].expect_line(i % 100 == 50 ? "" : std::to_string(i));
     })},

    {.name{"K05", "three speak at once: every line whole, each one's in order"},
     .hint{"may a line be cut in two by another one?", lesson::writing},
     .scene{"While the room was stopped, three members said 100 lines each.",
            "the fourth hears 300 whole lines, each speaker's in order."},
     .run = Body([](Context& context) {
       Members members = room_of(context, 4);
       introduce(members);
       context.server().stop_running();
       const std::vector<Talk> talks{talk_of(0, 100), talk_of(1, 100), talk_of(2, 100)};
       for (std::size_t speaker = 0; speaker < 3; ++speaker) give(members[speaker], talks[speaker]);
       context.server().run_on();
       expect_talks(members[3], talks);
     })},

    {.name{"K06", "half a line of one who leaves is not said"},
     .hint{"when is a line a line?", lesson::leaving},
     .scene{"One member sent 'whole', a line feed and 'half', and left. Another then said 'after'.",
            "the third hears 'whole' and 'after'."},
     .run = Body([](Context& context) {
       Members members = room_of(context, 3);
       members[0].send("whole\nhalf");
       members[0].close();
       members[2].expect_line("whole");
       context.wait_until_quiet();
       say(members, 1, "after", {2});
     })},

    {.name{"K07", "who does not listen holds up nobody"},
     .hint{"what does send() do on a socket whose buffers are full?", lesson::writing},
     .scene{"With small buffers, one member never read while another said 600 lines of 1000 bytes, "
            "each when a third had heard the one before.",
            "the third hears every line."},
     .run = Body([](Context& context) {
       Members members = small_room_of(context, 3);
       talk(members[1], members[2], 600);
     })},

    {.name{"K08", "who does not listen costs no memory without bound, and is let go"},
     .needs = need_proc,
     .hint{"how much may wait for one member, and what happens to the one for whom more waits?",
           lesson::writing},
     .scene{"With small buffers, one member never read while 3 MB of lines were said.",
            "the room grows by 1 MiB at most, and the silent one is out."},
     .run = Body([](Context& context) {
       Members members = small_room_of(context, 3);
       const Memory before = context.memory();
       talk(members[1], members[2], 3000);
       context.expect_growth_below(1024, &Memory::resident_kib, before);
       members[0].expect_out();
     })},

    {.name{"K09", "who listens late hears everything"},
     .hint{"what does send() return when it takes only a part, and who sends the rest?",
           lesson::writing},
     .scene{"With small buffers, 40 lines of 1000 bytes were said before the other member began to "
            "read.",
            "it hears all 40, whole and in order."},
     .run = Body([](Context& context) {
       Members members = small_room_of(context, 2);
       for (int i = 0; i < 40; ++i) members[0].send(long_line(i) + "\n");
       context.wait_until_quiet();
       for (int i = 0; i < 40; ++i) members[1].expect_line(long_line(i));
     })},

    {.name{"K10", "a line without end: its speaker leaves, and it costs no memory"},
     .needs = need_proc,
     .hint{"how long may a line become before you stop collecting it?", lesson::reading},
     .scene{"One member sent 16 MB without a line feed.",
            "it is out, nobody has heard of it, the room has grown by 1 MiB at most."},
     .run = Body([](Context& context) {
       Members members = room_of(context, 3);
       const Memory before = context.memory();
       const std::string piece(64 * 1024, 'z');
       for (int i = 0; i < 256; ++i)
         if (!members[0].try_to_send(piece)) break;
       members[0].expect_out();
       say(members, 1, "after", {2});
       context.expect_growth_below(1024, &Memory::resident_kib, before);
     })},

    {.name{"K11", "a line of exactly 1024 bytes is heard, one more is not"},
     .hint{"does the line feed count?", lesson::reading},
     .scene{"One member said a line of 1024 bytes, line feed included; another one of 1025.",
            "the first line is heard; the second's speaker is out."},
     .run = Body([](Context& context) {
       Members members = room_of(context, 3);
       say(members, 0, std::string(1023, 'a'), {2, 1});
       members[1].send(std::string(1024, 'b') + "\n");
       members[1].expect_out();
       say(members, 0, "after", {2});
     })},

    {.name{"K12", "those who leave in every way leave nothing behind"},
     .needs = need_proc | need_sockets,
     .hint{"what does recv() say of a socket that has been closed or reset, and who calls it?",
           lesson::leaving},
     .scene{"Sixty members came, said half a line, and left while others talked: a third of them "
            "with a reset, a third when they had heard everything, the last one too.",
            "no descriptor is left, the others hear each other, the room sleeps."},
     .run = Body([](Context& context) {
       Members members = room_of(context, 2);
       introduce(members);
       const std::size_t before = context.descriptors();
       for (int i = 0; i < 60; ++i) {
         Member guest(context);
         guest.try_to_send("half");
         if (i % 3 == 2) guest.wait_until_heard();  // so that it is in the room
         say(members, 0, "x", {1});
         // Who closes with something unheard resets, too: only these come to a quiet end.
         if (i % 3 == 2) guest.expect_line("x");
         if (i % 3 == 0) guest.reset();
       }
       context.expect_back_to({before});
       introduce(members);
       context.expect_asleep("with two silent members");
     })},

    {.name{"K13", "a silent room sleeps, also when somebody does not listen"},
     .needs = need_proc,
     .hint{"for whom do you wait until there is room to write?", lesson::writing},
     .scene{"With small buffers, 40 members were silent, and for one some lines wait that it does "
            "not read.",
            "the room sleeps."},
     .run = Body([](Context& context) {
       Members members = small_room_of(context, 40);
       std::thread listeners([&members] {
         for (std::size_t i = 2; i < members.size(); ++i)
           for (int line = 0; line < 30; ++line)
             if (!members[i].read_line()) return;
       });
       const std::string line = std::string(1000, 'w') + "\n";
       for (int i = 0; i < 30; ++i) members[0].try_to_send(line);
       listeners.join();
       context.expect_asleep("with 40 silent members");
     })},

    {.name{"K14", "a signal is no reason to stop talking"},
     .hint{"what does a call that waits return when a signal comes, and what has it filled in?",
           lesson::signals},
     .scene{"Between twenty lines, twenty SIGUSR1 came.", "every line is heard."},
     .run = Body([](Context& context) {
       Members members = room_of(context, 2);
       for (int i = 0; i < 20; ++i) {
         context.server().signal(SIGUSR1);
         context.wait_until_quiet();
         say(members, 0, std::to_string(i), {1});
       }
     })},

    {.name{"K15", "who takes nothing for -t seconds is let go, who has nothing to take is not"},
     .needs = need_sockets,
     .hint{"since when has nothing moved for this member?", lesson::time_limits},
     .scene{"With -t 0.5 and small buffers, 30 lines were said to one member who does not read and "
            "one who does; then everybody was silent.",
            "the first is let go, the others stay."},
     .run = Body([](Context& context) {
       Members members = small_room_of(context, 3, {"-t", "0.5"});
       talk(members[1], members[2], 30);
       context.eventually([&] { return members[0].is_closed_by_server(); },
                          [] { return "who does not read is still in the room"; });
       say(members, 1, "still here", {2});
     })},

    {.name{"K16", "one thread serves the room"},
     .needs = need_proc,
     .hint{"what does one call that waits for all give you that a thread for each would, too?",
           lesson::being_told},
     .scene{"Ten members talked.", "there is one thread."},
     .run = Body([](Context& context) {
       Members members = room_of(context, 10);
       introduce(members);
       context.expect(context.threads() == 1,
                      "there are " + std::to_string(context.threads()) + " threads");
     })},

    {.name{"K17", "what has been said before SIGTERM is still heard"},
     .needs = need_sockets,
     .hint{"who sends what waits for a member when the room closes?", lesson::stopping},
     .scene{"With small buffers, 40 lines of 1000 bytes were said; then came SIGTERM, and only "
            "then the two others began to read.",
            "each hears all 40 and then the end; the room ends with status 0."},
     .run = Body([](Context& context) {
       Members members = small_room_of(context, 3);
       for (int i = 0; i < 40; ++i) members[0].send(long_line(i) + "\n");
       members[0].wait_until_heard();
       context.wait_until_quiet();
       context.server().signal(SIGTERM);
       for (std::size_t listener : {1U, 2U})
         for (int i = 0; i < 40; ++i) members[listener].expect_line(long_line(i));
       for (std::size_t listener : {1U, 2U}) members[listener].expect_out();
       context.expect_exit_status_0();
     })},

    {.name{"K18", "while one does not listen, others come, talk and go"},
     .hint{"what is locked, or held up, while send() waits for a slow member?", lesson::writing},
     .scene{"With small buffers, 25 lines of 1000 bytes waited for a member who did not read. Five "
            "guests came one after the other, said a line, heard one, and left.",
            "guests and members hear each other at once; who did not read hears everything when it "
            "does."},
     .run = Body([](Context& context) {
       Members members = small_room_of(context, 3);
       talk(members[1], members[2], 25);
       for (int i = 0; i < 5; ++i) {
         Member guest(context, small);
         context.wait_until_quiet();
         guest.send("guest\n");
         members[1].expect_line("guest");
         members[2].expect_line("guest");
         members[1].send("welcome\n");
         guest.expect_line("welcome");
         members[2].expect_line("welcome");
       }
       for (int i = 0; i < 25; ++i) members[0].expect_line(long_line(i));
       for (int i = 0; i < 5; ++i) {
         members[0].expect_line("guest");
         members[0].expect_line("welcome");
       }
     })},

    {.name{"K19", "who leaves while lines wait for it leaves nothing behind"},
     .needs = need_proc,
     .hint{"who learns that the member has left, and who gives back what was kept for it?",
           lesson::leaving},
     .scene{"With small buffers, twelve guests did not read while 25 lines of 1000 bytes were "
            "said; then they left, half of them with a reset.",
            "no thread and no descriptor is left, the others hear each other, the room sleeps."},
     .run = Body([](Context& context) {
       Members members = small_room_of(context, 2);
       introduce(members);
       context.wait_until_quiet();
       const Holdings before = context.holdings();
       {
         Members guests;
         for (int i = 0; i < 12; ++i) guests.emplace_back(context, small);
         context.wait_until_quiet();
         talk(members[0], members[1], 25);
         for (std::size_t i = 0; i < guests.size(); i += 2) guests[i].reset();
       }
       context.expect_back_to(before);
       introduce(members);
       context.expect_asleep("with two silent members");
     })},

    {.name{"K20", "SIGTERM while somebody does not listen: the room closes all the same"},
     .hint{"who waits for whom when the room closes, and for how long?", lesson::stopping},
     .scene{"With -t 0.4 and small buffers, 25 lines of 1000 bytes waited for a member who did not "
            "read; then came SIGTERM.",
            "the room ends with status 0, the latest when that member has taken nothing for -t "
            "seconds."},
     .run = Body([](Context& context) {
       Members members = small_room_of(context, 3, {"-t", "0.4"});
       talk(members[1], members[2], 25);
       context.expect_clean_stop();
     })},

    {.name{"K21", "six speak and listen at the same time"},
     .hint{"what may two who speak at the same moment change at the same moment?", lesson::threads},
     .scene{"While the room was stopped, six members said 100 lines each.",
            "each hears 500 whole lines, each speaker's in order."},
     .run = Body([](Context& context) {
       Members members = room_of(context, 6);
       introduce(members);
       context.server().stop_running();
       std::vector<Talk> talks;
       for (int speaker = 0; speaker < 6; ++speaker) talks.push_back(talk_of(speaker, 100));
       for (std::size_t speaker = 0; speaker < 6; ++speaker) give(members[speaker], talks[speaker]);
       context.server().run_on();
       for (std::size_t listener = 0; listener < 6; ++listener) {
         std::vector<Talk> heard = talks;
         heard[listener].clear();
         expect_talks(members[listener], heard);
       }
     })},

    {.name{"K22", "of a thread that has ended nothing is left"},
     .needs = need_proc | need_plain_build,
     .hint{"what keeps the stack of a thread that has ended, and who gives it back?",
           lesson::threads},
     .scene{"150 guests came one after the other and left.",
            "as many threads as before, and their stacks have been given back."},
     .run = Body([](Context& context) {
       // glibc gives threads heaps of their own, and would keep those.
       Members members = room_of(context, 2, {.environment = {"MALLOC_ARENA_MAX=1"}});
       const Holdings nobody_else = context.holdings();
       // One at a time: malloc has an arena of 64 MiB of address space for every thread that
       // lives at the same moment.
       const auto welcome_guests = [&](int count) {
         for (int i = 0; i < count; ++i) {
           {
             Member guest(context);
             guest.send("x\n");
             members[1].expect_line("x");
           }
           context.expect_back_to(nobody_else);
         }
       };
       welcome_guests(30);
       const Memory before = context.memory();
       welcome_guests(120);
       context.expect_growth_below(200 * 1024, &Memory::virtual_kib, before);
     })},

    {.name{"K23", "no descriptors left: who is in talks on, others come later"},
     .needs = need_proc | need_sockets,
     .hint{"what does accept() say when the process has no descriptor left, and what is left in "
           "the backlog?",
           lesson::descriptors},
     .scene{"With a limit of 40 descriptors, two members were in the room and 60 more came; then "
            "those left, and one more came.",
            "the two hear each other all the time, the room sleeps meanwhile, the last is heard."},
     .run = Body([](Context& context) {
       Members members = room_of(context, 2, {.descriptor_limit = 40});
       introduce(members);
       const std::size_t before = context.descriptors();
       {
         Members crowd;
         for (int i = 0; i < 60; ++i) crowd.emplace_back(context);
         introduce(members);
         context.expect_no_spinning("with no descriptor left");
         introduce(members);
       }
       // Whoever has been taken out of the backlog and found no place may be turned away.
       context.eventually(
           [&] {
             const auto backlog = backlog_of(context.server().port());
             return context.descriptors() <= before && (!backlog || backlog->waiting == 0);
           },
           [&] {
             return "all 60 have left, and it has " + std::to_string(context.descriptors()) +
                    " descriptors instead of " + std::to_string(before);
           });
       Member last(context);
       last.send("last\n");
       members[0].expect_line("last");
       members[1].expect_line("last");
     })},

    {.name{"K24", "a thousand are in the room, and all hear"},
     .needs = need_proc,
     .hint{"what in your program has a size that you chose?", lesson::being_told},
     .scene{"A thousand members entered, and one said three lines.",
            "each of the others hears all three."},
     .run = Body([](Context& context) {
       expect_descriptors_for(1000);
       Members members = room_of(context, 1000);
       members[0].send("one\ntwo\nthree\n");
       for (std::size_t i = 1; i < members.size(); ++i)
         for (const char* line : {"one", "two", "three"}) members[i].expect_line(line);
     })},

    {.name{"K25", "who is silent costs nothing"},
     .needs = need_proc | need_sockets | need_peace,
     .hint{"what does your loop do for each member on each wake-up?", lesson::being_told},
     .scene{"One member sent a line byte by byte. I measured the CPU time of a wake-up with 10 "
            "silent members, and with 900.",
            "the same, as near as can be measured: nobody hears anything before the line ends."},
     .run = Body([](Context& context) {
       expect_descriptors_for(900);
       const auto microseconds = [](double cost) {
         return std::to_string(static_cast<int>(cost / 1000)) + " microseconds";
       };
       // Others may use the machine more in one half than in the other: a cost that is the
       // room's own is there each time.
       constexpr int most_tries = 4;
       std::string seen;
       for (int i = 0; i < most_tries; ++i) {
         Members members = room_of(context, 11);
         const double with_few = cost_of_a_byte(context, members[0], members[1]);
         while (members.size() < 901) members.emplace_back(context);
         context.wait_until_quiet();
         const double with_many = cost_of_a_byte(context, members[0], members[1]);
         if (with_many < 2 * with_few + 10'000) return;
         seen = "a wake-up cost " + microseconds(with_few) + " with 10 silent members and " +
                microseconds(with_many) + " with 900";
       }
       context.fail(seen);
     })},

    {.name{"K26", "of a hundred, those who do not listen are let go, and nobody else"},
     .hint{"for whom exactly do more than 64 KiB wait?", lesson::writing},
     .scene{
         "With small buffers, 100 members were in the room and ten of them did not read. One said "
         "100 lines of 1000 bytes, and went on after each twenty when all who read had heard them.",
         "the ten are let go; the others hear everything, and each other afterwards."},
     .run = Body([](Context& context) {
       Members members = small_room_of(context, 100);
       const auto is_deaf = [](std::size_t i) { return i % 10 == 5; };
       for (int begin = 0; begin < 100; begin += 20) {
         std::string lines;
         for (int i = begin; i < begin + 20; ++i) lines += long_line(i) + "\n";
         members[0].send(lines);
         for (std::size_t listener = 1; listener < members.size(); ++listener)
           for (int i = begin; i < begin + 20 && !is_deaf(listener); ++i)
             members[listener].expect_line(long_line(i));
       }
       for (std::size_t i = 0; i < members.size(); ++i)
         if (is_deaf(i)) members[i].expect_out();
       members[1].send("after\n");
       for (std::size_t i = 0; i < members.size(); ++i)
         if (i != 1 && !is_deaf(i)) members[i].expect_line("after");
     })},

    {.name{"K27", "a hundred who come at the same moment are all heard"},
     .hint{"how many clients may wait when the listener is reported once?", lesson::accepting},
     .scene{"While the room was stopped, a hundred came, and each said its name.",
            "who was there before hears a hundred names."},
     .run = Body([](Context& context) {
       Members members = room_of(context, 2);
       introduce(members);
       context.server().stop_running();
       std::vector<Talk> names;
       for (int i = 0; i < 100; ++i) {
         members.emplace_back(context);
         names.push_back({"I am " + std::to_string(i)});
         give(members.back(), names.back());
       }
       context.server().run_on();
       expect_talks(members[0], names);
     })},

    {.name{"K28", "who leaves in the wake-up in which others come and speak takes nobody along"},
     .hint{"an event of this wake-up is about a member that another event has removed: who looks?",
           lesson::being_told},
     .scene{"Ten times I stopped the room; meanwhile one member spoke, ten others reset their "
            "connections, five of them after a line, and five new ones came and spoke.",
            "those who stay hear the one member and the five, each time."},
     .run = Body([](Context& context) {
       Members members = room_of(context, 3);
       introduce(members);
       for (int round = 0; round < 10; ++round) {
         Members leaving;
         for (int i = 0; i < 10; ++i) leaving.emplace_back(context);
         context.wait_until_quiet();
         context.server().stop_running();
         members[0].send("here\n");  // the first event, and it finds out who has left
         for (std::size_t i = 0; i < leaving.size(); i += 2) leaving[i].send("lost, or not\n");
         for (Member& member : leaving) member.reset();
         Members coming;
         for (int i = 0; i < 5; ++i) {
           coming.emplace_back(context).send("new " + std::to_string(i) + "\n");
         }
         context.server().run_on();
         const std::vector<Talk> wanted{{"here"},  {"new 0"}, {"new 1"},
                                        {"new 2"}, {"new 3"}, {"new 4"}};
         expect_talks(members[1], wanted, "lost, or not");
         expect_talks(members[2], wanted, "lost, or not");
       }
     })},

    {.name{"K29", "who takes something all the time keeps its place"},
     .hint{"-t runs while lines wait and nothing is taken: what begins it anew?",
           lesson::time_limits},
     .scene{"With -t 1 and small buffers, 40 lines of 1000 bytes were said to one who then took "
            "one every 80 ms: there was always something that waited for it.",
            "it hears all of them, in three times that second."},
     .run = Body([](Context& context) {
       Members members = small_room_of(context, 3, {"-t", "1"});
       talk(members[1], members[2], 40);
       Pace pace(milliseconds(400));
       for (int i = 0; i < 40; ++i) {
         members[0].expect_line(long_line(i));
         pace.step(milliseconds(80));
       }
     })},

    {.name{"K30", "what is said after SIGTERM is not heard"},
     .needs = need_proc,
     .hint{"the room still sends what waits: does it still read, too?", lesson::stopping},
     .scene{"With small buffers, 25 lines of 1000 bytes waited for two members who did not read; "
            "then came SIGTERM; then one of them and one of the others said a line each; then the "
            "first of the two read, then the other.",
            "the first hears the 25 lines, and then the end."},
     .run = Body([](Context& context) {
       Members members = small_room_of(context, 4);
       talk(members[2], members[3], 25);
       context.server().signal(SIGTERM);
       context.wait_until_quiet();
       (void)members[1].try_to_send("too late\n");
       (void)members[2].try_to_send("too late\n");
       context.wait_until_quiet();
       for (int i = 0; i < 25; ++i) members[0].expect_line(long_line(i));
       members[1].expect_out();  // one who waits for another is no fault; nor what it misses
       if (const auto line = members[0].read_line())
         context.fail("it hears '" + readable(*line) + "' as well");
       members[0].expect_out();
     })},

    {.name{"Z04", "the contract: no bad client ends the room, spoils it, or makes it grow"},
     .needs = need_proc,
     .hint{"what does such a member do to the calls that you make for it: recv, send, accept?",
           lesson::attacks},
     .scene{"With -t 3, all bad clients of `make attack` came, kind by kind; when they had gone, "
            "two new members talked.",
            "they hear each other, nothing is left of the others, and the room sleeps."},
     .run = Body([](Context& context) {
       context.start_with({"-t", "3"});
       context.wait_until_quiet();
       const Possessions before = possessions_of(context);
       for (const Attack& attack : attacks()) {
         const bool is_crowd = std::string_view(attack.name) == "crowd";
         if (attack.few_descriptors) continue;                         // K23
         if (is_crowd && context.is(thread_per_connection)) continue;  // 3000 threads: hardly
         const auto end = std::chrono::steady_clock::now() + milliseconds(120);
         (void)attacker(attack, {context.server().port(), end}).wait();
         context.wait_until_quiet();
         context.note(std::string("attack: ") + attack.what);
       }
       if (!context.sanitizers().any()) {  // they keep what has been freed
         const Standing standing = aftermath(context, before);
         context.expect(std::string_view(standing.word) == "ok",
                        std::string(standing.word) + ": " + standing.story);
       }
       Members members;
       for (int i = 0; i < 2; ++i) members.emplace_back(context);
       context.wait_until_quiet();
       introduce(members);
     })},
};
