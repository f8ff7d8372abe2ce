// A trace: the program of a model and the places of its weights, made by Python once an architecture, and cached.
#pragma once

#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "app/python_side.h"
#include "app/scratch_folder.h"
#include "checkpoint/checkpoint.h"
#include "program/program.h"
#include "savedmodel/saved_model.h"

namespace crossload::app {

/// What is converted, and how it is read: the flags that change the trace.
struct ModelRequest {
  std::string model;  // as the user gave it: folder, `.pt2`, Hub id; empty for a module in memory
  std::string model_class;
  std::string inputs;  // .npz
  std::string text;
  std::string revision;
  std::string token;
  bool dynamic = true;
  bool hidden_states = false;
  bool attentions = false;
  bool cache = false;
  bool trust_remote_code = false;
  bool offline = false;
  std::vector<std::string> decompose;  // targets that PyTorch shall take apart into others

  /// The fields that every request to Python has.
  nlohmann::json to_json() const;
};

/// Where a model's files are once it is resolved.
struct ModelFiles {
  enum class Kind { kFolder, kProgram, kModule } kind = Kind::kFolder;
  std::filesystem::path path;  // the folder, or the `.pt2` file; empty for a module
  nlohmann::json config;       // of a folder; null otherwise
  // Of a repository on the Hub, empty otherwise: its commit, and all its files, also those that were not fetched.
  std::string commit;
  std::vector<std::string> repository;
};

/// Whether what a user gave can be a Hub id, `name` or `owner/name`, and nothing on this machine.
bool may_be_hub_id(const std::string& name);

/// Looks at MODEL; a Hub id is fetched through Python. Throws `kBadInput` for a missing folder, no config.json, or one
/// that is not JSON.
ModelFiles resolve(const ModelRequest& request, PythonSide& python, const Progress& progress);

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

/// The tensors of a program's weights: from the checkpoint by the places in the trace, from what the trace carries, or
/// from the archive itself.
class Weights : public savedmodel::WeightSource {
 public:
  Weights(const program::Program& program, const Trace& trace, std::optional<Checkpoint> checkpoint);
  Tensor tensor(const std::string& source) const override;

  std::vector<std::string> unused, missing;

 private:
  const program::Program& program_;
  nlohmann::json places_;
  std::optional<Checkpoint> checkpoint_;
  std::optional<Checkpoint> carried_;
};

}  // namespace crossload::app
