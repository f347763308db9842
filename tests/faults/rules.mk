# Faults on purpose: system calls that fail or fall short, from a seed. Linux only, because the
# library is put in front of the C library by LD_PRELOAD, and knows epoll.

MINUTES ?= 10
SEED    ?= 1

# `make soak BUILD=build/asan`: the folder's name says how to build, whatever else has been said.
# UBSan looks at a vptr through a pipe, and calls it invalid when no descriptor is left.
SANITIZED = -O1 -g -fno-omit-frame-pointer -fno-sanitize-recover=all
ifeq ($(notdir $(BUILD)),asan)
  override CXXFLAGS = $(SANITIZED) -fsanitize=address,undefined -fno-sanitize=vptr
endif
ifeq ($(notdir $(BUILD)),tsan)
  override CXXFLAGS = $(SANITIZED) -fsanitize=thread
endif

ifeq ($(SYSTEM),Linux)
FAULTS = $(BUILD)/libfaults.so $(BUILD)/tests/faults

$(BUILD)/libfaults.so: tests/faults/faults.cpp $(BUILD)/objects/built_with
	@mkdir -p $(BUILD)/objects/tests/faults
	$(call say,link,$@)$(CXX) -std=c++20 -O2 -g -U_FORTIFY_SOURCE $(WARNINGS) $(ERRORS) -I. -pthread -fPIC -shared \
	  -MMD -MP -MF $(BUILD)/objects/tests/faults/library.d $< -o $@ -ldl

$(BUILD)/tests/faults: $(call objects,$(filter-out %/faults.cpp,$(wildcard tests/faults/*.cpp))) \
                       $(CATALOGUE) $(KIT) $(COMMON)
	$(link)

.PHONY: faults soak
faults: all $(FAULTS)  ## the behaviour checks while system calls fail: five seeds, a minute
	$(BUILD)/tests/faults --build=$(BUILD) --seed=$(SEED)

# Five seeds are a part of `make test`.
tests everything: $(FAULTS)

soak: all $(FAULTS)  ## faults, floods and stops under load: make soak MINUTES=10 SEED=1
	$(BUILD)/tests/faults --build=$(BUILD) --seed=$(SEED) --seeds=200 --seconds=$$(($(MINUTES) * 30))
	$(BUILD)/tests/faults --build=$(BUILD) --seed=$(SEED) --seconds=$$(($(MINUTES) * 30)) --soak
else
.PHONY: faults soak
faults soak:  ## the behaviour checks while system calls fail (Linux only)
	@echo 'faults: left out, because this system has no LD_PRELOAD with epoll'
endif
