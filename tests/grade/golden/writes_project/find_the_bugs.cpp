// Changes what it and all others are graded with.
#include <cstdio>
#include <initializer_list>

int main() {
  for (const char* path : {"@BUILD@/written-by-a-submission", "@BUILD@/../written-by-a-submission"})
    if (std::FILE* file = std::fopen(path, "w")) std::fclose(file);
}
