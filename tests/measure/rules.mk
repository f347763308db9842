# rules.mk — the measurements: make bench and its kin, figures, predict, peers; and prefork.

BENCH      = $(call objects,$(filter-out %_main.cpp,$(wildcard tests/measure/bench/*.cpp)))
BENCHES    = $(addprefix $(BUILD)/,run_bench predict peers)
BENCH_NEEDS = all $(FLOORS) $(BENCHES)
QUICK_FLAG = $(if $(filter-out 0,$(QUICK)),-q)

all: $(BUILD)/prefork
everything: $(BENCHES) $(BUILD)/prefork

$(BUILD)/prefork: $(call objects,nonblocking/prefork.cpp nonblocking/copy.cpp) $(COMMON)
	$(link)

$(BUILD)/run_bench: $(call objects,tests/measure/bench/bench_main.cpp)
$(BUILD)/predict:   $(call objects,tests/measure/bench/predict_main.cpp)
$(BUILD)/peers:     $(call objects,tests/measure/bench/peers_main.cpp)
$(BENCHES): $(BENCH) $(MEASURE) $(KIT) $(COMMON)
	$(link)

$(BUILD)/tests/instruments: $(BENCH) | $(BUILD)/prefork

.PHONY: bench bench-compare bench-repeat figures predict peers
ifneq ($(filter bench,$(MAKECMDGOALS)),)
  ifeq ($(shell command -v gnuplot 2>/dev/null),)
    $(info bench: gnuplot is not installed, so there will be no pictures (Debian: apt-get install gnuplot-nox))
  endif
endif
bench: $(BENCH_NEEDS)  ##s every claim, measured: make bench EXPERIMENT=threads QUICK=1
	@mkdir -p $(BUILD)/bench
	@$(BUILD)/run_bench -d $(BUILD) -o $(BUILD)/bench $(QUICK_FLAG) $(EXPERIMENT); status=$$?; \
	  sh tests/measure/figures.sh $(BUILD)/bench $(BUILD)/bench; exit $$status

A ?= $(BUILD)/bench-repeat/1
B ?= $(BUILD)/bench-repeat/2
bench-compare:  ## two runs side by side: make bench-compare A=DIR B=DIR
	@sh tests/measure/bench_compare.sh $(A) $(B)

N ?= 10
bench-repeat: $(BENCH_NEEDS)  ## do verdicts change? make bench-repeat N=10 QUICK=1
	@sh tests/measure/bench_repeat.sh $(N) $(BUILD)/bench-repeat $(BUILD)/run_bench -d $(BUILD) $(QUICK_FLAG) $(EXPERIMENT)

# A directory of its own: what another run has left in bench is not this one's to keep.
figures: $(if $(QUICK_FLAG),,$(BENCH_NEEDS))  ## the kept figures: measures, then refreshes figures/
	@$(if $(QUICK_FLAG),echo 'figures: what is kept is measured whole; leave QUICK out' >&2; exit 1)
	@rm -rf $(BUILD)/bench-kept
	@mkdir -p $(BUILD)/bench-kept figures
	@$(BUILD)/run_bench -d $(BUILD) -o $(BUILD)/bench-kept $(EXPERIMENT)
	@sh tests/measure/figures.sh -k $(BUILD)/bench-kept figures

predict: $(BENCH_NEEDS)  ##s five questions, your guesses, and what this machine says
	@$(BUILD)/predict -d $(BUILD)

peers: $(BENCH_NEEDS)  ## the same work on nginx, Node.js and others, where installed
	@$(BUILD)/peers -d $(BUILD)
