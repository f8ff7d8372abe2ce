// Weights to new files, streamed: sharded past a size, with the index that Transformers reads.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "base/strided_tensor.h"
#include "checkpoint/tensor_writer.h"

namespace crossload {

/// A tensor that is yet to be written.
struct NewTensor {
  std::string name;
  DType dtype = DType::kFloat32;
  Dims dims;
  /// Called once, when the tensor's turn comes. What it gives has as many elements, of `dtype` or of another
  /// floating-point type, which is then cast.
  std::function<StridedTensor()> source;
  /// Keras's layers that hold the variable, at least one; for HDF5 only.
  std::vector<std::string> layers;
};

struct WrittenFiles {
  std::vector<std::string> names;  // in the folder; the index last
  uint64_t bytes = 0;              // of tensors
};

/// Bytes of tensors.
uint64_t size_of(const std::vector<NewTensor>& tensors);

/// Writes `model.safetensors` with the metadata `format: pt`, or, when there are more bytes than `max_shard_size`,
/// shards `model-00001-of-0000N.safetensors` and `model.safetensors.index.json`. Tensors keep their order, but in a
/// file those of wider types come first. At most 64 MiB of memory is used beside names and sources. Throws `kBadInput`
/// when a name stands twice, `kEnvironment` when writing fails, and what sources and `progress` throw. REQUIRES: the
/// folder is there and holds no file of these names.
WrittenFiles write_safetensors(const std::filesystem::path& folder, std::vector<NewTensor> tensors,
                               uint64_t max_shard_size, const WriteProgress& progress);

/// Writes `tf_model.h5` as Keras 2 saves weights: groups in the order of `layer_names`, and `top_level_model_weights`;
/// or shards `tf_model-0000i-of-0000N.h5`, which hold the variables without the model's name and without groups, and
/// `tf_model.h5.index.json`. The rest is as `write_safetensors` has it; dtypes that HDF5 lacks are `kBadInput`, too.
WrittenFiles write_keras_hdf5(const std::filesystem::path& folder, const std::vector<std::string>& layer_names,
                              std::vector<NewTensor> tensors, uint64_t max_shard_size, const WriteProgress& progress);

}  // namespace crossload
