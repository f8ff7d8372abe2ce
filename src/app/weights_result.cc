// The result of `crossload weights` as JSON and as text.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "app/weights.h"
#include "base/stopwatch.h"

namespace crossload::app {
using nlohmann::json;
using Direction = WeightsResult::Direction;

namespace {

const char* name_of(Direction direction) {
  switch (direction) {
    case Direction::kPtToTf: return "pt-to-tf";
    case Direction::kTfToPt: return "tf-to-pt";
    case Direction::kPtToPt: return "pt-to-pt";
  }
  return "";
}

const char* name_of(names::Reason reason) {
  switch (reason) {
    case names::Reason::kNoPlace: return "no-place";
    case names::Reason::kTied: return "tied";
    case names::Reason::kComputed: return "computed";
    case names::Reason::kAbsent: return "absent";
    case names::Reason::kLeftOut: return "left-out";
    case names::Reason::kDiffers: return "differs";
    case names::Reason::kPtHasNone: return "pytorch-has-none";
  }
  return "";
}

json to_json(const std::vector<names::Note>& notes, bool reported) {
  json list = json::array();
  for (const names::Note& note : notes) {
    if (note.is_reported() != reported) continue;
    if (reported) {
      list.push_back(note.name);
    } else {
      list.push_back({{"name", note.name}, {"reason", name_of(note.reason)}, {"other", note.other}});
    }
  }
  return list;
}

std::string listed(const std::vector<names::Note>& notes, bool verbose) {
  constexpr std::size_t kShown = 8;
  std::vector<std::string> names;
  for (const names::Note& note : notes) {
    if (note.is_reported()) names.push_back(fmt::format("'{}'", note.name));
  }
  if (names.empty()) return {};
  const std::size_t left = verbose || names.size() <= kShown ? 0 : names.size() - kShown;
  names.resize(names.size() - left);
  return fmt::format("[{}{}]", fmt::join(names, ", "), left == 0 ? "" : fmt::format(", and {} more", left));
}

}  // namespace

std::string overflow_text(const WeightsResult& result) {
  constexpr std::size_t kShown = 8;
  std::vector<std::string> tensors;
  for (const auto& [name, largest] : result.overflows) {
    if (tensors.size() < kShown) tensors.push_back(fmt::format("`{}` (largest {:g})", name, largest));
  }
  const std::size_t left = result.overflows.size() - tensors.size();
  return fmt::format("{} tensors hold numbers that {} makes infinite: {}{}; {}", result.overflows.size(), result.dtype,
                     fmt::join(tensors, ", "), left == 0 ? "" : fmt::format(", and {} more", left),
                     result.has_infinities ? "they were cast"
                                           : "they keep their dtype; --allow-overflow casts them, --dtype bfloat16 has "
                                             "the range of float32");
}

json to_json(const WeightsResult& result) {
  json overflows = json::array();
  for (const auto& [name, largest] : result.overflows) overflows.push_back({{"name", name}, {"largest", largest}});
  json expected = to_json(result.unused, false);
  for (const json& note : to_json(result.missing, false)) expected.push_back(note);
  return {{"source", result.source.string()},
          {"out", result.folder.string()},
          {"files", result.files},
          {"direction", name_of(result.direction)},
          {"model_type", result.model_type},
          {"class", result.class_name},
          {"weights",
           {{"count", result.count},
            {"bytes", result.bytes},
            {"unused", to_json(result.unused, true)},
            {"missing", to_json(result.missing, true)},
            {"expected", expected},
            {"overflows", overflows}}},
          {"other_config", result.other_config},
          {"timings_s", {{"total", result.seconds}}},
          {"peak_rss_mib", peak_rss_mib()}};
}

std::string to_text(const WeightsResult& result, bool verbose) {
  const bool to_tf = result.direction == Direction::kPtToTf;
  std::string text = fmt::format("{} tensors, {:.1f} MB, from {}\n", result.count,
                                 static_cast<double>(result.bytes) / 1e6, result.source.string());
  if (const std::string unused = listed(result.unused, verbose); !unused.empty()) {
    text += fmt::format("Some weights of the {} model were not used when initializing the {} model {}: {}\n",
                        to_tf ? "PyTorch" : "TF 2.0", to_tf ? "TF 2.0" : "PyTorch", result.class_name, unused);
  }
  if (const std::string missing = listed(result.missing, verbose); !missing.empty()) {
    text += fmt::format("Some weights or buffers of the {} model {} were not initialized from the {} model: {}\n",
                        to_tf ? "TF 2.0" : "PyTorch", result.class_name, to_tf ? "PyTorch" : "TF 2.0", missing);
  }
  for (const names::Note& note : result.unused) {
    if (note.reason != names::Reason::kDiffers) continue;
    text += fmt::format("'{}' differs from '{}', and {} has one tensor for both\n", note.name, note.other,
                        result.class_name);
  }
  if (verbose) {
    for (const auto* notes : {&result.unused, &result.missing}) {
      for (const names::Note& note : *notes) {
        if (note.is_reported()) continue;
        text += fmt::format("{}: {}{}\n", note.name, name_of(note.reason),
                            note.other.empty() ? "" : fmt::format(" with {}", note.other));
      }
    }
  }
  if (!result.overflows.empty() && result.has_infinities) text += overflow_text(result) + "\n";
  if (!result.other_config.empty()) {
    text += fmt::format("{} is another model's and stays: {}\n", (result.folder / "config.json").string(),
                        fmt::join(result.other_config, ", "));
  }
  for (const std::string& file : result.files) text += (result.folder / file).string() + "\n";
  return text;
}

}  // namespace crossload::app
