// json.hpp — just enough JSON, and of JSON Schema, to look at what the grader writes.
//
// Gives: a value read from text, and what is wrong with it by a schema. Of JSON Schema it knows
//        type, const, enum, required, properties, additionalProperties: false, items, minimum and
//        maximum; any other word that restricts a value is a mistake.
// Do not: read what strangers send with this.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

struct Json {
  enum class Kind { null, boolean, number, string, array, object };
  Kind kind = Kind::null;
  bool boolean = false;
  double number = 0;
  std::string string;
  std::vector<Json> array;
  std::map<std::string, Json> object;

  // Throws std::out_of_range.
  const Json& at(const std::string& name) const { return object.at(name); }
  bool has(const std::string& name) const { return object.count(name) > 0; }
};

// Throws std::invalid_argument, with the place.
Json read_json(std::string_view text);

// What is wrong, one line each; empty if nothing.
std::string violations_of(const Json& schema, const Json& value, const std::string& place = "$");
