// Values of expressions: Python's arithmetic, on 64-bit integers as long as no operand is a float.
#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/sym.h"
#include "base/sym_rules.h"

namespace crossload {
namespace {

using Op = Sym::Op;
using ValueOf = std::function<std::optional<int64_t>(const std::string&)>;

struct Number {
  bool is_real = false;
  int64_t integer = 0;
  double real = 0;

  static Number of(int64_t value) { return {false, value, 0}; }
  static Number of_real(double value) { return {true, 0, value}; }
  double as_real() const { return is_real ? real : static_cast<double>(integer); }
  bool is_true() const { return is_real ? real != 0 : integer != 0; }
};

[[noreturn]] void out_of_range(const Sym& s) {
  internal_error("symbolic expression: the value of `{}` is no 64-bit integer", s.text());
}

Number integer_from(double value, const Sym& s) {
  if (!(value >= -9223372036854775808.0 && value < 9223372036854775808.0)) out_of_range(s);
  return Number::of(static_cast<int64_t>(value));
}

Number evaluate_number(const Sym& s, const ValueOf& value_of);

template <typename Integers, typename Reals>
Number combined(const Sym& s, const ValueOf& value_of, Integers on_integers, Reals on_reals) {
  Number result = evaluate_number(s.operands()[0], value_of);
  for (std::size_t i = 1; i < s.operands().size(); ++i) {
    const Number next = evaluate_number(s.operands()[i], value_of);
    if (result.is_real || next.is_real) {
      result = Number::of_real(on_reals(result.as_real(), next.as_real()));
    } else if (on_integers(result.integer, next.integer, &result.integer)) {
      out_of_range(s);
    }
  }
  return result;
}

Number power_of(const Sym& s, const Number& base, const Number& exponent) {
  if (base.is_real || exponent.is_real || exponent.integer < 0) {
    return Number::of_real(std::pow(base.as_real(), exponent.as_real()));
  }
  int64_t result = 1;
  if (base.integer == 0 || base.integer == 1) return Number::of(exponent.integer == 0 ? 1 : base.integer);
  if (base.integer == -1) return Number::of(exponent.integer % 2 == 0 ? 1 : -1);
  for (int64_t i = 0; i < exponent.integer; ++i) {  // leaves the range within 64 steps
    if (__builtin_mul_overflow(result, base.integer, &result)) out_of_range(s);
  }
  return Number::of(result);
}

Number divided(const Sym& s, const Number& a, const Number& b) {
  if (!b.is_true()) internal_error("symbolic expression: the divisor of `{}` is zero", s.text());
  if (s.op() == Op::kTrueDiv) return Number::of_real(a.as_real() / b.as_real());
  const bool is_real = a.is_real || b.is_real;
  if (s.op() == Op::kFloorDiv) {
    if (is_real) return Number::of_real(std::floor(a.as_real() / b.as_real()));
    if (a.integer == INT64_MIN && b.integer == -1) out_of_range(s);
    return Number::of(python_floor_div(a.integer, b.integer));
  }
  if (is_real) return Number::of_real(a.as_real() - b.as_real() * std::floor(a.as_real() / b.as_real()));
  return Number::of(python_mod(a.integer, b.integer));
}

int compare(const Number& a, const Number& b) {
  if (!a.is_real && !b.is_real) return a.integer < b.integer ? -1 : a.integer > b.integer;
  return a.as_real() < b.as_real() ? -1 : a.as_real() > b.as_real();
}

Number evaluate_number(const Sym& s, const ValueOf& value_of) {
  const auto operand = [&](std::size_t i) { return evaluate_number(s.operands()[i], value_of); };
  switch (s.op()) {
    case Op::kInteger: return Number::of(s.constant());
    case Op::kFloat: return Number::of_real(s.real_value());
    case Op::kSymbol: {
      const auto value = value_of(s.symbol_name());
      if (!value) internal_error("symbolic expression: symbol `{}` has no value", s.symbol_name());
      return Number::of(*value);
    }
    case Op::kAdd:
      return combined(
          s, value_of, [](int64_t a, int64_t b, int64_t* r) { return __builtin_add_overflow(a, b, r); },
          [](double a, double b) { return a + b; });
    case Op::kMul:
      return combined(
          s, value_of, [](int64_t a, int64_t b, int64_t* r) { return __builtin_mul_overflow(a, b, r); },
          [](double a, double b) { return a * b; });
    case Op::kMax:
      return combined(
          s, value_of, [](int64_t a, int64_t b, int64_t* r) { return *r = std::max(a, b), false; },
          [](double a, double b) { return std::max(a, b); });
    case Op::kMin:
      return combined(
          s, value_of, [](int64_t a, int64_t b, int64_t* r) { return *r = std::min(a, b), false; },
          [](double a, double b) { return std::min(a, b); });
    case Op::kPow: return power_of(s, operand(0), operand(1));
    case Op::kFloorDiv:
    case Op::kMod:
    case Op::kTrueDiv: return divided(s, operand(0), operand(1));
    case Op::kToFloat: return Number::of_real(operand(0).as_real());
    case Op::kTruncToInt:
    case Op::kFloorToInt:
    case Op::kCeilToInt:
    case Op::kRound: {
      const Number x = operand(0);
      if (!x.is_real) return x;
      switch (s.op()) {
        case Op::kTruncToInt: return integer_from(std::trunc(x.real), s);
        case Op::kFloorToInt: return integer_from(std::floor(x.real), s);
        case Op::kCeilToInt: return integer_from(std::ceil(x.real), s);
        default: return integer_from(std::nearbyint(x.real), s);
      }
    }
    case Op::kEq:
    case Op::kNe:
    case Op::kLt:
    case Op::kLe:
    case Op::kGt:
    case Op::kGe: return Number::of(holds(s.op(), compare(operand(0), operand(1))));
    case Op::kAnd:
      return Number::of(std::all_of(s.operands().begin(), s.operands().end(),
                                    [&](const Sym& o) { return evaluate_number(o, value_of).is_true(); }));
    case Op::kOr:
      return Number::of(std::any_of(s.operands().begin(), s.operands().end(),
                                    [&](const Sym& o) { return evaluate_number(o, value_of).is_true(); }));
    case Op::kNot: return Number::of(!operand(0).is_true());
    case Op::kWhere: return operand(0).is_true() ? operand(1) : operand(2);
    case Op::kAbs: {
      const Number x = operand(0);
      if (x.is_real) return Number::of_real(std::fabs(x.real));
      if (x.integer == INT64_MIN) out_of_range(s);
      return Number::of(x.integer < 0 ? -x.integer : x.integer);
    }
    case Op::kSqrt: return Number::of_real(std::sqrt(operand(0).as_real()));
  }
  internal_error("symbolic expression: unknown operation");
}

}  // namespace

int64_t Sym::evaluate(const std::function<std::optional<int64_t>(const std::string&)>& value_of) const {
  const Number result = evaluate_number(*this, value_of);
  if (!result.is_real) return result.integer;
  const Number rounded = integer_from(result.real, *this);
  if (static_cast<double>(rounded.integer) != result.real) out_of_range(*this);
  return rounded.integer;
}

}  // namespace crossload
