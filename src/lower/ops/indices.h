// What reading by indices (gather.cc) and writing by indices (scatter.cc) share.
#pragma once

#include "lower/op_table.h"

namespace crossload::lower {

/// An index in a dtype that TensorFlow's kernels take: int32 or int64.
Expr as_index(Expr index);
/// PyTorch's negative indices count from the end; TensorFlow's must not be negative.
Expr wrap_negative(Expr index, const Sym& size);

/// The argument `indices` of `x[i, :, j, mask]`: None stands for a whole axis, a boolean mask over k axes is k integer
/// indices, all indices broadcast against each other.
struct Indexing {
  std::vector<int> indexed, whole;  // axes of x
  Exprs used;                       // one int64 index per indexed axis, not negative, not broadcast yet
  SymDims dims;                     // the indices' common shape
  /// Whether the indexed axes stand side by side, so that the index's shape takes their place; else it goes to the
  /// front.
  bool side_by_side() const { return indexed.back() - indexed.front() + 1 == static_cast<int>(indexed.size()); }
  /// Axes of x, indexed ones first.
  std::vector<int> indexed_first() const;
  /// From [index…, whole…] to the order of the result of `x[…]`.
  std::vector<int> to_result() const;
  /// One vector of positions per element of the index: [index…, number of indexed axes].
  Expr vectors() const;
};
Indexing indexing(Call& call, Expr x);

}  // namespace crossload::lower
