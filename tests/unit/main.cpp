// unit — doctest cases for each helper in common/ and nonblocking/, and for the three shapes of a
// conversation over socket pairs.
//
// Usage: build/tests/unit [-tc='*pattern*'] [-ltc]
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>
