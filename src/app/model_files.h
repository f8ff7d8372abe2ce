// What a user asks to be converted, and where its files lie.
#pragma once

#include <concepts>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <type_traits>
#include <vector>

#include "app/python_side.h"

namespace crossload::app {

/// What is converted, and how it is read: the flags that change the trace.
struct ModelRequest {
  std::string model;  // as the user gave it: folder, `.pt2`, Hub id; empty for a module in memory
  std::string model_class;
  std::string inputs;  // .npz
  std::string text;
  std::string revision;
  std::string token;
  std::string dtype;  // of the weights; empty: as they are
  bool dynamic = true;
  bool hidden_states = false;
  bool attentions = false;
  bool cache = false;
  bool trust_remote_code = false;
  bool offline = false;
  std::vector<std::string> decompose;   // targets that PyTorch shall take apart into others
  std::vector<std::string> fixed_axes;  // `input/axis`: not dynamic, since an operation needs the size beforehand

  /// The fields that every request to Python has.
  nlohmann::json to_json() const;
};

/// Calls `use(name, field)` for each field, by the name that it has in requests, to Python and from Python alike.
/// Request: ModelRequest or const ModelRequest.
template <typename Request, typename Use>
requires std::same_as<std::remove_const_t<Request>, ModelRequest>
void for_each_field(Request& request, const Use& use) {
  use("model", request.model);
  use("class", request.model_class);
  use("inputs", request.inputs);
  use("text", request.text);
  use("revision", request.revision);
  use("token", request.token);
  use("dtype", request.dtype);
  use("dynamic", request.dynamic);
  use("hidden_states", request.hidden_states);
  use("attentions", request.attentions);
  use("cache", request.cache);
  use("trust_remote_code", request.trust_remote_code);
  use("offline", request.offline);
  use("decompose", request.decompose);
  use("fixed_axes", request.fixed_axes);
}

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

/// A JSON file that is read whole. Throws `kBadInput` for one that cannot be read, is not JSON, or nests so deep that
/// walking it would exhaust the stack.
nlohmann::json read_json(const std::filesystem::path& file);

}  // namespace crossload::app
