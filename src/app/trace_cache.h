// A trace: the program of a model and the locations of its weights, made by Python once per architecture, and cached.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "app/model_files.h"
#include "app/python_environment.h"
#include "app/python_side.h"
#include "base/scratch_folder.h"
#include "checkpoint/checkpoint.h"

namespace crossload::app {

/// A folder as python/crossload/README.md describes it, or the stand-in for a user's own `.pt2`, which needs none.
struct Trace {
  std::filesystem::path folder;  // empty for a `.pt2`
  nlohmann::json meta;           // trace.json
  bool was_cached = false;
  std::string note;
  std::optional<ScratchFolder> scratch;  // what `folder` is when the trace is not kept

  std::filesystem::path program_file(const ModelFiles& files) const {
    return folder.empty() ? files.path : folder / "program.pt2";
  }
};

/// Takes the trace from the cache when one fits (same configuration, flags and versions, and a checkpoint with the same
/// tensors), else has Python make one and keeps it. `use_cache` false: neither.
class TraceCache {
 public:
  /// `$CROSSLOAD_CACHE`, default `~/.cache/crossload`.
  TraceCache();
  Trace get(const ModelRequest& request, const ModelFiles& files, const std::optional<Checkpoint>& checkpoint,
            const PythonEnvironment& environment, PythonSide& python, bool use_cache, const Progress& progress);
  /// Drops a cached trace that turned out to be damaged. The next `get` makes it anew.
  static void forget(const Trace& trace);

 private:
  std::filesystem::path root_;
};

}  // namespace crossload::app
