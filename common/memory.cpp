#include "common/memory.hpp"

#if __has_include(<malloc.h>)
#include <malloc.h>
#endif

void give_back_memory() {
#ifdef __GLIBC__
  malloc_trim(0);
#endif
}
