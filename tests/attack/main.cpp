// attack — throws the classic bad clients at a server, while a good client asks whether it is still
// served.
//
// Usage: build/attack -h says it.
//
// Prints a column for each server: what became of it under each attack, and how many it stood. The
// sketches have a table of their own; of them nobody asks whether anything was left behind.
//   ok       a good client was served all the time, and nothing was left behind
//   stalled  a good client had to wait for more than half the attack
//   died     the server has ended
//   spins    it uses CPU time although nobody asks for anything any more
//   leaked   descriptors, threads or memory did not come back
// Exits with 0 if all is ok, else with 1.
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "common/program.hpp"
#include "tests/attack/attacks.hpp"
#include "tests/kit/check.hpp"
#include "tests/kit/client.hpp"
#include "tests/kit/command_line.hpp"
#include "tests/kit/containment.hpp"
#include "tests/kit/interruption.hpp"
#include "tests/measure/text_table.hpp"

using namespace two_ways;

namespace {

namespace files = std::filesystem;
using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

struct Settings {
  std::chrono::duration<double> length{1.0};
  std::string only;
  std::uint16_t port = 0;
  bool contained = false;
  std::vector<std::string> programs;
};

// How long a good client waits for one small answer.
milliseconds ask(const Context& context, Client& client) {
  const auto begin = Clock::now();
  client.get("/echo/good");
  if (context.is(sketch))
    client.expect_response(200);
  else
    client.expect_response(200, "good");
  return std::chrono::duration_cast<milliseconds>(Clock::now() - begin);
}

// Asks over an old connection and, if told to, over a new one each time, until the time is up.
// Returns the longest wait.
milliseconds ask_again_and_again(Context& context, Client& old, bool with_new, std::uint16_t port,
                                 Clock::time_point until) {
  milliseconds longest{0};
  while (Clock::now() < until) {
    longest = std::max(longest, ask(context, old));
    if (with_new) {
      const auto begin = Clock::now();
      Client fresh(context, {.port = port});
      ask(context, fresh);
      longest = std::max(longest, std::chrono::duration_cast<milliseconds>(Clock::now() - begin));
    }
    std::this_thread::sleep_for(milliseconds(5));
  }
  return longest;
}

// A good client is served again, at the latest when the server's own time limits have passed.
bool recovers(Context& context, std::uint16_t port) {
  for (const auto deadline = Clock::now() + std::chrono::seconds(8); Clock::now() < deadline;) {
    try {
      Client client(context, {.port = port});
      ask(context, client);
      return true;
    } catch (const Failed&) {
      std::this_thread::sleep_for(milliseconds(20));
    }
  }
  return false;
}

Standing stand(const Attack& attack, const Settings& settings, Context& context, bool ours) {
  const std::uint16_t port = ours ? context.server().port() : settings.port;
  const bool gives_back = ours && !context.is(sketch);
  Possessions before;
  if (gives_back) {
    context.settle();
    before = possessions_of(context);
  }
  Standing standing;
  try {
    std::optional<Client> old;
    old.emplace(context, ClientOptions{.port = port});
    ask(context, *old);
    // A server that serves one client at a time would otherwise be busy with the good one.
    if (context.is(one_at_a_time)) old->close();
    const auto until = Clock::now() + std::chrono::duration_cast<Clock::duration>(settings.length);
    const Forked attacking = attacker(attack, {port, until});
    std::this_thread::sleep_for(milliseconds(50));
    if (context.is(one_at_a_time)) old.emplace(context, ClientOptions{.port = port});
    const milliseconds longest = ask_again_and_again(
        context, *old, !attack.few_descriptors && !context.is(one_at_a_time), port, until);
    if (2 * longest > settings.length)
      standing = {"stalled", "a good client waited " + std::to_string(longest.count()) + " ms"};
  } catch (const Failed& failed) {
    standing = {"stalled", failed.story.substr(failed.story.rfind("Instead: ") + 9)};
  }
  const bool rests = !context.is(sketch) || context.wait_until_quiet();
  if (ours)
    if (const auto status = context.server().status_if_ended())
      return {"died", "it " + describe_status(*status) + ". " +
                          readable(context.server().error_output(), 300)};
  if (!rests) return {"spins", context.describe_server()};
  if (!recovers(context, port)) return {"stalled", "and never served anybody again"};
  if (!gives_back || std::string_view(standing.word) != "ok") return standing;
  return aftermath(context, before);
}

void start(Context& context, std::size_t descriptor_limit) {
  Launch launch;
  if (!context.is(sketch)) launch.arguments = {"-t", "3"};
  launch.hand_down_listener = false;
  launch.descriptor_limit = descriptor_limit;
  context.start(launch);
}

// Does a second client wait while a first one is silent? Fails if even the first one is not served.
bool parks_on_one_client(const Tested& tested) {
  Context context(tested);
  context.scene("I started it with a port as its only argument, and asked for /.",
                "it says that it listens, and answers.");
  context.set_timeout(Timeout(2));
  start(context, 0);
  Client first(context);
  ask(context, first);
  try {
    Client second(context);
    ask(context, second);
    return false;
  } catch (const Failed&) {
    return true;
  }
}

// What is not ours is a sketch.
Tested tested_program(const std::string& path, bool is_ours) {
  const std::string name = path.substr(path.rfind('/') + 1);
  for (const Program& program : programs())
    if (is_ours && program.name == name) return {name, path, program.model};
  Tested tested{name, path, is_ours && !name.starts_with("sketch_") ? 0 : sketch};
  if (tested.model == sketch && parks_on_one_client(tested)) tested.model |= one_at_a_time;
  return tested;
}

Standing run_attack(const Attack& attack, const Settings& settings, const Tested& tested) {
  Context context(tested);
  context.set_timeout(Timeout(4));
  context.scene(std::string("Attack: ") + attack.what, "a good client is served all the time.");
  const bool ours = settings.port == 0;
  try {
    if (ours) start(context, attack.few_descriptors ? 64 : 0);
    return stand(attack, settings, context, ours);
  } catch (const Failed& failed) {
    return {"stalled", failed.story};
  } catch (const std::exception& trouble) {
    return {"?", trouble.what()};
  }
}

// The scoreboard has a column for each server, and a line for each attack that grows while it
// lasts.
struct Column {
  Tested tested;
  Title title{in_two_lines(tested.name)};
  int stood = 0;

