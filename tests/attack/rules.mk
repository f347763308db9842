# The bad clients: make attack, for what is built here or for a file of your own; and whether the
# sketches fall as they say.

CHOSEN_ATTACK = $(if $(ONLY),-o $(ONLY))
ifeq ($(FILE),)
attack: all $(BUILD)/attack  ##s bad clients and a scoreboard: make attack SERVER=poll_loop; FILE=mine.cpp ONLY=resets
	$(BUILD)/attack $(CHOSEN_ATTACK) $(addprefix $(BUILD)/,$(if $(filter command line,$(origin SERVER)),$(SERVER),$(SERVERS) $(SKETCHES)))
else
attack: $(BUILD)/attack $(ON_KQUEUE)
	$(if $(wildcard $(FILE)),,$(error there is no file $(FILE)))
	@mkdir -p $(BUILD)/attacked
	$(CXX) -std=c++20 $(CXXFLAGS) -Wall -Wextra -Wshadow $(INCLUDES) -pthread $(FILE) $(ON_KQUEUE) -o $(BUILD)/attacked/$(basename $(notdir $(FILE)))
	@$(BUILD)/attack --contained $(CHOSEN_ATTACK) $(BUILD)/attacked/$(basename $(notdir $(FILE)))
endif

# A handout has no proofs.
ifneq ($(wildcard tests/grade/prove),)
.PHONY: check-sketches
check-sketches: all $(BUILD)/attack  ## do the attacks that the sketches name end them, and do the answers mend that
	@$(unless_dry) sh tests/attack/sketches.sh $(BUILD) '$(MAKE)' $(BUILD)/attack '$(SKETCHES)'
ifneq ($(WHOLE),)
ONCE += check-sketches
test: $(BUILD)/attack
endif
endif
