#include "tests/measure/bench/peer_programs.hpp"

#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>

#include "common/error.hpp"
#include "common/socket.hpp"

namespace {

// Both print our servers' ready line, so that they can be started in the same way.
constexpr const char* node_script = R"(
const text = 'Hello. This server is waiting for you.\n';
const server = require('http').createServer((request, response) => {
  response.writeHead(200, {'Content-Type': 'text/plain', 'Content-Length': text.length});
  response.end(text);
});
server.keepAliveTimeout = 600000;
server.listen({port: 0, host: '127.0.0.1', backlog: 4096}, () =>
  console.log('listening on http://127.0.0.1:' + server.address().port + '/'));
process.on('SIGTERM', () => process.exit(0));
)";

constexpr const char* python_script = R"(
import http.server
text = b'Hello. This server is waiting for you.\n'
head = (b'HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n' % len(text))
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    disable_nagle_algorithm = True
    def do_GET(self):
        self.wfile.write(head + text)
    def log_message(self, *arguments):
        pass
class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 4096
server = Server(('127.0.0.1', 0), Handler)
print('listening on http://127.0.0.1:%d/' % server.server_port, flush=True)
server.serve_forever()
)";

Contender start_script(const std::string& name, const ChildProcess::Arguments& command) {
  ChildProcess process(command);
  const std::uint16_t port = process.wait_until_ready(std::chrono::seconds(10));
  return {name, std::move(process), port};
}

// HAProxy as a server: it can answer by itself.
Contender start_haproxy_greeting() {
  const std::uint16_t port = free_port();
  std::string name = (std::filesystem::temp_directory_path() / "measure.XXXXXX").string();
  const Descriptor file(mkstemp(name.data()));
  if (!file) throw StartFailed(describe_failure("mkstemp", errno));
  std::ofstream(name) << "global\n  nbthread 1\n  maxconn 4000\n"
                         "defaults\n  mode http\n  timeout client 600s\n"
                         "  timeout http-keep-alive 600s\n  timeout connect 5s\n"
                         "  timeout server 600s\n"
                         "frontend greeting\n  bind 127.0.0.1:"
                      << port
                      << "\n  http-request return status 200 content-type text/plain "
                         "string \"Hello. This server is waiting for you.\\n\"\n";
  try {
    Contender started = start_haproxy(name, port);
    unlink(name.c_str());
    return started;
  } catch (const StartFailed&) {
    unlink(name.c_str());
    throw;
  }
}

}  // namespace

Contender start_haproxy(const std::string& configuration, std::uint16_t port,
                        const ChildProcess::Arguments& environment) {
  ChildProcess process({"haproxy", "-q", "-db", "-f", configuration}, -1, environment);
  for (int i = 0; i < 100 && !process.has_ended(); ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    if (answers(port)) return {"haproxy", std::move(process), port};
  }
  throw StartFailed("haproxy did not start: " + process.last_words());
}

const std::vector<PeerProgram>& peer_programs() {
  static const std::vector<PeerProgram> all = {
      {"nginx", "nginx", "nginx-light", start_nginx},
      {"haproxy", "haproxy", "haproxy", start_haproxy_greeting},
      {"node", "node", "nodejs",
       [] {
         return start_script("node", {"node", "-e", node_script});
       }},
      {"python3 (threads)", "python3", "python3",
       [] {
         return start_script("python3 (threads)", {"python3", "-c", python_script});
       }},
  };
  return all;
}
