// memory.hpp — looks at and interferes with this program's `new`.
//
// Gives: how much memory obtained by `new` is in use; an allocation that fails on purpose.
#pragma once

// Allocations made by `new` and not yet given back.
long allocations_in_use();

// The allocation after `successes` more of them throws std::bad_alloc, and so do all that follow;
// negative: none fails any more. For the calling thread only.
void fail_allocations_after(long successes);

// Has one failed since the last call of fail_allocations_after?
bool allocation_has_failed();
