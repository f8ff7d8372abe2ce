#include "program/json.h"

#include <cmath>
#include <limits>

#include "base/error.h"

namespace crossload::program {
namespace {

std::string_view type_name(simdjson::dom::element value) {
  using Type = simdjson::dom::element_type;
  switch (value.type()) {
    case Type::ARRAY: return "an array";
    case Type::OBJECT: return "an object";
    case Type::INT64: return "an integer";
    case Type::UINT64: return "an integer beyond 63 bits";
    case Type::DOUBLE: return "a real number";
    case Type::STRING: return "a string";
    case Type::BOOL: return "a boolean";
    case Type::NULL_VALUE: return "null";
  }
  return "a value";
}

}  // namespace

void JsonLocation::fail(std::string_view seen) const {
  bad_input("{}: {}{}{}; the program is damaged or not written by torch.export", where, item, item.empty() ? "" : ": ",
            seen);
}

void Json::fail(std::string_view seen) const { location_->fail(fmt::format("`{}` {}", key_, seen)); }

void Json::wrong_type(std::string_view expected) const {
  fail(fmt::format("is {}, {} expected", type_name(value_), expected));
}

double Json::real() const {
  double result = 0;
  if (value_.get(result) == simdjson::SUCCESS) return result;
  std::string_view word;
  if (value_.get(word) == simdjson::SUCCESS) {
    if (word == "Infinity") return std::numeric_limits<double>::infinity();
    if (word == "-Infinity") return -std::numeric_limits<double>::infinity();
    if (word == "NaN") return std::numeric_limits<double>::quiet_NaN();
  }
  wrong_type("a number");
}

Json Json::at(std::string_view key) const {
  simdjson::dom::element value;
  if (object().at_key(key).get(value) != simdjson::SUCCESS) fail(fmt::format("has no field `{}`", key));
  return Json(location_, value, key);
}

std::optional<Json> Json::find(std::string_view key) const {
  simdjson::dom::element value;
  if (object().at_key(key).get(value) != simdjson::SUCCESS || value.is_null()) return std::nullopt;
  return Json(location_, value, key);
}

std::pair<std::string_view, Json> Json::tagged() const {
  const auto fields = object();
  const auto first = fields.begin();
  if (!(first != fields.end())) fail("is an empty object, a field that names its type expected");
  return {first.key(), Json(location_, first.value(), first.key())};
}

JsonDocument::JsonDocument(std::string_view text, std::string where, std::string item)
    : location_{std::move(where), std::move(item)} {
  const auto error = parser_.parse(text.data(), text.size()).get(root_);
  if (error != simdjson::SUCCESS) {
    location_.fail(fmt::format("{} bytes are no JSON ({})", text.size(), simdjson::error_message(error)));
  }
}

void JsonDocument::set_item(std::string_view kind, std::string_view name) {
  location_.item.assign(kind);
  location_.item += " `";
  location_.item += name;
  location_.item += '`';
}

}  // namespace crossload::program
