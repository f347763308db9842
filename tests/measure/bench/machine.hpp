// machine.hpp — on what machine these numbers were found, and who else was at work on it.
#pragma once

#include <sys/types.h>

#include <map>
#include <optional>
#include <string>

#include "tests/kit/reading.hpp"

// Lines that begin with "# ": machine, kernel, compiler, date, limits.
std::string machine_header();

// What other programs do with the machine from now on.
class Company {
 public:
  std::optional<double> share() const { return reading_.share(); }
  // The busiest of them: "make, find". What has begun and ended meanwhile counts for the parent
  // that has waited for it (proc(5), cutime): a compiler for its make. Empty without /proc.
  std::string names() const;
  // Throws std::runtime_error, which names them, if they have more than a twentieth: a number that
  // is kept is measured alone.
  void refuse() const;

 private:
  using Times = std::map<pid_t, double>;
  static Times read_times();

  OthersReading reading_;
  Times before_ = read_times();
};

// Looks at the machine for two seconds, and refuses.
void refuse_company();
