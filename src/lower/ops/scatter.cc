// Writing elements by tensors of indices: a new tensor with some elements replaced, or added to.

#include <numeric>

#include "base/permutation.h"
#include "lower/ops/families.h"
#include "lower/ops/indices.h"

namespace crossload::lower {
namespace {

Expr copy(Call& call) {
  Builder& b = call.builder();
  return b.broadcast(b.cast(call.tensor("src"), call.result_dtype()), call.result_dims());
}

// TensorScatterUpdate, Add, Max or Min of `updates` at `vectors`, in a dtype that the kernel takes.
Expr scattered(std::string_view op, Expr x, Expr vectors, Expr updates) {
  Builder& b = x.builder();
  const Expr result = b.tf_widened(op, {x, vectors, updates});
  b.set_dims(result, x.dims());
  return result;
}

// x[i, :, j, mask] = values
Expr index_put(Call& call) {
  Builder& b = call.builder();
  const Expr x = call.tensor("self"), values = call.tensor("values");
  const bool adds = call.flag("accumulate");
  // One mask over the first axes and a value for all of them is a choice.
  const Exprs given = call.optional_tensors("indices");
  if (given.size() == 1 && given[0] && given[0].dtype() == DType::kBool && !adds) {
    const int spare = x.rank() - given[0].rank();
    const bool is_one = values.rank() <= spare || (values.rank() == spare + 1 && values.dim(0) == Sym(1));
    if (is_one) {
      SymDims dims = given[0].dims();
      for (int i = 0; i < spare; ++i) dims.emplace_back(1);
      const Expr value = values.rank() > spare ? b.squeeze(values, {0}) : values;
      return b.select(b.reshape(given[0], dims), b.cast(value, x.dtype()), x);
    }
  }
  const Indexing at = indexing(call, x);
  if (at.used.empty()) return adds ? x + values : b.broadcast(b.cast(values, x.dtype()), x.dims());
  // The values have the shape of x[…]; the update wants the index's axes first.
  SymDims shown = at.dims;
  for (const int axis : at.whole) shown.push_back(x.dim(axis));
  SymDims result_order;
  for (const int axis : at.to_result()) result_order.push_back(shown[static_cast<std::size_t>(axis)]);
  Expr updates = b.cast(values, x.dtype());
  // A mask's size has a name of its own here and another one in the program: equal ranks without a 1 are equal shapes.
  bool fits = updates.rank() == static_cast<int>(result_order.size());
  for (int i = 0; fits && i < updates.rank(); ++i) {
    const Sym& wanted = result_order[static_cast<std::size_t>(i)];
    fits = updates.dim(i) == wanted || (!wanted.is_constant() && !(updates.dim(i) == Sym(1)));
  }
  if (!fits) updates = b.broadcast(updates, result_order);
  updates = b.transpose(updates, inverse(at.to_result()));
  const auto perm = at.indexed_first();
  const Expr y =
      scattered(adds ? "TensorScatterAdd" : "TensorScatterUpdate", b.transpose(x, perm), at.vectors(), updates);
  return b.transpose(y, inverse(perm));
}

// Writes the elements of `source`, in their order, to the positions where the mask is true.
Expr masked_scatter(Call& call) {
  Builder& b = call.builder();
  const SymDims& dims = call.result_dims();
  const Expr x = b.broadcast(call.tensor("self"), dims), mask = b.broadcast(call.operand("mask", DType::kBool), dims);
  const Expr source = call.tensor("source");
  const Expr where = call.tf("Where", {mask});
  const std::string count = "shown_by_" + std::to_string(mask.ref().node) + "_" + std::to_string(mask.ref().output);
  const Sym shown = b.found_size(count, where);
  const Expr updates = b.slice(b.reshape(source, {product(source.dims())}), 0, Sym(0), shown);
  b.set_dims(updates, {shown});
  return scattered("TensorScatterUpdate", x, where, updates);
}

// For each element of `index` the position that it refers to: its own, with one coordinate replaced by its value.
Expr positions(Expr index, int axis) {
  Builder& b = index.builder();
  Exprs columns;
  for (int i = 0; i < index.rank(); ++i) {
    if (i == axis) {
      columns.push_back(b.cast(index, DType::kInt64));
      continue;
    }
    SymDims dims(static_cast<std::size_t>(index.rank()), Sym(1));
    dims[static_cast<std::size_t>(i)] = index.dim(i);
    columns.push_back(b.broadcast(b.reshape(b.range(index.dim(i), DType::kInt64), dims), index.dims()));
  }
  return b.tf("Pack", columns, {{"axis", static_cast<int64_t>(index.rank())}});
}

// The operands of scatter and its variants: PyTorch's scalars as tensors of one element, and only that part of the
// source that the index covers.
struct Scatter {
  Expr base, positions, source;
};

Scatter scatter_of(Call& call, Expr source) {
  Builder& b = call.builder();
  Expr x = call.tensor("self"), index = call.tensor("index");
  if (x.rank() == 0) x = b.reshape(x, {Sym(1)});
  if (index.rank() == 0) index = b.reshape(index, {Sym(1)});
  const int axis = call.axis("dim", x.rank());
  if (!source) source = b.fill(x.dtype(), index.dims(), call.scalar("value", x.dtype()));
  if (source.rank() == 0) source = b.reshape(source, {Sym(1)});
  for (int i = 0; i < index.rank(); ++i) {
    SymDims cut = source.dims();
    cut[static_cast<std::size_t>(i)] = index.dim(i);
    source = b.slice(source, i, Sym(0), index.dim(i));
    b.set_dims(source, cut);
  }
  return {x, positions(index, axis), source};
}

Expr scatter_by(Call& call, std::string_view op, Expr source) {
  const Scatter s = scatter_of(call, source);
  return call.builder().reshape(scattered(op, s.base, s.positions, s.source), call.result_dims());
}

Expr scatter_src(Call& call) { return scatter_by(call, "TensorScatterUpdate", call.tensor("src")); }
Expr scatter_value(Call& call) { return scatter_by(call, "TensorScatterUpdate", {}); }
Expr scatter_add(Call& call) { return scatter_by(call, "TensorScatterAdd", call.tensor("src")); }

// The product of each element of `start` and the values scattered to it, multiplied one after another in their order as
// PyTorch does: TensorFlow has no scatter that multiplies.
Expr product_by_position(const Scatter& s, Expr start) {
  Builder& b = s.base.builder();
  const DType dtype = s.base.dtype();
  const Sym count = product(s.source.dims()), size = product(s.base.dims());
  Expr flat = b.scalar(DType::kInt64, 0);  // row-major index of each position
  for (int i = 0; i < s.base.rank(); ++i) {
    const Expr coordinate = b.gather(s.positions, b.scalar(DType::kInt32, i), s.base.rank());
    flat = flat * b.size(s.base.dim(i), DType::kInt64) + coordinate;
  }
  const Expr values = b.concat({b.reshape(start, {size}), b.reshape(s.source, {count})}, 0);
  const Expr places = b.concat({b.range(size, DType::kInt64), b.reshape(flat, {count})}, 0);
  const Expr products = b.tf_widened(
      "UnsortedSegmentProd", {dtype == DType::kBool ? b.cast(values, DType::kInt32) : values, places, b.size(size)});
  b.set_dims(products, {size});
  return b.cast(b.reshape(products, s.base.dims()), dtype);
}

// Sums, means, products and extrema of the values scattered to one position. Without `includes` the old value counts
// only where there are none.
Expr reduced(Call& call, const Scatter& s, const std::string& how, bool includes) {
  Builder& b = call.builder();
  const DType dtype = s.base.dtype();
  const auto ones = [&](DType of) { return b.fill(of, s.source.dims(), b.scalar(of, 1)); };
  const auto filled = [&](DType of, Expr value) { return b.fill(of, s.base.dims(), value); };
  const Expr touched = includes ? Expr()
                                : scattered("TensorScatterUpdate", filled(DType::kBool, b.scalar(DType::kBool, 0)),
                                            s.positions, ones(DType::kBool));
  const auto start = [&](Expr neutral) { return includes ? s.base : b.select(touched, neutral, s.base); };
  Expr y;
  if (how == "sum") {
    y = scattered("TensorScatterAdd", start(b.scalar(dtype, 0)), s.positions, s.source);
  } else if (how == "mean") {
    const DType counted = is_floating(dtype) ? computed_dtype(dtype) : dtype;
    const Expr sum = scattered("TensorScatterAdd", b.cast(start(b.scalar(dtype, 0)), counted), s.positions,
                               b.cast(s.source, counted));
    const Expr count =
        b.tf_widened("Maximum", {scattered("TensorScatterAdd", filled(counted, b.scalar(counted, includes ? 1 : 0)),
                                           s.positions, ones(counted)),
                                 b.scalar(counted, 1)});
    y = b.cast(is_floating(dtype) ? sum / count : b.tf_widened("FloorDiv", {sum, count}), dtype);
  } else if (how == "prod") {
    y = product_by_position(s, b.broadcast(start(b.scalar(dtype, 1)), s.base.dims()));
  } else if (how == "amax") {
    y = scattered("TensorScatterMax", start(b.lowest(dtype)), s.positions, s.source);
  } else {
    y = scattered("TensorScatterMin", start(b.highest(dtype)), s.positions, s.source);
  }
  return b.reshape(y, call.result_dims());
}

Expr scatter_reduce(Call& call) {
  return reduced(call, scatter_of(call, call.tensor("src")), call.text("reduce"), call.flag("include_self"));
}

// The older form: sums and products with what is there.
Expr scatter_with(Call& call, Expr source) {
  return reduced(call, scatter_of(call, source), call.text("reduce") == "add" ? "sum" : "prod", true);
}
Expr scatter_src_with(Call& call) { return scatter_with(call, call.tensor("src")); }
Expr scatter_value_with(Call& call) { return scatter_with(call, {}); }

// Whole slices along an axis, reduced as by scatter_reduce.
Expr index_reduce(Call& call) {
  Builder& b = call.builder();
  Expr x = call.tensor("self"), source = call.tensor("source");
  if (x.rank() == 0) x = b.reshape(x, {Sym(1)});
  if (source.rank() == 0) source = b.reshape(source, {Sym(1)});
  const int axis = call.axis("dim", x.rank());
  SymDims along(static_cast<std::size_t>(x.rank()), Sym(1));
  along[static_cast<std::size_t>(axis)] = product(call.tensor("index").dims());
  const Expr index = b.broadcast(b.reshape(call.tensor("index"), along), source.dims());
  return reduced(call, {x, positions(index, axis), source}, call.text("reduce"), call.flag("include_self"));
}

// Elements by their positions in the flattened tensor.
Expr put(Call& call) {
  Builder& b = call.builder();
  const Expr x = call.tensor("self");
  const Sym size = product(x.dims()), count = product(call.tensor("index").dims());
  const Expr index = b.reshape(b.cast(call.tensor("index"), DType::kInt64), {count, Sym(1)});
  const Expr source = b.reshape(b.cast(call.tensor("source"), x.dtype()), {count});
  const char* op = call.flag("accumulate") ? "TensorScatterAdd" : "TensorScatterUpdate";
  return b.reshape(scattered(op, b.reshape(x, {size}), wrap_negative(index, size), source), x.dims());
}

// [start, end) along an axis replaced by `src`, with a step; ends count from behind where they are negative.
Expr slice_scatter(Call& call) {
  Builder& b = call.builder();
  const Expr x = call.tensor("self"), source = b.cast(call.tensor("src"), x.dtype());
  const int axis = call.axis("dim", x.rank());
  const int64_t step = call.integer("step");
  Sym begin = call.is_none("start") ? Sym(0) : call.sym("start");
  if (begin.is_constant() && begin.constant() < 0) begin = begin + x.dim(axis);
  const Expr positions = b.range(source.dim(axis), DType::kInt32) * b.scalar(DType::kInt32, step) + b.size(begin);
  const Expr front = b.swap_axes(x, 0, axis);
  const Expr vectors = b.reshape(positions, {source.dim(axis), Sym(1)});
  return b.swap_axes(scattered("TensorScatterUpdate", front, vectors, b.swap_axes(source, 0, axis)), 0, axis);
}

// One slice along an axis replaced by `src`.
Expr select_scatter(Call& call) {
  Builder& b = call.builder();
  const Expr x = call.tensor("self"), source = b.cast(call.tensor("src"), x.dtype());
  const int axis = call.axis("dim", x.rank());
  Sym index = call.sym("index");
  if (index.is_constant() && index.constant() < 0) index = index + x.dim(axis);
  const Expr vectors = b.reshape(b.size(index), {Sym(1), Sym(1)});
  const Expr one = b.swap_axes(b.unsqueeze(source, axis), 0, axis);
  return b.swap_axes(scattered("TensorScatterUpdate", b.swap_axes(x, 0, axis), vectors, one), 0, axis);
}

// Whole slices of `x` along an axis.
Expr index_by(Call& call, std::string_view op, Expr source) {
  Builder& b = call.builder();
  const Expr x = call.tensor("self");
  const SymDims dims = x.dims();
  const Expr base = x.rank() == 0 ? b.reshape(x, {Sym(1)}) : x;
  if (source.rank() == 0) source = b.reshape(source, {Sym(1)});
  const Expr index = b.cast(call.tensor("index"), DType::kInt64);
  const int axis = call.axis("dim", x.rank());
  const Sym count = product(index.dims());
  const Expr vectors = b.reshape(wrap_negative(index, base.dim(axis)), {count, Sym(1)});
  const Expr y = scattered(op, b.swap_axes(base, 0, axis), vectors, b.swap_axes(source, 0, axis));
  return b.reshape(b.swap_axes(y, 0, axis), dims);
}
Expr index_add(Call& call) {
  const DType dtype = call.result_dtype();
  Expr source = call.operand("source", dtype);
  if (!(call.sym("alpha") == Sym(1))) source = source * call.scalar("alpha", dtype);
  return index_by(call, "TensorScatterAdd", source);
}
Expr index_copy(Call& call) { return index_by(call, "TensorScatterUpdate", call.tensor("source")); }

#define INDEX "Tensor?[] indices, Tensor values, bool accumulate=False"

constexpr OpRow kRows[] = {
    {"aten::copy_(Tensor(a!) self, Tensor src, bool non_blocking=False) -> Tensor(a!)", copy},
    {"aten::copy(Tensor self, Tensor src, bool non_blocking=False) -> Tensor", copy},
    {"aten::index_put(Tensor self, " INDEX ") -> Tensor", index_put},
    {"aten::index_put_(Tensor(a!) self, " INDEX ") -> Tensor(a!)", index_put},
    {"aten::masked_scatter(Tensor self, Tensor mask, Tensor source) -> Tensor", masked_scatter},
    {"aten::masked_scatter_(Tensor(a!) self, Tensor mask, Tensor source) -> Tensor(a!)", masked_scatter},
    {"aten::scatter.src(Tensor self, int dim, Tensor index, Tensor src) -> Tensor", scatter_src},
    {"aten::scatter.value(Tensor self, int dim, Tensor index, Scalar value) -> Tensor", scatter_value},
    {"aten::scatter_.src(Tensor(a!) self, int dim, Tensor index, Tensor src) -> Tensor(a!)", scatter_src},
    {"aten::scatter_.value(Tensor(a!) self, int dim, Tensor index, Scalar value) -> Tensor(a!)", scatter_value},
    {"aten::scatter_add(Tensor self, int dim, Tensor index, Tensor src) -> Tensor", scatter_add},
    {"aten::scatter_add_(Tensor(a!) self, int dim, Tensor index, Tensor src) -> Tensor(a!)", scatter_add},
    {"aten::scatter_reduce.two(Tensor self, int dim, Tensor index, Tensor src, str reduce, *, bool include_self=True) "
     "-> Tensor",
     scatter_reduce},
    {"aten::scatter.reduce(Tensor self, int dim, Tensor index, Tensor src, *, str reduce) -> Tensor", scatter_src_with},
    {"aten::scatter.value_reduce(Tensor self, int dim, Tensor index, Scalar value, *, str reduce) -> Tensor",
     scatter_value_with},
    {"aten::scatter_.reduce(Tensor(a!) self, int dim, Tensor index, Tensor src, *, str reduce) -> Tensor(a!)",
     scatter_src_with},
    {"aten::scatter_.value_reduce(Tensor(a!) self, int dim, Tensor index, Scalar value, *, str reduce) -> Tensor(a!)",
     scatter_value_with},
    {"aten::index_reduce(Tensor self, int dim, Tensor index, Tensor source, str reduce, *, bool include_self=True) -> "
     "Tensor",
     index_reduce},
    {"aten::put(Tensor self, Tensor index, Tensor source, bool accumulate=False) -> Tensor", put},
    {"aten::put_(Tensor(a!) self, Tensor index, Tensor source, bool accumulate=False) -> Tensor(a!)", put},
    {"aten::slice_scatter(Tensor self, Tensor src, int dim=0, SymInt? start=None, SymInt? end=None, SymInt step=1) -> "
     "Tensor",
     slice_scatter},
    {"aten::select_scatter(Tensor self, Tensor src, int dim, SymInt index) -> Tensor", select_scatter},
    {"aten::index_add(Tensor self, int dim, Tensor index, Tensor source, *, Scalar alpha=1) -> Tensor", index_add},
    {"aten::index_add_(Tensor(a!) self, int dim, Tensor index, Tensor source, *, Scalar alpha=1) -> Tensor(a!)",
     index_add},
    {"aten::index_copy(Tensor self, int dim, Tensor index, Tensor source) -> Tensor", index_copy},
};

#undef INDEX

}  // namespace

void add_scatter_ops(OpTable& table) { table.add("scatter", kRows); }

}  // namespace crossload::lower
