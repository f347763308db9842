#include "common/memory.hpp"

#include <cstdlib>  // any header of the C library: it defines __GLIBC__ if that is the library

#ifdef __GLIBC__
#include <malloc.h>
#endif

namespace two_ways {

void give_back_memory() {
#ifdef __GLIBC__
  malloc_trim(0);
#endif
}

}  // namespace two_ways
