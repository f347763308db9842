# Two Ways to Wait. `make help` lists the targets.
# Written for GNU make 3.81 (macOS) and later.

BUILD    ?= build
CXX      ?= g++
CXXFLAGS ?= -O2 -g
WARNINGS  = -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Werror
COMPILE   = $(CXX) -std=c++20 $(CXXFLAGS) $(WARNINGS) -I. -MMD -MP -pthread
LINK      = $(CXX) $(CXXFLAGS) $(LDFLAGS) -pthread

# The kernel's list of what is ready: epoll on Linux, kqueue on macOS and the BSDs.
SYSTEM := $(shell uname -s)
ifeq ($(SYSTEM),Linux)
  QUEUE ?= epoll
else
  QUEUE ?= kqueue
endif

SERVERS  = one_at_a_time thread_per_connection select_loop poll_loop event_loop await_loop
PROGRAMS = $(SERVERS) slow_backend

COMMON = $(patsubst %.cpp,$(BUILD)/%.o,$(filter-out common/slow_backend.cpp,$(wildcard common/*.cpp)))
READY_QUEUE = $(BUILD)/nonblocking/ready_queue_$(QUEUE).o

.PHONY: all
all: $(addprefix $(BUILD)/,$(PROGRAMS))

$(BUILD)/one_at_a_time:         $(BUILD)/blocking/one_at_a_time.o $(BUILD)/blocking/straight_line.o
$(BUILD)/thread_per_connection: $(BUILD)/blocking/thread_per_connection.o $(BUILD)/blocking/straight_line.o
$(BUILD)/select_loop:           $(BUILD)/select_poll/select_loop.o
$(BUILD)/poll_loop:             $(BUILD)/select_poll/poll_loop.o
$(BUILD)/event_loop:            $(BUILD)/nonblocking/event_loop.o $(READY_QUEUE)
$(BUILD)/await_loop:            $(BUILD)/nonblocking/await_loop.o $(BUILD)/nonblocking/await_conversation.o $(READY_QUEUE)
$(BUILD)/slow_backend:          $(BUILD)/common/slow_backend.o

$(addprefix $(BUILD)/,$(PROGRAMS)): $(COMMON)
	$(LINK) $^ -o $@

$(BUILD)/%.o: %.cpp
	@mkdir -p $(@D)
	$(COMPILE) -c $< -o $@

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
