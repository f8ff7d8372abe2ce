// Weights as TensorFlow's checkpoints hold them: a data file and an index, "TensorBundle V2".
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <vector>

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

/// Writes `<prefix>.index` and `<prefix>.data-00000-of-00001`, as `write_tensors` does, whose bounds hold. Throws
/// `kEnvironment` when the disk is full or writing fails. Returns the bytes of all tensors. REQUIRES: keys are unique;
/// neither file exists.
std::size_t write_tensor_bundle(const std::filesystem::path& prefix, std::vector<BundleTensor> tensors,
                                const std::vector<BundleString>& strings, const WriteProgress& progress);

}  // namespace crossload::savedmodel
