// Elementwise arithmetic. Operands are brought to the result's dtype first, which is PyTorch's type promotion as the
// program already states it.

#include <cmath>
#include <limits>

#include "lower/ops/families.h"

namespace crossload::lower {
namespace {

Expr times_alpha(Call& call, Expr x) {
  const bool is_one = !call.is_float_scalar("alpha") ? call.sym("alpha") == Sym(1) : call.number("alpha") == 1;
  if (is_one) return x;
  const Expr alpha = call.scalar("alpha", x.dtype());
  return x.dtype() == DType::kBool ? call.tf("LogicalAnd", {x, alpha}) : x * alpha;
}

Expr scaled_other(Call& call) { return times_alpha(call, call.operand("other", call.result_dtype())); }

Expr add(Call& call) {
  const Expr self = call.operand("self", call.result_dtype());
  if (self.dtype() == DType::kBool) return call.tf("LogicalOr", {self, scaled_other(call)});
  return self + scaled_other(call);
}

Expr sub(Call& call) { return call.operand("self", call.result_dtype()) - scaled_other(call); }
Expr rsub(Call& call) {
  const DType dtype = call.result_dtype();
  return call.operand("other", dtype) - times_alpha(call, call.operand("self", dtype));
}

Expr mul(Call& call) {
  const DType dtype = call.result_dtype();
  if (dtype == DType::kBool) return binary<"LogicalAnd">(call);
  return call.operand("self", dtype) * call.operand("other", dtype);
}

Expr true_divide(Call& call) {
  const DType dtype = call.result_dtype();
  return call.operand("self", dtype) / call.operand("other", dtype);
}

Expr floor_quotient(Call& call, Expr a, Expr b) {
  if (!is_floating(a.dtype())) return call.tf_widened("FloorDiv", {a, b});
  // PyTorch: (a - fmod(a, b)) / b, one less where the remainder and the divisor differ in sign, rounded; and a / b
  // where b is zero.
  Builder& builder = call.builder();
  const Expr zero = builder.scalar(a.dtype(), 0.0);
  const Expr remainder = call.tf_widened("TruncateMod", {a, b});
  const Expr quotient = (a - remainder) / b;
  const Expr differs =
      call.tf("LogicalAnd", {call.tf("NotEqual", {remainder, zero}),
                             call.tf("NotEqual", {call.tf("Less", {b, zero}), call.tf("Less", {remainder, zero})})});
  const Expr lowered = builder.select(differs, quotient - 1.0, quotient);
  const Expr floored = call.tf("Floor", {lowered});
  const Expr rounded =
      builder.select(call.tf("Greater", {lowered - floored, builder.scalar(a.dtype(), 0.5)}), floored + 1.0, floored);
  return builder.select(call.tf("Equal", {b, zero}), a / b, rounded);
}

Expr divide_by_mode(Call& call) {
  const DType dtype = call.result_dtype();
  const Expr a = call.operand("self", dtype), b = call.operand("other", dtype);
  if (call.is_none("rounding_mode")) return a / b;
  if (call.text("rounding_mode") == "floor") return floor_quotient(call, a, b);
  if (!is_floating(dtype)) return call.tf_widened("TruncateDiv", {a, b});
  const Expr quotient = a / b;
  return call.tf("Sign", {quotient}) * call.tf("Floor", {call.tf("Abs", {quotient})});
}

Expr floor_divide(Call& call) {
  const DType dtype = call.result_dtype();
  return floor_quotient(call, call.operand("self", dtype), call.operand("other", dtype));
}

// PyTorch's integer power: with a negative exponent 1 and -1 keep their size, everything else is 0.
Expr integer_power(Call& call, Expr base, Expr exponent) {
  Builder& b = call.builder();
  const Expr zero = b.scalar(base.dtype(), 0), one = b.scalar(base.dtype(), 1);
  const Expr power = call.tf_widened("Pow", {base, call.tf_widened("Maximum", {exponent, zero})});
  if (base.dtype() == DType::kUInt8) return power;
  const Expr is_unit = call.tf("Equal", {call.tf("Abs", {base}), one});
  const Expr is_odd = call.tf("Equal", {call.tf_widened("BitwiseAnd", {exponent, one}), one});
  const Expr unit = b.select(is_odd, base, one);
  return b.select(call.tf("Less", {exponent, zero}), b.select(is_unit, unit, zero), power);
}

// TensorFlow's Reciprocal and Rsqrt are not correctly rounded; PyTorch divides.
Expr reciprocal(Call& call) {
  const DType dtype = call.result_dtype();
  if (is_complex(dtype)) return unary<"Reciprocal">(call);
  return call.builder().scalar(dtype, 1.0) / call.operand("self", dtype);
}
Expr rsqrt(Call& call) {
  const DType dtype = call.result_dtype();
  if (is_complex(dtype)) return unary<"Rsqrt">(call);
  return call.builder().scalar(dtype, 1.0) / call.tf("Sqrt", {call.operand("self", dtype)});
}

Expr pow(Call& call) {
  const DType dtype = call.result_dtype();
  Builder& b = call.builder();
  if (!call.tensor_or_null("exponent")) {
    const Expr x = call.operand("self", dtype);
    if (!call.sym("exponent").symbols().empty()) return call.tf_widened("Pow", {x, call.scalar("exponent", dtype)});
    const double exponent = call.number("exponent");
    // The exponents of activations and norms: exact by products.
    if (exponent == 0.5 && is_floating(dtype)) return call.tf("Sqrt", {x});
    if (exponent == 1) return x;
    if (exponent == 2) return call.tf("Square", {x});
    if (exponent == 3) return (x * x) * x;
    if (exponent == -1 && is_floating(dtype)) return b.scalar(dtype, 1.0) / x;
    if (exponent == -0.5 && is_floating(dtype)) return b.scalar(dtype, 1.0) / call.tf("Sqrt", {x});
    return call.tf_widened("Pow", {x, call.scalar("exponent", dtype)});
  }
  const Expr base = call.operand("self", dtype), exponent = b.cast(call.tensor("exponent"), dtype);
  return is_floating(dtype) ? call.tf_widened("Pow", {base, exponent}) : integer_power(call, base, exponent);
}

Expr remainder(Call& call) {
  const DType dtype = call.result_dtype();
  return call.tf_widened("FloorMod", {call.operand("self", dtype), call.operand("other", dtype)});
}

Expr clamp(Call& call) {
  const DType dtype = call.result_dtype();
  Expr x = call.operand("self", dtype);
  if (!call.is_none("min")) x = call.tf_widened("Maximum", {x, call.operand("min", dtype)});
  if (!call.is_none("max")) x = call.tf_widened("Minimum", {x, call.operand("max", dtype)});
  return x;
}
Expr clamp_min(Call& call) {
  return call.tf_widened("Maximum",
                         {call.operand("self", call.result_dtype()), call.operand("min", call.result_dtype())});
}
Expr clamp_max(Call& call) {
  return call.tf_widened("Minimum",
                         {call.operand("self", call.result_dtype()), call.operand("max", call.result_dtype())});
}

Expr absolute(Call& call) {
  const Expr x = call.tensor("self");
  if (is_complex(x.dtype())) return call.tf("ComplexAbs", {x}, {{"Tout", call.result_dtype()}});
  return x.dtype() == DType::kBool || x.dtype() == DType::kUInt8 ? x : call.tf("Abs", {x});
}

// PyTorch's sign of NaN is 0.
Expr sign(Call& call) {
  Builder& b = call.builder();
  const Expr x = call.tensor("self");
  if (x.dtype() == DType::kBool) return x;
  const Expr y = call.tf_widened("Sign", {x});
  return is_floating(x.dtype()) ? b.select(b.tf("IsNan", {x}), b.scalar(x.dtype(), 0.0), y) : y;
}

// Integers have no fractional part to round.
template <OpName Op>
Expr rounded(Call& call) {
  const Expr x = call.tensor("self");
  return is_floating(x.dtype()) ? call.tf_widened(Op.value, {x}) : x;
}

// Rounded at a decimal place by way of a power of ten, as PyTorch does it.
Expr round_decimals(Call& call) {
  const Expr x = call.tensor("self");
  const int64_t decimals = call.integer("decimals");
  if (!is_floating(x.dtype())) return x;
  const double ten = std::pow(10.0, static_cast<double>(std::abs(decimals)));
  if (decimals == 0) return call.tf_widened("Rint", {x});
  return decimals < 0 ? call.tf_widened("Rint", {x / ten}) * ten : call.tf_widened("Rint", {x * ten}) / ten;
}

Expr trunc(Call& call) {
  const Expr x = call.tensor("self");
  if (!is_floating(x.dtype())) return x;
  return call.builder().select(call.tf("Less", {x, call.builder().scalar(x.dtype(), 0.0)}), call.tf("Ceil", {x}),
                               call.tf("Floor", {x}));
}

Expr log_base(Call& call, double base) {
  return call.tf("Log", {call.operand("self", call.result_dtype())}) / std::log(base);
}
Expr log2(Call& call) { return log_base(call, 2); }
Expr log10(Call& call) { return log_base(call, 10); }
Expr exp2(Call& call) {
  const Expr x = call.operand("self", call.result_dtype());
  return call.tf_widened("Pow", {call.builder().scalar(x.dtype(), 2.0), x});
}

Expr times_value(Call& call, Expr x) {
  const bool is_one = call.sym("value") == Sym(1);
  return is_one ? x : x * call.scalar("value", x.dtype());
}

// Formulas of several steps are computed in float32 for the half precisions, as in PyTorch.
Expr addcmul(Call& call) {
  const DType dtype = computed_dtype(call.result_dtype());
  const Expr product = call.operand("tensor1", dtype) * call.operand("tensor2", dtype);
  const Expr result = call.operand("self", dtype) + times_value(call, product);
  return call.builder().cast(result, call.result_dtype());
}

Expr addcdiv(Call& call) {
  const DType dtype = computed_dtype(call.result_dtype());
  const Expr quotient = call.operand("tensor1", dtype) / call.operand("tensor2", dtype);
  const Expr result = call.operand("self", dtype) + times_value(call, quotient);
  return call.builder().cast(result, call.result_dtype());
}

Expr lerp(Call& call) {
  Builder& b = call.builder();
  const DType dtype = computed_dtype(call.result_dtype());
  const Expr start = call.operand("self", dtype), end = call.operand("end", dtype), w = call.operand("weight", dtype);
  const Expr low = start + w * (end - start), high = end - (end - start) * (1.0 - w);
  const Expr is_low = call.tf("Less", {call.tf("Abs", {w}), b.scalar(dtype, 0.5)});
  return b.cast(b.select(is_low, low, high), call.result_dtype());
}

constexpr OpRow kRows[] = {
    {"aten::add.Tensor(Tensor self, Tensor other, *, Scalar alpha=1) -> Tensor", add},
    {"aten::add.Scalar(Tensor self, Scalar other, Scalar alpha=1) -> Tensor", add},
    {"aten::add_.Tensor(Tensor(a!) self, Tensor other, *, Scalar alpha=1) -> Tensor(a!)", add},
    {"aten::add_.Scalar(Tensor(a!) self, Scalar other, Scalar alpha=1) -> Tensor(a!)", add},
    {"aten::sub.Tensor(Tensor self, Tensor other, *, Scalar alpha=1) -> Tensor", sub},
    {"aten::sub.Scalar(Tensor self, Scalar other, Scalar alpha=1) -> Tensor", sub},
    {"aten::sub_.Tensor(Tensor(a!) self, Tensor other, *, Scalar alpha=1) -> Tensor(a!)", sub},
    {"aten::subtract.Tensor(Tensor self, Tensor other, *, Scalar alpha=1) -> Tensor", sub},
    {"aten::rsub.Scalar(Tensor self, Scalar other, Scalar alpha=1) -> Tensor", rsub},
    {"aten::rsub.Tensor(Tensor self, Tensor other, *, Scalar alpha=1) -> Tensor", rsub},
    {"aten::mul.Tensor(Tensor self, Tensor other) -> Tensor", mul},
    {"aten::mul.Scalar(Tensor self, Scalar other) -> Tensor", mul},
    {"aten::mul_.Tensor(Tensor(a!) self, Tensor other) -> Tensor(a!)", mul},
    {"aten::mul_.Scalar(Tensor(a!) self, Scalar other) -> Tensor(a!)", mul},
    {"aten::multiply.Tensor(Tensor self, Tensor other) -> Tensor", mul},
    {"aten::div.Tensor(Tensor self, Tensor other) -> Tensor", true_divide},
    {"aten::div.Scalar(Tensor self, Scalar other) -> Tensor", true_divide},
    {"aten::div_.Tensor(Tensor(a!) self, Tensor other) -> Tensor(a!)", true_divide},
    {"aten::div_.Scalar(Tensor(a!) self, Scalar other) -> Tensor(a!)", true_divide},
    {"aten::divide.Tensor(Tensor self, Tensor other) -> Tensor", true_divide},
    {"aten::true_divide.Tensor(Tensor self, Tensor other) -> Tensor", true_divide},
    {"aten::div.Tensor_mode(Tensor self, Tensor other, *, str? rounding_mode) -> Tensor", divide_by_mode},
    {"aten::div.Scalar_mode(Tensor self, Scalar other, *, str? rounding_mode) -> Tensor", divide_by_mode},
    {"aten::floor_divide(Tensor self, Tensor other) -> Tensor", floor_divide},
    {"aten::floor_divide.Scalar(Tensor self, Scalar other) -> Tensor", floor_divide},
    {"aten::floor_divide_.Tensor(Tensor(a!) self, Tensor other) -> Tensor(a!)", floor_divide},
    {"aten::remainder.Scalar(Tensor self, Scalar other) -> Tensor", remainder},
    {"aten::remainder.Tensor(Tensor self, Tensor other) -> Tensor", remainder},
    {"aten::fmod.Scalar(Tensor self, Scalar other) -> Tensor", binary<"TruncateMod">},
    {"aten::fmod.Tensor(Tensor self, Tensor other) -> Tensor", binary<"TruncateMod">},
    {"aten::pow.Tensor_Scalar(Tensor self, Scalar exponent) -> Tensor", pow},
    {"aten::pow.Tensor_Tensor(Tensor self, Tensor exponent) -> Tensor", pow},
    {"aten::pow.Scalar(Scalar self, Tensor exponent) -> Tensor", pow},
    {"aten::square(Tensor self) -> Tensor", unary<"Square">},
    {"aten::sqrt(Tensor self) -> Tensor", unary<"Sqrt">},
    {"aten::rsqrt(Tensor self) -> Tensor", rsqrt},
    {"aten::reciprocal(Tensor self) -> Tensor", reciprocal},
    {"aten::neg(Tensor self) -> Tensor", unary<"Neg">},
    {"aten::abs(Tensor self) -> Tensor", absolute},
    {"aten::sign(Tensor self) -> Tensor", sign},
    {"aten::exp(Tensor self) -> Tensor", unary<"Exp">},
    {"aten::exp2(Tensor self) -> Tensor", exp2},
    {"aten::expm1(Tensor self) -> Tensor", unary<"Expm1">},
    {"aten::log(Tensor self) -> Tensor", unary<"Log">},
    {"aten::log1p(Tensor self) -> Tensor", unary<"Log1p">},
    {"aten::log2(Tensor self) -> Tensor", log2},
    {"aten::log10(Tensor self) -> Tensor", log10},
    {"aten::sin(Tensor self) -> Tensor", unary<"Sin">},
    {"aten::cos(Tensor self) -> Tensor", unary<"Cos">},
    {"aten::tan(Tensor self) -> Tensor", unary<"Tan">},
    {"aten::asin(Tensor self) -> Tensor", unary<"Asin">},
    {"aten::acos(Tensor self) -> Tensor", unary<"Acos">},
    {"aten::atan(Tensor self) -> Tensor", unary<"Atan">},
    {"aten::atan2(Tensor self, Tensor other) -> Tensor", binary<"Atan2">},
    {"aten::sinh(Tensor self) -> Tensor", unary<"Sinh">},
    {"aten::cosh(Tensor self) -> Tensor", unary<"Cosh">},
    {"aten::asinh(Tensor self) -> Tensor", unary<"Asinh">},
    {"aten::acosh(Tensor self) -> Tensor", unary<"Acosh">},
    {"aten::atanh(Tensor self) -> Tensor", unary<"Atanh">},
    {"aten::erf(Tensor self) -> Tensor", unary<"Erf">},
    {"aten::erfc(Tensor self) -> Tensor", unary<"Erfc">},
    {"aten::erfinv(Tensor self) -> Tensor", unary<"Erfinv">},
    {"aten::special_erfinv(Tensor self) -> Tensor", unary<"Erfinv">},
    {"aten::lgamma(Tensor self) -> Tensor", unary<"Lgamma">},
    {"aten::floor(Tensor self) -> Tensor", rounded<"Floor">},
    {"aten::ceil(Tensor self) -> Tensor", rounded<"Ceil">},
    {"aten::round(Tensor self) -> Tensor", rounded<"Rint">},
    {"aten::round.decimals(Tensor self, *, int decimals) -> Tensor", round_decimals},
    {"aten::trunc(Tensor self) -> Tensor", trunc},
    {"aten::maximum(Tensor self, Tensor other) -> Tensor", binary<"Maximum">},
    {"aten::minimum(Tensor self, Tensor other) -> Tensor", binary<"Minimum">},
    {"aten::max.other(Tensor self, Tensor other) -> Tensor", binary<"Maximum">},
    {"aten::min.other(Tensor self, Tensor other) -> Tensor", binary<"Minimum">},
    {"aten::clamp(Tensor self, Scalar? min=None, Scalar? max=None) -> Tensor", clamp},
    {"aten::clamp.Tensor(Tensor self, Tensor? min=None, Tensor? max=None) -> Tensor", clamp},
    {"aten::clip(Tensor self, Scalar? min=None, Scalar? max=None) -> Tensor", clamp},
    {"aten::clamp_(Tensor(a!) self, Scalar? min=None, Scalar? max=None) -> Tensor(a!)", clamp},
    {"aten::clamp_min(Tensor self, Scalar min) -> Tensor", clamp_min},
    {"aten::clamp_max(Tensor self, Scalar max) -> Tensor", clamp_max},
    {"aten::addcmul(Tensor self, Tensor tensor1, Tensor tensor2, *, Scalar value=1) -> Tensor", addcmul},
    {"aten::addcdiv(Tensor self, Tensor tensor1, Tensor tensor2, *, Scalar value=1) -> Tensor", addcdiv},
    {"aten::lerp.Scalar(Tensor self, Tensor end, Scalar weight) -> Tensor", lerp},
    {"aten::lerp.Tensor(Tensor self, Tensor end, Tensor weight) -> Tensor", lerp},
};

}  // namespace

void add_arithmetic_ops(OpTable& table) { table.add("arithmetic", kRows); }

}  // namespace crossload::lower
