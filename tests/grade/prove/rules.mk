# What is for teachers alone, and in no handout: the archive for Gradescope, and the grader's own
# proofs, which need the solutions and the wrong programs.

# Most solutions are kept as what makes them of a student's file, or of a server; SOLVED are
# those, whole.
SOLVED = $(patsubst %.txt,$(BUILD)/objects/%.cpp,$(wildcard tests/grade/solutions/*.txt))
$(foreach ex,$(EXERCISES),$(eval $(BUILD)/objects/tests/grade/solutions/$(ex).cpp: \
  $(folder_of_$(ex))/$(file_of_$(ex))))
$(BUILD)/objects/tests/grade/solutions/c10k.cpp: nonblocking/await_conversation.cpp
$(SOLVED): $(BUILD)/objects/%.cpp: %.txt tests/grade/prove/changes.awk
	@mkdir -p $(@D)
	@sh tests/grade/mutant.sh solution $(*F) >$@.new && mv $@.new $@
lint: $(SOLVED)

.PHONY: solution
solution: understood  ##t prints the solution of an exercise: make solution EX=timeouts
	@for exercise in $(WANTED); do sh tests/grade/mutant.sh solution $$exercise || exit 1; done

# What Gradescope wants: an archive with setup.sh and run_autograder at its root.
.PHONY: gradescope
gradescope: understood  ##t an autograder for Gradescope: make gradescope EX=short_writes
	@test $(words $(EX)) = 1 || { echo 'gradescope: say which exercise, EX=short_writes'; exit 2; }
	@$(MAKE) -s --no-print-directory handout EX='$(EX)'
	@rm -rf $(BUILD)/gradescope && mkdir -p $(BUILD)/gradescope
	@tar -C $(BUILD)/gradescope -xzf $(BUILD)/two-ways-to-wait.tar.gz
	@cp tests/grade/gradescope/setup.sh tests/grade/gradescope/run_autograder $(BUILD)/gradescope/
	@chmod +x $(BUILD)/gradescope/setup.sh $(BUILD)/gradescope/run_autograder
	@echo $(WANTED) >$(BUILD)/gradescope/exercise
	@rm -f $(BUILD)/gradescope-$(WANTED).zip
	@cd $(BUILD)/gradescope && zip -qr ../gradescope-$(WANTED).zip .
	@echo $(BUILD)/gradescope-$(WANTED).zip

# The grader is graded: every starter scores its baseline, every solution 100, and each mutant
# loses what it must and nothing else. SHARE=2/4 is the second quarter of it.
SHARE ?= 1/1
.PHONY: prove-grader prove-grader-quickly
prove-grader: all $(BUILD)/grade $(STARTERS) solutions-again given beside  ## every solution, starter and mutant through the grader
	@$(unless_dry) sh tests/grade/prove/prove.sh $(BUILD) '$(MAKE)' all '$(ONLY)' '$(SHARE)'
prove-grader-quickly: all $(BUILD)/grade $(SOLUTIONS) given $(BUILD)/right/event_loop
	@$(unless_dry) sh tests/grade/prove/prove.sh $(BUILD) '$(MAKE)' quick

# The beginning of an exercise, and whether it is one: it compiles, its starter scores its baseline, its
# solution all points, and it has a brief.
.PHONY: new-exercise check-exercise
new-exercise:  ## the beginning of an exercise: make new-exercise NAME=foo IN=select_poll
	@sh tests/grade/prove/new_exercise.sh '$(NAME)' '$(IN)'
check-exercise: understood exercises-again solutions-again given beside  ## is it one? make check-exercise EX=foo
	@$(unless_dry) for exercise in $(WANTED); do \
	  sh tests/grade/prove/prove.sh $(BUILD) '$(MAKE)' exercise $$exercise || exit 1; \
	done

# The solutions, or the starters, as the checks Y01 and Y02 want them, too.
.PHONY: solutions-again exercises-again
solutions-again: $(addprefix $(BUILD)/solutions/,$(WANTED))
exercises-again: $(addprefix $(BUILD)/exercises/,$(WANTED))
solutions-again exercises-again: %-again: $(BUILD)/grade
	+@$(unless_dry) $(MAKE) -s --no-print-directory $$(for exercise in $(WANTED); do \
	  for as in $$($(BUILD)/grade --rebuilds $$exercise); do \
	    echo $(BUILD)/$*/$$exercise.$$as; \
	  done; \
	done)

# Which wrong program loses which check. The check of it needs no build: every mutant can be made, and
# every check is lost by one of them.
.PHONY: mutant-table check-mutants
mutant-table:  ## which wrong program loses which check of the grader
	@sh tests/grade/prove/mutants.sh table
check-mutants:
	@sh tests/grade/prove/mutants.sh check

# Correct programs, again and again, on a machine that is kept busy.
RUNS    ?= 100
GRADERS ?= 4
HOGS    ?= 2
.PHONY: false-failures
false-failures: solutions-again beside  ## does the grader fail what is right? make false-failures RUNS=100
	@sh tests/grade/prove/false_failures.sh $(BUILD) $(RUNS) $(GRADERS) $(HOGS) \
	  '$(patsubst $(BUILD)/%,%,$(SOLUTIONS))'

.PHONY: correct-servers
correct-servers: $(BUILD)/grade given  ## correct programs, otherwise written: all must have 100 points
	@$(unless_dry) sh tests/grade/prove/prove.sh $(BUILD) '$(MAKE)' correct '$(ONLY)' '$(SHARE)'

.PHONY: golden golden-quickly
golden: $(BUILD)/grade $(BUILD)/quiz $(BUILD)/solutions/find_the_bugs given  ## a class of bad submissions through the grader
	@sh tests/grade/prove/golden.sh $(BUILD)
golden-quickly: $(BUILD)/grade $(BUILD)/quiz given
	@sh tests/grade/prove/golden.sh $(BUILD) empty syntax_error own_makefile fake_score closes_fd3

# The archive of `make gradescope`, tried as Gradescope's documentation prescribes. FRESH=1 takes
# nothing from here that has been compiled already.
.PHONY: prove-gradescope
prove-gradescope: understood $(BUILD)/grade given beside  ## the archive for Gradescope, used: make prove-gradescope EX=c10k
	@$(unless_dry) for exercise in $(if $(EX),$(WANTED),short_writes); do \
	  CXX='$(CXX)' sh tests/grade/prove/gradescope.sh $(BUILD) '$(MAKE)' $$exercise \
	    $(if $(filter-out 0,$(FRESH)),fresh) || exit 1; \
	done

.PHONY: prove-handout
prove-handout: $(BUILD)/check_lessons
	@$(unless_dry) sh tests/grade/prove/handout.sh $(BUILD)

# Part of `make test`.
ifneq ($(WHOLE),)
ONCE += check-mutants prove-grader-quickly golden-quickly prove-gradescope prove-handout
test: $(BUILD)/grade $(BUILD)/quiz $(BUILD)/check_lessons $(SOLUTIONS) $(BUILD)/right/event_loop given
endif
