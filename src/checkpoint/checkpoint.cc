// Weights as Transformers lays them out: one `model.safetensors`, or an index
//   {"metadata": {"total_size": ...}, "weight_map": {"<tensor name>": "<file beside the index>", ...}}
// and the files that it names.
#include "checkpoint/checkpoint.h"

#include <simdjson.h>

#include <algorithm>
#include <map>
#include <set>

#include "base/error.h"
#include "base/mapped_file.h"
#include "checkpoint/printable.h"

namespace crossload {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kSingle = "model.safetensors";
constexpr std::string_view kIndex = "model.safetensors.index.json";
constexpr std::string_view kPickled = "pytorch_model.bin";
constexpr std::string_view kPickledIndex = "pytorch_model.bin.index.json";

using WeightMap = std::map<std::string, std::string, std::less<>>;

WeightMap read_weight_map(const fs::path& index) {
  const auto mapped = MappedFile::open(index);
  const auto bytes = mapped->bytes();
  simdjson::dom::parser parser;
  simdjson::dom::element root;
  const simdjson::padded_string text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (const auto error = parser.parse(text).get(root)) {
    bad_input("{} @ 0x0000: is no JSON ({}); download it again", index.string(), simdjson::error_message(error));
  }
  simdjson::dom::object map;
  if (root["weight_map"].get(map)) {
    bad_input("{} @ 0x0000: has no object `weight_map`; download it again", index.string());
  }
  WeightMap result;
  for (const auto& [name, value] : map) {
    std::string_view file;
    if (value.get(file)) {
      bad_input("{}: tensor `{}` has no file name; download the index again", index.string(),
                printable(std::string(name)));
    }
    // Only a plain name may follow the index's folder: nothing outside of it is opened.
    if (file.empty() || file == "." || file == ".." || file.find_first_of(std::string_view("/\\\0", 3)) != file.npos) {
      bad_input("{}: tensor `{}` is said to be in `{}`; a shard must be a file beside the index", index.string(),
                printable(std::string(name)), printable(std::string(file)));
    }
    if (!result.emplace(name, file).second) {
      bad_input("{}: tensor `{}` stands twice; download the index again", index.string(), printable(std::string(name)));
    }
  }
  return result;
}

Checkpoint open_sharded(const fs::path& index) {
  const WeightMap weight_map = read_weight_map(index);
  std::set<std::string> files;
  for (const auto& [name, file] : weight_map) files.insert(file);
  std::map<std::string, Checkpoint> shards;
  std::vector<std::string> missing;
  for (const std::string& file : files) {
    if (!fs::is_regular_file(index.parent_path() / file)) missing.push_back(file);
  }
  if (!missing.empty()) {
    bad_input("{}: {} of {} shards are not there, the first is `{}`; download them", index.string(), missing.size(),
              files.size(), missing.front());
  }
  for (const std::string& file : files) shards.emplace(file, open_safetensors(index.parent_path() / file));
  std::vector<Checkpoint> parts;
  for (const auto& [file, shard] : shards) parts.push_back(shard);
  for (const auto& [name, file] : weight_map) {
    const Checkpoint& shard = shards.at(file);
    if (shard.find(name) == nullptr) {
      bad_input("{}: tensor `{}` is said to be in `{}`, which has {} tensors but not this one; download both again",
                index.string(), printable(name), printable(file), shard.entries().size());
    }
  }
  return Checkpoint::united(parts);
}

}  // namespace

Checkpoint::Checkpoint(std::vector<std::pair<std::string, Tensor>> tensors, const fs::path& file) {
  std::sort(tensors.begin(), tensors.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  for (auto& [name, tensor] : tensors) {
    if (!entries_.empty() && entries_.back().name == name) {
      bad_input("{}: tensor `{}` stands twice; names must be unique", file.empty() ? "weights" : file.string(), name);
    }
    entries_.push_back({std::move(name), tensor.dtype(), tensor.dims(), file});
    tensors_.push_back(std::move(tensor));
  }
}

const Checkpoint::Entry* Checkpoint::find(std::string_view name) const {
  const auto it = std::lower_bound(entries_.begin(), entries_.end(), name,
                                   [](const Entry& entry, std::string_view n) { return entry.name < n; });
  return it != entries_.end() && it->name == name ? &*it : nullptr;
}

Tensor Checkpoint::tensor(std::string_view name) const {
  const Entry* entry = find(name);
  if (entry == nullptr) {
    bad_input("checkpoint: no tensor `{}` among {}; check that the weights belong to the model", name, entries_.size());
  }
  return tensors_[static_cast<std::size_t>(entry - entries_.data())];
}

Checkpoint Checkpoint::united(const std::vector<Checkpoint>& parts) {
  struct Place {
    const Checkpoint* part;
    std::size_t index;
  };
  std::map<std::string_view, Place> places;
  for (const Checkpoint& part : parts) {
    for (std::size_t i = 0; i < part.entries_.size(); ++i) places[part.entries_[i].name] = {&part, i};
  }
  Checkpoint result;
  for (const auto& [name, place] : places) {
    result.entries_.push_back(place.part->entries_[place.index]);
    result.tensors_.push_back(place.part->tensors_[place.index]);
  }
  return result;
}

std::optional<Checkpoint> open_checkpoint(const fs::path& path) {
  if (!fs::is_directory(path)) {
    if (path.extension() == ".json") return open_sharded(path);
    if (path.extension() == ".bin" && fs::is_regular_file(path)) return std::nullopt;
    return open_safetensors(path);
  }
  if (fs::exists(path / kSingle)) return open_safetensors(path / kSingle);
  if (fs::exists(path / kIndex)) return open_sharded(path / kIndex);
  if (fs::exists(path / kPickled) || fs::exists(path / kPickledIndex)) return std::nullopt;
  bad_input("{}: holds no weights, looked for `{}`, `{}`, `{}`, `{}`; download the model again", path.string(), kSingle,
            kIndex, kPickled, kPickledIndex);
}

}  // namespace crossload
