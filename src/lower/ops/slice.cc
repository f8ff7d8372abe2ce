// Parts of a tensor along one axis. Negative positions count from the end; ends past it are cut.

#include <limits>

#include "lower/ops/families.h"

namespace crossload::lower {
namespace {

constexpr int64_t kOpenEnd = std::numeric_limits<int64_t>::max();

Expr slice(Call& call) {
  const Expr x = call.tensor("self");
  const int axis = call.axis("dim", x.rank());
  const Sym begin = call.is_none("start") ? Sym(0) : call.sym("start");
  const Sym end = call.is_none("end") ? Sym(kOpenEnd) : call.sym("end");
  const Sym step = call.sym("step");
  if (x.dims() == call.result_dims() && step == Sym(1)) return x;
  if (step.is_constant()) return call.builder().slice(x, axis, begin, end, step.constant());
  // A step that depends on sizes: the positions one by one.
  Builder& b = call.builder();
  const Expr steps = b.range(call.result_dims()[static_cast<std::size_t>(axis)], DType::kInt32) * b.size(step);
  return b.gather(x, steps + b.size(begin), axis);
}

Expr select(Call& call) {
  Builder& b = call.builder();
  const Expr x = call.tensor("self");
  const int axis = call.axis("dim", x.rank());
  Sym index = call.sym("index");
  if (x.dim(axis) == Sym(1)) return b.squeeze(x, {axis});
  if (!index.is_constant()) {
    Expr position = b.size(index);
    position = b.select(b.tf("Less", {position, b.scalar(DType::kInt32, 0)}), position + b.size(x.dim(axis)), position);
    return b.gather(x, position, axis);
  }
  // One StridedSlice that drops the axis.
  SymDims begins(static_cast<std::size_t>(x.rank()), Sym(0)), ends = begins;
  begins[static_cast<std::size_t>(axis)] = index;
  ends[static_cast<std::size_t>(axis)] = index == Sym(-1) ? Sym(0) : index + Sym(1);
  const int64_t axis_bit = int64_t{1} << axis, others = ((int64_t{1} << x.rank()) - 1) & ~axis_bit;
  const Expr result =
      b.tf("StridedSlice",
           {x, b.sizes(begins), b.sizes(ends), b.int32s(std::vector<int>(static_cast<std::size_t>(x.rank()), 1))},
           {{"begin_mask", others}, {"end_mask", others}, {"shrink_axis_mask", axis_bit}});
  b.set_dims(result, call.result_dims());
  return result;
}

Expr narrow(Call& call) {
  Builder& b = call.builder();
  const Expr x = call.tensor("self");
  const int axis = call.axis("dim", x.rank());
  Sym begin = call.sym("start");
  if (begin.is_constant() && begin.constant() < 0) begin = begin + x.dim(axis);
  return b.slice(x, axis, begin, begin + call.sym("length"));
}

constexpr OpRow kRows[] = {
    {"aten::slice.Tensor(Tensor(a) self, int dim=0, SymInt? start=None, SymInt? end=None, SymInt step=1) -> Tensor(a)",
     slice},
    {"aten::select.int(Tensor(a) self, int dim, SymInt index) -> Tensor(a)", select},
    {"aten::narrow(Tensor(a) self, int dim, SymInt start, SymInt length) -> Tensor(a)", narrow},
};

}  // namespace

void add_slice_ops(OpTable& table) { table.add("slice", kRows); }

}  // namespace crossload::lower