  void print(const std::string& cell) const {
    const std::size_t width =
        std::max({title.upper.size(), title.lower.size(), sizeof "stalled" - 1});
    std::printf("  %-*s", static_cast<int>(width), cell.c_str());
    std::fflush(stdout);
  }
};

void begin_line(const char* title) {
  std::printf("%-11s", title);
}

void print_heading(const std::vector<Column>& columns) {
  for (const auto part : {&Title::upper, &Title::lower}) {
    begin_line("");
    for (const Column& column : columns) column.print(column.title.*part);
    std::printf("\n");
  }
}

// The stories of what went wrong are printed after the table.
void throw_at_all(const Attack& attack, const Settings& settings, std::vector<Column>& columns,
                  std::vector<std::string>& stories) {
  begin_line(attack.name);
  for (Column& column : columns) {
    const Standing standing = run_attack(attack, settings, column.tested);
    column.stood += std::string_view(standing.word) == "ok";
    if (!standing.story.empty())
      stories.push_back(column.tested.name + ", " + attack.name + ": " + standing.word + ": " +
                        standing.story);
    column.print(standing.word);
  }
  std::printf("\n");
}

constexpr const char* usage =
    "usage: attack [-t SECONDS] [-o NAME] SERVER...\n"
    "       attack [-t SECONDS] [-o NAME] --port N\n"
    "Bad clients for programs of this project, or for any server on 127.0.0.1:N.\n"
    "  -t SECONDS  how long each attack lasts (1)\n"
    "  -o NAME     only this attack\n"
    "  --contained what is attacked is somebody's sketch, which takes its port as its\n"
    "              only argument: it runs without privileges, in a folder of its own\n"
    "Attacks:\n";

std::string whole_usage() {
  std::string all = usage;
  for (const Attack& attack : attacks()) {
    std::string name = attack.name;
    name.resize(std::max<std::size_t>(name.size(), 11), ' ');
    all += "  " + name + " " + attack.what + "\n";
  }
  return all;
}

Settings read_settings(int argc, char** argv) {
  Settings settings;
  settings.programs = read_command_line(
      argc, argv, whole_usage(),
      {number("-t", 0.01, 600, [&](double seconds) { settings.length = Timeout(seconds); }),
       text("-o", settings.only), flag("--contained", settings.contained),
       number("--port", settings.port, 1, 65535)});
  if (settings.programs.empty() == (settings.port == 0))
    refuse_usage("name programs, or one --port");
  const auto all = attacks();
  if (!settings.only.empty() && std::none_of(all.begin(), all.end(), [&](const Attack& attack) {
        return settings.only == attack.name;
      }))
    refuse_usage("there is no attack " + settings.only);
  return settings;
}

// Prints one table. Did all in it stand everything?
bool attack_all(std::vector<Column> columns, const Settings& settings) {
  if (columns.empty()) return true;
  print_heading(columns);
  int thrown = 0;
  std::vector<std::string> stories;
  for (const Attack& attack : attacks()) {
    if (!settings.only.empty() && settings.only != attack.name) continue;
    ++thrown;
    throw_at_all(attack, settings, columns, stories);
  }
  begin_line("stood");
  bool all_stood = true;
  for (const Column& column : columns) {
    column.print(std::to_string(column.stood) + " of " + std::to_string(thrown));
    all_stood = all_stood && column.stood == thrown;
  }
  std::printf("\n");
  for (const std::string& story : stories) std::printf("%s\n", story.c_str());
  return all_stood;
}

int attack_programs(const Settings& settings) try {
  std::vector<Column> of_servers;
  std::vector<Column> of_sketches;
  for (const std::string& path : settings.programs) {
    const Tested tested = tested_program(path, !settings.contained);
    ((tested.model & sketch) != 0 ? of_sketches : of_servers).push_back({tested});
  }
  if (settings.programs.empty())
    of_servers.push_back({Tested{"port " + std::to_string(settings.port), "", 0}});
  const bool both = !of_servers.empty() && !of_sketches.empty();
  bool all_stood = attack_all(std::move(of_servers), settings);
  if (both) std::printf("\n");
  all_stood = attack_all(std::move(of_sketches), settings) && all_stood;
  return all_stood || settings.programs.size() > 1 ? 0 : 1;  // of several, some must stall
} catch (const Failed& failed) {
  std::printf("%s\n", failed.story.c_str());
  return 1;
}

// For the rest of this process' life.
void contain(const Room& room, std::vector<std::string>& programs) {
  Containment containment;
  containment.is_wanted = true;
  containment.hidden = {files::absolute(".git")};
  containment.unchanged = {files::current_path()};
  for (std::string& program : programs) {
    program = files::absolute(program);
    containment.unchanged.push_back(files::path(program).parent_path());
  }
  const bool has_own_network = enter_empty_network();  // first: it may bring what the rest needs
  try_out(containment, temporary_folder());
  std::printf("Contained: %s.\n", what_holds(containment, has_own_network, ".git").c_str());
  contain_this_process(containment, room.path());
}

// Whoever attacks a program of somebody else's may be killed by it, and cannot leave its room.
int attack_from_a_room(Settings settings) {
  note_interruptions();
  const Room room(temporary_folder());
  Forked attacking([&] {
    forget_interruptions();
    contain(room, settings.programs);
    const int status = attack_programs(settings);
    std::fflush(stdout);
    return status;
  });
  std::optional<int> status;
  while (!(status = attacking.status_if_ended())) {
    throw_if_interrupted();
    std::this_thread::sleep_for(milliseconds(20));
  }
  if (WIFEXITED(*status)) return WEXITSTATUS(*status);
  std::fprintf(stderr, "attack: whoever attacked was killed, perhaps by the program\n");
  return 1;
}

}  // namespace

int main(int argc, char** argv) try {
  std::signal(SIGPIPE, SIG_IGN);
  raise_descriptor_limit();
  const Settings settings = read_settings(argc, argv);
  for (const std::string& path : settings.programs)
    if (access(path.c_str(), X_OK) != 0) refuse_usage("there is no program " + path);
  return settings.contained ? attack_from_a_room(settings) : attack_programs(settings);
} catch (const AskedToStop& interruption) {
  end_by(interruption);
}
