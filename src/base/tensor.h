// A dense row-major array: element type, shape, bytes, and the owner that keeps the bytes alive.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/dtype.h"

namespace crossload {

using Dims = std::vector<int64_t>;

/// The number of elements; throws `kBadInput` when the product does not fit 63 bits or a dimension is negative.
int64_t element_count(std::span<const int64_t> dims);
/// `[2, 13, 384]`
std::string to_string(const Dims& dims);

/// Immutable. Copies share the bytes: a mapped file stays mapped as long as one tensor in it lives.
class Tensor {
 public:
  Tensor() = default;
  Tensor(DType dtype, Dims dims, std::span<const std::byte> bytes, std::shared_ptr<const void> owner);

  /// Owns a copy of `values`.
  template <typename T>
  static Tensor of(DType dtype, Dims dims, std::span<const T> values) {
    return copy_of(dtype, std::move(dims), std::as_bytes(values));
  }
  static Tensor copy_of(DType dtype, Dims dims, std::span<const std::byte> bytes);
  static Tensor scalar_int32(int32_t value);
  static Tensor vector_int32(const std::vector<int32_t>& values);

  DType dtype() const { return dtype_; }
  const Dims& dims() const { return dims_; }
  int64_t count() const { return element_count(dims_); }
  std::span<const std::byte> bytes() const { return bytes_; }
  const std::shared_ptr<const void>& owner() const { return owner_; }

  /// Element `i` in row-major order. REQUIRES: sizeof(T) == size_of(dtype()).
  template <typename T>
  T at(int64_t i) const {
    T value;
    std::memcpy(&value, bytes_.data() + static_cast<std::size_t>(i) * sizeof(T), sizeof(T));
    return value;
  }

 private:
  DType dtype_ = DType::kFloat32;
  Dims dims_ = {0};
  std::span<const std::byte> bytes_;
  std::shared_ptr<const void> owner_;
};

/// Whether two tensors have the same dtype, sizes and bytes.
bool have_same_value(const Tensor& a, const Tensor& b);

/// Element `i` as a double, whatever the (non-complex) dtype; float16 and bfloat16 widen exactly.
double element_as_double(const Tensor& tensor, int64_t i);
/// Element `i` as an integer. REQUIRES: an integer or bool dtype.
int64_t element_as_int(const Tensor& tensor, int64_t i);
/// One element of `dtype` with the value `value`, rounded to nearest even where the dtype is narrower.
Tensor scalar_tensor(DType dtype, double value);
Tensor scalar_tensor(DType dtype, int64_t value);
/// The tensor with its axes in the order `perm` (result axis i is source axis perm[i]), copied.
Tensor transposed(const Tensor& tensor, std::span<const int> perm);

}  // namespace crossload
