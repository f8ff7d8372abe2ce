// Reductions over axes: sums, means, extremes, and where the extremes are.

#include <numeric>

#include "lower/ops/families.h"

namespace crossload::lower {
namespace {

// `dim` absent, None or empty: all axes.
std::vector<int> reduced_axes(Call& call, int rank, bool has_dim) {
  if (has_dim && !call.is_none("dim")) {
    auto axes = call.axes("dim", rank);
    if (rank == 0) axes.clear();
    if (!axes.empty()) return axes;
  }
  std::vector<int> axes(static_cast<std::size_t>(rank));
  std::iota(axes.begin(), axes.end(), 0);
  return axes;
}

template <OpName Op>
Expr over_all(Call& call) {
  const Expr x = call.operand("self", call.result_dtype());
  return call.builder().reduce(Op.value, x, reduced_axes(call, x.rank(), false), false);
}

template <OpName Op>
Expr over_axes(Call& call) {
  const Expr x = call.operand("self", call.result_dtype());
  return call.builder().reduce(Op.value, x, reduced_axes(call, x.rank(), true), call.flag("keepdim"));
}

// Extremes of booleans are All and Any; TensorFlow's Max and Min know numbers only.
template <OpName Number, OpName Bool>
Expr extreme(Call& call, const std::vector<int>& axes, bool keep) {
  const Expr x = call.tensor("self");
  return call.builder().reduce(x.dtype() == DType::kBool ? Bool.value : Number.value, x, axes, keep);
}
template <OpName Number, OpName Bool>
Expr extreme_of_all(Call& call) {
  return extreme<Number, Bool>(call, reduced_axes(call, call.tensor("self").rank(), false), false);
}
template <OpName Number, OpName Bool>
Expr extreme_over_axes(Call& call) {
  return extreme<Number, Bool>(call, reduced_axes(call, call.tensor("self").rank(), true), call.flag("keepdim"));
}

Expr arg_along(Call& call, std::string_view op, Expr x, int axis, bool keep) {
  Builder& b = call.builder();
  if (x.rank() == 0) return b.scalar(DType::kInt64, 0);
  if (x.dtype() == DType::kBool) x = b.cast(x, DType::kInt32);
  if (is_floating(x.dtype())) {
    // TensorFlow passes NaN over, PyTorch takes the first one: so the first position that holds the extreme, or NaN.
    const Expr top = b.reduce(op == "ArgMax" ? "Max" : "Min", x, {axis}, true);
    x = b.tf("LogicalOr", {b.tf("Equal", {x, top}), b.tf("IsNan", {x})});
    op = "ArgMax";
  }
  const Expr index = call.tf(op, {x, b.scalar(DType::kInt32, axis)}, {{"output_type", DType::kInt64}});
  return keep ? b.unsqueeze(index, axis) : index;
}

template <OpName Op>
Expr arg_extreme(Call& call) {
  Builder& b = call.builder();
  Expr x = call.tensor("self");
  const bool keep = call.flag("keepdim");
  if (!call.is_none("dim")) return arg_along(call, Op.value, x, call.axis("dim", x.rank()), keep);
  const Expr index = arg_along(call, Op.value, b.reshape(x, {product(x.dims())}), 0, false);
  return keep ? b.reshape(index, call.result_dims()) : index;
}

// Values and where they are: two results.
template <OpName Reduce, OpName Arg, OpName Bool>
Exprs extreme_with_index(Call& call) {
  const Expr x = call.tensor("self");
  if (x.rank() == 0) return {x, call.builder().scalar(DType::kInt64, 0)};
  const int axis = call.axis("dim", x.rank());
  const bool keep = call.flag("keepdim");
  return {extreme<Reduce, Bool>(call, {axis}, keep), arg_along(call, Arg.value, x, axis, keep)};
}

template <OpName Op>
Expr truth_of_all(Call& call) {
  const Expr x = call.operand("self", DType::kBool);
  return call.builder().cast(call.builder().reduce(Op.value, x, reduced_axes(call, x.rank(), false), false),
                             call.result_dtype());
}
template <OpName Op>
Expr truth_over_axes(Call& call) {
  const Expr x = call.operand("self", DType::kBool);
  return call.builder().cast(
      call.builder().reduce(Op.value, x, reduced_axes(call, x.rank(), true), call.flag("keepdim")),
      call.result_dtype());
}

// Sum of squares about the mean over the count less the degrees of freedom lost.
Expr variance(Call& call, double lost) {
  Builder& b = call.builder();
  const Expr x = call.operand("self", computed_dtype(call.result_dtype()));
  const auto axes = reduced_axes(call, x.rank(), true);
  Sym count(1);
  for (const int axis : axes) count = count * x.dim(axis);
  const Expr centred = x - b.reduce("Mean", x, axes, true);
  const Expr total = b.reduce("Sum", b.tf("Square", {centred}), axes, call.flag("keepdim"));
  const Expr divisor = b.tf("Maximum", {b.size(count, x.dtype()) - lost, b.scalar(x.dtype(), 0)});
  return total / divisor;
}
double unbiased(Call& call) { return call.flag("unbiased") ? 1 : 0; }
double correction(Call& call) { return call.is_none("correction") ? 1 : call.number("correction"); }
template <double (*kCorrection)(Call&)>
Expr var(Call& call) {
  return call.builder().cast(variance(call, kCorrection(call)), call.result_dtype());
}
template <double (*kCorrection)(Call&)>
Expr std_deviation(Call& call) {
  return call.builder().cast(call.tf("Sqrt", {variance(call, kCorrection(call))}), call.result_dtype());
}

Expr logsumexp(Call& call) {
  Builder& b = call.builder();
  const Expr x = call.operand("self", call.result_dtype());
  const auto axes = reduced_axes(call, x.rank(), true);
  const Expr top = b.reduce("Max", x, axes, true);
  const Expr shift = b.select(b.tf("IsFinite", {top}), top, b.scalar(x.dtype(), 0.0));
  const Expr total = b.tf("Log", {b.reduce("Sum", b.tf("Exp", {x - shift}), axes, true)}) + shift;
  return call.flag("keepdim") ? total : b.squeeze(total, axes);
}

// The extreme of all elements up to each one along an axis, and the last position that holds it: every element is
// compared with all before it.
template <OpName Reduce>
Exprs cumulated_extreme(Call& call) {
  Builder& b = call.builder();
  const Expr given = call.tensor("self");
  if (given.rank() == 0) return {given, b.scalar(DType::kInt64, 0)};
  const int axis = call.axis("dim", given.rank());
  const bool is_max = std::string_view(Reduce.value) == "Max";
  const Expr x = b.swap_axes(given.dtype() == DType::kBool ? b.cast(given, DType::kInt32) : given, axis, -1);
  const Sym count = x.dim(-1);
  const Expr position = b.range(count, DType::kInt64);
  const Expr is_before = b.tf("LessEqual", {b.unsqueeze(position, 0), b.unsqueeze(position, 1)});  // [at, before]
  const Expr row = b.unsqueeze(x, x.rank() - 1);
  const Expr shown = b.select(is_before, row, is_max ? b.lowest(x.dtype()) : b.highest(x.dtype()));
  const Expr values = b.reduce(Reduce.value, shown, {x.rank()}, false);
  const Expr holds = b.tf("LogicalAnd", {b.tf("Equal", {row, b.unsqueeze(values, x.rank())}), is_before});
  const Expr positions = b.reduce("Max", b.select(holds, position, b.scalar(DType::kInt64, 0)), {x.rank()}, false);
  return {b.cast(b.swap_axes(values, axis, -1), given.dtype()), b.swap_axes(positions, axis, -1)};
}

// Variance and mean at once.
Exprs var_mean(Call& call) {
  Builder& b = call.builder();
  const Expr x = call.operand("self", computed_dtype(call.result_dtype()));
  const Expr mean = b.reduce("Mean", x, reduced_axes(call, x.rank(), true), call.flag("keepdim"));
  return {b.cast(variance(call, correction(call)), call.result_dtype()), b.cast(mean, call.result_dtype(1))};
}

// How many are not zero.
Expr count_nonzero(Call& call) {
  Builder& b = call.builder();
  const Expr x = b.cast(call.operand("self", DType::kBool), DType::kInt64);
  return b.reduce("Sum", x, reduced_axes(call, x.rank(), true), false);
}

// Along an axis, in float64 for float32 and in float32 for the half precisions, as PyTorch's accumulators.
template <OpName Op>
Expr cumulated(Call& call) {
  Builder& b = call.builder();
  const DType dtype = call.result_dtype();
  const Expr x = call.operand("self", dtype == DType::kFloat32 ? DType::kFloat64 : computed_dtype(dtype));
  if (x.rank() == 0) return b.cast(x, call.result_dtype());
  const Expr y = call.tf(Op.value, {x, b.scalar(DType::kInt32, call.axis("dim", x.rank()))});
  return b.cast(y, call.result_dtype());
}

constexpr OpRow kRows[] = {
    {"aten::sum(Tensor self, *, ScalarType? dtype=None) -> Tensor", over_all<"Sum">},
    {"aten::sum.dim_IntList(Tensor self, int[1]? dim, bool keepdim=False, *, ScalarType? dtype=None) -> Tensor",
     over_axes<"Sum">},
    {"aten::mean(Tensor self, *, ScalarType? dtype=None) -> Tensor", over_all<"Mean">},
    {"aten::mean.dim(Tensor self, int[1]? dim, bool keepdim=False, *, ScalarType? dtype=None) -> Tensor",
     over_axes<"Mean">},
    {"aten::prod(Tensor self, *, ScalarType? dtype=None) -> Tensor", over_all<"Prod">},
    {"aten::prod.dim_int(Tensor self, int dim, bool keepdim=False, *, ScalarType? dtype=None) -> Tensor",
     over_axes<"Prod">},
    {"aten::max(Tensor self) -> Tensor", extreme_of_all<"Max", "Any">},
    {"aten::min(Tensor self) -> Tensor", extreme_of_all<"Min", "All">},
    {"aten::amax(Tensor self, int[1] dim=[], bool keepdim=False) -> Tensor", extreme_over_axes<"Max", "Any">},
    {"aten::amin(Tensor self, int[1] dim=[], bool keepdim=False) -> Tensor", extreme_over_axes<"Min", "All">},
    {"aten::max.dim(Tensor self, int dim, bool keepdim=False) -> (Tensor values, Tensor indices)",
     extreme_with_index<"Max", "ArgMax", "Any">},
    {"aten::min.dim(Tensor self, int dim, bool keepdim=False) -> (Tensor values, Tensor indices)",
     extreme_with_index<"Min", "ArgMin", "All">},
    {"aten::argmax(Tensor self, int? dim=None, bool keepdim=False) -> Tensor", arg_extreme<"ArgMax">},
    {"aten::argmin(Tensor self, int? dim=None, bool keepdim=False) -> Tensor", arg_extreme<"ArgMin">},
    {"aten::all(Tensor self) -> Tensor", truth_of_all<"All">},
    {"aten::all.dim(Tensor self, int dim, bool keepdim=False) -> Tensor", truth_over_axes<"All">},
    {"aten::any(Tensor self) -> Tensor", truth_of_all<"Any">},
    {"aten::any.dim(Tensor self, int dim, bool keepdim=False) -> Tensor", truth_over_axes<"Any">},
    {"aten::any.dims(Tensor self, int[]? dim=None, bool keepdim=False) -> Tensor", truth_over_axes<"Any">},
    {"aten::_is_all_true(Tensor self) -> Tensor", truth_of_all<"All">},
    {"aten::var.dim(Tensor self, int[1]? dim, bool unbiased=True, bool keepdim=False) -> Tensor", var<unbiased>},
    {"aten::var.correction(Tensor self, int[1]? dim=None, *, Scalar? correction=None, bool keepdim=False) -> Tensor",
     var<correction>},
    {"aten::std.dim(Tensor self, int[1]? dim, bool unbiased=True, bool keepdim=False) -> Tensor",
     std_deviation<unbiased>},
    {"aten::std.correction(Tensor self, int[1]? dim=None, *, Scalar? correction=None, bool keepdim=False) -> Tensor",
     std_deviation<correction>},
    {"aten::var_mean.correction(Tensor self, int[1]? dim=None, *, Scalar? correction=None, bool keepdim=False) -> "
     "(Tensor, Tensor)",
     var_mean},
    {"aten::count_nonzero.dim_IntList(Tensor self, int[] dim) -> Tensor", count_nonzero},
    {"aten::cummax(Tensor self, int dim) -> (Tensor values, Tensor indices)", cumulated_extreme<"Max">},
    {"aten::cummin(Tensor self, int dim) -> (Tensor values, Tensor indices)", cumulated_extreme<"Min">},
    {"aten::logsumexp(Tensor self, int[1] dim, bool keepdim=False) -> Tensor", logsumexp},
    {"aten::cumsum(Tensor self, int dim, *, ScalarType? dtype=None) -> Tensor", cumulated<"Cumsum">},
    {"aten::cumprod(Tensor self, int dim, *, ScalarType? dtype=None) -> Tensor", cumulated<"Cumprod">},
};

}  // namespace

void add_reduction_ops(OpTable& table) { table.add("reduction", kRows); }

}  // namespace crossload::lower
