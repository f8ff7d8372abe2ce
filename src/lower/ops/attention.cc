// Attention: softmax(q k^T * scale + mask) v over the last two axes.
//
// The scores are a batched MatMul, one product with a scalar, one addition: the form that TensorFlow's CPU rewriter
// fuses. A query whose keys are all masked gets zeros, as in PyTorch: its scores are made finite, and its result is
// multiplied by 0. Nodes that depend on the mask alone are shared by all layers, because equal nodes are made once.

#include <cmath>
#include <limits>

#include "lower/ops/families.h"

namespace crossload::lower {
namespace {

struct Mask {
  Expr added;    // to the scores; null: nothing is masked
  Expr visible;  // 1 where a query sees anything, else 0; null: every query does
};

Mask from_bool(Expr keep, DType dtype) {
  Builder& b = keep.builder();
  const double lowest = dtype == DType::kFloat16 ? -65504.0 : -3.3895313892515355e38;  // finite, also in bfloat16
  const Expr added = b.select(keep, b.scalar(dtype, 0.0), b.scalar(dtype, lowest));
  const Expr visible = b.cast(b.reduce("Any", keep, {keep.rank() - 1}, true), dtype);
  return {added, visible};
}

Mask from_float(Expr mask) {
  Builder& b = mask.builder();
  const Expr hidden = b.tf("Equal", {mask, b.scalar(mask.dtype(), -std::numeric_limits<double>::infinity())});
  const Expr all_hidden = b.reduce("All", hidden, {mask.rank() - 1}, true);
  const Expr zero = b.scalar(mask.dtype(), 0.0), one = b.scalar(mask.dtype(), 1.0);
  return {b.select(all_hidden, zero, mask), b.select(all_hidden, zero, one)};
}

// Query i sees the keys 0..i.
Expr causal(Builder& b, const Sym& queries, const Sym& keys) {
  const Expr rows = b.unsqueeze(b.range(queries, DType::kInt32), 1);
  const Expr columns = b.unsqueeze(b.range(keys, DType::kInt32), 0);
  return b.tf("LessEqual", {columns, rows});
}

// Each key and value head serves several consecutive query heads.
Expr repeat_heads(Expr x, const Sym& heads) {
  if (x.dim(-3) == heads) return x;
  Builder& b = x.builder();
  const Sym repeats = floor_div(heads, x.dim(-3));
  SymDims wide = x.dims(), result = x.dims();
  wide.insert(wide.end() - 2, repeats);
  result[result.size() - 3] = heads;
  return b.reshape(b.broadcast(b.unsqueeze(x, x.rank() - 2), wide), result);
}

Expr scaled_dot_product_attention(Call& call) {
  Builder& b = call.builder();
  const DType dtype = computed_dtype(call.result_dtype());
  const Expr query = call.operand("query", dtype);
  Expr key = call.operand("key", dtype), value = call.operand("value", dtype);
  if (call.number("dropout_p") != 0) call.unsupported("attention with dropout");
  if (call.flag("enable_gqa")) {
    key = repeat_heads(key, query.dim(-3));
    value = repeat_heads(value, query.dim(-3));
  }
  Expr scale;
  if (!call.is_none("scale")) {
    scale = call.scalar("scale", query.dtype());
  } else if (query.dim(-1).is_constant()) {
    scale = b.scalar(query.dtype(), 1.0 / std::sqrt(static_cast<double>(query.dim(-1).constant())));
  } else {
    scale = b.tf("Rsqrt", {b.size(query.dim(-1), query.dtype())});
  }

  Mask mask;
  if (!call.is_none("attn_mask")) {
    const Expr given = call.tensor("attn_mask");
    mask = given.dtype() == DType::kBool ? from_bool(given, query.dtype()) : from_float(b.cast(given, query.dtype()));
  }
  if (call.flag("is_causal")) mask = {from_bool(causal(b, query.dim(-2), key.dim(-2)), query.dtype()).added, {}};
  if (mask.added) {
    SymDims full = mask.added.dims();
    while (static_cast<int>(full.size()) < query.rank()) full.insert(full.begin(), Sym(1));
    mask.added = b.reshape(mask.added, full);
  }

  Expr scores = b.tf("BatchMatMulV2", {query, key}, {{"adj_y", true}}) * scale;
  if (mask.added) scores = scores + mask.added;
  Expr result = b.tf("BatchMatMulV2", {b.tf("Softmax", {scores}), value});
  if (mask.visible) result = result * mask.visible;
  return b.cast(result, call.result_dtype());
}

constexpr OpRow kRows[] = {
    {"aten::scaled_dot_product_attention(Tensor query, Tensor key, Tensor value, Tensor? attn_mask=None, "
     "float dropout_p=0.0, bool is_causal=False, *, float? scale=None, bool enable_gqa=False) -> Tensor",
     scaled_dot_product_attention},
};

}  // namespace

void add_attention_ops(OpTable& table) { table.add("attention", kRows); }

}  // namespace crossload::lower
