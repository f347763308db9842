# rules.mk — the measurements: make bench, make figures; and prefork.

BENCH      = $(call objects,$(filter-out %_main.cpp,$(wildcard tests/measure/bench/*.cpp)))
BENCHES    = $(BUILD)/run_bench $(BUILD)/compare
TIMELINE   = $(call objects,tests/measure/bench/machine.cpp $(filter-out %_main.cpp %_test.cpp, \
               $(wildcard tests/measure/timeline/*.cpp)))
BENCH_NEEDS = all $(BUILD)/run_bench
QUICK_FLAG = $(if $(filter-out 0,$(QUICK)),-q)

all: $(BUILD)/prefork $(BUILD)/line_service
everything: $(BENCHES) $(BUILD)/draw_timeline

$(BUILD)/prefork:      $(call objects,nonblocking/prefork.cpp nonblocking/worker.cpp) $(COMMON)
$(BUILD)/line_service: $(call objects,nonblocking/line_service.cpp) $(READY_QUEUE) $(COMMON)
$(BUILD)/prefork $(BUILD)/line_service:
	$(link)

$(BUILD)/run_bench: $(call objects,tests/measure/bench/bench_main.cpp)
$(BUILD)/compare:   $(call objects,tests/measure/bench/compare_main.cpp)
$(BENCHES): $(BENCH) $(MEASURE) $(KIT) $(COMMON)
	$(link)

$(BUILD)/draw_timeline: $(call objects,tests/measure/timeline/draw_timeline_main.cpp) \
  $(TIMELINE) $(MEASURE) $(KIT) $(COMMON)
	$(link)

$(BUILD)/demo: $(call objects,tests/measure/bench/machine.cpp)
$(BUILD)/tests/instruments: $(BENCH) $(TIMELINE) $(call objects,tests/measure/timeline/timeline_test.cpp) | $(BUILD)/prefork $(BUILD)/line_service

.PHONY: timeline bench figures
timeline: all $(BUILD)/draw_timeline  ##s what its threads do while clients wait, drawn: make timeline SERVER=poll_loop
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

# A directory of its own: what another run has left in bench is not this one's to keep. Two things are
# kept besides the experiments: EXPERIMENT may be timeline or demo here, too.
MEASURED = $(or $(filter-out timeline demo,$(EXPERIMENT)),$(if $(EXPERIMENT),,all of them))
WANTED_TOO = $(filter $(1),$(or $(EXPERIMENT),timeline demo))
KEPT     = $(BUILD)/bench-kept
figures: $(if $(QUICK_FLAG),,$(BENCH_NEEDS) $(BUILD)/draw_timeline $(BUILD)/demo)  ## the kept figures: measures, then refreshes figures/
	@$(if $(QUICK_FLAG),echo 'figures: what is kept is measured whole; leave QUICK out' >&2; exit 1)
	@rm -rf $(KEPT)
	@mkdir -p $(KEPT) figures
ifneq ($(call WANTED_TOO,timeline),)
	@$(BUILD)/draw_timeline -k -d $(BUILD) -o $(KEPT) $(SERVERS)
	@for server in $(SERVERS); do cp $(KEPT)/$$server.svg figures/timeline-$$server.svg || exit; done
endif
ifneq ($(call WANTED_TOO,demo),)
	@$(BUILD)/demo -k -d $(BUILD) >$(KEPT)/demo.txt
	@cp $(KEPT)/demo.txt figures/demo.txt
	@sh tests/measure/keep_demo.sh
endif
ifneq ($(MEASURED),)
	@$(BUILD)/run_bench -k -d $(BUILD) -o $(KEPT) $(filter-out timeline demo,$(EXPERIMENT))
	@sh tests/measure/figures.sh -k $(KEPT) figures
endif
