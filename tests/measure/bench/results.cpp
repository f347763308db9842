#include "tests/measure/bench/results.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>

#include "tests/measure/text_table.hpp"

namespace {

std::string x_text(double x) {
  return with_commas(static_cast<std::uint64_t>(std::llround(x)));
}

std::string csv_number(double number) {
  char room[64];
  std::snprintf(room, sizeof room, "%.6g", number);
  return room;
}

std::string csv_numbers(const Spread& spread) {
  return csv_number(spread.median) + "," + csv_number(spread.least) + "," + csv_number(spread.most);
}

// Of at least one value.
Spread spread_of(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const std::size_t quarter = (values.size() - 1) / 4;
  return {median(values),
          values.front(),
          values.back(),
          values[quarter],
          values[values.size() - 1 - quarter],
          values.size()};
}

// A reason may hold commas and quotes (RFC 4180).
std::string csv_text(const std::string& text) {
  if (text.find_first_of(",\"\n") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"') quoted += '"';
    quoted += c == '\n' ? ' ' : c;
  }
  return quoted + "\"";
}

}  // namespace

void Results::mention(const std::string& model) {
  if (std::find(models_.begin(), models_.end(), model) == models_.end()) models_.push_back(model);
}

void Results::add(const std::string& model, double x, const std::string& metric, double value) {
  mention(model);
  const Key key{model, x, metric};
  if (samples_.find(key) == samples_.end()) order_.push_back(key);
  samples_[key].push_back(value);
}

void Results::fail(const std::string& model, double x, const std::string& reason) {
  mention(model);
  failures_.try_emplace({model, x}, reason);
}

bool Results::failed(const std::string& model, double x) const {
  return failures_.find({model, x}) != failures_.end();
}

std::optional<Spread> Results::spread(const std::string& model, double x,
                                      const std::string& metric) const {
  const auto found = samples_.find({model, x, metric});
  if (found == samples_.end() || failed(model, x)) return std::nullopt;
  return spread_of(found->second);
}

std::optional<double> Results::find(const std::string& model, double x,
                                    const std::string& metric) const {
  const auto found = spread(model, x, metric);
  if (!found) return std::nullopt;
  return found->median;
}

double Results::at(const std::string& model, double x, const std::string& metric) const {
  if (const auto found = find(model, x, metric)) return *found;
  throw NoNumber("there is no " + metric + " of " + model + " at " + x_text(x));
}

Spread Results::ratio_at(const std::string& model, double x, const std::string& metric,
                         const std::string& other, double other_x) const {
  if (const auto found = ratio(model, x, metric, other, other_x)) return *found;
  throw NoNumber("there is no " + metric + " of " + model + " and " + other);
}

std::optional<Spread> Results::ratio(const std::string& model, double x, const std::string& metric,
                                     const std::string& other, double other_x) const {
  const auto ours = samples_.find({model, x, metric});
  const auto theirs = samples_.find({other, other_x, metric});
  if (ours == samples_.end() || theirs == samples_.end()) return std::nullopt;
  if (failed(model, x) || failed(other, other_x)) return std::nullopt;
  const std::vector<double>& one = ours->second;
  const std::vector<double>& two = theirs->second;
  if (*std::min_element(two.begin(), two.end()) <= 0) return std::nullopt;
  if (one.size() == 1 || two.size() == 1) return spread_of({median(one) / median(two)});
  std::vector<double> ratios;
  for (std::size_t i = 0; i < std::min(one.size(), two.size()); ++i)
    ratios.push_back(one[i] / two[i]);
  return spread_of(std::move(ratios));
}

std::vector<std::string> Results::failures() const {
  std::vector<std::string> lines;
  for (const auto& [where, reason] : failures_)
    lines.push_back(where.first + " at " + x_text(where.second) + ": " + reason);
  return lines;
}

