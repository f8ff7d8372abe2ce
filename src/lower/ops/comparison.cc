// Comparisons. Both operands are brought to the dtype that PyTorch promotes them to; the result is bool.

#include <algorithm>
#include <limits>

#include "lower/ops/families.h"

namespace crossload::lower {
namespace {

int category(DType d) { return is_complex(d) ? 3 : is_floating(d) ? 2 : is_integer(d) ? 1 : 0; }

// The wider of two dtypes of one category, by PyTorch's table.
DType widest(DType a, DType b) {
  if (a == b) return a;
  if (category(a) != category(b)) return category(a) > category(b) ? a : b;
  if (is_floating(a)) {
    if (size_of(a) == size_of(b)) return DType::kFloat32;  // float16 with bfloat16
    return size_of(a) > size_of(b) ? a : b;
  }
  const bool same_sign = (a == DType::kUInt8) == (b == DType::kUInt8);
  if (!same_sign && size_of(a) == size_of(b)) return DType::kInt16;  // uint8 with int8
  return size_of(a) >= size_of(b) ? a : b;
}

// A tensor of rank 0 decides only when its category is the higher one.
DType promoted(Expr a, Expr b) {
  const bool a_weak = a.rank() == 0 && b.rank() > 0, b_weak = b.rank() == 0 && a.rank() > 0;
  if (a_weak && category(a.dtype()) <= category(b.dtype())) return b.dtype();
  if (b_weak && category(b.dtype()) <= category(a.dtype())) return a.dtype();
  return widest(a.dtype(), b.dtype());
}

DType promoted_with_scalar(Call& call, Expr self) {
  const bool is_real = call.is_float_scalar("other");
  if (is_real && category(self.dtype()) < 2) return DType::kFloat32;
  if (!is_real && self.dtype() == DType::kBool) return DType::kInt64;
  return self.dtype();
}

template <OpName Op>
Expr compare(Call& call) {
  const Expr self = call.tensor("self"), other = call.tensor_or_null("other");
  DType dtype = other ? promoted(self, other) : promoted_with_scalar(call, self);
  const bool orders = std::string_view(Op.value) != "Equal" && std::string_view(Op.value) != "NotEqual";
  if (orders && dtype == DType::kBool) dtype = DType::kInt32;
  return call.tf_widened(Op.value, {call.builder().cast(self, dtype), call.operand("other", dtype)});
}

template <OpName Op>
Expr float_test(Call& call) {
  const Expr x = call.tensor("self");
  if (is_floating(x.dtype())) return call.tf(Op.value, {x});
  return call.builder().fill(DType::kBool, x.dims(),
                             call.builder().scalar(DType::kBool, std::string_view(Op.value) == "IsFinite" ? 1 : 0));
}

constexpr OpRow kRows[] = {
    {"aten::eq.Tensor(Tensor self, Tensor other) -> Tensor", compare<"Equal">},
    {"aten::eq.Scalar(Tensor self, Scalar other) -> Tensor", compare<"Equal">},
    {"aten::ne.Tensor(Tensor self, Tensor other) -> Tensor", compare<"NotEqual">},
    {"aten::ne.Scalar(Tensor self, Scalar other) -> Tensor", compare<"NotEqual">},
    {"aten::lt.Tensor(Tensor self, Tensor other) -> Tensor", compare<"Less">},
    {"aten::lt.Scalar(Tensor self, Scalar other) -> Tensor", compare<"Less">},
    {"aten::le.Tensor(Tensor self, Tensor other) -> Tensor", compare<"LessEqual">},
    {"aten::le.Scalar(Tensor self, Scalar other) -> Tensor", compare<"LessEqual">},
    {"aten::gt.Tensor(Tensor self, Tensor other) -> Tensor", compare<"Greater">},
    {"aten::gt.Scalar(Tensor self, Scalar other) -> Tensor", compare<"Greater">},
    {"aten::ge.Tensor(Tensor self, Tensor other) -> Tensor", compare<"GreaterEqual">},
    {"aten::ge.Scalar(Tensor self, Scalar other) -> Tensor", compare<"GreaterEqual">},
    {"aten::isnan(Tensor self) -> Tensor", float_test<"IsNan">},
    {"aten::isinf(Tensor self) -> Tensor", float_test<"IsInf">},
    {"aten::isfinite(Tensor self) -> Tensor", float_test<"IsFinite">},
};

}  // namespace

void add_comparison_ops(OpTable& table) { table.add("comparison", kRows); }

}  // namespace crossload::lower
