// What the planted bugs do that no server of ours was ever asked about.
#include <chrono>
#include <vector>

#include "tests/behaviour/lessons.hpp"
#include "tests/grade/grade_checks.hpp"
#include "tests/kit/client.hpp"

const std::vector<Check> bug_checks = {
    {.name{"X01", "when one of five clients leaves, the others keep their own"},
     .hint{"which entries move when one is taken out, and does everything move with them?",
           lesson::asking},
     .scene{"Five clients connected and were answered. The second left. Then client 1 sent half a "
            "request, client 3 a whole one, and so on for all that were left; then each sent what "
            "was missing.",
            "every client gets the answer to its own request."},
     .run = Body([](Context& context) {
       std::vector<Client> clients = answered_clients(context, 5);
       clients[1].close();
       clients.erase(clients.begin() + 1);
       context.settle();
       for (Client& client : clients) {
         client.send("GET /echo/" + std::to_string(client.number()));
         client.wait_until_read();
       }
       for (Client& client : clients) client.send(" HTTP/1.1\r\nHost: x\r\n\r\n");
       for (Client& client : clients) client.expect_response(200, std::to_string(client.number()));
     })},

    {.name{"X02", "a client that resets while it is silent is forgotten"},
     .needs = need_proc,
     .hint{"which events does poll(2) report although you have not asked for them?",
           lesson::leaving},
     .scene{"Ten clients were answered; then all of them reset the connection.",
            "the server closes its ten descriptors."},
     .run = Body([](Context& context) {
       context.settle();
       const std::size_t before = context.descriptors();
       std::vector<Client> clients = answered_clients(context, 10);
       for (Client& client : clients) client.reset();
       context.expect_back_to({before});
     })},

    {.name{"X04", "with five silent clients it sleeps"},
     .needs = need_proc,
     .hint{"what do you ask poll(2) about for a client to whom you have nothing to say?",
           lesson::asking},
     .scene{"Five clients were answered and then were silent.", "the server sleeps."},
     .run = Body([](Context& context) {
       std::vector<Client> clients = answered_clients(context, 5);
       context.expect_asleep("with five silent clients");
     })},

    {.name{"X05", "send() that takes only a part is followed by the rest"},
     .hint{"what does send() return on a blocking socket when its time runs out half way?",
           lesson::writing},
     .scene{"With -t 0.8 and small buffers, a client took 40,000 bytes in small pieces, one every "
            "90 ms: more slowly than one send() has time for, but never silent for 0.8 s.",
            "it gets every byte."},
     .run = Body([](Context& context) {
       context.start_small({"-t", "0.8"});
       Client client(context, {.small_buffer = true});
       client.get("/bytes/40000");
       client.read_head();
       Pace pace(std::chrono::milliseconds(400));
       for (std::size_t at = 0; at < 40'000; at += 2000) {
         client.read_pattern(at, 2000);
         pace.step(std::chrono::milliseconds(90));
       }
     })},

    {.name{"X06", "/clients says how many are connected"},
     .hint{"is this the server that you were given, with its bugs mended?", lesson::asking},
     .scene{"Three clients were answered; the first asked for /clients. Then the last one left, "
            "and the first asked again and again.",
            "'3 clients', and after a while '2 clients'."},
     .run = Body([](Context& context) {
       std::vector<Client> clients = answered_clients(context, 3);
       clients.front().ask("/clients", 200, "3 clients\n");
       clients.back().close();
       std::string said;
       context.eventually(
           [&] {
             clients.front().get("/clients");
             said = clients.front().read_response().body;
             return said == "2 clients\n";
           },
           [&] { return "it says '" + readable(said) + "'"; });
     })},
};
