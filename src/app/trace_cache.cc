#include "app/trace_cache.h"

#include <xxhash.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <sstream>

#include "app/version.h"
#include "base/error.h"
#include "base/interrupt.h"
#include "base/mapped_file.h"

namespace crossload::app {
namespace fs = std::filesystem;
using nlohmann::json;

namespace {

constexpr int kTraceFormat = 2;

std::string hex(XXH128_hash_t hash) { return fmt::format("{:016x}{:016x}", hash.high64, hash.low64); }

// Feeds named pieces into one digest; lengths keep pieces apart.
class Digest {
 public:
  Digest() : state_(XXH3_createState()) { XXH3_128bits_reset(state_); }
  ~Digest() { XXH3_freeState(state_); }
  Digest(const Digest&) = delete;
  Digest& operator=(const Digest&) = delete;
  void add(const std::string& text) {
    const uint64_t size = text.size();
    XXH3_128bits_update(state_, &size, sizeof size);
    XXH3_128bits_update(state_, text.data(), text.size());
  }
  void add_file(const fs::path& path) {
    const auto file = MappedFile::open(path);
    const uint64_t size = file->bytes().size();
    XXH3_128bits_update(state_, &size, sizeof size);
    if (size > 0) XXH3_128bits_update(state_, file->bytes().data(), size);
  }
  std::string text() const { return hex(XXH3_128bits_digest(state_)); }

