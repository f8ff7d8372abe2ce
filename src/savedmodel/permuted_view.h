// A tensor seen with its axes in another order, read a part at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/tensor.h"

namespace crossload::savedmodel {

/// The source tensor with its axes permuted (result axis i is source axis perm[i]; empty: as it is), as a matrix of
/// rows along the result's last axis after axes that stay together were merged.
class PermutedView {
 public:
  PermutedView(Tensor source, const std::vector<int>& perm);

  /// True when the result's bytes are the source's, in the same order; then only `source` matters.
  bool is_copy() const { return is_copy_; }
  const Tensor& source() const { return source_; }

  int64_t rows() const { return rows_; }
  int64_t columns() const { return columns_; }
  /// Bytes of one element of the matrix.
  std::size_t width() const { return width_; }

  /// Writes the elements [first_row, last_row) x [first_column, last_column) without gaps.
  /// REQUIRES: !is_copy(); the ranges lie inside the matrix.
  void read(int64_t first_row, int64_t last_row, int64_t first_column, int64_t last_column, std::byte* out) const;

 private:
  struct Axis {
    int64_t size;
    int64_t stride;  // in the source, in elements
  };

  Tensor source_;
  std::vector<Axis> leading_;  // all result axes but the last two
  Axis row_{1, 0};
  Axis column_{1, 1};
  int64_t rows_ = 0, columns_ = 0;
  std::size_t width_ = 1;
  bool is_copy_ = false;
};

/// The whole permuted tensor; shares the source's bytes where nothing moves.
Tensor permuted(const Tensor& source, const std::vector<int>& perm);

}  // namespace crossload::savedmodel
