# The exercises, their grader, and the grader's own tests.
#   make grade [EX=name] [ONLY=id] [V=1]

EX   ?=
ONLY ?=
V    ?=

# Every exercise is one block, in the order of lessons.md:
#   number_of_NAME   by which EX takes it as well
#   folder_of_NAME   its place
#   file_of_NAME     the one file in it that is the student's
#   given_for_NAME   the objects that the program is made of besides that file and common/, if any
#   beside_NAME      other programs that the grader runs, if any
#   shown_by_NAME    the sources of ours that give it away; a handout with HIDE=1 leaves them out

ALL_EXERCISES            += short_writes
number_of_short_writes    = 1
folder_of_short_writes    = blocking/exercises/short_writes
file_of_short_writes      = helpers.cpp
given_for_short_writes    = $(call objects,blocking/exercises/short_writes/server.cpp)
shown_by_short_writes     =

ALL_EXERCISES            += thread_limit
number_of_thread_limit    = 2
folder_of_thread_limit    = blocking/exercises/thread_limit
file_of_thread_limit      = thread_limit.cpp
given_for_thread_limit    = $(STRAIGHT_LINE)
shown_by_thread_limit     = blocking/thread_per_connection.cpp

ALL_EXERCISES            += chat_threads
number_of_chat_threads    = 3
folder_of_chat_threads    = blocking/exercises/chat_threads
file_of_chat_threads      = chat_threads.cpp
given_for_chat_threads    =
shown_by_chat_threads     =

ALL_EXERCISES            += find_the_bugs
number_of_find_the_bugs   = 4
folder_of_find_the_bugs   = select_poll/exercises/find_the_bugs
file_of_find_the_bugs     = find_the_bugs.cpp
given_for_find_the_bugs   =
shown_by_find_the_bugs    = select_poll/poll_loop.cpp

ALL_EXERCISES            += timeouts
number_of_timeouts        = 5
folder_of_timeouts        = select_poll/exercises/timeouts
file_of_timeouts          = timeouts.cpp
given_for_timeouts        =
shown_by_timeouts         = select_poll/select_loop.cpp

ALL_EXERCISES            += chat_poll
number_of_chat_poll       = 6
folder_of_chat_poll       = select_poll/exercises/chat_poll
file_of_chat_poll         = chat_poll.cpp
given_for_chat_poll       =
shown_by_chat_poll        =

ALL_EXERCISES            += edge_triggered
number_of_edge_triggered  = 7
folder_of_edge_triggered  = nonblocking/exercises/edge_triggered
file_of_edge_triggered    = edge_triggered.cpp
given_for_edge_triggered  = $(call objects,nonblocking/exercises/edge_triggered/edge_queue_$(QUEUE).cpp)
shown_by_edge_triggered   =

ALL_EXERCISES            += chat_events
number_of_chat_events     = 8
folder_of_chat_events     = nonblocking/exercises/chat_events
file_of_chat_events       = chat_events.cpp
given_for_chat_events     = $(READY_QUEUE)
shown_by_chat_events      =

ALL_EXERCISES            += offload
number_of_offload         = 9
folder_of_offload         = nonblocking/exercises/offload
file_of_offload           = offload.cpp
given_for_offload         = $(READY_QUEUE)
shown_by_offload          =

ALL_EXERCISES            += await_timer
number_of_await_timer     = 10
folder_of_await_timer     = nonblocking/exercises/await_timer
file_of_await_timer       = await_timer.cpp
given_for_await_timer     = $(READY_QUEUE)
shown_by_await_timer      =

ALL_EXERCISES            += c10k
number_of_c10k            = 11
folder_of_c10k            = nonblocking/exercises/c10k
file_of_c10k              = c10k.cpp
given_for_c10k            = $(READY_QUEUE)
shown_by_c10k             =

ALL_EXERCISES            += killing_test
number_of_killing_test    = 12
folder_of_killing_test    = nonblocking/exercises/killing_test
file_of_killing_test      = killing_test.cpp
given_for_killing_test    = $(call objects,nonblocking/exercises/killing_test/harness.cpp tests/behaviour/server_process.cpp)
shown_by_killing_test     =
beside_killing_test       = $(addprefix $(BUILD)/wrong/,1 2 3 4 5 6 7 8 9 10)

