// Conversions between dtypes, and the many calls that change where or how a tensor lies in memory and not its values.

#include "lower/ops/families.h"

namespace crossload::lower {
namespace {

Expr to_result_dtype(Call& call) { return call.builder().cast(call.first_tensor(), call.result_dtype()); }

Expr item(Call& call) { return call.builder().reshape(call.tensor("self"), {}); }

// In evaluation mode dropout returns its input, whatever its probability `p`.
Expr dropout(Call& call) {
  if (call.flag("train")) call.unsupported("dropout in training mode; call `model.eval()` before exporting");
  return call.tensor("input");
}

constexpr OpRow kRows[] = {
    {"aten::to.dtype(Tensor(a) self, ScalarType dtype, bool non_blocking=False, bool copy=False, "
     "MemoryFormat? memory_format=None) -> Tensor(a)",
     to_result_dtype},
    {"aten::to.device(Tensor(a) self, Device device, ScalarType dtype, bool non_blocking=False, bool copy=False, "
     "MemoryFormat? memory_format=None) -> Tensor(a)",
     to_result_dtype},
    {"aten::to.dtype_layout(Tensor(a) self, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, "
     "bool? pin_memory=None, bool non_blocking=False, bool copy=False, MemoryFormat? memory_format=None) -> Tensor(a)",
     to_result_dtype},
    {"aten::to.other(Tensor(a) self, Tensor other, bool non_blocking=False, bool copy=False, "
     "MemoryFormat? memory_format=None) -> Tensor(a)",
     to_result_dtype},
    {"aten::_to_copy(Tensor self, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, "
     "bool? pin_memory=None, bool non_blocking=False, MemoryFormat? memory_format=None) -> Tensor",
     to_result_dtype},
    {"aten::type_as(Tensor(a) self, Tensor other) -> Tensor(a)", to_result_dtype},
    {"aten::contiguous(Tensor(a) self, *, MemoryFormat memory_format=contiguous_format) -> Tensor(a)", same_value},
    {"aten::clone(Tensor self, *, MemoryFormat? memory_format=None) -> Tensor", same_value},
    {"aten::alias(Tensor(a) self) -> Tensor(a)", same_value},
    {"aten::detach(Tensor(a) self) -> Tensor(a)", same_value},
    {"aten::detach_(Tensor(a!) self) -> Tensor(a!)", same_value},
    {"aten::lift_fresh_copy(Tensor self) -> Tensor", same_value},
    {"aten::item(Tensor self) -> Scalar", item},
    // PyTorch's schema does not say it, but in evaluation mode these return their input itself.
    {"aten::dropout(Tensor(a) input, float p, bool train) -> Tensor(a)", dropout},
    {"aten::feature_dropout(Tensor(a) input, float p, bool train) -> Tensor(a)", dropout},
};

}  // namespace

void add_cast_ops(OpTable& table) { table.add("cast", kRows); }

}  // namespace crossload::lower
