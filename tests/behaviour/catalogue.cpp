#include "tests/behaviour/catalogue.hpp"

std::vector<Check> all_checks() {
  std::vector<Check> all;
  for (const auto* table :
       {&starting_checks, &reading_checks, &refusing_checks, &writing_checks, &leaving_checks,
        &limit_checks, &stopping_checks, &waiting_checks, &backend_checks})
    all.insert(all.end(), table->begin(), table->end());
  return all;
}
