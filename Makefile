# Two Ways to Wait. `make help` lists the targets.
# Written for GNU make 3.81 (macOS) and later; on the BSDs it is called gmake.

BUILD    ?= build
ifeq ($(origin CXX),default)
  CXX = c++
endif
CXXFLAGS ?= -O2 -g
WARNINGS  = -Wall -Wextra -Wpedantic -Wshadow -Wconversion
# STRICT=1 is for the project's own checks: what a newer compiler warns of stops nobody else.
ERRORS    = $(if $(filter-out 0,$(STRICT)),-Werror)
COMPILE   = $(CXX) -std=c++20 $(CXXFLAGS) $(HARDENING) $(WARNINGS) $(INCLUDES) -I. -MMD -MP -pthread
LINK      = $(CXX) $(CXXFLAGS) $(LDFLAGS) $(HARDENED_LINK) -pthread
# A short line for each step; V=1 shows the whole command instead. Before a grade all of them are one
# line, written over on a terminal: what is to be read then comes after it.
STEP      = $(if $(filter grade given%,$(MAKECMDGOALS)),[ ! -t 1 ] || printf '\r  %-7s %-62s',printf '  %-7s %s\n')
say       = $(if $(V),,@$(STEP) '$(1)' '$(2)';)

FIND_CXX  = command -v $(firstword $(CXX)) >/dev/null

# What calls make is run by `make -n`, too. These recipes have nothing to show there.
FLAGS_GIVEN := $(filter-out --%,$(firstword -$(MAKEFLAGS)))
unless_dry  := $(if $(findstring =,$(FLAGS_GIVEN)),,$(if $(findstring n,$(FLAGS_GIVEN)),exit 0;))

# A program, of those of its prerequisites that are objects.
define link
@mkdir -p $(@D)
$(call say,link,$@)$(LINK) $(filter %.o,$^) $(LDLIBS) -o $@
endef

# The kernel's list of what is ready: epoll on Linux, kqueue on macOS and the BSDs.
SYSTEM := $(shell uname -s)
ifeq ($(SYSTEM),Linux)
  QUEUE ?= epoll
else
  QUEUE ?= kqueue
endif

# Defences that cost next to nothing; SECURITY.md says what. _FORTIFY_SOURCE needs an optimising
# compiler, and the sanitizers look closer than it does.
FORTIFY   = $(if $(filter -O0,$(CXXFLAGS))$(findstring -fsanitize,$(CXXFLAGS)),,$(if \
              $(filter -O%,$(CXXFLAGS)),-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2))
HARDENING = $(FORTIFY) -fstack-protector -fPIE
ifneq ($(SYSTEM),Darwin)
  HARDENED_LINK = -pie -Wl,-z,relro,-z,now
endif

# -- the programs ----------------------------------------------------------------------------------

# A handout may be without one that gives an exercise away.
ALL_SERVERS := $(filter-out slow_backend prefork,$(shell \
  sed -n 's/^ *{\.name = "\([a-z0-9_]*\)".*/\1/p' tests/kit/servers.hpp))
SERVERS  = $(foreach server,$(filter-out $(LEAVE_OUT),$(ALL_SERVERS)),$(if $(wildcard */$(server).cpp),$(server)))
HIDDEN   = $(filter-out $(SERVERS),$(ALL_SERVERS))
PROGRAMS = $(addprefix $(BUILD)/,$(SERVERS) slow_backend)

objects       = $(patsubst %.cpp,$(BUILD)/objects/%.o,$(1))
COMMON        = $(call objects,$(filter-out common/slow_backend.cpp,$(wildcard common/*.cpp)))
STRAIGHT_LINE = $(call objects,blocking/straight_line.cpp)
READY_QUEUE   = $(call objects,nonblocking/ready_queue_$(QUEUE).cpp)
ifeq ($(QUEUE),kqueue_model)
  INCLUDES    += -Itests/kqueue_model
  READY_QUEUE = $(call objects,nonblocking/ready_queue_kqueue.cpp tests/kqueue_model/kqueue_model.cpp)
  ON_KQUEUE   = $(call objects,tests/kqueue_model/kqueue_model.cpp) $(COMMON)
endif
AWAIT         = $(call objects,nonblocking/await_conversation.cpp)

# The least programs, one for each way of waiting: a file each, and nothing of common/.
SKETCHES = $(filter-out $(if $(filter epoll,$(QUEUE)),sketch_kqueue,sketch_epoll), \
             $(basename $(notdir $(wildcard */sketch_*.cpp))))

.PHONY: all
all: $(PROGRAMS) $(addprefix $(BUILD)/,$(SKETCHES))

