# The walkthrough: kept in step with the code, checked, and asked about.
LESSONS_COMMON = $(call objects,$(filter-out %_main.cpp,$(wildcard tests/lessons/*.cpp)) tests/measure/text_table.cpp)

everything: $(BUILD)/check_lessons $(BUILD)/quiz

$(BUILD)/check_lessons: $(BUILD)/objects/tests/lessons/check_main.o $(LESSONS_COMMON) $(KIT) $(COMMON)
	$(link)

$(BUILD)/quiz: $(BUILD)/objects/tests/lessons/quiz_main.o $(LESSONS_COMMON) $(KIT) $(COMMON)
	$(link)

# The code that the lessons label WRONG, each proved wrong by a case of its own.
$(BUILD)/tests/wrong_code: $(call objects,$(wildcard tests/lessons/wrong/*.cpp) \
    tests/unit/main.cpp tests/unit/socket_pair.cpp) $(KIT) $(COMMON)
	$(link)
tests everything: $(BUILD)/tests/wrong_code

.PHONY: lessons check-lessons quiz read
lessons: $(BUILD)/check_lessons  ## brings excerpts and numbers of lessons.md, and the exercises' briefs, up to date
	$(BUILD)/check_lessons -r

# The lessons quote and run all servers.
ifneq ($(HIDDEN),)
check-lessons:
	@echo 'skipped: check-lessons: this copy has no $(HIDDEN)'
else
LESSONS_NEED = $(addprefix $(BUILD)/,check_lessons quiz demo load attack prefork tests/wrong_code)
check-lessons: all $(LESSONS_NEED)  ## is everything in lessons.md true?
	@$(BUILD)/tests/wrong_code --minimal
	$(BUILD)/check_lessons $(if $(LESSON),-l $(LESSON))
	$(if $(LESSON),,@$(BUILD)/check_lessons -l 4 -d 20000)
	@sh tests/lessons/prove_checker.sh $(BUILD)
	@sh tests/lessons/check_words.sh $(BUILD)
	@sh tests/measure/keep_demo.sh -n
endif
ifneq ($(WHOLE),)
ONCE += check-lessons
test: $(LESSONS_NEED)
endif

read:  ##s a lesson in the terminal: make read LESSON=3
	@awk -v lesson='$(or $(LESSON),0)' -f tests/lessons/read.awk lessons.md | $${PAGER:-more}

quiz: $(BUILD)/quiz  ##s the questions of lessons.md: make quiz LESSON=3
	@$(BUILD)/quiz $(if $(LESSON),-l $(LESSON)) $(if $(SEED),-s $(SEED)) $(if $(ANSWERS),-a $(ANSWERS))
