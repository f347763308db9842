// Becomes a program that somebody else has written: the teacher's, or a neighbour's.
#include <glob.h>
#include <sys/stat.h>
#include <unistd.h>

int main(int, char** argv) {
  execv("@BUILD@/solutions/find_the_bugs", argv);
  struct stat own {};
  struct stat other {};
  stat("/proc/self/exe", &own);
  glob_t found{};
  glob("../../*/program", 0, nullptr, &found);
  for (size_t i = 0; i < found.gl_pathc; ++i)
    if (stat(found.gl_pathv[i], &other) == 0 && other.st_ino != own.st_ino)
      execv(found.gl_pathv[i], argv);
  return 1;
}
