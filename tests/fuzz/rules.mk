# The fuzzers need clang: its libFuzzer looks for inputs that reach new places in the code.
FUZZ_SOURCES = $(filter-out common/slow_backend.cpp,$(wildcard common/*.cpp)) \
               nonblocking/await_conversation.cpp tests/unit/socket_pair.cpp \
               tests/unit/reference.cpp tests/kit/response.cpp tests/kit/sockets.cpp \
               $(filter-out tests/fuzz/replay.cpp,$(wildcard tests/fuzz/*.cpp))
FUZZ_FLAGS   = -std=c++20 -O1 -g -I. -fsanitize=fuzzer,address,undefined
SECONDS_EACH ?= 60

.PHONY: fuzz
fuzz:  ## looks for input that breaks something: make fuzz SECONDS_EACH=60
	@mkdir -p $(BUILD)/fuzz/request $(BUILD)/fuzz/response $(BUILD)/fuzz/conversation
	clang++ $(FUZZ_FLAGS) $(FUZZ_SOURCES) -o $(BUILD)/fuzz/fuzz
	for target in request response conversation; do \
	  FUZZ=$$target $(BUILD)/fuzz/fuzz -max_total_time=$(SECONDS_EACH) -print_final_stats=1 \
	    $(BUILD)/fuzz/$$target tests/fuzz/corpus/$$target || exit 1; \
	done
