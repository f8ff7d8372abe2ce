// Tensors of given numbers.
#pragma once

#include <numeric>
#include <span>
#include <utility>
#include <vector>

#include "base/tensor.h"

namespace crossload {

inline Tensor floats(Dims dims, const std::vector<float>& values) {
  return Tensor::of<float>(DType::kFloat32, std::move(dims), std::span<const float>(values));
}
inline Tensor doubles(Dims dims, const std::vector<double>& values) {
  return Tensor::of<double>(DType::kFloat64, std::move(dims), std::span<const double>(values));
}
/// Vectors.
inline Tensor floats(const std::vector<float>& values) { return floats({static_cast<int64_t>(values.size())}, values); }
inline Tensor doubles(const std::vector<double>& values) {
  return doubles({static_cast<int64_t>(values.size())}, values);
}

/// 0, 1, 2, …
inline Tensor counting_floats(Dims dims) {
  std::vector<float> values(static_cast<std::size_t>(element_count(dims)));
  std::iota(values.begin(), values.end(), 0.0f);
  return floats(std::move(dims), values);
}

template <typename T>
std::vector<T> elements(const Tensor& tensor) {
  std::vector<T> values;
  for (int64_t i = 0; i < tensor.count(); ++i) values.push_back(tensor.at<T>(i));
  return values;
}

}  // namespace crossload
