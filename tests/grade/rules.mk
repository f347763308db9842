# The exercises, their grader, and the grader's own tests.
#   make grade [EX=name] [ONLY=id] [V=1]

EX   ?=
ONLY ?=
V    ?=

# An exercise is its folder, and exercise.mk in it says all that make and the grader know of it:
#   number         its place in lessons.md, by which EX takes it as well
#   file           the one file in it that is the student's
#   given          the objects that the program is made of besides that file and common/, if any
#   beside         other programs that the grader runs, if any
#   shown          the sources of ours that give it away; a handout with HIDE=1 leaves them out
#   model          the server of ours that waits as this one does
#   baseline       what the starter scores
#   for_each_core  checks at a time for each core, if they wait more than they work
#   checks         each with its points, and with the one that must pass first, if that is not the
#                  first of all: a check without which this one would say nothing
#   contract       the list of contract.mk that comes to them, 100 points in all; http if it is not said
# A handout may hold only some of the folders.
EXERCISE_ROOMS  = $(wildcard blocking/exercises select_poll/exercises nonblocking/exercises)
EXERCISE_FILES := $(shell awk '$$1 == "number" { print $$3, FILENAME }' /dev/null \
                    $(wildcard $(addsuffix /*/exercise.mk,$(EXERCISE_ROOMS))) | sort -n | sed 's/.* //')
EXERCISES      := $(notdir $(patsubst %/exercise.mk,%,$(EXERCISE_FILES)))
facts           = number file given beside shown folder
read_exercise   = $(foreach fact,$(facts),$(eval $(fact) =))$(eval folder = $(1:%/exercise.mk=%))$(eval \
                    include $(1))$(foreach fact,$(facts),$(eval $(fact)_of_$(notdir $(folder)) := $($(fact))))
$(foreach each,$(EXERCISE_FILES),$(call read_exercise,$(each)))

# The grader has them built in.
EXERCISE_LIST = $(BUILD)/objects/tests/grade/exercise_list
CONTRACT = tests/grade/contract.mk
$(EXERCISE_LIST).cpp: tests/grade/exercises.awk $(CONTRACT) $(EXERCISE_FILES) $(EXERCISE_ROOMS)
	@mkdir -p $(@D)
	@awk -f $< $(CONTRACT) $(EXERCISE_FILES) >$@.new && mv $@.new $@
$(BUILD)/objects/%.o: $(BUILD)/objects/%.cpp $(BUILD)/objects/built_with
	$(call say,compile,$<)$(COMPILE) -c $< -o $@

# EX by names, folders or numbers: EX="1 2 offload". Nothing means all.
by_number = $(strip $(foreach ex,$(EXERCISES),$(if $(filter $(1),$(number_of_$(ex))),$(ex))))
WANTED    = $(if $(EX),$(foreach ex,$(EX),$(or $(call by_number,$(ex)),$(notdir $(ex:%/=%)))),$(EXERCISES))
UNKNOWN   = $(filter-out $(EXERCISES) quiz,$(WANTED))

STARTERS  = $(addprefix $(BUILD)/exercises/,$(EXERCISES))
SOLUTIONS = $(foreach ex,$(EXERCISES),$(if $(wildcard tests/grade/solutions/$(ex).*),$(BUILD)/solutions/$(ex)))
GRADE     = $(call objects,$(filter-out %_test.cpp,$(wildcard tests/grade/*.cpp))) $(EXERCISE_LIST).o $(CATALOGUE) $(KIT) \
            $(call objects,tests/attack/attacks.cpp) \
            $(call objects,$(patsubst %,tests/measure/%.cpp,client_group histogram \
              text_table watcher))

# A student's file is compiled with warnings shown, and warnings are no errors.
starter_object = $(call objects,$(folder_of_$(1))/$(file_of_$(1)))
$(foreach ex,$(EXERCISES),$(eval $(call starter_object,$(ex)): WARNINGS = -Wall -Wextra -Wshadow))
$(foreach ex,$(EXERCISES),$(eval $(BUILD)/exercises/$(ex): $(call starter_object,$(ex)) $(given_of_$(ex)) $(COMMON)))
$(foreach ex,$(EXERCISES),$(eval $(BUILD)/solutions/$(ex): $(call objects,tests/grade/solutions/$(ex).cpp) $(given_of_$(ex)) $(COMMON)))

$(STARTERS) $(SOLUTIONS):
	$(link)

everything: $(BUILD)/grade $(STARTERS) $(SOLUTIONS)

# A grader need not be fast either.
$(call objects,$(wildcard tests/grade/*.cpp)): CXXFLAGS += -O0

$(BUILD)/grade: $(GRADE) $(COMMON)
	$(link)

# The cases about the grader itself.
SELF_TEST = $(call objects,$(wildcard tests/grade/*_test.cpp))
$(BUILD)/tests/grader: $(SELF_TEST) $(filter-out %/grade_main.o,$(GRADE)) $(COMMON) | $(BUILD)/grade $(BUILD)/quiz
	$(link)
tests everything: $(BUILD)/tests/grader

# What a submission can include, and no source file: whoever includes a server has written none.
HEADERS := $(addprefix $(BUILD)/headers/,$(shell find common blocking select_poll nonblocking -name '*.hpp'))
$(HEADERS): $(BUILD)/headers/%: %
	@mkdir -p $(@D)
	@ln -sf "$$PWD/$<" $@

# Somebody's file in the place of the student's: make submission EX=offload FROM=file INTO=program.
# Everything else, this file included, is ours; and of the project its includes find the headers, and
# nothing else (a path written out still finds a source: no more than a copy of it would give).
# LC_ALL, because other quotes than ASCII's are not shown.
.PHONY: submission given
submission: $(COMMON) $(given_of_$(WANTED)) | $(HEADERS)
	@LC_ALL=C $(CXX) -std=c++20 $(or $(SUBMISSION_FLAGS),$(CXXFLAGS)) $(HARDENING) -Wall -Wextra -Wshadow -I$(BUILD)/headers -pthread \
	  -c $(FROM) -o $(INTO).o
	@LC_ALL=C $(LINK) $(INTO).o $^ $(LDLIBS) -o $(INTO)
	@rm -f $(INTO).o

# A program built again, with what a sanitizer needs: BUILD/exercises/NAME.asan, submission-tsan.
# The objects lie in BUILD/asan and BUILD/tsan; the grader knows which exercise wants which.
again = $(MAKE) -s --no-print-directory BUILD=$(BUILD)/$(1) $(2)
$(BUILD)/%.asan: always given-asan
	+@$(call again,asan,$(BUILD)/asan/$*)
	@mkdir -p $(@D) && cp $(BUILD)/asan/$* $@.$$$$ && mv $@.$$$$ $@
$(BUILD)/%.tsan: always given-tsan
	+@$(call again,tsan,$(BUILD)/tsan/$*)
	@mkdir -p $(@D) && cp $(BUILD)/tsan/$* $@.$$$$ && mv $@.$$$$ $@
.PHONY: always submission-asan submission-tsan given-asan given-tsan
submission-asan submission-tsan: submission-%:
	+@$(call again,$*,submission INTO=$(INTO).$*)
# slow_backend shows whether such a program runs here at all.
given-asan given-tsan: given-%:
	+@$(call again,$*,given $(BUILD)/$*/slow_backend)

given: $(COMMON) $(HEADERS) $(foreach ex,$(WANTED),$(given_of_$(ex)))

# What the grader runs beside what it grades.
.PHONY: beside
beside: $(foreach ex,$(WANTED),$(beside_of_$(ex)))

# What a student's file has against it is kept, and the others are graded all the same. Warnings are
# kept until the file is compiled again.
.PHONY: grade exercises understood
exercises: $(STARTERS)
# First of all: who has mistyped EX need not wait for a compiler to be told.
understood:
	$(if $(UNKNOWN),$(error there is no exercise called $(UNKNOWN); there are $(EXERCISES)))
	$(if $(and $(ONLY),$(filter-out 1,$(words $(WANTED)))),$(error ONLY=$(ONLY) is a check of one exercise: say EX=NAME, too))
	$(if $(filter-out 0 1,$(words $(ONLY))),$(error ONLY takes one check, not "$(ONLY)"))
grade: understood $(BUILD)/grade $(if $(ANSWERS),$(BUILD)/quiz) given beside  ##s exercises, graded: make grade EX=short_writes ONLY=C01
	@mkdir -p $(BUILD)/grades && { [ ! -t 1 ] || printf '\r%74s\r' ''; }
	@$(unless_dry) for exercise in $(WANTED); do \
	  said=$(BUILD)/grades/$$exercise.compiler.txt; \
	  LC_ALL=C $(MAKE) -s --no-print-directory V=1 $(BUILD)/exercises/$$exercise \
	    >$$said.new 2>&1 || rm -f $(BUILD)/exercises/$$exercise; \
	  if [ -s $$said.new ] || [ -n "$$(find $(BUILD)/exercises/$$exercise -newer $$said 2>&1)" ]; \
	  then mv $$said.new $$said && touch $$said; fi; \
	done; \
	MAKE='$(MAKE)' $(BUILD)/grade --build $(BUILD) $(if $(ANSWERS),--answers $(ANSWERS)) $(if $(ONLY),--only $(ONLY)) $(if $(filter-out 0,$(V)),--steps) \
	  $(WANTED)

.PHONY: handout
handout: understood $(BUILD)/grade $(BUILD)/check_lessons  ##t an archive for students, no solutions: make handout EX="1 4"
	@sh tests/grade/handout.sh $(BUILD) '$(EXERCISES)' '$(WANTED)' \
	  '$(if $(filter-out 0,$(HIDE)),$(foreach ex,$(WANTED),$(shown_of_$(ex))))'

# A server of ours with some files in OVERLAY in the place of its own. CHANGED names the sources to
# compile again: make mutant SERVER=poll_loop OVERLAY=dir CHANGED=select_poll/poll_loop.cpp INTO=file
sources_of_server = $(patsubst $(BUILD)/objects/%.o,%.cpp,$(call parts_of,$(SERVER)) $(COMMON))

.PHONY: mutant
mutant: all
	@for source in $(filter $(sources_of_server),$(CHANGED)); do \
	  from=$$source; [ -f $(OVERLAY)/$$source ] && from=$(OVERLAY)/$$source; \
	  $(CXX) -std=c++20 -O1 -w -fPIE -I$(OVERLAY) -I. -pthread -c $$from \
	    -o $(OVERLAY)/$$(echo $$source | tr / _).o || exit 1; \
	done
	@$(LINK) $(OVERLAY)/*.o \
	  $(filter-out $(call objects,$(CHANGED)),$(call parts_of,$(SERVER)) $(COMMON)) $(LDLIBS) -o $(INTO)

# The wrong servers of killing_test: the mutants that say so, and in a handout what has been packed.
$(BUILD)/wrong/%: $(PROGRAMS) $(wildcard $(folder_of_killing_test)/wrong/*) \
    $(shell grep -l '^Wrong server:' tests/grade/mutants/*.txt 2>/dev/null)
	@$(unless_dry) sh tests/grade/wrong_server.sh $(BUILD) '$(MAKE)' $*

# And the right ones.
$(BUILD)/right/%: $(PROGRAMS)
	@$(unless_dry) sh tests/grade/wrong_server.sh $(BUILD) '$(MAKE)' $*

# What is for teachers alone.
include $(wildcard tests/grade/prove/rules.mk)
