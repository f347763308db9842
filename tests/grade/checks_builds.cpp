// Not stimuli of their own: the checks that have passed, asked of the same program built again
// with a sanitizer. What it reports is the finding, and nothing else; see Grading::run_rebuilt().
#include "tests/behaviour/lessons.hpp"
#include "tests/grade/grade_checks.hpp"

const std::vector<Check> build_checks = {
    {.name{"Y01", "AddressSanitizer and UBSan have nothing to report"},
     .hint{"who owns the memory at that line, and until when?", "lessons.md#exercises"}},
    {.name{"Y02", "ThreadSanitizer has nothing to report"},
     .hint{"which lock do both threads of the report hold when they touch it?",
           "lessons.md#exercises"}},
};

std::vector<Rebuild> rebuilds_of(const Exercise& exercise) {
  std::vector<Rebuild> wanted;
  for (const Point& point : exercise.points)
    for (const Rebuild& rebuild : rebuilds)
      if (std::string_view(point.id) == rebuild.check) wanted.push_back(rebuild);
  return wanted;
}
