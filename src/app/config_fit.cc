#include "app/config_fit.h"

#include <algorithm>
#include <array>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>

#include "base/error.h"
#include "base/json_file.h"

namespace crossload::app {
namespace fs = std::filesystem;
using nlohmann::json;

namespace {

constexpr int kPartsOfParts = 3;

std::optional<json> read_config(const fs::path& folder) {
  const fs::path path = folder / "config.json";
  std::ifstream in(path);
  if (!in) return std::nullopt;
  json config = parse_json(in, path);
  if (!config.is_object()) bad_input("{}: is no JSON object; restore the file", path.string());
  return config;
}

/// Whether a number of this name says how large weights are. Numbers that steer generation and training do not.
bool is_size(std::string_view key) {
  constexpr std::array<std::string_view, 3> kOthers = {"beam", "ngram", "return_sequences"};
  constexpr std::array<std::string_view, 3> kBegins = {"d_", "n_", "num_"};
  constexpr std::array<std::string_view, 12> kEnds = {"_size",   "_sizes",  "_layers",    "_layer",
                                                      "_heads",  "_dim",    "_positions", "embeddings",
                                                      "_labels", "_states", "depths",     "dim"};
  const auto holds = [&](std::string_view part) { return key.find(part) != key.npos; };
  if (std::ranges::any_of(kOthers, holds)) return false;
  return std::ranges::any_of(kBegins, [&](auto part) { return key.starts_with(part); }) ||
         std::ranges::any_of(kEnds, [&](auto part) { return key.ends_with(part); });
}

bool is_numbers(const json& value) {
  const auto is_whole = [](const json& item) { return item.is_number_integer(); };
  return is_whole(value) || (value.is_array() && std::ranges::all_of(value, is_whole));
}

void compare(const json& there, const json& ours, const std::string& path, int parts_below,
             std::vector<std::string>& found) {
  const auto tell = [&](const std::string& key, const json& is, const json& expected) {
    found.push_back(fmt::format("`{}{}` is {} and not {}", path, key, is.dump(), expected.dump()));
  };
  for (const auto& [key, value] : there.items()) {
    const auto at = ours.find(key);
    if (at == ours.end() || *at == value) continue;
    if (key == "model_type") {
      tell(key, value, *at);
    } else if (key == "id2label" && value.is_object() && at->is_object()) {
      if (value.size() != at->size()) {
        found.push_back(fmt::format("`{}{}` has {} labels and not {}", path, key, value.size(), at->size()));
      }
    } else if (value.is_object() && at->is_object() && value.contains("model_type") && parts_below > 0) {
      compare(value, *at, path + key + ".", parts_below - 1, found);
    } else if (is_size(key) && is_numbers(value) && is_numbers(*at)) {
      tell(key, value, *at);
    }
  }
}

}  // namespace

std::vector<std::string> differences_of_config(const fs::path& there, const fs::path& source) {
  std::error_code ignored;
  if (fs::equivalent(there, source, ignored)) return {};
  const std::optional<json> ours = read_config(source);
  const std::optional<json> theirs = ours ? read_config(there) : std::nullopt;
  std::vector<std::string> found;
  if (!theirs) return found;
  compare(*theirs, *ours, "", kPartsOfParts, found);
  // The type says most.
  std::ranges::stable_partition(found, [](const std::string& text) { return text.starts_with("`model_type`"); });
  return found;
}

void require_config_of_same_model(const fs::path& there, const fs::path& source, const std::string& advice) {
  std::vector<std::string> found = differences_of_config(there, source);
  if (found.empty()) return;
  const std::string more = found.size() == 1 ? "" : fmt::format(", and {} more differ", found.size() - 1);
  std::string message = fmt::format("{}: is another model's: {}, as the weights have it{}; {}",
                                    (there / "config.json").string(), found.front(), more, advice);
  throw Error(ErrorKind::kBadInput, std::move(message), std::move(found));
}

}  // namespace crossload::app
