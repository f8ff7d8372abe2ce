// Reading elements by tensors of indices. PyTorch's negative indices count from the end; TensorFlow's must not be negative.

#include <algorithm>
#include <numeric>

#include "lower/ops/families.h"

namespace crossload::lower {
namespace {

Expr wrap_negative(Expr index, const Sym& size) {
  Builder& b = index.builder();
  const Expr zero = b.scalar(index.dtype(), 0);
  return b.select(b.tf("Less", {index, zero}), index + b.size(size, index.dtype()), index);
}

// Elements of `x` along `axis` where `index` has the result's shape; other axes run along.
Expr gather(Call& call) {
  Builder& b = call.builder();
  Expr x = call.tensor("self"), index = call.tensor("index");
  if (x.rank() == 0) return b.reshape(x, index.dims());
  const int axis = call.axis("dim", x.rank()), rank = x.rank();
  // With the axis last, every row of the rest is a batch; axes that the index covers only in part are cut first.
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
  return call.builder().gather(x, call.tensor("index"), call.axis("dim", x.rank()));
}

Expr take_along_flat(Call& call) {
  Builder& b = call.builder();
  const Expr x = call.tensor("self");
  const Sym count = product(x.dims());
  return b.gather(b.reshape(x, {count}), wrap_negative(call.tensor("index"), count), 0);
}

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

// x[i, :, j, mask]: indices broadcast against each other; None stands for a whole axis. Where the indexed axes stand side
// by side their place takes the index's shape, else it goes to the front, as in NumPy.
Expr index(Call& call) {
  Builder& b = call.builder();
  Expr x = call.tensor("self");
  Exprs given = call.optional_tensors("indices");
  // A boolean mask over k axes is k integer indices.
  Exprs indices;
  for (const Expr& item : given) {
    if (!item || item.dtype() != DType::kBool) {
      indices.push_back(item);
      continue;
    }
    const Expr where = call.tf("Where", {item});
    const Sym& count = call.result_dims().empty() ? Sym(1) : call.result_dims()[indices.size()];
    for (int i = 0; i < item.rank(); ++i) {
      const Expr column = b.gather(where, b.scalar(DType::kInt32, i), 1);
      b.set_dims(column, {count});
      indices.push_back(column);
    }
  }
  std::vector<int> indexed, whole;
  Exprs used;
  for (int i = 0; i < x.rank(); ++i) {
    const bool is_indexed = i < static_cast<int>(indices.size()) && indices[static_cast<std::size_t>(i)];
    (is_indexed ? indexed : whole).push_back(i);
    if (is_indexed) used.push_back(wrap_negative(b.cast(indices[static_cast<std::size_t>(i)], DType::kInt64), x.dim(i)));
  }
  if (used.empty()) return x;
  const bool side_by_side = indexed.back() - indexed.front() + 1 == static_cast<int>(indexed.size());
  if (used.size() == 1) {
    const Expr result = b.gather(x, used[0], indexed[0]);
    return result;
  }
  // Indexed axes to the front, then one GatherND with an index vector per result element.
  std::vector<int> perm = indexed;
  perm.insert(perm.end(), whole.begin(), whole.end());
  x = b.transpose(x, perm);
  const SymDims dims = broadcast_dims(used);
  for (Expr& u : used) u = b.broadcast(u, dims);
  const Expr vectors = call.tf("Pack", used, {{"axis", static_cast<int64_t>(dims.size())}});
  Expr result = call.tf("GatherNd", {x, vectors});
  if (side_by_side && indexed.front() > 0) {
    // [index…, whole…] → [whole before, index…, whole after]
    const int index_rank = static_cast<int>(dims.size()), before = indexed.front();
    std::vector<int> back;
    for (int i = 0; i < before; ++i) back.push_back(index_rank + i);
    for (int i = 0; i < index_rank; ++i) back.push_back(i);
    for (int i = before; i < static_cast<int>(whole.size()); ++i) back.push_back(index_rank + i);
    result = b.transpose(result, back);
  }
  return result;
}

constexpr OpRow kRows[] = {
    {"aten::gather(Tensor self, int dim, Tensor index, *, bool sparse_grad=False) -> Tensor", gather},
    {"aten::index_select(Tensor self, int dim, Tensor index) -> Tensor", index_select},
    {"aten::take(Tensor self, Tensor index) -> Tensor", take_along_flat},
    {"aten::index.Tensor(Tensor self, Tensor?[] indices) -> Tensor", index},
};

}  // namespace

void add_gather_ops(OpTable& table) { table.add("gather", kRows); }

}  // namespace crossload::lower
