// The verdict for people and for programs: terminal text, crossload.json and report.html from one struct.
#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "verify/verify.h"

namespace crossload::report {

struct Weights {
  int64_t count = 0;
  int64_t bytes = 0;
  std::vector<std::string> unused;   // in the checkpoint, not in the model
  std::vector<std::string> missing;  // in the model, not in the checkpoint: newly initialised
};

/// A file of the converted folder that we wrote.
struct File {
  std::string path;  // below the folder, with `/` between
  uint64_t bytes = 0;
  std::optional<uint32_t> crc32c;  // absent for the bytes of the weights, which have their own checksums
};

/// Seconds; NaN for a step that was not made.
struct Timings {
  double trace = verify::kUnknown;
  double lower = verify::kUnknown;
  double write = verify::kUnknown;
  double verify = verify::kUnknown;
  double total = verify::kUnknown;
};

/// An axis of an input that has the sample's size in every call, though others vary.
struct FixedAxis {
  std::string input;
  int64_t axis = 0, size = 0;
  std::string reason;
};

struct Report {
  std::string model;
  std::string against;  // the TensorFlow class or SavedModel of somebody else that was compared; empty for our own
  std::string commit;   // of the repository `model` on the Hub; empty for a model from elsewhere
  std::string model_class;
  std::string model_type;
  bool dynamic = true;
  std::vector<FixedAxis> fixed_axes;
  verify::Result result;
  Weights weights;
  std::vector<File> files;  // all but the report's own
  Timings timings;
  double peak_rss_mib = verify::kUnknown;
  std::string trace_cache;  // `hit`, `miss`, or empty
  std::map<std::string, std::string> versions;
  std::vector<std::string> notes;  // beside the result's own
};

/// crossload.json; docs/report.md describes every key. Numbers that are infinite become "inf", those not measured null.
nlohmann::ordered_json to_json(const Report& report);

struct TerminalOptions {
  bool color = false;
  int width = 100;       // columns; less than 60 counts as 60
  bool verbose = false;  // every stage and every note
};

/// What a person reads after a conversion; ends with a line break, no line is wider than the width. Text from outside
/// comes out without control characters.
std::string to_terminal(const Report& report, const TerminalOptions& options);

/// One HTML file that fetches nothing.
std::string to_html(const Report& report);

}  // namespace crossload::report
