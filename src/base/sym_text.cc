// Like infix Python, with as few parentheses as the operators' binding allows; what Python has no sign for is a call.
#include "base/sym_text.h"

#include "base/error.h"

namespace crossload {
namespace {

using Op = Sym::Op;

// How tightly the text of an expression holds together; operands that bind looser get parentheses.
enum Binding { kLoose, kOr, kAnd, kNot, kRelation, kSum, kProduct, kPower, kAtom };

Binding binding_of(const Sym& s) {
  switch (s.op()) {
    case Op::kOr: return kOr;
    case Op::kAnd: return kAnd;
    case Op::kNot: return kNot;
    case Op::kEq:
    case Op::kNe:
    case Op::kLt:
    case Op::kLe:
    case Op::kGt:
    case Op::kGe: return kRelation;
    case Op::kAdd: return kSum;
    case Op::kMul:
    case Op::kFloorDiv:
    case Op::kMod:
    case Op::kTrueDiv: return kProduct;
    case Op::kPow: return kPower;
    default: return kAtom;
  }
}

std::string wrapped(const Sym& s, Binding at_least) {
  return binding_of(s) < at_least ? "(" + s.text() + ")" : s.text();
}

std::string infix(const std::vector<Sym>& operands, std::string_view between, Binding at_least) {
  std::string text;
  for (const Sym& operand : operands) {
    if (!text.empty()) text += between;
    text += wrapped(operand, at_least);
  }
  return text;
}

std::string call_text(std::string_view name, const std::vector<Sym>& operands) {
  std::string text(name);
  text += '(';
  for (std::size_t i = 0; i < operands.size(); ++i) {
    if (i > 0) text += ", ";
    text += operands[i].text();
  }
  return text += ')';
}

bool is_negative_term(const Sym& term) {
  const Sym& leading = term.op() == Op::kMul ? term.operands()[0] : term;
  return (leading.is_constant() || leading.op() == Op::kFloat) && leading.text().starts_with('-');
}

std::string sum_text(const std::vector<Sym>& terms) {
  std::string text;
  for (const Sym& term : terms) {
    const std::string part = wrapped(term, kProduct);
    if (text.empty()) {
      text = part;
    } else if (is_negative_term(term)) {
      text += " - ";
      text += std::string_view(part).substr(1);
    } else {
      text += " + ";
      text += part;
    }
  }
  return text;
}

std::string product_text(const std::vector<Sym>& factors) {
  std::string text;
  for (std::size_t i = 0; i < factors.size(); ++i) {
    if (i == 0 && factors[0].as_constant() == -1) {
      text = "-";
      continue;
    }
    if (!text.empty() && text != "-") text += '*';
    text += wrapped(factors[i], kPower);
  }
  return text;
}

// Left operands of `//`, `%` and `/` may be products or quotients themselves: all of them group to the left.
std::string quotient_text(const std::vector<Sym>& o, std::string_view sign) {
  return wrapped(o[0], kProduct) + std::string(sign) + wrapped(o[1], kPower);
}

std::string power_text(const std::vector<Sym>& o) {
  const bool negative = o[0].text().starts_with('-');
  return (negative ? "(" + o[0].text() + ")" : wrapped(o[0], kAtom)) + "**" + wrapped(o[1], kAtom);
}

}  // namespace

std::string text_of_real(double value) {
  std::string text = fmt::format("{}", value);
  if (text.find_first_not_of("-0123456789") == std::string::npos) text += ".0";
  return text;
}

std::string text_of(Op op, const std::vector<Sym>& o) {
  switch (op) {
    case Op::kAdd: return sum_text(o);
    case Op::kMul: return product_text(o);
    case Op::kPow: return power_text(o);
    case Op::kFloorDiv: return quotient_text(o, "//");
    case Op::kMod: return quotient_text(o, "%");
    case Op::kTrueDiv: return quotient_text(o, "/");
    case Op::kMax: return call_text("Max", o);
    case Op::kMin: return call_text("Min", o);
    case Op::kToFloat: return call_text("ToFloat", o);
    case Op::kTruncToInt: return call_text("TruncToInt", o);
    case Op::kFloorToInt: return call_text("FloorToInt", o);
    case Op::kCeilToInt: return call_text("CeilToInt", o);
    case Op::kEq: return infix(o, " == ", kSum);
    case Op::kNe: return infix(o, " != ", kSum);
    case Op::kLt: return infix(o, " < ", kSum);
    case Op::kLe: return infix(o, " <= ", kSum);
    case Op::kGt: return infix(o, " > ", kSum);
    case Op::kGe: return infix(o, " >= ", kSum);
    case Op::kAnd: return infix(o, " and ", kNot);
    case Op::kOr: return infix(o, " or ", kAnd);
    case Op::kNot: return "not " + wrapped(o[0], kNot);
    case Op::kWhere: return call_text("Where", o);
    case Op::kAbs: return call_text("Abs", o);
    case Op::kRound: return call_text("Round", o);
    case Op::kSqrt: return call_text("Sqrt", o);
    case Op::kInteger:
    case Op::kFloat:
    case Op::kSymbol: break;
  }
  internal_error("symbolic expression: a leaf has no operands");
}

}  // namespace crossload
