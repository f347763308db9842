// Leaves folders that nobody can empty, and does the same to those that it stands in.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <initializer_list>

int main() {
  mkdir("locked", 0700);
  close(open("locked/file", O_WRONLY | O_CREAT, 0600));
  for (const char* folder : {"locked", "../..", "..", "."}) chmod(folder, 0);
  return 0;
}