# What a server is made of besides its own file and common/, if anything.
with_one_at_a_time         = $(STRAIGHT_LINE)
with_thread_per_connection = $(STRAIGHT_LINE)
with_event_loop            = $(READY_QUEUE)
with_await_loop            = $(AWAIT) $(READY_QUEUE)

parts_of = $(call objects,$(wildcard */$(1).cpp)) $(with_$(1))
$(foreach server,$(SERVERS) slow_backend,$(eval $(BUILD)/$(server): $(call parts_of,$(server))))

$(foreach sketch,$(SKETCHES),$(eval $(BUILD)/$(sketch): $(call objects,$(wildcard */$(sketch).cpp))))
$(BUILD)/sketch_kqueue: $(ON_KQUEUE)
$(addprefix $(BUILD)/,$(SKETCHES)):
	$(link)

# -- tests and instruments -------------------------------------------------------------------------

KIT       = $(call objects,$(wildcard tests/kit/*.cpp))
UNIT      = $(call objects,$(wildcard tests/unit/*.cpp) tests/fuzz/request_fuzz.cpp)
CATALOGUE = $(call objects,$(filter-out %/main.cpp,$(wildcard tests/behaviour/*.cpp)))
ATTACK    = $(call objects,$(wildcard tests/attack/*.cpp) tests/measure/text_table.cpp)
MEASURE   = $(call objects,$(filter-out %_main.cpp %_test.cpp,$(wildcard tests/measure/*.cpp)))
MEASURE_TESTS = $(call objects,$(wildcard tests/measure/*_test.cpp))
FLOORS    = $(addprefix $(BUILD)/,$(filter-out floor_epoll floor_kqueue, \
              $(basename $(notdir $(wildcard tests/measure/floors/*.cpp)))) floor_$(QUEUE))
INSTRUMENTS = $(addprefix $(BUILD)/,demo load)
TESTS     = $(addprefix $(BUILD)/tests/,unit replay behaviour instruments)
REPLAY    = $(call objects,$(filter-out tests/fuzz/fuzz.cpp,$(wildcard tests/fuzz/*.cpp)) \
              tests/unit/socket_pair.cpp tests/unit/reference.cpp)

$(BUILD)/tests/unit:        $(UNIT) $(AWAIT) $(READY_QUEUE) $(STRAIGHT_LINE)
$(BUILD)/tests/replay:      $(REPLAY) $(AWAIT)
$(BUILD)/tests/behaviour:   $(CATALOGUE) $(call objects,tests/behaviour/main.cpp)
$(BUILD)/tests/instruments: $(MEASURE_TESTS) $(MEASURE)
$(BUILD)/attack:            $(ATTACK)
$(INSTRUMENTS): $(BUILD)/%: $(BUILD)/objects/tests/measure/%_main.o $(MEASURE)
$(FLOORS):      $(BUILD)/%: $(BUILD)/objects/tests/measure/floors/%.o

$(TESTS) $(INSTRUMENTS) $(BUILD)/attack: $(KIT)
$(PROGRAMS) $(TESTS) $(INSTRUMENTS) $(FLOORS) $(BUILD)/attack: $(COMMON)
	$(link)

# The cases need not be fast, and there are many of them to compile.
$(BUILD)/objects/tests/unit/%.o:      CXXFLAGS += -O0
$(BUILD)/objects/tests/behaviour/%.o: CXXFLAGS += -O0
$(BUILD)/objects/tests/fuzz/%.o:      CXXFLAGS += -O0

# Goes with QUEUE=kqueue_model only.
$(BUILD)/tests/kqueue_model: $(call objects,tests/kqueue_model/model_test.cpp tests/kit/forked.cpp) $(READY_QUEUE) $(COMMON)
	$(link)

$(BUILD)/objects/%.o: %.cpp $(BUILD)/objects/built_with
	@mkdir -p $(@D)
	$(call say,compile,$<)$(COMPILE) $(ERRORS) -c $< -o $@

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)

# -- what to do with them --------------------------------------------------------------------------

SERVER ?= event_loop
PORT   ?= 8080
FILE   ?=
CHOSEN  = $(if $(filter command line,$(origin SERVER)),$(SERVER),$(SERVERS))
RUNNABLE = $(SERVERS) slow_backend prefork $(if $(filter run trace attack,$(MAKECMDGOALS)),$(SKETCHES))
ON_PORT  = $(if $(filter $(SKETCHES),$(SERVER)),,-p )$(PORT)

# Who has mistyped a name need not wait for a compiler to be told.
NO_SERVER := $(if $(filter demo run trace timeline test attack,$(MAKECMDGOALS)), \
               $(filter-out $(RUNNABLE),$(SERVER)))
ifneq ($(strip $(NO_SERVER)),)
  $(error there is no server called $(strip $(NO_SERVER)); there are $(RUNNABLE))
endif

.PHONY: demo run trace tests test attack ratios
tests: $(TESTS)
demo: all $(BUILD)/demo  ##s both ways to wait, side by side, on real requests
	$(BUILD)/demo -d $(BUILD) $(CHOSEN)

run: all  ##s one server: make run SERVER=event_loop PORT=8080
	$(BUILD)/$(SERVER) $(ON_PORT) $(ARGUMENTS)

trace: all  ##s one server, and its system calls: make trace SERVER=poll_loop
	@sh tests/trace.sh $(BUILD)/$(SERVER) $(ON_PORT) $(ARGUMENTS)

# Part of `make test`, after the cases, unless it is narrowed: what is slow and is the same for every
# compiler. QUICK=1 leaves it out. Each folder of tests adds its own, and what that needs.
NARROWED    = $(filter command line,$(origin SERVER))$(CASE)
WHOLE      := $(if $(NARROWED)$(filter-out 0,$(QUICK)),,yes)
ONCE        = $(if $(WHOLE),check-build)

.PHONY: announce check-build
check-build:
	@$(unless_dry) sh tests/check_build.sh '$(MAKE)'
announce:
	@echo 'make test compiles what has changed (all: $(if $(NARROWED),1 minute,6 minutes), half with -j2).'
	@echo 'Then it tests for $(if $(WHOLE),6 minutes,$(if $(NARROWED),a minute at most,4 minutes)).'

# Narrowed, it needs the servers and their cases. prefork runs copies of another.
TESTED      = $(if $(filter command line,$(origin SERVER)),$(SERVER),$(SERVERS) slow_backend)
NARROW      = $(TESTED) $(if $(filter prefork,$(TESTED)),event_loop) tests/behaviour
test: announce $(if $(NARROWED),$(addprefix $(BUILD)/,$(NARROW)),all tests)  ##s every test; make test SERVER=poll_loop CASE='*A14*' narrows
	@$(unless_dry) FORTIFY='$(FORTIFY)' ONCE='$(ONCE)' MAKE='$(MAKE)' NARROWED='$(if $(NARROWED),yes)' sh tests/run.sh $(BUILD) \
	  '$(TESTED)' '$(CASE)'

ratios: all $(FLOORS) $(BUILD)/compare  ## how close each server comes to the least program possible
	$(BUILD)/compare -d $(BUILD) $(QUICK_FLAG) $(EXPERIMENT)

# Each folder of tests may bring rules of its own, and so does the book.
-include $(wildcard tests/*/rules.mk book/rules.mk book/check/rules.mk)

# What is built is built with these; when they change, it is built again. Set at once, so that the
# flags of some objects alone do not get in; and looked at here, so that -n builds nothing.
BUILT_WITH := $(strip $(COMPILE) | $(LINK) $(LDLIBS) | $(QUEUE))
ifneq ($(BUILT_WITH),$(strip $(shell cat '$(BUILD)/objects/built_with' 2>&1)))
.PHONY: flags-have-changed
$(BUILD)/objects/built_with: flags-have-changed
endif
$(BUILD)/objects/built_with:
	@$(FIND_CXX) || { echo 'there is no compiler $(CXX) (Debian: apt-get install g++)' >&2; exit 2; }
	@mkdir -p $(@D)
	@printf '%s\n' '$(subst ','\'',$(BUILT_WITH))' >$@

