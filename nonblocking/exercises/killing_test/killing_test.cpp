// Your file. It says that a server is right; ten servers that are wrong pass it, too. Write cases
// until each of the ten fails one, and every right server passes all. Try:
//   make grade EX=killing_test
//   build/exercises/killing_test --server=build/wrong/3
#include "nonblocking/exercises/killing_test/harness.hpp"

using namespace two_ways;

TEST_CASE("it answers") {
  const Server server;
  Client client(server);
  client.get("/");
  CHECK(client.read_response().status == 200);
}
