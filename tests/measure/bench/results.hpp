// results.hpp — what an experiment has found, number by number.
//
// Gives: samples by model, by x (clients, milliseconds...) and by metric; their median, least and
//        most; a tidy CSV file; tables for a terminal.
// Do:    add one sample per repeat. fail() a model at an x where it did not do its work: from then
//        on it has no numbers there, whatever other repeats have found.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <tuple>
#include <vector>

struct Spread {
  double median = 0;
  double least = 0;
  double most = 0;
  double low = 0;   // half of all lie from here
  double high = 0;  // to here
  std::size_t repeats = 0;
};

// A verdict needs a number, and there is none: a server has failed, or this system does not tell.
struct NoNumber : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// How a number is written in a table.
using NumberFormat = std::function<std::string(double)>;

class Results {
 public:
  // `x_name` is the CSV's name for what is varied: "idle_clients". `reference` is the model to
  // which the CSV's ratios are taken, at the same x or at `reference_x`.
  explicit Results(std::string x_name, std::string reference = "",
                   std::optional<double> reference_x = std::nullopt)
      : x_name_(std::move(x_name)), reference_(std::move(reference)), reference_x_(reference_x) {}

  // Fixes a model's place in the tables: models are listed in order of their first mention.
  void mention(const std::string& model);
  void add(const std::string& model, double x, const std::string& metric, double value);
  void fail(const std::string& model, double x, const std::string& reason);

  std::optional<Spread> spread(const std::string& model, double x, const std::string& metric) const;
  // The median; nothing if there are no samples, or the model has failed there.
  std::optional<double> find(const std::string& model, double x, const std::string& metric) const;
  // The ratios within a repeat, and their median: a sample of `model` by the sample that `other`
  // added in the same repeat. Where one of them has a single sample, a constant, the ratio of the
  // medians. Nothing if one of them has no samples, or if `other` is not above zero in each repeat:
  // a ratio to next to nothing is noise.
  std::optional<Spread> ratio(const std::string& model, double x, const std::string& metric,
                              const std::string& other, double other_x) const;
  // The same, where a verdict needs them. Throw NoNumber.
  double at(const std::string& model, double x, const std::string& metric) const;
  Spread ratio_at(const std::string& model, double x, const std::string& metric,
                  const std::string& other, double other_x) const;
  bool failed(const std::string& model, double x) const;
  std::vector<std::string> failures() const;  // "poll_loop at 1,000: ..."

  std::vector<std::string> models() const { return models_; }
  // The values of x at which a metric has samples or a model has failed, in order.
  std::vector<double> points(const std::string& metric) const;

  // Puts a '*' before this number in the tables, and into the CSV.
  void mark(const std::string& model, double x, const std::string& metric);
  bool is_marked(const std::string& model, double x, const std::string& metric) const;

  // "7 repeats" or "5 to 21 repeats": what has been repeated at all, from its samples.
  std::string repeats_text() const;

  // Lines "model,x,metric,median,min,max,repeats,ratio,ratio_min,ratio_max,mark,failure".
  std::string csv() const;
  // A row for each model, a column for each x.
  std::string table(const std::string& metric, const NumberFormat& format) const;
  // The same the other way round, for many x and few models.
  std::string table_by_x(const std::string& metric, const NumberFormat& format) const;
  // One row for each model, and for each column the x and the metric that it shows. Where a model
  // has no number there is "-", where it has failed "FAILED"; one that has neither anywhere is left
  // out.
  struct Column {
    std::string title;
    double x;
    std::string metric;
    NumberFormat format;
  };
  std::string table_of(const std::vector<Column>& columns, const std::string& title = "") const;

 private:
  using Key = std::tuple<std::string, double, std::string>;
  std::string cell(const std::string& model, double x, const std::string& metric,
                   const NumberFormat& format) const;
  std::string ratio_cells(const Key& key) const;

  std::string x_name_;
  std::string reference_;
  std::optional<double> reference_x_;
  std::vector<std::string> models_;  // in order of their first mention
  std::vector<Key> order_;
  std::map<Key, std::vector<double>> samples_;
  std::set<Key> marked_;
  std::map<std::pair<std::string, double>, std::string> failures_;
};
