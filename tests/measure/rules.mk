# rules.mk — the measurements: make bench, make figures; and prefork.

BENCH      = $(call objects,$(filter-out %_main.cpp,$(wildcard tests/measure/bench/*.cpp)))
BENCHES    = $(BUILD)/run_bench $(BUILD)/compare
TIMELINE   = $(call objects,tests/measure/bench/machine.cpp $(filter-out %_main.cpp %_test.cpp, \
               $(wildcard tests/measure/timeline/*.cpp)))
BENCH_NEEDS = all $(BUILD)/run_bench
QUICK_FLAG = $(if $(filter-out 0,$(QUICK)),-q)

all: $(BUILD)/prefork
everything: $(BENCHES) $(BUILD)/draw_timeline $(BUILD)/prefork

$(BUILD)/prefork: $(call objects,nonblocking/prefork.cpp nonblocking/copy.cpp) $(COMMON)
	$(link)

$(BUILD)/run_bench: $(call objects,tests/measure/bench/bench_main.cpp)
$(BUILD)/compare:   $(call objects,tests/measure/bench/compare_main.cpp)
$(BENCHES): $(BENCH) $(MEASURE) $(KIT) $(COMMON)
	$(link)

$(BUILD)/draw_timeline: $(call objects,tests/measure/timeline/draw_timeline_main.cpp) \
  $(TIMELINE) $(MEASURE) $(KIT) $(COMMON)
	$(link)

$(BUILD)/tests/instruments: $(BENCH) $(TIMELINE) $(call objects,tests/measure/timeline/timeline_test.cpp) | $(BUILD)/prefork

.PHONY: timeline bench figures
timeline: all $(BUILD)/draw_timeline  ##s what each thread does while its clients wait, drawn from a trace
	@$(BUILD)/draw_timeline -d $(BUILD) $(CHOSEN)

ifneq ($(filter bench,$(MAKECMDGOALS)),)
  ifeq ($(shell command -v gnuplot 2>/dev/null),)
    $(info bench: gnuplot is not installed, so there will be no pictures (Debian: apt-get install gnuplot-nox))
  endif
endif
bench: $(BENCH_NEEDS)  ##s every claim, measured: make bench EXPERIMENT=threads QUICK=1
	@mkdir -p $(BUILD)/bench
	@$(BUILD)/run_bench -d $(BUILD) -o $(BUILD)/bench $(QUICK_FLAG) $(EXPERIMENT); status=$$?; \
	  sh tests/measure/figures.sh $(BUILD)/bench $(BUILD)/bench; exit $$status

# A directory of its own: what another run has left in bench is not this one's to keep. EXPERIMENT
# may be timeline here, too.
MEASURED = $(or $(filter-out timeline,$(EXPERIMENT)),$(if $(EXPERIMENT),,all of them))
DRAWN    = $(if $(filter timeline,$(or $(EXPERIMENT),timeline)),$(SERVERS))
figures: $(if $(QUICK_FLAG),,$(BENCH_NEEDS) $(BUILD)/draw_timeline)  ## the kept figures: measures, then refreshes figures/
	@$(if $(QUICK_FLAG),echo 'figures: what is kept is measured whole; leave QUICK out' >&2; exit 1)
	@rm -rf $(BUILD)/bench-kept
	@mkdir -p $(BUILD)/bench-kept figures
	@$(if $(DRAWN),$(BUILD)/draw_timeline -k -d $(BUILD) -o $(BUILD)/bench-kept $(DRAWN))
	@$(foreach server,$(DRAWN),cp $(BUILD)/bench-kept/$(server).svg figures/timeline-$(server).svg && )true
	@$(if $(MEASURED),$(BUILD)/run_bench -k -d $(BUILD) -o $(BUILD)/bench-kept $(filter-out timeline,$(EXPERIMENT)))
	@$(if $(MEASURED),sh tests/measure/figures.sh -k $(BUILD)/bench-kept figures)
