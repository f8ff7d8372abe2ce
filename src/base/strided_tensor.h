// A tensor whose elements lie anywhere in some bytes, read a part at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "base/tensor.h"

namespace crossload {

/// An array of which element (i, j, …) lies `i * strides[0] + j * strides[1] + …` elements behind the first one: what a
/// Tensor becomes when its axes are put in another order or a part of it is taken. Copies share the bytes.
class StridedTensor {
 public:
  StridedTensor() : StridedTensor(Tensor()) {}
  StridedTensor(const Tensor& tensor);  // NOLINT(google-explicit-constructor): every Tensor is one
  /// Nothing when a number is negative or an element would lie outside of `bytes`. REQUIRES: as many sizes as strides.
  static std::optional<StridedTensor> within(std::span<const std::byte> bytes, std::shared_ptr<const void> owner,
                                             DType dtype, Dims dims, Dims strides, int64_t offset);

  DType dtype() const { return dtype_; }
  const Dims& dims() const { return dims_; }
  int64_t count() const { return count_; }

  /// Axis i of the result is axis perm[i]; empty: as it is.
  StridedTensor permuted(std::span<const int> perm) const;
  /// Elements [begin, end) along one axis.
  StridedTensor sliced(std::size_t axis, int64_t begin, int64_t end) const;

  /// True when the elements are contiguous in row-major order; then `bytes` are all of them.
  bool is_contiguous() const { return axes_.empty() || (axes_.size() == 1 && axes_[0].stride == 1); }
  std::span<const std::byte> bytes() const;

  /// Writes the elements [first, last) of the row-major order, contiguously.
  void read(int64_t first, int64_t last, std::byte* out) const;
  /// How many elements to read at a time: about 2 MiB, at most 8, in steps that suit the strides.
  int64_t block_length() const;
  /// All elements in row-major order; shares the bytes where they lie so.
  Tensor to_tensor() const;

 private:
  struct Axis {
    int64_t size;
    int64_t stride;  // in elements
  };

  void merge_axes();
  void read_rows(int64_t first_row, int64_t last_row, int64_t first_column, int64_t last_column, std::byte* out) const;

  DType dtype_;
  Dims dims_;
  Dims strides_;
  std::span<const std::byte> bytes_;  // from the first element on
  std::shared_ptr<const void> owner_;
  int64_t count_ = 0;
  std::vector<Axis> axes_;  // those longer than 1, joined where they are contiguous; none when empty
};

}  // namespace crossload
