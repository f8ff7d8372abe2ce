// Shards are filled in the order of the tensors; one that is larger than a shard gets its own. The index is
//   {"metadata": {"total_size": <bytes of tensors>}, "weight_map": {"<name>": "<file beside the index>", ...}}
#include "checkpoint/weight_writer.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "base/error.h"
#include "checkpoint/checkpoint.h"
#include "checkpoint/hdf5_writer.h"

namespace crossload {
namespace {

namespace fs = std::filesystem;

using Tensors = std::vector<NewTensor>;

// The version of Keras whose files these are; readers treat those of Keras 1 differently.
constexpr const char* kKerasVersion = "2.15.0";
constexpr const char* kTopLevel = "top_level_model_weights";

uint64_t size_of(const NewTensor& tensor) {
  return static_cast<uint64_t>(element_count(tensor.dims)) * size_of(tensor.dtype);
}

void check_names(const Tensors& tensors) {
  std::set<std::string_view> names;
  for (const NewTensor& tensor : tensors) {
    if (!names.insert(tensor.name).second) {
      bad_input("weights: tensor `{}` stands twice; names must be unique", tensor.name);
    }
  }
}

std::vector<Tensors> shards_of(Tensors tensors, uint64_t max_size) {
  std::vector<Tensors> shards(1);
  uint64_t filled = 0;
  for (NewTensor& tensor : tensors) {
    const uint64_t size = size_of(tensor);
    if (!shards.back().empty() && (filled > max_size || size > max_size - filled)) {
      shards.emplace_back();
      filled = 0;
    }
    filled += size;
    shards.back().push_back(std::move(tensor));
  }
  return shards;
}

PlacedTensor placed(NewTensor& tensor, std::size_t offset) {
  return {offset, tensor.dtype, element_count(tensor.dims), std::move(tensor.source)};
}

void write_text(const fs::path& path, std::string_view text) {
  OutputFile file(path);
  file.write_at(0, std::as_bytes(std::span(text)));
  file.close();
}

// Writes tensors to one file.
using WriteOne = std::function<void(const fs::path& path, Tensors tensors, const WriteProgress& progress)>;

WrittenFiles write_shards(const fs::path& folder, const std::string& stem, const std::string& extension,
                          std::vector<Tensors> shards, const WriteOne& write, const WriteProgress& progress) {
  WrittenFiles result;
  std::map<std::string, std::string> weight_map;
  for (std::size_t i = 0; i < shards.size(); ++i) {
    const std::string name = shards.size() == 1
                                 ? stem + extension
                                 : fmt::format("{}-{:05}-of-{:05}{}", stem, i + 1, shards.size(), extension);
    for (const NewTensor& tensor : shards[i]) weight_map[tensor.name] = name;
    const uint64_t size = size_of(shards[i]);
    write(folder / name, std::move(shards[i]), [&](std::size_t done) {
      if (progress) progress(static_cast<std::size_t>(result.bytes) + done);
    });
    result.names.push_back(name);
    result.bytes += size;
  }
  if (shards.size() > 1) {
    const std::string name = stem + extension + ".index.json";
    const nlohmann::json index = {{"metadata", {{"total_size", result.bytes}}}, {"weight_map", weight_map}};
    write_text(folder / name, index.dump(2) + "\n");
    result.names.push_back(name);
  }
  return result;
}

void write_one_safetensors(const fs::path& path, Tensors tensors, const WriteProgress& progress) {
  // Each begins at a multiple of its width so.
  std::ranges::stable_sort(tensors, std::ranges::greater(), [](const NewTensor& t) { return size_of(t.dtype); });
  nlohmann::ordered_json header = {{"__metadata__", {{"format", "pt"}}}};
  uint64_t end = 0;
  for (const NewTensor& tensor : tensors) {
    const uint64_t begin = end;
    end += size_of(tensor);
    header[tensor.name] = {
        {"dtype", safetensors_name_of(tensor.dtype)}, {"shape", tensor.dims}, {"data_offsets", {begin, end}}};
  }
  std::string head = header.dump();
  head.resize((head.size() + 7) / 8 * 8, ' ');
  const uint64_t length = head.size();
  head.insert(0, reinterpret_cast<const char*>(&length), sizeof length);

  OutputFile file(path);
  file.reserve(head.size() + end);
  file.write_at(0, std::as_bytes(std::span(head)));
  std::vector<PlacedTensor> placed_tensors;
  std::size_t offset = head.size();
  for (NewTensor& tensor : tensors) {
    const std::size_t size = size_of(tensor);
    placed_tensors.push_back(placed(tensor, offset));
    offset += size;
  }
  write_tensors(file, std::move(placed_tensors), Checksums::kNone, progress);
  file.close();
}

void write_hdf5(const fs::path& path, const hdf5::Builder& builder, std::vector<PlacedTensor> placed_tensors,
                const WriteProgress& progress) {
  const hdf5::Builder::File parts = builder.finish();
  OutputFile file(path);
  file.reserve(parts.size());
  for (const auto* piece : {&parts.head, &parts.tail}) {
    file.write_at(piece->offset, std::as_bytes(std::span(piece->bytes)));
  }
  write_tensors(file, std::move(placed_tensors), Checksums::kNone, progress);
  file.close();
}

void write_hdf5_shard(const fs::path& path, Tensors tensors, const WriteProgress& progress) {
  std::ranges::sort(tensors, {}, &NewTensor::name);
  hdf5::Builder builder;
  std::vector<std::string> names;
  std::vector<PlacedTensor> placed_tensors;
  for (NewTensor& tensor : tensors) {
    names.push_back(tf_name_in_shards(tensor.name));
    const auto dataset = builder.add_dataset(tensor.dtype, tensor.dims);
    builder.link(dataset, names.back());
    placed_tensors.push_back(placed(tensor, builder.offset_of(dataset)));
  }
  builder.set_texts("", "layer_names", names);
  write_hdf5(path, builder, std::move(placed_tensors), progress);
}

void write_whole_hdf5(const fs::path& path, const std::vector<std::string>& layer_names, Tensors tensors,
                      const WriteProgress& progress) {
  hdf5::Builder builder;
  std::map<std::string, std::vector<std::string>> weight_names;
  for (const std::string& layer : layer_names) weight_names[layer];
  weight_names[kTopLevel];
  std::vector<PlacedTensor> placed_tensors;
  for (NewTensor& tensor : tensors) {
    const auto dataset = builder.add_dataset(tensor.dtype, tensor.dims);
    for (const std::string& layer : tensor.layers) {
      const auto found = weight_names.find(layer);
      if (found == weight_names.end()) {
        internal_error("HDF5: `{}` belongs to the layer `{}`, which is not listed", tensor.name, layer);
      }
      found->second.push_back(tensor.name);
      builder.link(dataset, layer + "/" + tensor.name);
    }
    placed_tensors.push_back(placed(tensor, builder.offset_of(dataset)));
  }
  builder.set_texts("", "layer_names", layer_names);
  builder.set_text("", "backend", "tensorflow");
  builder.set_text("", "keras_version", kKerasVersion);
  for (const auto& [layer, names] : weight_names) builder.set_texts(layer, "weight_names", names);
  write_hdf5(path, builder, std::move(placed_tensors), progress);
}

}  // namespace

uint64_t size_of(const std::vector<NewTensor>& tensors) {
  uint64_t size = 0;
  for (const NewTensor& tensor : tensors) size += size_of(tensor);
  return size;
}

WrittenFiles write_safetensors(const fs::path& folder, std::vector<NewTensor> tensors, uint64_t max_shard_size,
                               const WriteProgress& progress) {
  check_names(tensors);
  return write_shards(folder, "model", ".safetensors", shards_of(std::move(tensors), max_shard_size),
                      write_one_safetensors, progress);
}

WrittenFiles write_keras_hdf5(const fs::path& folder, const std::vector<std::string>& layer_names,
                              std::vector<NewTensor> tensors, uint64_t max_shard_size, const WriteProgress& progress) {
  check_names(tensors);
  auto shards = shards_of(std::move(tensors), max_shard_size);
  const bool is_sharded = shards.size() > 1;
  const auto write_one = [&](const fs::path& path, Tensors part, const WriteProgress& part_progress) {
    if (is_sharded) return write_hdf5_shard(path, std::move(part), part_progress);
    write_whole_hdf5(path, layer_names, std::move(part), part_progress);
  };
  return write_shards(folder, "tf_model", ".h5", std::move(shards), write_one, progress);
}

}  // namespace crossload
