// memory.hpp — memory that is not needed any more.
#pragma once

namespace two_ways {

// Gives what has been freed back to the system. glibc keeps freed chunks as small as a client's in
// lists of their own until it is asked; other systems' allocators need no asking, and there this
// does nothing. Looks through the whole heap: not for every day.
void give_back_memory();

}  // namespace two_ways