 private:
  XXH3_state_t* state_;
};

// Files of a model folder that decide how its inputs look or what code runs.
bool shapes_the_trace(const fs::path& file) {
  const std::string name = file.filename().string();
  return file.extension() == ".py" || name == "tokenizer_config.json" || name == "special_tokens_map.json" ||
         name == "preprocessor_config.json" || name == "processor_config.json" ||
         name == "feature_extractor_config.json";
}

std::string cache_key(const ModelRequest& request, const ModelFiles& files, const PythonEnvironment& environment) {
  Digest digest;
  digest.add(fmt::format("trace {} crossload {}", kTraceFormat, kVersion));
  json config = files.config;
  // Left out of the key: where the checkpoint came from, since checkpoints of one architecture have the same trace.
  config.erase("_name_or_path");
  config.erase("transformers_version");
  digest.add(config.dump());
  ModelRequest form = request;
  form.model.clear();
  form.token.clear();
  form.revision.clear();
  form.inputs.clear();
  form.offline = false;
  digest.add(form.to_json().dump());
  if (!request.inputs.empty()) digest.add_file(request.inputs);
  std::vector<fs::path> others;
  for (const auto& entry : fs::directory_iterator(files.path)) {
    if (entry.is_regular_file() && shapes_the_trace(entry.path())) others.push_back(entry.path());
  }
  std::sort(others.begin(), others.end());
  for (const auto& file : others) {
    digest.add(file.filename().string());
    digest.add_file(file);
  }
  for (const char* package : {"torch", "transformers", "tokenizers"}) digest.add(environment.version_of(package));
  digest.add(environment.site_packages.parent_path().filename().string());
  return digest.text();
}

std::string digest_of(const Checkpoint& checkpoint) {
  std::vector<fs::path> files;
  for (const auto& entry : checkpoint.entries()) files.push_back(entry.file);
  std::sort(files.begin(), files.end());
  files.erase(std::unique(files.begin(), files.end()), files.end());
  Digest digest;
  for (const auto& file : files) digest.add_file(file);
  return digest.text();
}

bool carries_weights(const json& meta) {
  const auto& weights = meta.at("weights");
  return std::any_of(weights.begin(), weights.end(), [](const json& location) { return location.contains("carried"); });
}

// What the program reads as one tensor is still one value in this checkpoint, under each of its keys.
bool holds_ties(const json& meta, const Checkpoint& checkpoint) {
  const auto& weights = meta.at("weights");
  return std::ranges::all_of(weights, [&](const json& location) {
    if (!location.contains("tied_to") || !location.contains("key")) return true;
    const json& owner = weights.at(location.at("tied_to").get<std::string>());
    // A trace with values of its own (carried.safetensors) is for this one checkpoint anyway.
    return !owner.contains("key") ||
           checkpoint.have_same_bytes(location.at("key").get<std::string>(), owner.at("key").get<std::string>());
  });
}

// The same tensors by name, dtype and shape as when the trace was made, and the same ties.
bool fits(const json& meta, const Checkpoint& checkpoint) {
  const auto& recorded = meta.at("checkpoint");
  if (recorded.size() != checkpoint.entries().size()) return false;
  for (const auto& entry : checkpoint.entries()) {
    const auto found = recorded.find(entry.name);
    if (found == recorded.end() || found->at("dtype") != std::string(safetensors_name_of(entry.dtype)) ||
        found->at("shape") != json(entry.dims)) {
      return false;
    }
  }
  return holds_ties(meta, checkpoint);
}

}  // namespace

TraceCache::TraceCache() {
  if (const char* given = std::getenv("CROSSLOAD_CACHE"); given != nullptr && *given != '\0') {
    root_ = given;
  } else if (const char* home = std::getenv("HOME"); home != nullptr && *home != '\0') {
    root_ = fs::path(home) / ".cache" / "crossload";
  } else {
    root_ = fs::temp_directory_path() / "crossload";
  }
}

Trace TraceCache::get(const ModelRequest& request, const ModelFiles& files, const std::optional<Checkpoint>& checkpoint,
                      const PythonEnvironment& environment, PythonSide& python, bool use_cache,
                      const Progress& progress) {
  Trace trace;
  if (files.kind == ModelFiles::Kind::kProgram) {
    trace.meta = {{"weights", json::object()}, {"dynamic", true},          {"class", ""},
                  {"unused", json::array()},   {"missing", json::array()}, {"versions", json::object()}};
    return trace;
  }
  const bool may_cache = use_cache && files.kind == ModelFiles::Kind::kFolder && checkpoint;
  const fs::path traces = root_ / "traces";
  fs::path kept;
  if (may_cache) {
    kept = traces / cache_key(request, files, environment);
    std::error_code ignored;
    if (fs::is_regular_file(kept / "trace.json", ignored)) {
      try {
        json meta = read_json(kept / "trace.json");
        const bool is_bound = carries_weights(meta);
        if (fits(meta, *checkpoint) && (!is_bound || meta.value("checkpoint_digest", "") == digest_of(*checkpoint))) {
          trace.folder = kept;
          trace.meta = std::move(meta);
          trace.was_cached = true;
          return trace;
        }
      } catch (const std::exception&) {
        // A damaged entry is made anew.
      }
    }
  }
  // The temporary root is the cache itself, so that keeping the trace is one rename.
  ScratchFolder fresh = use_cache ? ScratchFolder(traces, ".new") : ScratchFolder();
  json ask = request.to_json();
  ask["do"] = "trace";
  ask["model"] = files.path.string();
  if (files.kind == ModelFiles::Kind::kModule) ask["model"] = nullptr;
  ask["out"] = fresh.path().string();
  trace.meta = python.ask(ask, progress);
  if (trace.meta.contains("note") && trace.meta["note"].is_string()) trace.note = trace.meta["note"];
  trace.meta.erase("event");
  if (may_cache) {
    json meta = trace.meta;
    if (carries_weights(meta)) meta["checkpoint_digest"] = digest_of(*checkpoint);
    std::ofstream file(fresh.path() / "trace.json");
    file << meta.dump(1, ' ', false, json::error_handler_t::replace) << '\n';
    file.close();
    if (file && fresh.keep_as(kept)) {
      trace.folder = kept;
      return trace;
    }
  }
  trace.folder = fresh.path();
  trace.scratch.emplace(std::move(fresh));
  return trace;
}

void TraceCache::forget(const Trace& trace) {
  std::error_code ignored;
  if (trace.was_cached) fs::remove_all(trace.folder, ignored);
}

}  // namespace crossload::app
