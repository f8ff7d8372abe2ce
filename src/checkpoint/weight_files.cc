// Weights as Transformers lays them out in a folder: one file, or an index
//   {"metadata": {"total_size": ...}, "weight_map": {"<tensor name>": "<file beside the index>", ...}}
// and the files that it names.
#include <simdjson.h>

#include <algorithm>
#include <set>

#include "base/error.h"
#include "checkpoint/checkpoint.h"
#include "checkpoint/formats.h"

namespace crossload {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kSafetensors = "model.safetensors";
constexpr std::string_view kSafetensorsIndex = "model.safetensors.index.json";
constexpr std::string_view kPickled = "pytorch_model.bin";
constexpr std::string_view kPickledIndex = "pytorch_model.bin.index.json";
constexpr std::string_view kHdf5 = "tf_model.h5";
constexpr std::string_view kHdf5Index = "tf_model.h5.index.json";

// Weights in forms and under names that Transformers does not load: what they are, and what to do.
struct ForeignForm {
  std::string_view ending;  // of the file's name
  std::string_view what;
  std::string_view advice;
};
constexpr ForeignForm kForeignForms[] = {
    {".gguf", "GGUF of llama.cpp", "take the model that it was made from"},
    {".msgpack", "Flax's weights", "load it in Transformers 4 with `from_flax=True` and save it"},
    {".ckpt.index", "a checkpoint of TensorFlow 1", "load it in Transformers 4 with `from_tf=True` and save it"},
    {".ckpt.meta", "a checkpoint of TensorFlow 1", "load it in Transformers 4 with `from_tf=True` and save it"},
    {".onnx", "an ONNX graph", "take the PyTorch model that it was made from"},
    {".ot", "weights for Rust", "take the PyTorch model that they were made from"},
    {".keras", "a model of Keras 3", "take the PyTorch model that it was made from"},
    {".weights.h5", "weights of Keras 3", "take the PyTorch model that they were made from"},
    {".safetensors", "weights under another name", "rename it to `model.safetensors` if its names are Transformers'"},
    {".pth", "weights under another name", "rename it to `pytorch_model.bin` if its names are Transformers'"},
    {"model.pt", "weights under another name", "rename it to `pytorch_model.bin` if its names are Transformers'"},
    {".ckpt", "weights of a training run", "save its `state_dict` as `pytorch_model.bin`"},
};

using WeightMap = std::map<std::string, std::string, std::less<>>;

// The file's bytes, unless it is a pointer that Git leaves where the file itself was not fetched.
WeightFile open_mapped(const fs::path& path) {
  auto file = MappedFile::open(path);
  const std::string_view text(reinterpret_cast<const char*>(file->bytes().data()), file->bytes().size());
  if (text.starts_with("version https://git-lfs")) {
    bad_input("{}: is a Git LFS pointer of {} bytes, not the weights; run `git lfs pull`", path.string(), text.size());
  }
  return file;
}

// The text of a JSON file as an object, which lives as long as the parser.
std::optional<simdjson::dom::object> read_object(const fs::path& file, simdjson::dom::parser& parser,
                                                 std::string& problem) {
  const auto mapped = open_mapped(file);
  const auto bytes = mapped->bytes();
  simdjson::dom::object root;
  const simdjson::padded_string text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (const auto error = parser.parse(text).get(root)) {
    problem = simdjson::error_message(error);
    return std::nullopt;
  }
  return root;
}

WeightMap read_weight_map(const fs::path& index) {
  simdjson::dom::parser parser;
  std::string problem;
  const auto root = read_object(index, parser, problem);
  if (!root) bad_input("{} @ 0x0000: is no JSON object ({}); download it again", index.string(), problem);
  simdjson::dom::object map;
  if ((*root)["weight_map"].get(map)) {
    bad_input("{} @ 0x0000: has no object `weight_map`; download it again", index.string());
  }
  WeightMap result;
  for (const auto& [name, value] : map) {
    std::string_view file;
    if (value.get(file)) {
      bad_input("{}: tensor `{}` has no file name; download the index again", index.string(), name);
    }
    // Only a plain name may follow the index's folder: nothing outside of it is opened.
    if (file.empty() || file == "." || file == ".." || file.find_first_of(std::string_view("/\\\0", 3)) != file.npos) {
      bad_input("{}: tensor `{}` is said to be in `{}`; a shard must be a file beside the index", index.string(), name,
                file);
    }
    if (!result.emplace(name, file).second) {
      bad_input("{}: tensor `{}` stands twice; download the index again", index.string(), name);
    }
  }
  return result;
}

Checkpoint open_file(const fs::path& path) {
  const WeightFile file = open_mapped(path);
  const fs::path extension = path.extension();
  if (extension == ".safetensors") return read_safetensors(file);
  if (extension == ".h5" || looks_like_hdf5(*file)) return read_keras_hdf5(file);
  if (extension == ".bin" || looks_like_zip(*file) || looks_like_pickle(*file)) return read_pytorch(file);
  return read_safetensors(file);
}

Checkpoint open_sharded(const fs::path& index) {
  const WeightMap weight_map = read_weight_map(index);
  std::set<std::string> files;
  for (const auto& [name, file] : weight_map) files.insert(file);
  std::vector<std::string> missing;
  for (const std::string& file : files) {
    if (!fs::is_regular_file(index.parent_path() / file)) missing.push_back(file);
  }
  if (!missing.empty()) {
    bad_input("{}: {} of {} shards are not there, the first is `{}`; download them", index.string(), missing.size(),
              files.size(), missing.front());
  }
  std::map<std::string, Checkpoint, std::less<>> shards;
  std::vector<Checkpoint> parts;
  for (const std::string& file : files) {
    parts.push_back(shards.emplace(file, open_file(index.parent_path() / file)).first->second);
  }
  for (const auto& [name, file] : weight_map) {
    const Checkpoint& shard = shards.at(file);
    if (shard.find(shard.is_tensorflow() ? tf_name_in_shards(name) : name) == nullptr) {
      bad_input("{}: tensor `{}` is said to be in `{}`, which has {} tensors but not this one; download both again",
                index.string(), name, file, shard.entries().size());
    }
  }
  return Checkpoint::united(parts);
}

bool is_index(const fs::path& path) { return path.extension() == ".json"; }

Checkpoint open_either(const fs::path& path) { return is_index(path) ? open_sharded(path) : open_file(path); }

// The framework that saved these safetensors, by the metadata of one file; all shards have the same.
bool saved_by_tensorflow(const fs::path& path) {
  if (!is_index(path)) return open_safetensors(path).is_tensorflow();
  const WeightMap weight_map = read_weight_map(path);
  if (weight_map.empty()) return false;
  const fs::path shard = path.parent_path() / weight_map.begin()->second;
  return fs::is_regular_file(shard) && open_file(shard).is_tensorflow();
}

std::string string_field(const simdjson::dom::object& object, std::string_view name) {
  std::string_view text;
  return object[name].get(text) ? std::string() : std::string(text);
}

void refuse_lone_adapter(const fs::path& folder) {
  const fs::path config = folder / "adapter_config.json";
  if (!fs::is_regular_file(config)) return;
  simdjson::dom::parser parser;
  std::string problem, kind, base;
  if (const auto root = read_object(config, parser, problem)) {
    kind = string_field(*root, "peft_type");
    base = string_field(*root, "base_model_name_or_path");
  }
  bad_input("{}: holds only an adapter ({}) of the model `{}`; merge it into that model with peft's `merge_and_unload`",
            folder.string(), kind.empty() ? "of unknown kind" : kind, base);
}

// The folder has no weights where Transformers looks for them, but some in another form.
void refuse_foreign_weights(const fs::path& folder) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder)) names.push_back(entry.path().filename().string());
  std::sort(names.begin(), names.end());
  for (const ForeignForm& form : kForeignForms) {
    const auto found = std::ranges::find_if(names, [&](const auto& name) { return name.ends_with(form.ending); });
    if (found == names.end()) continue;
    bad_input("{}: holds no `{}` or `{}`, but `{}`, {}; {}", folder.string(), kSafetensors, kPickled, *found, form.what,
              form.advice);
  }
}