# What a target cannot do without is missed in one line, and before anything is compiled.
MADE_WITH_DOCTEST = test tests everything sanitize check-kqueue check-macos check-bsd check-musl check-lessons \
  $(if $(filter killing_test,$(WANTED)),grade exercises given beside prove-grader)
missing = $(error this needs $(1) (Debian: apt-get install $(2)$(if $(3),; $(3))))
# need TARGETS,PROGRAM,PACKAGE[,ELSEWHERE]
need    = $(if $(filter $(1),$(MAKECMDGOALS)),$(if $(shell command -v $(2) 2>/dev/null),,$(call missing,$(2),$(3),$(4))))
$(call need,gradescope,zip,zip)
$(call need,fuzz,clang++,clang)
$(call need,trace timeline,strace,strace,macOS has dtruss instead)
$(call need,hardening,readelf,binutils)
$(call need,lint format,clang-format,clang-format)
$(call need,lint,clang-tidy,clang-tidy)
$(call need,lint,shellcheck,shellcheck)
$(call need,figures,gnuplot,gnuplot-nox)
$(call need,book check-book,pandoc,pandoc)
$(call need,check-book,node,nodejs)
$(call need,check-book,$(CHROMIUM),chromium,another: CHROMIUM=google-chrome)
ifneq ($(filter $(MADE_WITH_DOCTEST),$(MAKECMDGOALS)),)
  ifneq ($(shell ! $(FIND_CXX) || $(CXX) $(INCLUDES) -include doctest/doctest.h -x c++ -E /dev/null >/dev/null 2>&1 || echo no),)
    $(call missing,doctest,doctest-dev,elsewhere: see README.md)
  endif
