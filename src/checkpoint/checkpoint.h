// Named tensors on disk, read without copying.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/dtype.h"
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
  };

  Checkpoint() = default;
  /// Throws `kBadInput` when a name stands twice.
  explicit Checkpoint(std::vector<std::pair<std::string, Tensor>> tensors, const std::filesystem::path& file = {});

  /// Sorted by name.
  const std::vector<Entry>& entries() const { return entries_; }
  /// Null when there is no tensor of that name.
  const Entry* find(std::string_view name) const;
  /// Shares the mapped bytes. Throws `kBadInput` when there is no tensor of that name.
  Tensor tensor(std::string_view name) const;

  /// All tensors of all parts; a name that stands in several is taken from the last.
  static Checkpoint united(const std::vector<Checkpoint>& parts);

 private:
  std::vector<Entry> entries_;
  std::vector<Tensor> tensors_;  // in the order of entries_
};

/// Opens a folder (`model.safetensors`, else `model.safetensors.index.json` with its shards) or one such file. Nothing
/// when the folder holds weights only in a form that Python reads (`pytorch_model.bin`, shards of it).
/// Throws `kBadInput` when there are no weights at all, or a file is damaged; then no tensor of it is to be trusted.
std::optional<Checkpoint> open_checkpoint(const std::filesystem::path& path);

/// Opens one safetensors file. The header is checked whole: names, dtypes, byte counts against shapes, and that the
/// tensors fill the file without gap or overlap. Throws `kBadInput`.
Checkpoint open_safetensors(const std::filesystem::path& file);

}  // namespace crossload
