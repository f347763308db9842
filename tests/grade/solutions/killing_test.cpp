// Ten cases, one for each wrong server. Each says one promise of lesson 9 and forces the path that
// a wrong server leaves.
#include "nonblocking/exercises/killing_test/harness.hpp"

using std::chrono::milliseconds;

namespace {

std::string get_request(const std::string& path) {
  return "GET " + path + " HTTP/1.1\r\nHost: x\r\n\r\n";
}

// Enough to fill every buffer between the two programs.
constexpr std::size_t long_size = 20'000'000;

// Most cases need a server of their own, and one client.
struct Pair {
  Server server;
  Client client{server};
};

}  // namespace

TEST_CASE_FIXTURE(Pair, "a long response comes whole, though it fits no buffer") {
  client.get("/bytes/" + std::to_string(long_size));
  client.something_comes_within(milliseconds(3000));
  const Response response = client.read_response();
  CHECK(response.status == 200);
  CHECK(response.body.size() == long_size);
  client.get("/echo/after");
  CHECK(client.read_response().body == "after");
}

TEST_CASE_FIXTURE(Pair, "a request may come in two pieces, cut anywhere") {
  const std::string request = get_request("/echo/pieces");
  for (std::size_t cut = 1; cut < request.size(); ++cut) {
    client.send(request.substr(0, cut));
    // So that the server reads them apart. Were it late, the case would pass, not fail.
    REQUIRE_FALSE(client.something_comes_within(milliseconds(5)));
    client.send(request.substr(cut));
    REQUIRE(client.read_response().body == "pieces");
  }
}

TEST_CASE_FIXTURE(Pair, "many requests may come in one piece") {
  std::string all;
  for (int i = 0; i < 20; ++i) all += get_request("/echo/" + std::to_string(i));
  client.send(all);
  for (int i = 0; i < 20; ++i) REQUIRE(client.read_response().body == std::to_string(i));
}

TEST_CASE_FIXTURE(Pair, "HEAD has no body") {
  client.send("HEAD /echo/word HTTP/1.1\r\nHost: x\r\n\r\n" + get_request("/echo/behind"));
  CHECK(client.read_head().status == 200);
  const Response behind = client.read_response();
  CHECK(behind.status == 200);
  CHECK(behind.body == "behind");
}

TEST_CASE_FIXTURE(Pair, "close may stand among other words") {
  client.send("GET /echo/last HTTP/1.1\r\nHost: x\r\nConnection: te, close\r\n\r\n");
  CHECK(client.read_response().body == "last");
  CHECK(client.is_closed());
}

TEST_CASE_FIXTURE(Pair, "who has closed the sending side still gets the response") {
  client.get("/bytes/" + std::to_string(long_size));
  client.half_close();
  CHECK(client.read_response().body.size() == long_size);
  CHECK(client.is_closed());
}

TEST_CASE("a byte now and then buys no time") {
  const Server server({"-t", "0.5"});
  Client client(server);
  client.send("GET / HTTP/1.1\r\nHost: x\r\nX: ");
  bool is_told = false;
  for (int i = 0; i < 60 && !is_told; ++i) {
    client.send("x");
    is_told = client.something_comes_within(milliseconds(50));
  }
  CHECK(is_told);
}

TEST_CASE_FIXTURE(Pair, "a body is never taken for a request") {
  const std::string body = get_request("/echo/smuggled");
  client.send("GET /echo/x HTTP/1.1\r\nHost: x\r\nContent-Length: " + std::to_string(body.size()) +
              "\r\n\r\n" + body);
  CHECK(client.read_response().body != "smuggled");
  CHECK(client.read_response().body != "smuggled");
}

TEST_CASE("half a request holds up nobody else") {
  const Server server;
  Client half(server);
  half.send("GET /echo/ha");
  REQUIRE_FALSE(half.something_comes_within(milliseconds(50)));
  Client whole(server);
  whole.get("/echo/whole");
  CHECK(whole.read_response().body == "whole");
  half.send("lf HTTP/1.1\r\nHost: x\r\n\r\n");
  CHECK(half.read_response().body == "half");
}

TEST_CASE_FIXTURE(Pair, "a stop cuts no response") {
  client.get("/bytes/" + std::to_string(long_size));
  REQUIRE(client.something_comes_within(milliseconds(3000)));
  server.ask_to_stop();
  CHECK(client.read_response().body.size() == long_size);
  CHECK(server.exit_status() == 0);
}
