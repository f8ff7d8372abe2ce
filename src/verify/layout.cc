#include "verify/layout.h"

#include <algorithm>
#include <numeric>
#include <set>

#include "base/error.h"
#include "verify/outputs.h"

namespace crossload::verify {
namespace {

constexpr std::size_t kMostAxes = 4;  // of which every order is tried

/// The sizes at which joined axes end: two shapes of which one's are among the other's have the same row-major order.
std::set<int64_t> ends_of(const Dims& dims) {
  std::set<int64_t> ends;
  int64_t total = 1;
  for (const int64_t size : dims) ends.insert(total *= size);
  ends.erase(1);
  return ends;
}

bool same_groups(const Dims& a, const Dims& b) {
  if (element_count(a) != element_count(b) || element_count(a) == 0) return false;
  const std::set<int64_t> x = ends_of(a), y = ends_of(b);
  return std::ranges::includes(x, y) || std::ranges::includes(y, x);
}

std::vector<int> channels_last(std::size_t rank) {
  if (rank < 2) return std::vector<int>(rank, 0);
  std::vector<int> perm = {0};
  for (std::size_t axis = 2; axis < rank; ++axis) perm.push_back(static_cast<int>(axis));
  perm.push_back(1);
  return perm;
}

Dims moved_by(const std::vector<int>& perm, const Dims& dims) {
  Dims moved;
  for (const int axis : perm) moved.push_back(dims[static_cast<std::size_t>(axis)]);
  return moved;
}

/// In every order of the axes that fits.
std::vector<Tensor> in_any_order(const Tensor& tf, const Dims& pt) {
  std::vector<Tensor> found;
  if (pt.size() != tf.dims().size() || pt.size() > kMostAxes) return found;
  std::vector<int> perm(pt.size());
  std::iota(perm.begin(), perm.end(), 0);
  do {
    if (moved_by(perm, pt) == tf.dims()) found.push_back(transposed(tf, inverse(perm)));
  } while (std::ranges::next_permutation(perm).found);
  return found;
}

}  // namespace

std::vector<Tensor> in_pt_layouts(const Tensor& tf, const Dims& pt) {
  std::vector<Tensor> found;
  const std::vector<int> last = channels_last(pt.size());
  const Dims moved = moved_by(last, pt);
  const auto back = [&](const std::vector<int>& perm) {
    found.push_back(transposed(with_dims(tf, moved_by(perm, pt)), inverse(perm)));
  };
  if (tf.dims() == pt) found.push_back(tf);
  if (pt.size() > 2 && tf.dims() == moved) back(last);
  if (found.empty() && same_groups(tf.dims(), pt)) found.push_back(with_dims(tf, pt));
  if (found.empty() && pt.size() > 2 && same_groups(tf.dims(), moved)) back(last);
  return found.empty() ? in_any_order(tf, pt) : found;
}

std::vector<Tensor> weight_in_pt_layouts(const Tensor& tf, const Dims& pt) {
  std::vector<Tensor> found = in_any_order(tf, pt);
  return found.empty() ? in_pt_layouts(tf, pt) : found;
}

std::optional<Tensor> in_pt_dtype(const Tensor& tf, DType dtype) {
  if (tf.dtype() == dtype) return tf;
  if (is_floating(tf.dtype()) != is_floating(dtype)) return std::nullopt;
  try {
    return converted(tf, dtype, "");
  } catch (const Error&) {
    return std::nullopt;
  }
}

}  // namespace crossload::verify
