// Reading elements by tensors of indices. PyTorch's negative indices count from the end; TensorFlow's must not be
// negative.

#include <algorithm>
#include <numeric>

#include "lower/ops/families.h"
#include "lower/ops/indices.h"

namespace crossload::lower {

Expr as_index(Expr index) {
  return index.dtype() == DType::kInt32 ? index : index.builder().cast(index, DType::kInt64);
}

Expr wrap_negative(Expr index, const Sym& size) {
  Builder& b = index.builder();
  const Expr zero = b.scalar(index.dtype(), 0);
  return b.select(b.tf("Less", {index, zero}), index + b.size(size, index.dtype()), index);
}

namespace {

SymDims broadcast_dims(const Exprs& values) {
  SymDims dims;
  for (const Expr& v : values) {
    while (static_cast<int>(dims.size()) < v.rank()) dims.insert(dims.begin(), Sym(1));
    for (int i = 1; i <= v.rank(); ++i) {
      Sym& d = dims[dims.size() - static_cast<std::size_t>(i)];
      if (d == Sym(1)) d = v.dim(-i);
    }
  }
  return dims;
}

}  // namespace

Indexing indexing(Call& call, Expr x) {
  Builder& b = call.builder();
  Exprs indices;
  std::vector<bool> is_mask;
  for (const Expr& item : call.optional_tensors("indices")) {
    if (!item || item.dtype() != DType::kBool) {
      indices.push_back(item);
      is_mask.push_back(false);
      continue;
    }
    const Expr where = call.tf("Where", {item});
    const std::string count = "shown_by_" + std::to_string(item.ref().node) + "_" + std::to_string(item.ref().output);
    const Sym shown = b.found_size(count, where);
    for (int i = 0; i < item.rank(); ++i) {
      const Expr column = b.gather(where, b.scalar(DType::kInt32, i), 1);
      b.set_dims(column, {shown});
      indices.push_back(column);
      is_mask.push_back(true);
    }
  }
  Indexing result;
  for (int i = 0; i < x.rank(); ++i) {
    const auto k = static_cast<std::size_t>(i);
    if (k >= indices.size() || !indices[k]) {
      result.whole.push_back(i);
      continue;
    }
    result.indexed.push_back(i);
    result.used.push_back(is_mask[k] ? indices[k] : wrap_negative(b.cast(indices[k], DType::kInt64), x.dim(i)));
  }
  result.dims = broadcast_dims(result.used);
  return result;
}

std::vector<int> Indexing::indexed_first() const {
  std::vector<int> perm = indexed;
  perm.insert(perm.end(), whole.begin(), whole.end());
  return perm;
}

std::vector<int> Indexing::to_result() const {
  const int index_rank = static_cast<int>(dims.size()), before = side_by_side() ? indexed.front() : 0;
  std::vector<int> perm;
  for (int i = 0; i < before; ++i) perm.push_back(index_rank + i);
  for (int i = 0; i < index_rank; ++i) perm.push_back(i);
  for (int i = before; i < static_cast<int>(whole.size()); ++i) perm.push_back(index_rank + i);
  return perm;
}

Expr Indexing::vectors() const {
  Builder& b = used[0].builder();
  if (used.size() == 1) return b.unsqueeze(used[0], static_cast<int>(dims.size()));
  Exprs columns;
  for (const Expr& u : used) columns.push_back(b.broadcast(u, dims));
  return b.tf("Pack", columns, {{"axis", static_cast<int64_t>(dims.size())}});
}

namespace {

// Elements of `x` along `axis`, where `index` has the shape of the result; on all other axes x and index correspond.
Expr gather(Call& call) {
  Builder& b = call.builder();
  Expr x = call.tensor("self"), index = as_index(call.tensor("index"));
  if (x.rank() == 0) return b.reshape(x, index.dims());
  const int axis = call.axis("dim", x.rank()), rank = x.rank();
  // With the axis moved last, each combination of the other axes is one batch entry of a batched gather; axes of `x`
  // that
  // are longer than those of the index are cut first.
  for (int i = 0; i < rank; ++i) {
    if (i != axis && !(x.dim(i) == index.dim(i))) {
      x = b.slice(x, i, Sym(0), index.dim(i));
      SymDims dims = x.dims();
      dims[static_cast<std::size_t>(i)] = index.dim(i);
      b.set_dims(x, dims);
    }
  }
  const Expr last_x = b.swap_axes(x, axis, -1), last_index = b.swap_axes(index, axis, -1);
  const Expr result = b.tf("GatherV2", {last_x, last_index, b.scalar(DType::kInt32, rank - 1)},
                           {{"batch_dims", static_cast<int64_t>(rank - 1)}});
  b.set_dims(result, last_index.dims());
  return b.swap_axes(result, axis, -1);
}

Expr index_select(Call& call) {
  const Expr x = call.tensor("self");
  if (x.rank() == 0) return x;
  return call.builder().gather(x, as_index(call.tensor("index")), call.axis("dim", x.rank()));
}

Expr take_along_flat(Call& call) {
  Builder& b = call.builder();
  const Expr x = call.tensor("self");
  const Sym count = product(x.dims());
  return b.gather(b.reshape(x, {count}), wrap_negative(call.tensor("index"), count), 0);
}

// x[i, :, j, mask], as in NumPy: the index's shape takes the place of the indexed axes, or goes to the front.
Expr index(Call& call) {
  Builder& b = call.builder();
  const Expr x = call.tensor("self");
  const Indexing at = indexing(call, x);
  if (at.used.empty()) return x;
  if (at.used.size() == 1) return b.gather(x, at.used[0], at.indexed[0]);
  // Indexed axes to the front, then one GatherNd with a vector per element of the index.
  const Expr result = call.tf("GatherNd", {b.transpose(x, at.indexed_first()), at.vectors()});
  return b.transpose(result, at.to_result());
}

// The positions of what is not zero, in row-major order.
Expr nonzero(Call& call) {
  Builder& b = call.builder();
  const Expr shown = call.operand("self", DType::kBool);
  if (shown.rank() > 0) return call.tf("Where", {shown});
  const Expr one_axis = call.tf("Where", {b.reshape(shown, {Sym(1)})});  // a scalar has positions without coordinates
  b.set_dims(one_axis, {call.result_dims()[0], Sym(1)});
  return b.slice(one_axis, 1, Sym(0), Sym(0));
}

// The same positions axis by axis: one index tensor for each.
Exprs nonzero_by_axis(Call& call) {
  Builder& b = call.builder();
  const Expr x = call.operand("condition", DType::kBool);
  const Expr positions = b.tf("Where", {x});
  Exprs columns;
  for (int i = 0; i < x.rank(); ++i) columns.push_back(b.gather(positions, b.scalar(DType::kInt32, i), 1));
  return columns;
}

// The elements that a mask selects, in row-major order.
Expr masked_select(Call& call) {
  Builder& b = call.builder();
  const Expr mask = call.operand("mask", DType::kBool);
  SymDims dims = call.tensor("self").dims();
  while (static_cast<int>(dims.size()) < mask.rank()) dims.insert(dims.begin(), Sym(1));
  for (int i = 1; i <= mask.rank(); ++i) {
    Sym& d = dims[dims.size() - static_cast<std::size_t>(i)];
    if (d == Sym(1)) d = mask.dim(-i);
  }
  if (dims.empty()) dims = {Sym(1)};
  return b.tf("GatherNd", {b.broadcast(call.tensor("self"), dims), b.tf("Where", {b.broadcast(mask, dims)})});
}

// Windows of `size` cells, every `step` cells, their cells as a new last axis.
Expr unfold(Call& call) {
  Builder& b = call.builder();
  const Expr x = call.tensor("self");
  const Sym size(call.integer("size"));
  if (x.rank() == 0) return b.reshape(x, {size});
  const int axis = call.axis("dimension", x.rank());
  const Sym& count = call.result_dims()[static_cast<std::size_t>(axis)];
  const Expr starts = b.range(count, DType::kInt32) * b.scalar(DType::kInt32, call.integer("step"));
  const Expr cells = b.unsqueeze(starts, 1) + b.unsqueeze(b.range(size, DType::kInt32), 0);
  const Expr windows = b.gather(x, cells, axis);  // […, count, size, …]
  std::vector<int> perm;
  for (int i = 0; i <= x.rank(); ++i) {
    if (i != axis + 1) perm.push_back(i);
  }
  perm.push_back(axis + 1);
  return b.transpose(windows, perm);
}

constexpr OpRow kRows[] = {
    {"aten::gather(Tensor self, int dim, Tensor index, *, bool sparse_grad=False) -> Tensor", gather},
    {"aten::index_select(Tensor self, int dim, Tensor index) -> Tensor", index_select},
    {"aten::take(Tensor self, Tensor index) -> Tensor", take_along_flat},
    {"aten::index.Tensor(Tensor self, Tensor?[] indices) -> Tensor", index},
    {"aten::nonzero(Tensor self) -> Tensor", nonzero},
    {"aten::where(Tensor condition) -> Tensor[]", nonzero_by_axis},
    {"aten::masked_select(Tensor self, Tensor mask) -> Tensor", masked_select},
    {"aten::unfold(Tensor(a) self, int dimension, int size, int step) -> Tensor(a)", unfold},
};

}  // namespace

void add_gather_ops(OpTable& table) { table.add("gather", kRows); }

}  // namespace crossload::lower
