// Named tensors on disk, read without copying.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/dtype.h"
#include "base/strided_tensor.h"
#include "base/tensor.h"

namespace crossload {

/// Tensors by name, from one file, several shards, or memory. Tensors of files are mapped: their bytes are read when
/// they are used, and they stay valid after the Checkpoint is gone.
class Checkpoint {
 public:
  struct Entry {
    std::string name;
    DType dtype = DType::kFloat32;
    Dims dims;
    std::filesystem::path file;  // empty: in memory
    std::string layer;           // Keras's layer whose group in HDF5 holds it; empty elsewhere
  };
  using Metadata = std::map<std::string, std::string, std::less<>>;

  Checkpoint() = default;
  /// layers: of tensors that have one, by name. Throws `kBadInput` when a name stands twice.
  explicit Checkpoint(std::vector<std::pair<std::string, StridedTensor>> tensors,
                      const std::filesystem::path& file = {}, Metadata metadata = {},
                      const std::map<std::string, std::string>& layers = {});

  /// Sorted by name.
  const std::vector<Entry>& entries() const { return entries_; }
  /// Null when there is no tensor of that name.
  const Entry* find(std::string_view name) const;
  /// Shares the mapped bytes, unless the file holds the elements in another order: then they are copied, each time.
  /// Throws `kBadInput` when there is no tensor of that name.
  Tensor tensor(std::string_view name) const { return strided(name).to_tensor(); }
  /// The same without a copy.
  const StridedTensor& strided(std::string_view name) const;
  /// Whether two tensors are one value: dtype, shape and bytes. False when one is not there.
  bool have_same_bytes(std::string_view a, std::string_view b) const;

  /// What the file says of itself beside its tensors. `format` is the framework whose names and layouts the tensors
  /// have: `pt`, `tf`, …; absent in safetensors that do not say.
  const Metadata& metadata() const { return metadata_; }
  bool is_tensorflow() const;

  /// All tensors of all parts, and their metadata. Throws `kBadInput` when one stands in several with other values.
  static Checkpoint united(const std::vector<Checkpoint>& parts);

 private:
  std::vector<Entry> entries_;
  std::vector<StridedTensor> tensors_;  // in the order of entries_
  Metadata metadata_;
};

enum class Framework { kPyTorch, kTensorFlow };

/// The file of a folder that holds its weights for a framework, or the index of its shards: PyTorch's are
/// `model.safetensors`, `model.safetensors.index.json`, `pytorch_model.bin`, `pytorch_model.bin.index.json`, the first
/// of them that is there; TensorFlow's `tf_model.h5`, `tf_model.h5.index.json`, and safetensors that TensorFlow saved.
/// Nothing when there is none. Throws `kBadInput` when a file that must be looked into is damaged.
std::optional<std::filesystem::path> find_weights(const std::filesystem::path& folder, Framework framework);

/// Opens a folder's PyTorch weights, or one weight file or index of either framework. Throws `kBadInput` when there are
/// no such weights, when a file is damaged (then no tensor of it is to be trusted), when an index names a file outside
/// of its folder, and when the weights are quantized or those of an adapter alone. Names in shards that TensorFlow
/// saved lack the model's name, with which they stand in the index.
Checkpoint open_checkpoint(const std::filesystem::path& path);

/// Opens one safetensors file.
Checkpoint open_safetensors(const std::filesystem::path& file);

/// A variable's name without the model's, as Transformers' TensorFlow models write it to safetensors and to shards:
/// `tf_bert_model/bert/pooler/dense/kernel:0` is `bert/pooler/dense/kernel:0` there.
std::string tf_name_in_shards(std::string_view tf_name);

}  // namespace crossload
