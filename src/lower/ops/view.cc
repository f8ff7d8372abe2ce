// The same elements in the same order under another shape. The program states the result's shape, so a -1 among the
// arguments needs no inference.

#include "lower/ops/families.h"

namespace crossload::lower {
namespace {

Expr reshaped(Call& call) { return call.builder().reshape(call.first_tensor(), call.result_dims()); }

#define RESHAPED(schema) \
  { schema, reshaped }

constexpr OpRow kRows[] = {
    RESHAPED("aten::view(Tensor(a) self, SymInt[] size) -> Tensor(a)"),
    RESHAPED("aten::_unsafe_view(Tensor self, SymInt[] size) -> Tensor"),
    RESHAPED("aten::view_as(Tensor(a) self, Tensor other) -> Tensor(a)"),
    RESHAPED("aten::reshape(Tensor(a) self, SymInt[] shape) -> Tensor(a)"),
    RESHAPED("aten::reshape_as(Tensor(a) self, Tensor other) -> Tensor(a)"),
    RESHAPED("aten::flatten.using_ints(Tensor(a) self, int start_dim=0, int end_dim=-1) -> Tensor(a)"),
    RESHAPED("aten::unflatten.int(Tensor(a) self, int dim, SymInt[] sizes) -> Tensor(a)"),
    RESHAPED("aten::squeeze(Tensor(a) self) -> Tensor(a)"),
    RESHAPED("aten::squeeze.dim(Tensor(a) self, int dim) -> Tensor(a)"),
    RESHAPED("aten::squeeze.dims(Tensor(a) self, int[] dim) -> Tensor(a)"),
    RESHAPED("aten::unsqueeze(Tensor(a) self, int dim) -> Tensor(a)"),
    RESHAPED("aten::unsqueeze_(Tensor(a!) self, int dim) -> Tensor(a!)"),
};

#undef RESHAPED

}  // namespace

void add_view_ops(OpTable& table) { table.add("view", kRows); }

}  // namespace crossload::lower