# A handout may hold only some of them.
EXERCISES := $(foreach ex,$(ALL_EXERCISES),$(if $(wildcard $(folder_of_$(ex))),$(ex)))

# EX by names or numbers: EX="1 2 offload". Nothing means all.
by_number = $(strip $(foreach ex,$(EXERCISES),$(if $(filter $(1),$(number_of_$(ex))),$(ex))))
WANTED    = $(if $(EX),$(foreach ex,$(EX),$(or $(call by_number,$(ex)),$(ex))),$(EXERCISES))

STARTERS  = $(addprefix $(BUILD)/exercises/,$(EXERCISES))
SOLUTIONS = $(patsubst tests/grade/solutions/%.cpp,$(BUILD)/solutions/%, \
              $(wildcard $(patsubst %,tests/grade/solutions/%.cpp,$(EXERCISES))))
GRADE     = $(call objects,$(wildcard tests/grade/*.cpp)) $(filter-out %/behaviour/main.o,$(BEHAVIOUR)) \
            $(call objects,tests/attack/attacks.cpp tests/attack/attacker.cpp) \
            $(call objects,$(patsubst %,tests/measure/%.cpp,answer_check client_group dial histogram \
              slices text_table watcher))

# A student's file is compiled with warnings shown, and warnings are no errors.
starter_object = $(call objects,$(folder_of_$(1))/$(file_of_$(1)))
$(foreach ex,$(EXERCISES),$(eval $(call starter_object,$(ex)): WARNINGS = -Wall -Wextra -Wshadow))
$(foreach ex,$(EXERCISES),$(eval $(BUILD)/exercises/$(ex): $(call starter_object,$(ex)) $(given_for_$(ex)) $(COMMON)))
$(foreach ex,$(EXERCISES),$(eval $(BUILD)/solutions/$(ex): $(call objects,tests/grade/solutions/$(ex).cpp) $(given_for_$(ex)) $(COMMON)))

$(STARTERS) $(SOLUTIONS):
	@mkdir -p $(@D)
	@$(LINK) $^ -o $@

everything: $(BUILD)/grade $(STARTERS) $(SOLUTIONS)

# A grader need not be fast either.
$(call objects,$(wildcard tests/grade/*.cpp)): CXXFLAGS += -O0

$(BUILD)/grade: $(GRADE) $(COMMON)
	@mkdir -p $(@D)
	$(call say,link,$@)$(LINK) $^ -o $@

# The cases about the grader itself.
SELF_TEST = $(call objects,$(wildcard tests/grade/self_test/*.cpp))
$(SELF_TEST): CXXFLAGS += -O0
$(BUILD)/tests/grader: $(SELF_TEST) $(filter-out %/grade_main.o,$(GRADE)) $(COMMON) | $(BUILD)/grade
	@mkdir -p $(@D)
	@$(LINK) $(filter-out $(BUILD)/grade,$^) -o $@
test: $(BUILD)/tests/grader

# Somebody's file in the place of the student's: make submission EX=offload FROM=file INTO=program.
# Everything else, this file included, is ours; and of the project it can include what the exercise
# stands on, and no solutions.
.PHONY: submission given
submission: $(COMMON) $(given_for_$(WANTED)) | $(BUILD)/given
	@$(CXX) -std=c++20 $(CXXFLAGS) $(HARDENING) -Wall -Wextra -Wshadow -I$(BUILD)/given -pthread \
	  -c $(FROM) -o $(INTO).o
	@$(LINK) $(INTO).o $^ -o $(INTO)
	@rm -f $(INTO).o

# A program built again, with what a sanitizer needs: BUILD/exercises/NAME.asan, submission-tsan.
# The objects lie in BUILD/asan and BUILD/tsan; the grader knows which exercise wants which.
# (SANITIZED is in tests/faults/rules.mk.)
# UBSan looks at a vptr through a pipe, and calls it invalid when no descriptor is left.
FLAGS_asan = -fsanitize=address,undefined -fno-sanitize=vptr
FLAGS_tsan = -fsanitize=thread
again      = $(MAKE) -s --no-print-directory BUILD=$(BUILD)/$(1) \
               CXXFLAGS='$(SANITIZED) $(FLAGS_$(1))' $(2)
$(BUILD)/%.asan: always given-asan
	+@$(call again,asan,$(BUILD)/asan/$*)
	@mkdir -p $(@D) && cp $(BUILD)/asan/$* $@
$(BUILD)/%.tsan: always given-tsan
	+@$(call again,tsan,$(BUILD)/tsan/$*)
	@mkdir -p $(@D) && cp $(BUILD)/tsan/$* $@
.PHONY: always submission-asan submission-tsan given-asan given-tsan
submission-asan submission-tsan: submission-%:
	+@$(call again,$*,submission INTO=$(INTO).$*)
given-asan given-tsan: given-%:
	+@$(call again,$*,given)

$(BUILD)/given:
	@mkdir -p $@
	@for folder in common blocking select_poll nonblocking; do ln -s "$$PWD/$$folder" $@/$$folder; done

given: $(COMMON) $(foreach ex,$(EXERCISES),$(given_for_$(ex)))

# What the grader runs beside what it grades.
.PHONY: beside
beside: all $(foreach ex,$(WANTED),$(beside_$(ex)))

# What a student's file has against it is kept, and the others are graded all the same.
.PHONY: grade exercises
exercises: $(STARTERS)
grade: $(BUILD)/grade $(if $(ANSWERS),$(BUILD)/quiz) given beside  ## your exercises, graded: make grade EX=short_writes ONLY=C01 V=1
	@mkdir -p $(BUILD)/grades
	@for exercise in $(WANTED); do \
	  $(MAKE) -s --no-print-directory $(BUILD)/exercises/$$exercise \
	    >$(BUILD)/grades/$$exercise.compiler.txt 2>&1 || rm -f $(BUILD)/exercises/$$exercise; \
	  for as in $$($(BUILD)/grade --rebuilds $$exercise $(if $(ONLY),--only $(ONLY))); do \
	    [ -x $(BUILD)/exercises/$$exercise ] || continue; \
	    [ -d $(BUILD)/$$as ] || echo "building with $$as, which takes longer the first time"; \
	    $(MAKE) -s --no-print-directory $(BUILD)/exercises/$$exercise.$$as >/dev/null 2>&1 || \
	      rm -f $(BUILD)/exercises/$$exercise.$$as; \
	  done; \
	done
	@$(BUILD)/grade --build $(BUILD) $(if $(ANSWERS),--answers $(ANSWERS)) $(if $(ONLY),--only $(ONLY)) $(if $(V),--steps) \
	  $(WANTED)

# The grader is graded: every starter scores its baseline, every solution 100, and each mutant
# loses what it must and nothing else.
.PHONY: prove-grader prove-grader-quickly
prove-grader: all $(BUILD)/grade $(STARTERS) $(SOLUTIONS) given beside  ## every solution, starter and mutant through the grader
	@tests/grade/prove.sh $(BUILD) '$(MAKE)' all $(ONLY)
prove-grader-quickly: all $(BUILD)/grade $(SOLUTIONS) given
	@tests/grade/prove.sh $(BUILD) '$(MAKE)' quick

# Part of `make test` where the teacher's files are.
GRADER_TESTS = $(if $(wildcard tests/grade/mutants),check-mutants prove-grader-quickly golden-quickly)

# Which wrong program loses which check. The check of it needs no build: all patches apply, and every
# check is lost by one of them.
.PHONY: mutant-table check-mutants
mutant-table:  ## which wrong program loses which check of the grader
	@tests/grade/mutant_table.sh table
check-mutants:
	@tests/grade/mutant_table.sh check

# Correct programs, again and again, on a machine that is kept busy.
RUNS    ?= 100
GRADERS ?= 4
HOGS    ?= 2
.PHONY: false-failures
false-failures: $(BUILD)/grade $(SOLUTIONS)  ## does the grader fail what is right? make false-failures RUNS=100
	@tests/grade/false_failures.sh $(BUILD) $(RUNS) $(GRADERS) $(HOGS) \
	  '$(patsubst $(BUILD)/%,%,$(SOLUTIONS))'

.PHONY: correct-servers
correct-servers: $(BUILD)/grade given  ## correct programs that are written in other ways: all must have 100 points
	@tests/grade/correct.sh $(BUILD) '$(MAKE)' $(ONLY)
prove-grader: correct-servers

.PHONY: golden golden-quickly
golden: $(BUILD)/grade $(BUILD)/quiz given  ## a class of bad submissions through the grader
	@tests/grade/golden.sh $(BUILD)
golden-quickly: $(BUILD)/grade $(BUILD)/quiz given
	@tests/grade/golden.sh $(BUILD) empty syntax_error immediate_exit fake_score closes_fd3

.PHONY: handout
handout: $(BUILD)/grade $(BUILD)/check_lessons  ## an archive for students, without solutions: make handout EX="short_writes offload"
	@tests/grade/handout.sh $(BUILD) '$(EXERCISES)' '$(WANTED)' \
	  '$(if $(filter-out 0,$(HIDE)),$(foreach ex,$(WANTED),$(shown_by_$(ex))))'

# A server of ours with some files in OVERLAY in the place of its own. CHANGED names the sources to
# compile again: make mutant SERVER=poll_loop OVERLAY=dir CHANGED=select_poll/poll_loop.cpp INTO=file
parts_of_one_at_a_time         = $(call objects,blocking/one_at_a_time.cpp) $(STRAIGHT_LINE)
parts_of_thread_per_connection = $(call objects,blocking/thread_per_connection.cpp) $(STRAIGHT_LINE)
parts_of_select_loop           = $(call objects,select_poll/select_loop.cpp)
parts_of_poll_loop             = $(call objects,select_poll/poll_loop.cpp)
parts_of_event_loop            = $(call objects,nonblocking/event_loop.cpp) $(READY_QUEUE)
parts_of_await_loop            = $(call objects,nonblocking/await_loop.cpp) $(AWAIT) $(READY_QUEUE)
parts_of_slow_backend          = $(call objects,common/slow_backend.cpp)
sources_of_server = $(patsubst $(BUILD)/objects/%.o,%.cpp,$(parts_of_$(SERVER)) $(COMMON))

.PHONY: mutant
mutant: all
	@for source in $(filter $(sources_of_server),$(CHANGED)); do \
	  from=$$source; [ -f $(OVERLAY)/$$source ] && from=$(OVERLAY)/$$source; \
	  $(CXX) -std=c++20 -O1 -w -fPIE -I$(OVERLAY) -I. -pthread -c $$from \
	    -o $(OVERLAY)/$$(echo $$source | tr / _).o || exit 1; \
	done
	@$(LINK) $(OVERLAY)/*.o \
	  $(filter-out $(call objects,$(CHANGED)),$(parts_of_$(SERVER)) $(COMMON)) -o $(INTO)

# The wrong servers of killing_test: the mutants that say so, and in a handout what has been packed.
$(BUILD)/wrong/%: $(PROGRAMS) $(wildcard $(folder_of_killing_test)/wrong/*) \
    $(shell grep -l '^Wrong server:' tests/grade/mutants/*.patch 2>/dev/null)
	@tests/grade/wrong_server.sh $(BUILD) '$(MAKE)' $*

# What Gradescope wants: an archive with setup.sh and run_autograder at its root.
.PHONY: gradescope
gradescope:  ## the autograder of one exercise, for Gradescope: make gradescope EX=short_writes
	@test $(words $(EX)) = 1 || { echo 'gradescope: say which exercise, EX=short_writes'; exit 2; }
	@command -v zip >/dev/null || { echo 'gradescope: this needs zip(1)'; exit 2; }
	@$(MAKE) -s --no-print-directory handout EX='$(EX)'
	@rm -rf $(BUILD)/gradescope && mkdir -p $(BUILD)/gradescope
	@tar -C $(BUILD)/gradescope -xzf $(BUILD)/two-ways-to-wait.tar.gz
	@cp tests/grade/gradescope/setup.sh tests/grade/gradescope/run_autograder $(BUILD)/gradescope/
	@echo $(WANTED) >$(BUILD)/gradescope/exercise
	@echo $(file_of_$(WANTED)) >$(BUILD)/gradescope/file
	@rm -f $(BUILD)/gradescope-$(WANTED).zip
	@cd $(BUILD)/gradescope && zip -qr ../gradescope-$(WANTED).zip .
	@echo $(BUILD)/gradescope-$(WANTED).zip
