// JSON whose every access is checked: a value of another type than asked for is an error that names file and location.
#pragma once

#include <simdjson.h>

#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace crossload::program {

/// What is being read, for messages: the file and entry, and the item inside, such as "node `linear_4`".
struct JsonLocation {
  std::string where;
  std::string item;

  /// Throws `kBadInput`: `<where>: <item>: <seen>; …`.
  [[noreturn]] void fail(std::string_view seen) const;
};

/// A value inside a JsonDocument, which must outlive it.
class Json {
 public:
  Json(const JsonLocation* location, simdjson::dom::element value, std::string_view key)
      : location_(location), value_(value), key_(key) {}

  const JsonLocation& location() const { return *location_; }
  bool is_null() const { return value_.is_null(); }
  bool is_string() const { return value_.is_string(); }
  bool is_array() const { return value_.is_array(); }
  bool is_object() const { return value_.is_object(); }

  std::string_view string() const {
    std::string_view result;
    if (value_.get(result) != simdjson::SUCCESS) wrong_type("a string");
    return result;
  }
  int64_t integer() const {
    int64_t result = 0;
    if (value_.get(result) != simdjson::SUCCESS) wrong_type("a 64-bit integer");
    return result;
  }
  bool boolean() const {
    bool result = false;
    if (value_.get(result) != simdjson::SUCCESS) wrong_type("a boolean");
    return result;
  }
  /// A number, or one of the strings `Infinity`, `-Infinity` and `NaN`.
  double real() const;
  /// A number or boolean as JSON writes it.
  std::string scalar_text() const { return simdjson::to_string(value_); }

  /// The field `key`. Throws when there is none.
  Json at(std::string_view key) const;
  /// The field `key`, or nothing when it is absent or null.
  std::optional<Json> find(std::string_view key) const;
  /// The key and value of an object that stands for one of several types: its one field.
  std::pair<std::string_view, Json> tagged() const;

  std::size_t size() const { return array().size(); }
  /// Calls `f(Json)` for every element.
  template <typename F>
  void each(F f) const {
    for (const simdjson::dom::element element : array()) f(Json(location_, element, key_));
  }
  /// Calls `f(std::string_view key, Json)` for every field.
  template <typename F>
  void each_field(F f) const {
    for (const auto field : object()) f(field.key, Json(location_, field.value, field.key));
  }

  /// Throws `kBadInput`: `<where>: <item>: `<key>` <seen>; …`.
  [[noreturn]] void fail(std::string_view seen) const;

 private:
  [[noreturn]] void wrong_type(std::string_view expected) const;
  simdjson::dom::array array() const {
    simdjson::dom::array result;
    if (value_.get(result) != simdjson::SUCCESS) wrong_type("an array");
    return result;
  }
  simdjson::dom::object object() const {
    simdjson::dom::object result;
    if (value_.get(result) != simdjson::SUCCESS) wrong_type("an object");
    return result;
  }

  const JsonLocation* location_;
  simdjson::dom::element value_;
  std::string_view key_;
};

/// A parsed text; owns what its values point to.
class JsonDocument {
 public:
  /// Throws `kBadInput` when the text is no JSON.
  JsonDocument(std::string_view text, std::string where, std::string item = {});
  JsonDocument(const JsonDocument&) = delete;
  JsonDocument& operator=(const JsonDocument&) = delete;

  Json root() const { return Json(&location_, root_, "the top value"); }
  /// Names the item that is being read from here on.
  void set_item(std::string_view kind, std::string_view name);
  void clear_item() { location_.item.clear(); }

 private:
  JsonLocation location_;
  simdjson::dom::parser parser_;
  simdjson::dom::element root_;
};

}  // namespace crossload::program