std::vector<double> Results::points(const std::string& metric) const {
  std::set<double> points;
  for (const Key& key : order_)
    if (std::get<2>(key) == metric) points.insert(std::get<1>(key));
  for (const auto& failure : failures_) points.insert(failure.first.second);
  return {points.begin(), points.end()};
}

void Results::mark(const std::string& model, double x, const std::string& metric) {
  marked_.insert({model, x, metric});
}

bool Results::is_marked(const std::string& model, double x, const std::string& metric) const {
  return marked_.count({model, x, metric}) > 0;
}

std::string Results::repeats_text() const {
  std::set<std::size_t> counts;
  for (const auto& [key, values] : samples_)
    if (values.size() > 1) counts.insert(values.size());
  if (counts.empty()) return "no repeats";
  return (counts.size() == 1 ? "" : std::to_string(*counts.begin()) + " to ") +
         std::to_string(*counts.rbegin()) + " repeats";
}

std::string Results::csv() const {
  std::string text = "model," + x_name_ +
                     ",metric,median,min,max,repeats,ratio,ratio_min,ratio_max,mark,failure\n";
  std::vector<Key> rows = order_;
  const auto place = [this](const Key& key) {
    const auto model = std::find(models_.begin(), models_.end(), std::get<0>(key));
    return std::pair(std::get<1>(key), model - models_.begin());
  };
  std::stable_sort(rows.begin(), rows.end(),
                   [&](const Key& one, const Key& other) { return place(one) < place(other); });
  for (const Key& key : rows) {
    const auto& [model, x, metric] = key;
    const auto found = spread(model, x, metric);
    if (!found) continue;
    text += csv_text(model) + "," + csv_number(x) + "," + metric + "," + csv_numbers(*found) + "," +
            std::to_string(found->repeats) + "," + ratio_cells(key) + "," +
            (is_marked(model, x, metric) ? "saturated" : "") + ",\n";
  }
  for (const auto& [where, reason] : failures_)
    text += csv_text(where.first) + "," + csv_number(where.second) + ",,,,,,,,,," +
            csv_text(reason) + "\n";
  return text;
}

std::string Results::ratio_cells(const Key& key) const {
  const auto& [model, x, metric] = key;
  const double other_x = reference_x_.value_or(x);
  if (model == reference_ && x == other_x) return "1,1,1";
  const auto found = ratio(model, x, metric, reference_, other_x);
  return found ? csv_numbers(*found) : ",,";
}

std::string Results::cell(const std::string& model, double x, const std::string& metric,
                          const NumberFormat& format) const {
  if (failed(model, x)) return "FAILED";
  const auto found = find(model, x, metric);
  if (!found) return "-";
  return (is_marked(model, x, metric) ? "*" : "") + format(*found);
}

std::string Results::table(const std::string& metric, const NumberFormat& format) const {
  std::vector<Column> columns;
  for (const double x : points(metric)) columns.push_back({x_text(x), x, metric, format});
  return table_of(columns, x_name_);
}

std::string Results::table_by_x(const std::string& metric, const NumberFormat& format) const {
  std::vector<std::string> titles{x_name_};
  titles.insert(titles.end(), models_.begin(), models_.end());
  TextTable table(titles);
  for (const double x : points(metric)) {
    std::vector<std::string> cells{x_text(x)};
    for (const std::string& model : models_) cells.push_back(cell(model, x, metric, format));
    table.add(cells);
  }
  return table.text();
}

std::string Results::table_of(const std::vector<Column>& columns, const std::string& title) const {
  std::vector<std::string> titles{title};
  for (const Column& column : columns) titles.push_back(column.title);
  TextTable table(titles);
  for (const std::string& model : models_) {
    std::vector<std::string> cells{model};
    bool any = false;
    for (const Column& column : columns) {
      cells.push_back(cell(model, column.x, column.metric, column.format));
      any = any || cells.back() != "-";
    }
    if (any) table.add(cells);
  }
  return table.text();
}
