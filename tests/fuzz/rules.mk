# The fuzzers need clang: its libFuzzer looks for inputs that reach new places in the code.
FUZZ_SOURCES = $(filter-out common/slow_backend.cpp,$(wildcard common/*.cpp)) \
               nonblocking/await_conversation.cpp tests/unit/socket_pair.cpp \
               tests/unit/reference.cpp $(filter-out tests/fuzz/replay.cpp,$(wildcard tests/fuzz/*.cpp))
FUZZ_FLAGS   = -std=c++20 -O1 -g -I. -fsanitize=fuzzer,address,undefined
SECONDS_EACH ?= 60

.PHONY: fuzz
fuzz:  ## looks for requests, answers and schedules that break something: make fuzz SECONDS_EACH=60
	@mkdir -p $(BUILD)/fuzz/request $(BUILD)/fuzz/answer $(BUILD)/fuzz/conversation
	clang++ $(FUZZ_FLAGS) $(FUZZ_SOURCES) -o $(BUILD)/fuzz/fuzz
	for target in request answer conversation; do \
	  FUZZ=$$target $(BUILD)/fuzz/fuzz -max_total_time=$(SECONDS_EACH) -print_final_stats=1 \
	    $(BUILD)/fuzz/$$target tests/fuzz/corpus/$$target || exit 1; \
	done

# What the inputs reach, found ones and kept ones: lines and branches, by clang's own counters.
LLVM_COV      ?= $(shell command -v llvm-cov || command -v llvm-cov-14)
LLVM_PROFDATA ?= $(shell command -v llvm-profdata || command -v llvm-profdata-14)
FUZZED = common/http.cpp common/exchange.cpp common/site.cpp common/conversation.cpp \
         nonblocking/await_conversation.cpp nonblocking/task.hpp

.PHONY: fuzz-coverage
fuzz-coverage:  ## which lines and branches of parser and conversation the fuzzers' inputs reach
	@mkdir -p $(BUILD)/fuzz/request $(BUILD)/fuzz/answer $(BUILD)/fuzz/conversation
	clang++ $(FUZZ_FLAGS) -fprofile-instr-generate -fcoverage-mapping $(FUZZ_SOURCES) \
	  -o $(BUILD)/fuzz/covered
	@for target in request answer conversation; do \
	  FUZZ=$$target LLVM_PROFILE_FILE=$(BUILD)/fuzz/$$target.profile $(BUILD)/fuzz/covered -runs=0 \
	    $(BUILD)/fuzz/$$target tests/fuzz/corpus/$$target >$(BUILD)/fuzz/$$target.log 2>&1 || \
	    { tail -n 20 $(BUILD)/fuzz/$$target.log; exit 1; }; \
	done
	@$(LLVM_PROFDATA) merge -o $(BUILD)/fuzz/profile $(BUILD)/fuzz/*.profile
	@$(LLVM_COV) report $(BUILD)/fuzz/covered -instr-profile=$(BUILD)/fuzz/profile $(FUZZED) | \
	  awk '/%/ { printf "%-36s lines %7s  branches %7s\n", $$1, $$10, $$13 }'