struct QuantizedForm {
  std::string_view suffix;
  std::string_view method;
  bool is_certain;  // without a word in config.json
};
constexpr QuantizedForm kQuantizedForms[] = {
    {".qweight", "GPTQ or AWQ", true},
    {".SCB", "bitsandbytes, 8 bits", true},
    {".quant_state.bitsandbytes__nf4", "bitsandbytes, 4 bits", true},
    {".quant_state.bitsandbytes__fp4", "bitsandbytes, 4 bits", true},
    {".qzeros", "GPTQ or AWQ", true},
    {".weight._data", "quanto", true},
    {".weight._scale", "quanto", true},
    {".weight.absmax", "bitsandbytes, 4 bits", true},
    {".absmax", "bitsandbytes, 4 bits", false},
    {".weight_packed", "compressed-tensors", false},
    {".weight_scale_inv", "fp8", false},
    {".weight_scale", "fp8", false},
    {"_blocks", "mxfp4", false},
    {".W_q", "HQQ", false},
};

std::string quantization_method(const fs::path& folder) {
  const fs::path config = folder / "config.json";
  if (!fs::is_regular_file(config)) return {};
  simdjson::dom::parser parser;
  std::string problem;
  const auto root = read_object(config, parser, problem);
  simdjson::dom::object settings;
  if (!root || (*root)["quantization_config"].get(settings)) return {};
  const std::string method = string_field(settings, "quant_method");
  return method.empty() ? "unnamed method" : method;
}

