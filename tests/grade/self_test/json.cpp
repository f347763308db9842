#include "tests/grade/self_test/json.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <stdexcept>

namespace {

class JsonReader {
 public:
  explicit JsonReader(std::string_view text) : text_(text) {}

  Json whole() {
    Json value = read();
    skip_space();
    if (at_ != text_.size()) complain("something follows the value");
    return value;
  }

 private:
  [[noreturn]] void complain(const std::string& what) const {
    throw std::invalid_argument(what + " at byte " + std::to_string(at_));
  }

  void skip_space() {
    while (at_ < text_.size() && std::string_view(" \t\r\n").find(text_[at_]) != text_.npos) ++at_;
  }

  char look() {
    skip_space();
    if (at_ == text_.size()) complain("the text ends too early");
    return text_[at_];
  }

  bool take(char c) {
    if (look() != c) return false;
    ++at_;
    return true;
  }

  void expect(char c) {
    if (!take(c)) complain(std::string("there should be ") + c);
  }

  bool take_word(std::string_view word) {
    if (text_.substr(at_, word.size()) != word) return false;
    at_ += word.size();
    return true;
  }

  Json read() {
    Json value;
    const char c = look();
    if (c == '{') {
      read_object(value);
    } else if (c == '[') {
      read_array(value);
    } else if (c == '"') {
      value.kind = Json::Kind::string;
      value.string = read_string();
    } else if (take_word("true") || take_word("false")) {
      value.kind = Json::Kind::boolean;
      value.boolean = c == 't';
    } else if (!take_word("null")) {
      read_number(value);
    }
    return value;
  }

  void read_object(Json& value) {
    value.kind = Json::Kind::object;
    expect('{');
    if (take('}')) return;
    do {
      if (look() != '"') complain("a name must be a string");
      const std::string name = read_string();
      expect(':');
      if (!value.object.emplace(name, read()).second) complain("a name is there twice");
    } while (take(','));
    expect('}');
  }

  void read_array(Json& value) {
    value.kind = Json::Kind::array;
    expect('[');
    if (take(']')) return;
    do value.array.push_back(read());
    while (take(','));
    expect(']');
  }

  void read_number(Json& value) {
    value.kind = Json::Kind::number;
    const std::size_t begin = at_;
    const std::size_t end = text_.find_first_not_of("+-.0123456789eE", begin);
    const std::string digits(text_.substr(begin, end - begin));
    char* stop = nullptr;
    value.number = std::strtod(digits.c_str(), &stop);
    if (digits.empty() || *stop != '\0' || !std::isfinite(value.number)) complain("no value");
    at_ = begin + digits.size();
  }

  std::string read_string() {
    std::string result;
    for (++at_; at_ < text_.size(); ++at_) {
      const char c = text_[at_];
      if (c == '"') {
        ++at_;
        return result;
      }
      if (static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) >= 0x7f)
        complain("a byte that should be escaped");
      result += c == '\\' ? read_escape() : c;
    }
    complain("a string without an end");
  }

  // Below 256 only: the grader writes no others.
  char read_escape() {
    static constexpr std::string_view names = "\"\\/bfnrt";
    static constexpr std::string_view meanings = "\"\\/\b\f\n\r\t";
    const char c = ++at_ < text_.size() ? text_[at_] : '\0';
    const std::size_t place = names.find(c);
    if (place != names.npos) return meanings[place];
    if (c != 'u' || at_ + 4 >= text_.size()) complain("an unknown escape");
    const long code = std::strtol(std::string(text_.substr(at_ + 1, 4)).c_str(), nullptr, 16);
    if (code > 255) complain("a character that the grader does not write");
    at_ += 4;
    return static_cast<char>(code);
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

bool are_equal(const Json& a, const Json& b) {
  return a.kind == b.kind && a.boolean == b.boolean && a.string == b.string &&
         !(a.number < b.number) && !(b.number < a.number);
}

bool has_type(const Json& value, const std::string& type) {
  switch (value.kind) {
    case Json::Kind::null:
      return type == "null";
    case Json::Kind::boolean:
      return type == "boolean";
    case Json::Kind::string:
      return type == "string";
    case Json::Kind::array:
      return type == "array";
    case Json::Kind::object:
      return type == "object";
    case Json::Kind::number:
      return type == "number" || (type == "integer" && std::floor(value.number) >= value.number);
  }
  return false;
}

bool allows_more(const Json& schema) {
  return !schema.has("additionalProperties") || schema.at("additionalProperties").boolean;
}

}  // namespace

Json read_json(std::string_view text) {
  return JsonReader(text).whole();
}

std::string violations_of(const Json& schema, const Json& value, const std::string& place) {
  std::string found;
  const auto complain = [&](const std::string& what) { found += place + ": " + what + "\n"; };
  for (const auto& [word, rule] : schema.object) {
    if (word == "type") {
      if (!has_type(value, rule.string)) complain("is no " + rule.string);
    } else if (word == "const") {
      if (!are_equal(rule, value)) complain("is not " + rule.string);
    } else if (word == "enum") {
      if (std::none_of(rule.array.begin(), rule.array.end(),
                       [&](const Json& one) { return are_equal(one, value); }))
        complain("'" + value.string + "' is none of those that are allowed");
    } else if (word == "minimum") {
      if (value.number < rule.number) complain("is too small");
    } else if (word == "maximum") {
      if (value.number > rule.number) complain("is too large");
    } else if (word == "required") {
      for (const Json& name : rule.array)
        if (!value.has(name.string)) complain("has no " + name.string);
    } else if (word == "properties") {
      for (const auto& [name, field] : value.object)
        if (rule.has(name))
          found += violations_of(rule.at(name), field, place + "." + name);
        else if (!allows_more(schema))
          complain("should have no " + name);
    } else if (word == "items") {
      for (std::size_t i = 0; i < value.array.size(); ++i)
        found += violations_of(rule, value.array[i], place + "[" + std::to_string(i) + "]");
    } else if (word != "$schema" && word != "title" && word != "description" &&
               word != "additionalProperties") {
      complain("the schema has a word that this validator does not know: " + word);
    }
  }
  return found;
}
