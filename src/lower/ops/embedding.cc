// Look-ups by index in a table of rows, and one-hot rows.

#include "lower/ops/families.h"

namespace crossload::lower {
namespace {

Expr embedding(Call& call) { return call.builder().gather(call.tensor("weight"), call.tensor("indices"), 0); }

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
    {"aten::one_hot(Tensor self, int num_classes=-1) -> Tensor", one_hot},
};

}  // namespace

void add_embedding_ops(OpTable& table) { table.add("embedding", kRows); }

}  // namespace crossload::lower