void refuse_quantized(const Checkpoint& checkpoint, const fs::path& path) {
  const std::string method = quantization_method(fs::is_directory(path) ? path : path.parent_path());
  for (const Checkpoint::Entry& entry : checkpoint.entries()) {
    for (const QuantizedForm& form : kQuantizedForms) {
      if (!entry.name.ends_with(form.suffix) || (!form.is_certain && method.empty())) continue;
      bad_input("{}: the weights are quantized ({}), tensor `{}` shows; take the model before it was quantized",
                path.string(), method.empty() ? form.method : method, entry.name);
    }
  }
}

}  // namespace

std::optional<fs::path> find_weights(const fs::path& folder, Framework framework) {
  const auto is_there = [&](std::string_view name) { return fs::exists(folder / name); };
  const bool is_tf = framework == Framework::kTensorFlow;
  if (is_tf) {
    for (const std::string_view name : {kHdf5, kHdf5Index}) {
      if (is_there(name)) return folder / name;
    }
  }
  for (const std::string_view name : {kSafetensors, kSafetensorsIndex}) {
    if (is_there(name) && saved_by_tensorflow(folder / name) == is_tf) return folder / name;
  }
  if (!is_tf) {
    for (const std::string_view name : {kPickled, kPickledIndex}) {
      if (is_there(name)) return folder / name;
    }
  }
  return std::nullopt;
}

Checkpoint open_checkpoint(const fs::path& path) {
  std::optional<fs::path> file = path;
  if (fs::is_directory(path)) {
    file = find_weights(path, Framework::kPyTorch);
    if (!file) {
      refuse_lone_adapter(path);
      if (const auto other = find_weights(path, Framework::kTensorFlow)) {
        bad_input(
            "{}: holds weights for TensorFlow only, `{}`; convert them first: crossload weights {} DST --to "
            "safetensors",
            path.string(), other->filename().string(), path.string());
      }
      refuse_foreign_weights(path);
      bad_input("{}: holds no weights, looked for `{}`, `{}`, `{}`, `{}`; download the model again", path.string(),
                kSafetensors, kSafetensorsIndex, kPickled, kPickledIndex);
    }
  }
  Checkpoint result = open_either(*file);
  refuse_quantized(result, path);
  return result;
}

Checkpoint open_safetensors(const fs::path& file) { return read_safetensors(open_mapped(file)); }

std::string tf_name_in_shards(std::string_view tf_name) {
  const std::size_t slash = tf_name.find('/');
  if (slash == tf_name.npos || tf_name.find("model.") != tf_name.npos) return std::string(tf_name);
  return std::string(tf_name.substr(slash + 1));
}

}  // namespace crossload
