// A PyTorch value and the TensorFlow value that is said to be it may have their axes in another order.
#pragma once

#include <optional>
#include <vector>

#include "base/permutation.h"
#include "base/tensor.h"
#include "checkpoint/checkpoint.h"

namespace crossload::verify {

inline Tensor with_dims(const Tensor& tensor, const Dims& dims) {
  return Tensor(tensor.dtype(), dims, tensor.bytes(), tensor.owner());
}

inline bool is_permutation_of(const std::vector<int>& perm, std::size_t rank) {
  std::vector<bool> seen(rank, false);
  for (const int axis : perm) {
    if (axis < 0 || static_cast<std::size_t>(axis) >= rank || seen[static_cast<std::size_t>(axis)]) return false;
    seen[static_cast<std::size_t>(axis)] = true;
  }
  return perm.size() == rank;
}

/// A TensorFlow value in the PyTorch value's layout.
inline Tensor to_pt_layout(const Tensor& tf, const std::vector<int>& perm, const Dims& pt_dims) {
  return perm.empty() ? with_dims(tf, pt_dims) : transposed(tf, inverse(perm));
}

/// A PyTorch value in the TensorFlow value's layout.
inline Tensor to_tf_layout(const Tensor& pt, const std::vector<int>& perm, const Dims& tf_dims) {
  return perm.empty() ? with_dims(pt, tf_dims) : transposed(pt, perm);
}

/// Whether the claim `perm` is possible: same dtype, count, and sizes.
inline bool fits(const Tensor& tf, const Checkpoint::Entry& pt, const std::vector<int>& perm) {
  if (tf.dtype() != pt.dtype || tf.count() != element_count(pt.dims)) return false;
  if (perm.empty()) return true;
  if (!is_permutation_of(perm, pt.dims.size()) || tf.dims().size() != perm.size()) return false;
  for (std::size_t i = 0; i < perm.size(); ++i) {
    if (tf.dims()[i] != pt.dims[static_cast<std::size_t>(perm[i])]) return false;
  }
  return true;
}

/// The layouts in which a TensorFlow value can be the PyTorch value of these dims, each put into PyTorch's: as it is,
/// channels last, neighbouring axes joined or split, any other order of the axes; the first of these that fits.
std::vector<Tensor> in_pt_layouts(const Tensor& tf, const Dims& pt);
/// The same of a weight, whose axes may stand in any order at once: all orders that fit, else as above.
std::vector<Tensor> weight_in_pt_layouts(const Tensor& tf, const Dims& pt);

/// Floats in PyTorch's width, integers in its integer type; nothing for another kind of value.
std::optional<Tensor> in_pt_dtype(const Tensor& tf, DType dtype);

}  // namespace crossload::verify
