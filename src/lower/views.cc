#include "lower/views.h"

#include <limits>
#include <numeric>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/permutation.h"

namespace crossload::lower {
namespace {

// `base` with [begin, begin + size of value) along `axis` replaced.
Expr replace_range(Expr base, Expr value, int axis, const Sym& begin) {
  Builder& b = base.builder();
  const Sym end = begin + value.dim(axis);
  if (begin == Sym(0) && end == base.dim(axis)) return value;
  Exprs parts;
  if (!(begin == Sym(0))) parts.push_back(b.slice(base, axis, Sym(0), begin));
  parts.push_back(value);
  if (!(end == base.dim(axis))) parts.push_back(b.slice(base, axis, end, Sym(std::numeric_limits<int64_t>::max())));
  const Expr result = b.concat(parts, axis);
  b.set_dims(result, base.dims());
  return result;
}

Sym wrapped(const Sym& index, const Sym& size) {
  return index.is_constant() && index.constant() < 0 ? index + size : index;
}

Expr write_slice(Call& call, std::size_t, Expr base, Expr value) {
  Builder& b = call.builder();
  const int axis = call.axis("dim", base.rank());
  const Sym step = call.sym("step");
  // Where the slice goes to the end, its size says where it begins, also when a symbolic start counts from the end.
  const auto end =
      call.is_none("end") ? std::optional(std::numeric_limits<int64_t>::max()) : call.sym("end").as_constant();
  const bool is_open = step == Sym(1) && end && *end == std::numeric_limits<int64_t>::max();
  const Sym begin = call.is_none("start") ? Sym(0)
                    : is_open             ? base.dim(axis) - value.dim(axis)
                                          : wrapped(call.sym("start"), base.dim(axis));
  if (step == Sym(1)) return replace_range(base, value, axis, begin);
  // Every step-th row: scattered along the axis, which is brought to the front.
  const Expr rows = b.range(value.dim(axis), DType::kInt32) * b.size(step) + b.size(begin);
  const Expr front = b.swap_axes(base, 0, axis);
  const Expr updated =
      b.tf("TensorScatterUpdate", {front, b.reshape(rows, {value.dim(axis), Sym(1)}), b.swap_axes(value, 0, axis)});
  b.set_dims(updated, front.dims());
  return b.swap_axes(updated, 0, axis);
}

Expr write_select(Call& call, std::size_t, Expr base, Expr value) {
  const int axis = call.axis("dim", base.rank());
  const Sym begin = wrapped(call.sym("index"), base.dim(axis));
  return replace_range(base, call.builder().unsqueeze(value, axis), axis, begin);
}

Expr write_narrow(Call& call, std::size_t, Expr base, Expr value) {
  const int axis = call.axis("dim", base.rank());
  return replace_range(base, value, axis, wrapped(call.sym("start"), base.dim(axis)));
}

// Part `index` begins where the parts before it end.
Expr write_part(Call& call, std::size_t index, Expr base, Expr value) {
  const int axis = call.axis("dim", base.rank());
  Sym begin(0);
  for (std::size_t i = 0; i < index; ++i) begin = begin + call.result_dims(i)[static_cast<std::size_t>(axis)];
  return replace_range(base, value, axis, begin);
}

Expr write_unbind(Call& call, std::size_t index, Expr base, Expr value) {
  const int axis = call.axis("dim", base.rank());
  return replace_range(base, call.builder().unsqueeze(value, axis), axis, Sym(static_cast<int64_t>(index)));
}

Expr write_transpose(Call& call, std::size_t, Expr base, Expr value) {
  const int first = call.axis("dim0", base.rank()), second = call.axis("dim1", base.rank());
  return call.builder().swap_axes(value, first, second);
}

Expr write_reversed_axes(Call& call, std::size_t, Expr base, Expr value) {
  std::vector<int> perm(static_cast<std::size_t>(base.rank()));
  std::iota(perm.rbegin(), perm.rend(), 0);
  return call.builder().transpose(value, perm);
}

Expr write_permute(Call& call, std::size_t, Expr base, Expr value) {
  std::vector<int> perm;
  for (const int64_t d : call.integers("dims")) perm.push_back(static_cast<int>(d < 0 ? d + base.rank() : d));
  return call.builder().transpose(value, inverse(perm));
}

// The view shows all elements of the base in their order.
Expr write_reshaped(Call& call, std::size_t, Expr base, Expr value) {
  return call.builder().reshape(value, base.dims());
}

using WayBack = Expr (*)(Call& call, std::size_t index, Expr base, Expr value);

// The schema says that an operation makes a view, but not which elements of the base the view shows.
const std::unordered_map<std::string_view, WayBack>& ways_back() {
  static const std::unordered_map<std::string_view, WayBack> ways = {
      {"aten.slice.Tensor", write_slice},
      {"aten.select.int", write_select},
      {"aten.narrow.default", write_narrow},
      {"aten.split.Tensor", write_part},
      {"aten.split_with_sizes.default", write_part},
      {"aten.chunk.default", write_part},
      {"aten.unbind.int", write_unbind},
      {"aten.transpose.int", write_transpose},
      {"aten.t.default", write_reversed_axes},
      {"aten.numpy_T.default", write_reversed_axes},
      {"aten.permute.default", write_permute},
      {"aten.view.default", write_reshaped},
      {"aten.view_as.default", write_reshaped},
      {"aten.reshape.default", write_reshaped},
      {"aten.reshape_as.default", write_reshaped},
      {"aten.flatten.using_ints", write_reshaped},
      {"aten.unflatten.int", write_reshaped},
      {"aten.squeeze.default", write_reshaped},
      {"aten.squeeze.dim", write_reshaped},
      {"aten.squeeze.dims", write_reshaped},
      {"aten.unsqueeze.default", write_reshaped},
      {"aten.alias.default", write_reshaped},
      {"aten.detach.default", write_reshaped},
      {"aten.contiguous.default", write_reshaped},
      {"aten.dropout.default", write_reshaped},
      {"aten.to.dtype", write_reshaped},
      {"aten.to.device", write_reshaped},
      {"aten.to.dtype_layout", write_reshaped},
      {"aten.to.other", write_reshaped},
      {"aten.type_as.default", write_reshaped},
  };
  return ways;
}

}  // namespace

std::vector<std::string_view> views_with_way_back() {
  std::vector<std::string_view> targets;
  for (const auto& [target, way] : ways_back()) targets.push_back(target);
  return targets;
}

Expr write_back(Call& call, std::size_t index, Expr base, Expr value) {
  const auto way = ways_back().find(call.node().target);
  if (way == ways_back().end()) call.unsupported("a write through this kind of view");
  return way->second(call, index, base, value);
}

}  // namespace crossload::lower
