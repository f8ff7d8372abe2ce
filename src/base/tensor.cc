#include "base/tensor.h"

#include <numeric>

#include "base/error.h"
#include "base/half.h"

namespace crossload {
namespace {

template <typename T>
Tensor one(DType dtype, T value) {
  return Tensor::of<T>(dtype, {}, std::span<const T>(&value, 1));
}

template <typename V>
Tensor scalar_from(DType dtype, V value) {
  switch (dtype) {
    case DType::kBool: return one<uint8_t>(dtype, value != 0);
    case DType::kUInt8: return one<uint8_t>(dtype, static_cast<uint8_t>(value));
    case DType::kInt8: return one<int8_t>(dtype, static_cast<int8_t>(value));
    case DType::kInt16: return one<int16_t>(dtype, static_cast<int16_t>(value));
    case DType::kInt32: return one<int32_t>(dtype, static_cast<int32_t>(value));
    case DType::kInt64: return one<int64_t>(dtype, static_cast<int64_t>(value));
    case DType::kUInt16: return one<uint16_t>(dtype, static_cast<uint16_t>(value));
    case DType::kUInt32: return one<uint32_t>(dtype, static_cast<uint32_t>(value));
    case DType::kUInt64: return one<uint64_t>(dtype, static_cast<uint64_t>(value));
    case DType::kFloat16: return one<uint16_t>(dtype, narrow_half(static_cast<float>(value)));
    case DType::kBFloat16: return one<uint16_t>(dtype, narrow_bfloat(static_cast<float>(value)));
    case DType::kFloat32: return one<float>(dtype, static_cast<float>(value));
    case DType::kFloat64: return one<double>(dtype, static_cast<double>(value));
    case DType::kComplex64: {
      const float pair[2] = {static_cast<float>(value), 0.0f};
      return Tensor::copy_of(dtype, {}, std::as_bytes(std::span(pair)));
    }
    case DType::kComplex128: {
      const double pair[2] = {static_cast<double>(value), 0.0};
      return Tensor::copy_of(dtype, {}, std::as_bytes(std::span(pair)));
    }
    default: break;
  }
  internal_error("scalar: no constants of dtype `{}`", name_of(dtype));
}

}  // namespace

int64_t element_count(std::span<const int64_t> dims) {
  int64_t count = 1;
  for (const int64_t d : dims) {
    if (d < 0 || __builtin_mul_overflow(count, d, &count)) {
      bad_input("shape {}: not a shape of non-negative dimensions whose product fits 63 bits",
                to_string(Dims(dims.begin(), dims.end())));
    }
  }
  return count;
}

std::string to_string(const Dims& dims) { return fmt::format("[{}]", fmt::join(dims, ", ")); }

Tensor::Tensor(DType dtype, Dims dims, std::span<const std::byte> bytes, std::shared_ptr<const void> owner)
    : dtype_(dtype), dims_(std::move(dims)), bytes_(bytes), owner_(std::move(owner)) {
  const auto need = static_cast<std::size_t>(count()) * size_of(dtype_);
  if (bytes_.size() != need) {
    internal_error("tensor: {} bytes given; shape {} of {} needs {}", bytes_.size(), to_string(dims_), name_of(dtype_),
                   need);
  }
}

Tensor Tensor::copy_of(DType dtype, Dims dims, std::span<const std::byte> bytes) {
  auto buffer = std::make_shared<std::vector<std::byte>>(bytes.begin(), bytes.end());
  const std::span<const std::byte> view(*buffer);
  return Tensor(dtype, std::move(dims), view, std::move(buffer));
}

Tensor Tensor::scalar_int32(int32_t value) { return of<int32_t>(DType::kInt32, {}, std::span(&value, 1)); }

Tensor Tensor::vector_int32(const std::vector<int32_t>& values) {
  return of<int32_t>(DType::kInt32, {static_cast<int64_t>(values.size())}, values);
}

bool have_same_value(const Tensor& a, const Tensor& b) {
  if (a.dtype() != b.dtype() || a.dims() != b.dims()) return false;
  return a.bytes().data() == b.bytes().data() || std::ranges::equal(a.bytes(), b.bytes());
}

double element_as_double(const Tensor& t, int64_t i) {
  switch (t.dtype()) {
    case DType::kFloat16: return widen_half(t.at<uint16_t>(i));
    case DType::kBFloat16: return widen_bfloat(t.at<uint16_t>(i));
    case DType::kFloat32: return t.at<float>(i);
    case DType::kFloat64: return t.at<double>(i);
    case DType::kUInt64: return static_cast<double>(t.at<uint64_t>(i));
    default: return static_cast<double>(element_as_int(t, i));
  }
}

int64_t element_as_int(const Tensor& t, int64_t i) {
  switch (t.dtype()) {
    case DType::kBool:
    case DType::kUInt8: return t.at<uint8_t>(i);
    case DType::kInt8: return t.at<int8_t>(i);
    case DType::kInt16: return t.at<int16_t>(i);
    case DType::kInt32: return t.at<int32_t>(i);
    case DType::kInt64: return t.at<int64_t>(i);
    case DType::kUInt16: return t.at<uint16_t>(i);
    case DType::kUInt32: return t.at<uint32_t>(i);
    case DType::kUInt64: return static_cast<int64_t>(t.at<uint64_t>(i));
    default: internal_error("element: dtype `{}` is not an integer", name_of(t.dtype()));
  }
}

Tensor scalar_tensor(DType dtype, double value) { return scalar_from(dtype, value); }
Tensor scalar_tensor(DType dtype, int64_t value) { return scalar_from(dtype, value); }

Tensor transposed(const Tensor& tensor, std::span<const int> perm) {
  const std::size_t rank = tensor.dims().size();
  const std::size_t width = size_of(tensor.dtype());
  std::vector<int64_t> source_strides(rank, 1);
  for (std::size_t i = rank; i-- > 1;) source_strides[i - 1] = source_strides[i] * tensor.dims()[i];
  Dims dims(rank);
  std::vector<int64_t> strides(rank);
  for (std::size_t i = 0; i < rank; ++i) {
    dims[i] = tensor.dims()[static_cast<std::size_t>(perm[i])];
    strides[i] = source_strides[static_cast<std::size_t>(perm[i])];
  }
  auto buffer = std::make_shared<std::vector<std::byte>>(tensor.bytes().size());
  std::vector<int64_t> index(rank, 0);
  int64_t source = 0;
  const int64_t count = tensor.count();
  for (int64_t i = 0; i < count; ++i) {
    std::memcpy(buffer->data() + static_cast<std::size_t>(i) * width,
                tensor.bytes().data() + static_cast<std::size_t>(source) * width, width);
    for (std::size_t axis = rank; axis-- > 0;) {
      source += strides[axis];
      if (++index[axis] < dims[axis]) break;
      source -= strides[axis] * dims[axis];
      index[axis] = 0;
    }
  }
  const std::span<const std::byte> view(*buffer);
  return Tensor(tensor.dtype(), std::move(dims), view, std::move(buffer));
}

}  // namespace crossload
