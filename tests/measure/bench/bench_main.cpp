// run_bench — measures every claim of the lesson, and says which hold on this machine.
#include "tests/measure/bench/bench.hpp"

extern const BenchExperiment waiting_experiment, threads_experiment, wakeup_experiment,
    idle_experiment, switches_experiment, upstream_experiment, cpu_experiment, churn_experiment,
    cores_experiment;

int main(int argc, char** argv) {
  return run_experiments("run_bench",
                         "Measures the lessons' claims, and says which hold on this machine.",
                         {waiting_experiment, threads_experiment, wakeup_experiment,
                          idle_experiment, switches_experiment, upstream_experiment, cpu_experiment,
                          churn_experiment, cores_experiment},
                         argc, argv);
}
