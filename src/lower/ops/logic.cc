// Boolean and bitwise operations, and choices by a condition.

#include <limits>
#include <numeric>

#include "lower/loop.h"
#include "lower/ops/families.h"

namespace crossload::lower {
namespace {

// `a & b` is a logical operation on booleans, a bitwise one on integers.
template <OpName Logical, OpName Bitwise>
Expr either(Call& call) {
  return call.result_dtype() == DType::kBool ? binary<Logical>(call) : binary<Bitwise>(call);
}

Expr bitwise_xor(Call& call) {
  return call.result_dtype() == DType::kBool ? binary<"NotEqual">(call) : binary<"BitwiseXor">(call);
}
Expr bitwise_not(Call& call) {
  const Expr x = call.tensor("self");
  return call.tf(x.dtype() == DType::kBool ? "LogicalNot" : "Invert", {x});
}

// PyTorch shifts by any amount: one below 0 or beyond the width moves every bit out. TensorFlow clamps the amount to
// [0, width - 1].
struct Shift {
  Expr x, amount, is_outside;
};
Shift shift_of(Call& call) {
  Builder& b = call.builder();
  const DType dtype = call.result_dtype();
  if (is_floating(dtype)) call.unsupported("a shift of floats");
  const Expr amount = call.operand("other", dtype);
  const Expr below = b.tf("Less", {amount, b.scalar(dtype, 0)});
  const Expr past = b.tf("GreaterEqual", {amount, b.scalar(dtype, static_cast<int64_t>(8 * size_of(dtype)))});
  return {call.operand("self", dtype), amount, b.tf("LogicalOr", {below, past})};
}

Expr shift_left(Call& call) {
  Builder& b = call.builder();
  const Shift shift = shift_of(call);
  return b.select(shift.is_outside, b.scalar(call.result_dtype(), 0), call.tf("LeftShift", {shift.x, shift.amount}));
}

// An arithmetic shift: moving all bits out leaves 0 or -1.
Expr shift_right(Call& call) {
  Builder& b = call.builder();
  const DType dtype = call.result_dtype();
  const Shift shift = shift_of(call);
  const Expr zero = b.scalar(dtype, 0);
  Expr emptied = zero;
  if (dtype != DType::kUInt8) emptied = b.select(b.tf("Less", {shift.x, zero}), b.scalar(dtype, -1), zero);
  return b.select(shift.is_outside, emptied, call.tf("RightShift", {shift.x, shift.amount}));
}

template <OpName Op>
Expr logical(Call& call) {
  return call.tf(Op.value, {call.operand("self", DType::kBool), call.operand("other", DType::kBool)});
}
Expr logical_not(Call& call) { return call.tf("LogicalNot", {call.operand("self", DType::kBool)}); }

// Euclid's algorithm on all elements at once, until no remainder is left anywhere.
Expr greatest_common_divisor(Call& call, DType dtype) {
  Builder& b = call.builder();
  const auto magnitude = [&](const char* name) {
    const Expr x = b.broadcast(call.operand(name, dtype), call.result_dims());
    return call.tf("Abs", {x});
  };
  Loop loop(b, b.scalar(DType::kInt32, -1), {magnitude("self"), magnitude("other")}, {});
  Builder &test = loop.test(), &body = loop.body();
  const Expr rest = loop.values(test)[1];
  std::vector<int> axes(call.result_dims().size());
  std::iota(axes.begin(), axes.end(), 0);
  const Expr is_left = test.tf("NotEqual", {rest, test.scalar(dtype, 0)});
  const Expr is_on = test.reduce("Any", is_left, axes, false);
  const Exprs now = loop.values(body);
  const Expr zero = body.scalar(dtype, 0), is_done = body.tf("Equal", {now[1], zero});
  const Expr divisor = body.select(is_done, body.scalar(dtype, 1), now[1]);
  const Expr remainder = body.tf("FloorMod", {now[0], divisor});
  return loop.run(is_on, {body.select(is_done, now[0], now[1]), body.select(is_done, zero, remainder)})[0];
}

DType loop_dtype(DType dtype) { return dtype == DType::kInt64 ? dtype : DType::kInt32; }

Expr gcd(Call& call) {
  const DType dtype = call.result_dtype();
  return call.builder().cast(greatest_common_divisor(call, loop_dtype(dtype)), dtype);
}

// |a / gcd * b|, 0 where both are 0.
Expr lcm(Call& call) {
  Builder& b = call.builder();
  const DType dtype = loop_dtype(call.result_dtype());
  const Expr divisor = b.tf("Maximum", {greatest_common_divisor(call, dtype), b.scalar(dtype, 1)});
  const Expr part = b.tf("TruncateDiv", {call.operand("self", dtype), divisor});
  return b.cast(b.tf("Abs", {part * call.operand("other", dtype)}), call.result_dtype());
}

Expr where(Call& call) {
  const DType dtype = call.result_dtype();
  return call.builder().select(call.operand("condition", DType::kBool), call.operand("self", dtype),
                               call.operand("other", dtype));
}

Expr masked_fill(Call& call) {
  const DType dtype = call.result_dtype();
  return call.builder().select(call.operand("mask", DType::kBool), call.operand("value", dtype),
                               call.operand("self", dtype));
}

// NaN → nan, infinities → posinf and neginf; by default 0 and the dtype's largest finite values.
Expr nan_to_num(Call& call) {
  Builder& b = call.builder();
  Expr x = call.tensor("self");
  if (!is_floating(x.dtype())) return x;
  const double largest = x.dtype() == DType::kFloat64    ? std::numeric_limits<double>::max()
                         : x.dtype() == DType::kFloat16  ? 65504.0
                         : x.dtype() == DType::kBFloat16 ? 3.3895313892515355e38
                                                         : static_cast<double>(std::numeric_limits<float>::max());
  const auto value = [&](const char* name, double otherwise) {
    return b.scalar(x.dtype(), call.is_none(name) ? otherwise : call.number(name));
  };
  const double infinity = std::numeric_limits<double>::infinity();
  const Expr original = x;
  x = b.select(b.tf("IsNan", {original}), value("nan", 0), x);
  x = b.select(b.tf("Equal", {original, b.scalar(x.dtype(), infinity)}), value("posinf", largest), x);
  return b.select(b.tf("Equal", {original, b.scalar(x.dtype(), -infinity)}), value("neginf", -largest), x);
}

constexpr OpRow kRows[] = {
    {"aten::__and__.Tensor(Tensor self, Tensor other) -> Tensor", either<"LogicalAnd", "BitwiseAnd">},
    {"aten::__or__.Tensor(Tensor self, Tensor other) -> Tensor", either<"LogicalOr", "BitwiseOr">},
    {"aten::__xor__.Tensor(Tensor self, Tensor other) -> Tensor", bitwise_xor},
    {"aten::bitwise_and.Tensor(Tensor self, Tensor other) -> Tensor", either<"LogicalAnd", "BitwiseAnd">},
    {"aten::bitwise_or.Tensor(Tensor self, Tensor other) -> Tensor", either<"LogicalOr", "BitwiseOr">},
    {"aten::bitwise_xor.Tensor(Tensor self, Tensor other) -> Tensor", bitwise_xor},
    {"aten::__and__.Scalar(Tensor self, Scalar other) -> Tensor", either<"LogicalAnd", "BitwiseAnd">},
    {"aten::bitwise_and.Scalar(Tensor self, Scalar other) -> Tensor", either<"LogicalAnd", "BitwiseAnd">},
    {"aten::bitwise_and.Scalar_Tensor(Scalar self, Tensor other) -> Tensor", either<"LogicalAnd", "BitwiseAnd">},
    {"aten::__or__.Scalar(Tensor self, Scalar other) -> Tensor", either<"LogicalOr", "BitwiseOr">},
    {"aten::bitwise_or.Scalar(Tensor self, Scalar other) -> Tensor", either<"LogicalOr", "BitwiseOr">},
    {"aten::bitwise_or.Scalar_Tensor(Scalar self, Tensor other) -> Tensor", either<"LogicalOr", "BitwiseOr">},
    {"aten::__xor__.Scalar(Tensor self, Scalar other) -> Tensor", bitwise_xor},
    {"aten::bitwise_xor.Scalar(Tensor self, Scalar other) -> Tensor", bitwise_xor},
    {"aten::bitwise_xor.Scalar_Tensor(Scalar self, Tensor other) -> Tensor", bitwise_xor},
    {"aten::__lshift__.Tensor(Tensor self, Tensor other) -> Tensor", shift_left},
    {"aten::bitwise_left_shift.Tensor(Tensor self, Tensor other) -> Tensor", shift_left},
    {"aten::__lshift__.Scalar(Tensor self, Scalar other) -> Tensor", shift_left},
    {"aten::bitwise_left_shift.Tensor_Scalar(Tensor self, Scalar other) -> Tensor", shift_left},
    {"aten::bitwise_left_shift.Scalar_Tensor(Scalar self, Tensor other) -> Tensor", shift_left},
    {"aten::__rshift__.Tensor(Tensor self, Tensor other) -> Tensor", shift_right},
    {"aten::bitwise_right_shift.Tensor(Tensor self, Tensor other) -> Tensor", shift_right},
    {"aten::__rshift__.Scalar(Tensor self, Scalar other) -> Tensor", shift_right},
    {"aten::bitwise_right_shift.Tensor_Scalar(Tensor self, Scalar other) -> Tensor", shift_right},
    {"aten::bitwise_right_shift.Scalar_Tensor(Scalar self, Tensor other) -> Tensor", shift_right},
    {"aten::bitwise_not(Tensor self) -> Tensor", bitwise_not},
    {"aten::gcd(Tensor self, Tensor other) -> Tensor", gcd},
    {"aten::lcm(Tensor self, Tensor other) -> Tensor", lcm},
    {"aten::logical_and(Tensor self, Tensor other) -> Tensor", logical<"LogicalAnd">},
    {"aten::logical_or(Tensor self, Tensor other) -> Tensor", logical<"LogicalOr">},
    {"aten::logical_xor(Tensor self, Tensor other) -> Tensor", logical<"NotEqual">},
    {"aten::logical_not(Tensor self) -> Tensor", logical_not},
    {"aten::where.self(Tensor condition, Tensor self, Tensor other) -> Tensor", where},
    {"aten::where.ScalarOther(Tensor condition, Tensor self, Scalar other) -> Tensor", where},
    {"aten::where.ScalarSelf(Tensor condition, Scalar self, Tensor other) -> Tensor", where},
    {"aten::where.Scalar(Tensor condition, Scalar self, Scalar other) -> Tensor", where},
    {"aten::masked_fill.Scalar(Tensor self, Tensor mask, Scalar value) -> Tensor", masked_fill},
    {"aten::masked_fill.Tensor(Tensor self, Tensor mask, Tensor value) -> Tensor", masked_fill},
    {"aten::masked_fill_.Scalar(Tensor(a!) self, Tensor mask, Scalar value) -> Tensor(a!)", masked_fill},
    {"aten::masked_fill_.Tensor(Tensor(a!) self, Tensor mask, Tensor value) -> Tensor(a!)", masked_fill},
    {"aten::nan_to_num(Tensor self, float? nan=None, float? posinf=None, float? neginf=None) -> Tensor", nan_to_num},
};

}  // namespace

void add_logic_ops(OpTable& table) { table.add("logic", kRows); }

}  // namespace crossload::lower
