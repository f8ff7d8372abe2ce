#include "lower/views.h"

#include <algorithm>
#include <limits>
#include <numeric>
#include <string_view>

namespace crossload::lower {
namespace {

std::vector<int> inverse(const std::vector<int>& perm) {
  std::vector<int> result(perm.size());
  for (int i = 0; i < static_cast<int>(perm.size()); ++i)
    result[static_cast<std::size_t>(perm[static_cast<std::size_t>(i)])] = i;
  return result;
}

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

Expr write_slice(Call& call, Expr base, Expr value) {
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

}  // namespace

Expr write_back(Call& call, std::size_t index, Expr base, Expr value) {
  Builder& b = call.builder();
  const std::string_view target = call.node().target;
  const auto is = [&](std::initializer_list<std::string_view> names) {
    return std::find(names.begin(), names.end(), target) != names.end();
  };
  if (is({"aten.slice.Tensor"})) return write_slice(call, base, value);
  if (is({"aten.select.int"})) {
    const int axis = call.axis("dim", base.rank());
    return replace_range(base, b.unsqueeze(value, axis), axis, wrapped(call.sym("index"), base.dim(axis)));
  }
  if (is({"aten.narrow.default"})) {
    const int axis = call.axis("dim", base.rank());
    return replace_range(base, value, axis, wrapped(call.sym("start"), base.dim(axis)));
  }
  if (is({"aten.split.Tensor", "aten.split_with_sizes.default", "aten.chunk.default", "aten.unbind.int"})) {
    const int axis = call.axis("dim", base.rank());
    if (target == "aten.unbind.int") {
      return replace_range(base, b.unsqueeze(value, axis), axis, Sym(static_cast<int64_t>(index)));
    }
    Sym begin(0);
    for (std::size_t i = 0; i < index; ++i) begin = begin + call.result_dims(i)[static_cast<std::size_t>(axis)];
    return replace_range(base, value, axis, begin);
  }
  if (is({"aten.transpose.int"})) {
    return b.swap_axes(value, call.axis("dim0", base.rank()), call.axis("dim1", base.rank()));
  }
  if (is({"aten.t.default", "aten.numpy_T.default"})) {
    std::vector<int> perm(static_cast<std::size_t>(base.rank()));
    std::iota(perm.rbegin(), perm.rend(), 0);
    return b.transpose(value, perm);
  }
  if (is({"aten.permute.default"})) {
    std::vector<int> perm;
    for (const int64_t d : call.integers("dims")) perm.push_back(static_cast<int>(d < 0 ? d + base.rank() : d));
    return b.transpose(value, inverse(perm));
  }
  if (is({"aten.view.default",       "aten.reshape.default",    "aten._unsafe_view.default",
          "aten.flatten.using_ints", "aten.unflatten.int",      "aten.squeeze.default",
          "aten.squeeze.dim",        "aten.squeeze.dims",       "aten.unsqueeze.default",
          "aten.view_as.default",    "aten.alias.default",      "aten.detach.default",
          "aten.contiguous.default", "aten.dropout.default",    "aten.to.dtype",
          "aten.to.device",          "aten.to.dtype_layout",    "aten.to.other",
          "aten.type_as.default",    "aten.reshape_as.default", "aten.lift_fresh.default"})) {
    return b.reshape(value, base.dims());
  }
  call.unsupported("a write through this kind of view");
}

}  // namespace crossload::lower
