// Weights as TensorFlow's checkpoints hold them: a data file and an index, "TensorBundle V2".
#pragma once

#include <cstddef>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/mapped_file.h"
#include "base/tensor.h"
#include "checkpoint/tensor_writer.h"

namespace crossload::savedmodel {

struct BundleTensor {
  std::string key;
  Tensor source;          // released when it is written
  std::vector<int> perm;  // axis i of the stored tensor is source axis perm[i]; empty: as it is
};

struct BundleString {
  std::string key;
  std::string value;
};

/// The first byte of each tensor lies at a multiple of this: TensorFlow computes with such bytes where they are mapped.
inline constexpr std::size_t kBundleAlignment = 64;

/// Writes `<prefix>.index` and `<prefix>.data-00000-of-00001`, as `write_tensors` does, whose bounds hold. Throws
/// `kEnvironment` when the disk is full or writing fails. Returns the bytes of all tensors. REQUIRES: keys are unique;
/// neither file exists.
std::size_t write_tensor_bundle(const std::filesystem::path& prefix, std::vector<BundleTensor> tensors,
                                const std::vector<BundleString>& strings, const WriteProgress& progress);

/// The tensors of a bundle, those of other writers too: the index is read, the data stay mapped. Throws `kBadInput`
/// where a file is missing or damaged. The bytes' checksums are not looked at.
class TensorBundle {
 public:
  explicit TensorBundle(const std::filesystem::path& prefix);

  /// Throws `kBadInput` for a key that is not there, that is a string, or a tensor in slices.
  Tensor tensor(const std::string& key) const;

 private:
  std::filesystem::path index_;
  std::map<std::string, std::string> entries_;  // as they are stored
  std::vector<std::shared_ptr<const MappedFile>> shards_;
};

}  // namespace crossload::savedmodel
