// Orders, runs, and counts of what falls between bounds. All orders are TopKV2's: it sorts downwards, the first of
// equal elements first. (PyTorch counts NaN as the largest number; TopKV2 does not order it.)

#include <fmt/format.h>

#include "base/permutation.h"
#include "lower/ops/families.h"

namespace crossload::lower {
namespace {

// Reverses the order: -x for floats, ~x for integers, of which the smallest has no negative.
Expr reversed(Expr x) { return is_floating(x.dtype()) ? -x : x.builder().tf("Invert", {x}); }

// The first `count` along an axis, values and positions.
Exprs ordered(Expr given, int axis, const Sym& count, bool downwards) {
  Builder& b = given.builder();
  if (given.rank() == 0) return {given, b.scalar(DType::kInt64, 0)};
  const Expr x = given.dtype() == DType::kBool ? b.cast(given, DType::kInt32) : given;
  const Expr last = b.swap_axes(x, axis, -1);
  const Exprs found =
      b.tf_all("TopKV2", {downwards ? last : reversed(last), b.size(count)}, {{"index_type", DType::kInt64}});
  SymDims dims = last.dims();
  dims.back() = count;
  for (const Expr& f : found) b.set_dims(f, dims);
  const Expr values = b.swap_axes(downwards ? found[0] : reversed(found[0]), axis, -1);
  return {b.cast(values, given.dtype()), b.swap_axes(found[1], axis, -1)};
}

Exprs topk(Call& call) {
  const Expr x = call.tensor("self");
  return ordered(x, call.axis("dim", x.rank()), call.sym("k"), call.flag("largest"));
}

Exprs sort(Call& call) {
  const Expr x = call.tensor("self");
  const int axis = call.axis("dim", x.rank());
  return ordered(x, axis, x.rank() == 0 ? Sym(1) : x.dim(axis), call.flag("descending"));
}
Expr argsort(Call& call) { return sort(call)[1]; }

// The dtype in which values are compared with bounds: one that both fit into.
DType compared_dtype(Expr values, Expr bounds) {
  if (values.dtype() == DType::kFloat64 || bounds.dtype() == DType::kFloat64) return DType::kFloat64;
  return is_floating(values.dtype()) || is_floating(bounds.dtype()) ? DType::kFloat32 : DType::kInt64;
}

// The number of bounds below each value, or not above it with `right`: values and bounds in rows.
Expr positions_among(Call& call, Expr values, Expr bounds, bool right) {
  Builder& b = call.builder();
  const DType dtype = compared_dtype(values, bounds);
  const Expr found = b.tf(right ? "UpperBound" : "LowerBound", {b.cast(bounds, dtype), b.cast(values, dtype)},
                          {{"out_type", call.result_dtype()}});
  return b.reshape(found, call.result_dims());
}

Expr in_one_row(Builder& b, Expr x) { return b.reshape(x, {Sym(1), product(x.dims())}); }

Expr bucketize(Call& call) {
  Builder& b = call.builder();
  return positions_among(call, in_one_row(b, call.tensor("self")), in_one_row(b, call.tensor("boundaries")),
                         call.flag("right"));
}

// Rows of sorted bounds, and values for each row; or one row of bounds for all values. A sorter says in which order
// bounds that are not sorted are.
Expr searchsorted(Call& call) {
  Builder& b = call.builder();
  const Expr given = call.tensor("sorted_sequence"), values = call.tensor("self");
  const bool right = call.flag("right") || (!call.is_none("side") && call.text("side") == "right");
  const bool is_one_row = given.rank() == 1;
  SymDims front(given.dims().begin(), given.dims().end() - 1);
  const auto in_rows = [&](Expr x) { return b.reshape(x, {product(front), x.dim(-1)}); };
  Expr bounds = in_rows(given);
  if (!call.is_none("sorter")) {
    const SymDims dims = bounds.dims();
    bounds = b.tf("GatherV2", {bounds, in_rows(call.tensor("sorter")), b.scalar(DType::kInt32, 1)},
                  {{"batch_dims", int64_t{1}}});
    b.set_dims(bounds, dims);
  }
  return positions_among(call, is_one_row ? in_one_row(b, values) : in_rows(values), bounds, right);
}

// Counts in `bins` equal parts of [min, max], both ends included; values outside are not counted.
Expr histc(Call& call) {
  Builder& b = call.builder();
  const Expr given = call.tensor("self");
  const DType dtype = is_floating(given.dtype()) ? computed_dtype(given.dtype()) : DType::kFloat64;
  const Expr x = b.reshape(b.cast(given, dtype), {product(given.dims())});
  const int64_t bins = call.integer("bins");
  Expr low = b.scalar(dtype, call.number("min")), high = b.scalar(dtype, call.number("max"));
  if (call.number("min") == call.number("max")) {  // between the data's own ends; of equal data around them
    low = b.reduce("Min", x, {0}, false);
    high = b.reduce("Max", x, {0}, false);
    const Expr is_one = b.tf("Equal", {low, high});
    low = b.select(is_one, low - 1.0, low);
    high = b.select(is_one, high + 1.0, high);
  }
  const Expr part = b.tf("Floor", {(x - low) * static_cast<double>(bins) / (high - low)});
  const Expr last = b.scalar(dtype, static_cast<double>(bins - 1));
  const Expr inside = b.tf("LogicalAnd", {b.tf("GreaterEqual", {x, low}), b.tf("LessEqual", {x, high})});
  const Expr bin = b.select(inside, b.tf("Minimum", {part, last}), b.scalar(dtype, -1.0));  // -1 is counted nowhere
  const Expr ones = b.fill(DType::kFloat32, {product(given.dims())}, b.scalar(DType::kFloat32, 1.0));
  const Expr counts = b.tf("UnsortedSegmentSum", {ones, b.cast(bin, DType::kInt32), b.scalar(DType::kInt32, bins)});
  b.set_dims(counts, {Sym(bins)});
  return b.cast(counts, call.result_dtype());
}

// How often, or with which weight, each number from 0 to the greatest one occurs.
Expr bincount(Call& call) {
  Builder& b = call.builder();
  const Expr numbers = b.cast(call.tensor("self"), DType::kInt64);
  const DType dtype = call.result_dtype();
  const Expr amounts = call.is_none("weights") ? b.fill(dtype, numbers.dims(), b.scalar(dtype, 1))
                                               : b.cast(call.tensor("weights"), dtype);
  const Expr needed = b.reduce("Max", numbers, {0}, false) + 1.0;  // of no numbers: far below zero
  const Expr size = b.tf("Maximum", {needed, b.scalar(DType::kInt64, call.integer("minlength"))});
  const Expr counts = b.tf("UnsortedSegmentSum", {amounts, numbers, size});
  b.set_dims(counts, {b.found_size("bins_of_" + std::to_string(counts.ref().node), counts)});
  return counts;
}

// Whether an element is among others: compared with each of them.
Expr isin(Call& call) {
  Builder& b = call.builder();
  Expr x = call.tensor("elements"), others = call.tensor("test_elements");
  DType dtype = DType::kInt64;
  if (is_floating(x.dtype()) || is_floating(others.dtype())) dtype = DType::kFloat32;
  if (x.dtype() == DType::kFloat64 || others.dtype() == DType::kFloat64) dtype = DType::kFloat64;
  x = b.unsqueeze(b.cast(x, dtype), x.rank());
  others = b.reshape(b.cast(others, dtype), {product(others.dims())});
  const Expr found = b.reduce("Any", b.tf("Equal", {x, others}), {x.rank() - 1}, false);
  return call.flag("invert") ? b.tf("LogicalNot", {found}) : found;
}

// Runs of equal neighbours: numbers, or slices of an axis.
struct Runs {
  Expr is_first;  // of each element: whether it begins a run
  Expr starts;    // where each run begins
  Sym count, size;
};

Runs runs_along(Expr x, int axis) {
  Builder& b = x.builder();
  const Sym size = x.dim(axis);
  const Expr changes = b.tf("NotEqual", {b.slice(x, axis, Sym(1), size), b.slice(x, axis, Sym(0), size - Sym(1))});
  std::vector<int> others;
  for (int i = 0; i < x.rank(); ++i) {
    if (i != axis) others.push_back(i);
  }
  const Expr differs = others.empty() ? changes : b.reduce("Any", changes, others, false);
  const Expr is_first = b.slice(b.concat({b.fill(DType::kBool, {Sym(1)}, b.scalar(DType::kBool, 1)), differs}, 0), 0,
                                Sym(0), size);  // none where there is nothing
  const Expr where = b.tf("Where", {is_first});
  const Sym count = b.found_size("runs_of_" + std::to_string(where.ref().node), where);
  const Expr starts = b.gather(where, b.scalar(DType::kInt32, 0), 1);
  b.set_dims(starts, {count});
  return {is_first, starts, count, size};
}

// The run that each element belongs to.
Expr run_of_each(const Runs& runs) {
  Builder& b = runs.is_first.builder();
  const Expr begun = b.tf("Cumsum", {b.cast(runs.is_first, DType::kInt64), b.scalar(DType::kInt32, 0)});
  return b.tf("Sub", {begun, b.scalar(DType::kInt64, 1)});
}

Expr lengths_of(const Runs& runs) {
  Builder& b = runs.starts.builder();
  const Expr end = b.reshape(b.size(runs.size, DType::kInt64), {Sym(1)});
  const Expr ends = b.slice(b.concat({runs.starts, end}, 0), 0, Sym(1), runs.count + Sym(1));
  return b.tf("Sub", {ends, runs.starts});
}

// The first of each run of equal neighbours (numbers, or with `dim` slices of that axis); to which run each belongs;
// how long each run is.
Exprs unique_consecutive(Call& call) {
  Builder& b = call.builder();
  const Expr given = call.tensor("self");
  const bool is_flat = call.is_none("dim");
  if (call.integer_or_null("dim").value_or(0) < 0)
    call.unsupported("a negative `dim`: PyTorch exports wrong sizes for it");
  const Expr x = is_flat || given.rank() == 0 ? b.reshape(given, {product(given.dims())}) : given;
  const int axis = is_flat ? 0 : call.axis("dim", x.rank());
  const Runs runs = runs_along(x, axis);
  const Expr none = b.fill(DType::kInt64, {Sym(0)}, b.scalar(DType::kInt64, 0));
  Expr belongs = none, lengths = none;
  if (call.flag("return_inverse")) {
    belongs = run_of_each(runs);
    if (is_flat) belongs = b.reshape(belongs, given.dims());
  }
  if (call.flag("return_counts")) lengths = lengths_of(runs);
  return {b.gather(x, runs.starts, axis), belongs, lengths};
}

// Each number once, upwards; which of them each element is; how often each occurs.
Exprs unique(Call& call) {
  Builder& b = call.builder();
  const Expr given = call.tensor("self");
  const Sym size = product(given.dims());
  const Exprs in_order = ordered(b.reshape(given, {size}), 0, size, false);
  const Runs runs = runs_along(in_order[0], 0);
  const Expr none = b.fill(DType::kInt64, {Sym(0)}, b.scalar(DType::kInt64, 0));
  Expr belongs = none, counts = none;
  if (call.flag("return_inverse")) {
    const Expr places = b.reshape(in_order[1], {size, Sym(1)});
    const Expr blank = b.fill(DType::kInt64, {size}, b.scalar(DType::kInt64, 0));
    belongs = b.reshape(b.tf("TensorScatterUpdate", {blank, places, run_of_each(runs)}), given.dims());
  }
  if (call.flag("return_counts")) counts = lengths_of(runs);
  return {b.gather(in_order[0], runs.starts, 0), belongs, counts};
}

// Where each element of rows that are in order stands in its row: the place of the first (LowerBound) of its equals, or
// behind the last (UpperBound).
Expr places_among_equals(std::string_view op, Expr rows) {
  Builder& b = rows.builder();
  const DType dtype = compared_dtype(rows, rows);
  const Expr compared = b.cast(rows, dtype);
  const Expr places = b.tf(op, {compared, compared}, {{"out_type", DType::kInt64}});
  b.set_dims(places, rows.dims());
  return places;
}

// The most frequent number of each row of an axis, the smallest of several, and the position of its last occurrence.
Exprs mode(Call& call) {
  Builder& b = call.builder();
  const Expr given = call.tensor("self");
  const Expr x = given.rank() == 0 ? b.reshape(given, {Sym(1)}) : given;
  const int axis = call.axis("dim", x.rank());
  const Expr last = b.swap_axes(x, axis, -1);
  const Sym size = last.dim(-1), count = floor_div(product(last.dims()), size);
  SymDims one = last.dims();
  one.back() = Sym(1);
  const Exprs in_order = ordered(b.reshape(last, {count, size}), 1, size, false);
  const Expr behind = places_among_equals("UpperBound", in_order[0]);
  const Expr often = behind - places_among_equals("LowerBound", in_order[0]);
  const Expr most = b.tf("ArgMax", {often, b.scalar(DType::kInt32, 1)}, {{"output_type", DType::kInt64}});
  b.set_dims(most, {count});
  const Expr best = b.unsqueeze(most, 1);
  const auto taken = [&](Expr from, Expr at) {
    const Expr y = b.tf("GatherV2", {from, at, b.scalar(DType::kInt32, 1)}, {{"batch_dims", int64_t{1}}});
    b.set_dims(y, {count, Sym(1)});
    return y;
  };
  const Expr place = taken(in_order[1], taken(behind, best) - b.scalar(DType::kInt64, 1));
  const auto result = [&](Expr y, std::size_t i) {
    return b.reshape(b.swap_axes(b.reshape(y, one), axis, -1), call.result_dims(i));
  };
  return {result(taken(in_order[0], best), 0), result(place, 1)};
}

// Each slice of an axis once, in the order of their elements; which of them each slice is; how often each occurs.
// Sorted by the last element first: TopKV2 keeps the order of equals, so the first element decides in the end.
Exprs unique_slices(Call& call) {
  Builder& b = call.builder();
  const Expr x = call.tensor("self");
  const int axis = call.axis("dim", x.rank());
  std::vector<int> first = {axis};
  for (int i = 0; i < x.rank(); ++i) {
    if (i != axis) first.push_back(i);
  }
  const Expr rows = b.transpose(x, first);
  const Sym size = rows.dim(0);
  const int64_t width =
      call.constant("the size of a slice", product(SymDims(rows.dims().begin() + 1, rows.dims().end())));
  constexpr int64_t kWidest = 64;
  if (width > kWidest) call.unsupported(fmt::format("slices of {} elements; {} at most", width, kWidest));
  const Expr flat = b.reshape(rows, {size, Sym(width)});
  Expr order = b.range(size, DType::kInt64);
  for (int64_t i = width; i-- > 0;) {
    const Expr keys = b.gather(b.gather(flat, b.scalar(DType::kInt32, i), 1), order, 0);
    order = b.gather(order, ordered(keys, 0, size, false)[1], 0);
  }
  const Expr in_order = b.gather(rows, order, 0);
  const Runs runs = runs_along(in_order, 0);
  const Expr none = b.fill(DType::kInt64, {Sym(0)}, b.scalar(DType::kInt64, 0));
  Expr belongs = none, counts = none;
  if (call.flag("return_inverse")) {
    const Expr blank = b.fill(DType::kInt64, {size}, b.scalar(DType::kInt64, 0));
    belongs = b.tf("TensorScatterUpdate", {blank, b.reshape(order, {size, Sym(1)}), run_of_each(runs)});
  }
  if (call.flag("return_counts")) counts = lengths_of(runs);
  return {b.transpose(b.gather(in_order, runs.starts, 0), inverse(first)), belongs, counts};
}

// One element of each row of an axis: `place` says which in ascending order, NaN behind all numbers. The value, and its
// position; of equal elements the first. place: int64, the shape of x with 1 for the axis.
Exprs of_each_row(Expr x, int axis, Expr place) {
  Builder& b = x.builder();
  const int64_t front = x.rank() - 1;
  const Expr rows = b.swap_axes(x, axis, -1);
  const auto taken = [&](Expr from, Expr at) {
    const Expr y = b.tf("GatherV2", {from, at, b.scalar(DType::kInt32, front)}, {{"batch_dims", front}});
    b.set_dims(y, at.dims());
    return y;
  };
  Expr order;
  if (is_floating(
          x.dtype())) {  // TopKV2 orders no NaN: they come behind in a second step, which keeps the others' order
    const Expr is_nan = b.tf("IsNan", {rows});
    order = ordered(b.select(is_nan, b.highest(x.dtype()), rows), x.rank() - 1, rows.dim(-1), false)[1];
    const Expr behind = taken(b.cast(is_nan, DType::kInt32), order);
    order = taken(order, ordered(behind, x.rank() - 1, rows.dim(-1), false)[1]);
  } else {
    order = ordered(rows, x.rank() - 1, rows.dim(-1), false)[1];
  }
  const Expr position = taken(order, b.swap_axes(place, axis, -1));
  return {b.swap_axes(taken(rows, position), axis, -1), b.swap_axes(position, axis, -1)};
}

// The lower of the two in the middle where their number is even. With a NaN in the row: NaN, or with kSkipsNan that of
// the numbers beside it.
template <bool kSkipsNan>
Exprs median_along(Call& call, Expr x, int axis) {
  Builder& b = call.builder();
  const DType index = DType::kInt64;
  const Expr one = b.scalar(index, 1);
  SymDims dims = x.dims();
  dims[static_cast<std::size_t>(axis)] = Sym(1);
  Expr place = b.fill(index, dims, b.size(floor_div(x.dim(axis) - Sym(1), Sym(2)), index));
  if (is_floating(x.dtype())) {
    const Expr is_number = b.tf("LogicalNot", {b.tf("IsNan", {x})});
    const Expr count = b.reduce("Sum", b.cast(is_number, index), {axis}, true);
    if (kSkipsNan) {
      place = b.tf("Maximum", {b.tf("FloorDiv", {count - one, b.scalar(index, 2)}), b.scalar(index, 0)});
    } else {  // the first NaN stands behind all numbers
      const Expr has_nan = b.tf("Less", {count, b.size(x.dim(axis), index)});
      place = b.select(has_nan, count, place);
    }
  }
  return of_each_row(x, axis, place);
}

Exprs without_axis(Call& call, Exprs found) {
  return {call.builder().reshape(found[0], call.result_dims(0)), call.builder().reshape(found[1], call.result_dims(1))};
}

Expr with_an_axis(Expr x) { return x.rank() == 0 ? x.builder().reshape(x, {Sym(1)}) : x; }

template <bool kSkipsNan>
Exprs median(Call& call) {
  const Expr x = with_an_axis(call.tensor("self"));
  return without_axis(call, median_along<kSkipsNan>(call, x, call.axis("dim", x.rank())));
}

// The k-th of each row in ascending order, counted from 1.
Exprs kthvalue(Call& call) {
  Builder& b = call.builder();
  const Expr x = with_an_axis(call.tensor("self"));
  const int axis = call.axis("dim", x.rank());
  SymDims dims = x.dims();
  dims[static_cast<std::size_t>(axis)] = Sym(1);
  const Expr place = b.fill(DType::kInt64, dims, b.size(call.sym("k") - Sym(1), DType::kInt64));
  return without_axis(call, of_each_row(x, axis, place));
}

template <bool kSkipsNan>
Expr median_of_all(Call& call) {
  const Expr x = call.tensor("self");
  const Expr flat = call.builder().reshape(x, {product(x.dims())});
  return call.builder().reshape(median_along<kSkipsNan>(call, flat, 0)[0], {});
}

constexpr OpRow kRows[] = {
    {"aten::topk(Tensor self, SymInt k, int dim=-1, bool largest=True, bool sorted=True) -> (Tensor values, "
     "Tensor indices)",
     topk},
    {"aten::sort(Tensor self, int dim=-1, bool descending=False) -> (Tensor values, Tensor indices)", sort},
    {"aten::sort.stable(Tensor self, *, bool? stable, int dim=-1, bool descending=False) -> (Tensor values, "
     "Tensor indices)",
     sort},
    {"aten::argsort(Tensor self, int dim=-1, bool descending=False) -> Tensor", argsort},
    {"aten::argsort.stable(Tensor self, *, bool stable, int dim=-1, bool descending=False) -> Tensor", argsort},
    {"aten::bucketize.Tensor(Tensor self, Tensor boundaries, *, bool out_int32=False, bool right=False) -> Tensor",
     bucketize},
    {"aten::searchsorted.Tensor(Tensor sorted_sequence, Tensor self, *, bool out_int32=False, bool right=False, "
     "str? side=None, Tensor? sorter=None) -> Tensor",
     searchsorted},
    {"aten::histc(Tensor self, int bins=100, Scalar min=0, Scalar max=0) -> Tensor", histc},
    {"aten::bincount(Tensor self, Tensor? weights=None, int minlength=0) -> Tensor", bincount},
    {"aten::isin.Tensor_Tensor(Tensor elements, Tensor test_elements, *, bool assume_unique=False, bool invert=False) "
     "-> Tensor",
     isin},
    {"aten::unique_consecutive(Tensor self, bool return_inverse=False, bool return_counts=False, int? dim=None) -> "
     "(Tensor, Tensor, Tensor)",
     unique_consecutive},
    {"aten::_unique2(Tensor self, bool sorted=True, bool return_inverse=False, bool return_counts=False) -> (Tensor, "
     "Tensor, Tensor)",
     unique},
    {"aten::unique_dim(Tensor self, int dim, bool sorted=True, bool return_inverse=False, bool return_counts=False) -> "
     "(Tensor, Tensor, Tensor)",
     unique_slices},
    {"aten::mode(Tensor self, int dim=-1, bool keepdim=False) -> (Tensor values, Tensor indices)", mode},
    {"aten::kthvalue(Tensor self, SymInt k, int dim=-1, bool keepdim=False) -> (Tensor values, Tensor indices)",
     kthvalue},
    {"aten::median(Tensor self) -> Tensor", median_of_all<false>},
    {"aten::nanmedian(Tensor self) -> Tensor", median_of_all<true>},
    {"aten::median.dim(Tensor self, int dim, bool keepdim=False) -> (Tensor values, Tensor indices)", median<false>},
    {"aten::nanmedian.dim(Tensor self, int dim, bool keepdim=False) -> (Tensor values, Tensor indices)", median<true>},
};

}  // namespace

void add_sort_ops(OpTable& table) { table.add("sort", kRows); }

}  // namespace crossload::lower
