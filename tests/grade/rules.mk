# The exercises, their grader, and the grader's own tests.
#   make grade [EX=name] [ONLY=id] [V=1]

EXERCISES = short_writes find_the_bugs chat_poll edge_triggered offload
EX   ?=
ONLY ?=
V    ?=

folder_of_short_writes   = blocking/exercises/short_writes
folder_of_find_the_bugs  = select_poll/exercises/find_the_bugs
folder_of_chat_poll      = select_poll/exercises/chat_poll
folder_of_edge_triggered = nonblocking/exercises/edge_triggered
folder_of_offload        = nonblocking/exercises/offload

# The one file of each that is the student's, and what else the program is made of.
file_of_short_writes   = helpers.cpp
file_of_find_the_bugs  = find_the_bugs.cpp
file_of_chat_poll      = chat_poll.cpp
file_of_edge_triggered = edge_triggered.cpp
file_of_offload        = offload.cpp

given_for_short_writes   = $(call objects,blocking/exercises/short_writes/server.cpp)
given_for_edge_triggered = $(call objects,nonblocking/exercises/edge_triggered/edge_queue_$(QUEUE).cpp)
given_for_offload        = $(READY_QUEUE)

STARTERS  = $(addprefix $(BUILD)/exercises/,$(EXERCISES))
SOLUTIONS = $(addprefix $(BUILD)/solutions/,$(wildcard $(patsubst %,tests/grade/solutions/%.cpp,$(EXERCISES))))
SOLUTIONS := $(patsubst $(BUILD)/solutions/tests/grade/solutions/%.cpp,$(BUILD)/solutions/%,$(SOLUTIONS))
GRADE     = $(call objects,$(wildcard tests/grade/*.cpp)) $(filter-out %/behaviour/main.o,$(BEHAVIOUR))

# A student's file is compiled with warnings shown, and warnings are no errors.
starter_object = $(call objects,$(folder_of_$(1))/$(file_of_$(1)))
$(foreach ex,$(EXERCISES),$(eval $(call starter_object,$(ex)): WARNINGS = -Wall -Wextra -Wshadow))
$(foreach ex,$(EXERCISES),$(eval $(BUILD)/exercises/$(ex): $(call starter_object,$(ex)) $(given_for_$(ex)) $(COMMON)))
$(foreach ex,$(EXERCISES),$(eval $(BUILD)/solutions/$(ex): $(call objects,tests/grade/solutions/$(ex).cpp) $(given_for_$(ex)) $(COMMON)))

$(STARTERS) $(SOLUTIONS):
	@mkdir -p $(@D)
	@$(LINK) $^ -o $@

$(BUILD)/grade: $(GRADE) $(COMMON)
	@mkdir -p $(@D)
	$(LINK) $^ -o $@

# Somebody's file in the place of the student's: make submission EX=offload FROM=file INTO=program.
# Everything else, this file included, is ours.
.PHONY: submission given
submission: $(COMMON) $(given_for_$(EX))
	@$(CXX) -std=c++20 $(CXXFLAGS) -Wall -Wextra -Wshadow -I. -pthread -c $(FROM) -o $(INTO).o
	@$(LINK) $(INTO).o $^ -o $(INTO)
	@rm -f $(INTO).o

given: $(COMMON) $(foreach ex,$(EXERCISES),$(given_for_$(ex)))

# What a student's file has against it is kept, and the others are graded all the same.
.PHONY: grade exercises
exercises: $(STARTERS)
grade: $(BUILD)/grade given  ## your exercises, graded: make grade EX=short_writes ONLY=C01 V=1
	@mkdir -p $(BUILD)/grades
	@for exercise in $(if $(EX),$(EX),$(EXERCISES)); do \
	  $(MAKE) -s --no-print-directory $(BUILD)/exercises/$$exercise \
	    >$(BUILD)/grades/$$exercise.compiler.txt 2>&1 || rm -f $(BUILD)/exercises/$$exercise; \
	done
	@$(BUILD)/grade --build $(BUILD) $(if $(ONLY),--only $(ONLY)) $(if $(V),--steps) $(EX)

# The grader is graded: every starter scores its baseline, every solution 100, and each mutant
# loses what it must and nothing else.
.PHONY: prove-grader prove-grader-quickly
prove-grader: all $(BUILD)/grade $(STARTERS) $(SOLUTIONS) given  ## every solution, starter and mutant through the grader
	@tests/grade/prove.sh $(BUILD) '$(MAKE)' all $(ONLY)
prove-grader-quickly: all $(BUILD)/grade $(STARTERS) $(SOLUTIONS) given
	@tests/grade/prove.sh $(BUILD) '$(MAKE)' quick

.PHONY: handout
handout: $(BUILD)/grade  ## an archive for students, without solutions: make handout EX="short_writes offload"
	@tests/grade/handout.sh $(BUILD) '$(EXERCISES)' '$(if $(EX),$(EX),$(EXERCISES))'