endif

.DEFAULT:
	@echo "Nothing here makes '$@'; 'make help' lists what can be made." >&2; exit 2

# -- looking after the code ------------------------------------------------------------------------

SOURCES = $(wildcard */*.cpp */*.hpp tests/*/*.cpp tests/*/*.hpp tests/*/*/*.cpp tests/*/*/*.hpp)
SCRIPTS = $(wildcard tests/*.sh tests/*/*.sh tests/*/*/*.sh book/*.sh book/*/*.sh .ci/run)
PAGE_SCRIPTS = $(wildcard book/*.js book/check/*.js)

.PHONY: sanitize hardening lint format clean help
sanitize: $(BUILD)/tests/behaviour $(BUILD)/attack  ## the tests with AddressSanitizer, UBSan and ThreadSanitizer
	@sh tests/sanitize.sh '$(CXX)' '$(BUILD)' '$(SERVERS)' '$(SKETCHES)' '$(CASE)'

hardening: all $(BUILD)/load  ## SECURITY.md's defences: are they there, what do they cost
	@sh tests/hardening.sh $(BUILD) '$(notdir $(PROGRAMS)) prefork' '$(FORTIFY)'
	+@$(unless_dry) sh tests/hardening_cost.sh '$(CXX)' $(BUILD) '$(FORTIFY)'

.PHONY: check-readme
check-readme:  ## README's two commands on a bare Debian (root, debootstrap)
	@sh tests/check_readme.sh

lint:  ## clang-format, clang-tidy and shellcheck; no name is defined twice
	@sh tests/lint.sh '$(filter %.cpp %.hpp,$(SOURCES) $(SOLVED))' '$(SCRIPTS)' '$(PAGE_SCRIPTS)'
	+@$(unless_dry) $(DEFINED_ONCE)

# One name, two definitions: each file is right by itself, and which of them a program gets depends
# on the order of its objects. g++ sees it when it links with -flto; clang++ has no such warning.
DEFINED_ONCE = case $$($(CXX) --version) in *Free\ Software*) $(MAKE) -s --no-print-directory \
  BUILD=$(BUILD)/odr CXXFLAGS='-O0 -flto' LDFLAGS='-O0 -flto=auto -Wodr -Werror=odr' \
  $(addprefix $(BUILD)/odr/,grade tests/instruments tests/unit) ;; esac

format:  ## puts every source file into shape
	clang-format -i $(SOURCES)

# compile_flags.txt is enough for most editors; some tools want to know it for each file.
.PHONY: compile_commands.json
compile_commands.json:  ## how each file is compiled, for editors and tools
	@{ before='['; for file in $(filter-out %kqueue.cpp tests/kqueue_model/%,$(filter %.cpp,$(SOURCES))); do \
	  printf '%s\n  {"directory": "%s", "file": "%s", "command": "%s -c %s"}' \
	    "$$before" '$(CURDIR)' "$$file" '$(COMPILE)' "$$file"; before=,; done; printf '\n]\n'; } >$@

clean:  ##s forgets everything that was built
	rm -rf $(BUILD)

# "##s" marks what is for students, "##t" for teachers, "##" for whoever looks after the code.
help:  ##s this list
	@sed -n 's/^\([a-z-]*\):.*##\([a-z]*\)  */\2m \1 /p' Makefile $(wildcard tests/*/*.mk tests/*/*/*.mk book/*.mk book/*/*.mk) | awk '{ \
	  line = sprintf("  %-16s", $$2); \
	  for (i = 3; i <= NF; i++) { \
	    if (length(line) + 1 + length($$i) > 80) { \
	      list[substr($$1, 1, 1)] = list[substr($$1, 1, 1)] line "\n"; line = sprintf("%18s", "") \
	    } \
	    line = line " " $$i \
	  } \
	  list[substr($$1, 1, 1)] = list[substr($$1, 1, 1)] line "\n" } \
	  END { printf "student\n%s\nteacher\n%s\nmaintainer\n%s", list["s"], list["t"], list["m"] }'
