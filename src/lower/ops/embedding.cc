// Look-ups by index in a table of rows, and one-hot rows.

#include "lower/ops/families.h"

namespace crossload::lower {
namespace {

Expr embedding(Call& call) { return call.builder().gather(call.tensor("weight"), call.tensor("indices"), 0); }

// Rows of the table summed (mode 0), averaged (1), or their largest numbers (2), by bags; bag i begins at offsets[i].
// The further results serve PyTorch's gradient only.
Exprs embedding_bag(Call& call) {
  Builder& b = call.builder();
  const Expr weight = call.tensor("weight"), indices = call.tensor("indices");
  Expr offsets = call.tensor("offsets");
  const int64_t mode = call.integer("mode");
  if (call.flag("include_last_offset")) {
    const Sym bags = offsets.dim(0) - Sym(1);
    offsets = b.slice(offsets, 0, Sym(0), bags);
    b.set_dims(offsets, {bags});
  }
  const DType index = DType::kInt32;
  const Sym count = indices.dim(0), bags = offsets.dim(0);
  const Expr elements = b.unsqueeze(b.range(count, index), 0);
  const Expr begun = b.tf("UpperBound", {b.unsqueeze(b.cast(offsets, index), 0), elements}, {{"out_type", index}});
  const Expr bag = b.reshape(begun, {count}) - b.scalar(index, 1);
  Expr counted = b.fill(weight.dtype(), {count}, b.scalar(weight.dtype(), 1));
  if (!call.is_none("padding_idx")) {
    const int64_t padding_index = call.integer("padding_idx");
    const Expr padding =
        b.size(padding_index < 0 ? weight.dim(0) + Sym(padding_index) : Sym(padding_index), indices.dtype());
    counted = b.cast(b.tf("NotEqual", {indices, padding}), weight.dtype());
  }
  Expr factor = counted;
  if (!call.is_none("per_sample_weights")) factor = factor * call.operand("per_sample_weights", weight.dtype());
  const Expr rows = b.gather(weight, indices, 0) * b.unsqueeze(factor, 1);
  const auto by_bag = [&](std::string_view op, Expr values) { return b.tf_widened(op, {values, bag, b.size(bags)}); };
  const Expr zero = b.scalar(weight.dtype(), 0), one = b.scalar(weight.dtype(), 1);
  const Expr size = b.reshape(by_bag("UnsortedSegmentSum", counted), {bags, Sym(1)});
  Expr y;
  if (mode == 2) {
    const Expr shown = b.select(b.unsqueeze(b.tf("Greater", {counted, zero}), 1), rows, b.lowest(weight.dtype()));
    y = b.select(b.tf("Equal", {size, zero}), zero, by_bag("UnsortedSegmentMax", shown));
  } else {
    y = by_bag("UnsortedSegmentSum", rows);
    if (mode == 1) y = y / b.tf("Maximum", {size, one});
  }
  Exprs results = {y};
  for (std::size_t i = 1; i < 4; ++i) {
    const DType dtype = call.result_dtype(i);
    results.push_back(b.fill(dtype, call.result_dims(i), b.scalar(dtype, 0)));
  }
  return results;
}

Expr one_hot(Call& call) {
  Builder& b = call.builder();
  const DType dtype = call.result_dtype();
  const Expr result = call.tf(
      "OneHot", {call.tensor("self"), b.size(call.result_dims().back()), b.scalar(dtype, 1), b.scalar(dtype, 0)});
  b.set_dims(result, call.result_dims());
  return result;
}

constexpr OpRow kRows[] = {
    {"aten::embedding(Tensor weight, Tensor indices, SymInt padding_idx=-1, bool scale_grad_by_freq=False, "
     "bool sparse=False) -> Tensor",
     embedding},
    {"aten::embedding_bag.padding_idx(Tensor weight, Tensor indices, Tensor offsets, bool scale_grad_by_freq, int "
     "mode, "
     "bool sparse, Tensor? per_sample_weights, bool include_last_offset, int? padding_idx) -> (Tensor, Tensor, Tensor, "
     "Tensor)",
     embedding_bag},
    {"aten::one_hot(Tensor self, int num_classes=-1) -> Tensor", one_hot},
};

}  // namespace

void add_embedding_ops(OpTable& table) { table.add("embedding", kRows); }

}  // namespace crossload::lower
