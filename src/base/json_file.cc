#include "base/json_file.h"

#include <istream>
#include <nlohmann/json.hpp>

#include "base/error.h"

namespace crossload {

using nlohmann::json;

json parse_json(std::istream& in, const std::filesystem::path& path) {
  constexpr int kDeepest = 200;
  try {
    return json::parse(in, [&](int depth, json::parse_event_t, json&) {
      if (depth > kDeepest) bad_input("{}: nests deeper than {}; restore the file", path.string(), kDeepest);
      return true;
    });
  } catch (const json::exception& error) {
    bad_input("{}: not JSON: {}; restore the file", path.string(), error.what());
  }
}

}  // namespace crossload
