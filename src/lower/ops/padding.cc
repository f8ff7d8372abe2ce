// Padding. PyTorch lists the amounts from the last axis on; negative amounts cut.

#include <algorithm>
#include <limits>

#include "lower/ops/families.h"

namespace crossload::lower {
namespace {

Expr amounts_tensor(Builder& b, const std::vector<std::pair<Sym, Sym>>& amounts) {
  SymDims flat;
  for (const auto& [before, after] : amounts) flat.insert(flat.end(), {before, after});
  return b.reshape(b.sizes(flat), {Sym(static_cast<int64_t>(amounts.size())), Sym(2)});
}

Expr wrap_around(Expr x, int axis, const Sym& before, const Sym& after) {
  Builder& b = x.builder();
  Exprs parts;
  const Sym size = x.dim(axis);
  if (!(before == Sym(0))) parts.push_back(b.slice(x, axis, size - before, size));
  parts.push_back(x);
  if (!(after == Sym(0))) parts.push_back(b.slice(x, axis, Sym(0), after));
  return b.concat(parts, axis);
}

// The edge repeated: indices 0, …, 0, 1, …, n-1, …, n-1 along the axis. Negative amounts begin further in or end
// earlier; what is repeated is still the edge of the whole.
Expr repeat_edge(Expr x, int axis, const Sym& before, const Sym& after) {
  Builder& b = x.builder();
  const Sym size = x.dim(axis);
  const Expr index = b.range(before + size + after, DType::kInt32) - b.size(before);
  const Expr clipped = b.tf("Minimum", {b.tf("Maximum", {index, b.scalar(DType::kInt32, 0)}), b.size(size - Sym(1))});
  return b.gather(x, clipped, axis);
}

Expr pad_by(Call& call, const std::string& mode, Expr value) {
  Builder& b = call.builder();
  Expr x = call.tensor("self");
  const std::vector<Sym> given = call.syms("pad");
  std::vector<std::pair<Sym, Sym>> amounts(static_cast<std::size_t>(x.rank()), {Sym(0), Sym(0)});
  for (std::size_t i = 0; i * 2 < given.size(); ++i) {
    amounts[amounts.size() - 1 - i] = {given[2 * i], given[2 * i + 1]};
  }
  for (int axis = 0; axis < x.rank() && mode != "replicate"; ++axis) {  // cut where an amount is negative
    auto& [before, after] = amounts[static_cast<std::size_t>(axis)];
    const bool cuts_before = before.is_constant() && before.constant() < 0;
    const bool cuts_after = after.is_constant() && after.constant() < 0;
    if (!cuts_before && !cuts_after) continue;
    const Sym begin = cuts_before ? Sym(0) - before : Sym(0), end = cuts_after ? x.dim(axis) + after : x.dim(axis);
    SymDims dims = x.dims();
    dims[static_cast<std::size_t>(axis)] = end - begin;
    x = b.slice(x, axis, begin, end);
    b.set_dims(x, dims);
    if (cuts_before) before = Sym(0);
    if (cuts_after) after = Sym(0);
  }
  const bool is_padded = std::any_of(amounts.begin(), amounts.end(),
                                     [](const auto& a) { return !(a.first == Sym(0)) || !(a.second == Sym(0)); });
  if (!is_padded) return x;
  if (product(call.result_dims()) == Sym(0)) return b.fill(x.dtype(), call.result_dims(), b.scalar(x.dtype(), 0));
  if (mode == "constant") return b.tf("PadV2", {x, amounts_tensor(b, amounts), value});
  if (mode == "reflect") return b.tf("MirrorPad", {x, amounts_tensor(b, amounts)}, {{"mode", std::string("REFLECT")}});
  for (int axis = 0; axis < call.tensor("self").rank(); ++axis) {
    const auto& [before, after] = amounts[static_cast<std::size_t>(axis)];
    if (before == Sym(0) && after == Sym(0)) continue;
    if (mode == "circular") {
      x = wrap_around(x, axis, before, after);
    } else if (mode == "replicate") {
      x = repeat_edge(x, axis, before, after);
    } else {
      call.unsupported("padding mode `" + mode + "`");
    }
  }
  return x;
}

Expr pad(Call& call) {
  const DType dtype = call.result_dtype();
  const Expr value = call.is_none("value") ? call.builder().scalar(dtype, 0) : call.scalar("value", dtype);
  return pad_by(call, call.text("mode"), value);
}
Expr constant_pad(Call& call) { return pad_by(call, "constant", call.scalar("value", call.result_dtype())); }

constexpr OpRow kRows[] = {
    {"aten::pad(Tensor self, SymInt[] pad, str mode=\"constant\", float? value=None) -> Tensor", pad},
    {"aten::constant_pad_nd(Tensor self, SymInt[] pad, Scalar value=0) -> Tensor", constant_pad},
};

}  // namespace

void add_padding_ops(OpTable& table) { table.add("padding", kRows); }

}  // namespace crossload::lower
