// Losses that PyTorch takes apart into something else than its kernels compute. All others are taken apart.

#include "lower/ops/families.h"

namespace crossload::lower {
namespace {

// The labels of a row are its class indices before the first that is negative. Each is to score 1 more than each class
// that is no label: the sum of max(0, 1 - x[label] + x[other]) over both, divided by the number of classes.
Expr multilabel_margin(Call& call) {
  Builder& b = call.builder();
  const Expr given = call.tensor("self");
  const DType dtype = computed_dtype(given.dtype());
  const SymDims dims = given.rank() == 2 ? given.dims() : SymDims{Sym(1), product(given.dims())};
  const Sym classes = dims[1];
  const Expr x = b.cast(b.reshape(given, dims), dtype);
  const Expr target = b.cast(b.reshape(call.tensor("target"), dims), DType::kInt64);
  const Expr zero = b.scalar(DType::kInt64, 0);
  const Expr ends = b.cast(b.tf("Less", {target, zero}), DType::kInt64);
  const Expr is_label = b.tf("Equal", {b.tf("Cumsum", {ends, b.scalar(DType::kInt32, 1)}), zero});
  const Expr labels = b.select(is_label, target, zero);
  const Expr scores = b.tf("GatherV2", {x, labels, b.scalar(DType::kInt32, 1)}, {{"batch_dims", int64_t{1}}});
  b.set_dims(scores, dims);
  // Axes: row, label, class.
  const Expr of_label = b.unsqueeze(is_label, 2);
  const Expr is_it = b.tf("Equal", {b.unsqueeze(labels, 2), b.range(classes, DType::kInt64)});
  const Expr is_any = b.reduce("Any", b.tf("LogicalAnd", {is_it, of_label}), {1}, true);
  const Expr counts = b.tf("LogicalAnd", {of_label, b.tf("LogicalNot", {is_any})});
  const Expr margin = b.tf("Relu", {1.0 - b.unsqueeze(scores, 2) + b.unsqueeze(x, 1)});
  const Expr of_rows =
      b.reduce("Sum", b.select(counts, margin, b.scalar(dtype, 0)), {1, 2}, false) / b.size(classes, dtype);
  constexpr int64_t kNone = 0, kMean = 1;
  const int64_t reduction = call.integer("reduction");
  const Expr y = reduction == kNone ? of_rows : b.reduce(reduction == kMean ? "Mean" : "Sum", of_rows, {0}, false);
  return b.cast(b.reshape(y, call.result_dims()), call.result_dtype());
}

constexpr OpRow kRows[] = {
    {"aten::multilabel_margin_loss(Tensor self, Tensor target, int reduction=1) -> Tensor", multilabel_margin},
};

}  // namespace

void add_loss_ops(OpTable& table) { table.add("loss", kRows); }

}  // namespace crossload::lower
