// Tensors to their offsets in a file, a block at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

#include "base/output_file.h"
#include "base/strided_tensor.h"

namespace crossload {

/// Called on the caller's thread with the bytes written so far; may throw to stop.
using WriteProgress = std::function<void(std::size_t bytes_done)>;

struct PlacedTensor {
  std::size_t offset = 0;  // in the file
  DType dtype = DType::kFloat32;
  int64_t count = 0;
  /// Called once, when the tensor's turn comes; what it gives is released when it is written. It has `count` elements,
  /// of `dtype` or of another floating-point type, which is then cast.
  std::function<StridedTensor()> source;
};

enum class Checksums { kNone, kCrc32c };

/// Writes all tensors, little-endian and in row-major order, on several threads in blocks of a few MiB: less than
/// 64 MiB of memory is used whatever the sizes, beside what the sources hold themselves. Returns the crc32c of each
/// tensor's bytes when asked to. Throws `kEnvironment` when writing fails, and what sources and `progress` throw.
std::vector<uint32_t> write_tensors(OutputFile& file, std::vector<PlacedTensor> tensors, Checksums checksums,
                                    const WriteProgress& progress);

}  // namespace crossload
