// The values to replace are found with simdjson's on-demand reader, whose tokens point into the text itself.
#include "app/config_dtype.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <vector>

#include "base/error.h"

namespace crossload::app {

namespace {

namespace ondemand = simdjson::ondemand;

// Text values of the two keys, with their quotes.
struct Found {
  std::vector<std::string_view> values;
  bool is_model = false;
};

Found dtypes_of(ondemand::object object, int parts_below) {
  Found found;
  for (ondemand::field field : object) {
    const std::string_view key = field.unescaped_key();
    ondemand::value value = field.value();
    const ondemand::json_type type = value.type();
    if (type == ondemand::json_type::object && parts_below > 0) {
      const Found part = dtypes_of(value.get_object(), parts_below - 1);
      if (part.is_model) found.values.insert(found.values.end(), part.values.begin(), part.values.end());
    } else if (type == ondemand::json_type::string && (key == "dtype" || key == "torch_dtype")) {
      const std::string_view token = value.raw_json_token();  // up to the next one
      found.values.push_back(token.substr(0, token.rfind('"') + 1));
    }
    found.is_model |= key == "model_type";
  }
  return found;
}

}  // namespace

std::string with_dtype(std::string_view config, std::string_view dtype, std::string_view where) {
  constexpr int kPartsOfParts = 3;
  simdjson::padded_string text(config);
  std::string changed(config);
  try {
    ondemand::parser parser;
    ondemand::document document = parser.iterate(text);
    std::vector<std::string_view> values = dtypes_of(document.get_object(), kPartsOfParts).values;
    // From the end, so that earlier positions stay valid.
    std::ranges::sort(values, std::ranges::greater(), &std::string_view::data);
    for (const std::string_view value : values) {
      changed.replace(static_cast<std::size_t>(value.data() - text.data()), value.size(), fmt::format("\"{}\"", dtype));
    }
  } catch (const simdjson::simdjson_error& error) {
    bad_input("{}: {} bytes are no JSON object ({}); restore the file", where, config.size(), error.what());
  }
  return changed;
}

}  // namespace crossload::app
