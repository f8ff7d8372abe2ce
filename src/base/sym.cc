// Canonical form: a sum is a list of distinct products with integer coefficients, ordered by their text, the constant
// last; a product is an optional constant, then factors ordered by their text, repeated for powers. A constant times a
// sum is multiplied out; a sum inside a longer product has its common factor pulled out. Everything else keeps its
// shape and folds what is exact for all integers.
#include "base/sym.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <numeric>

#include "base/error.h"

namespace crossload {
namespace {

using Op = Sym::Op;

constexpr std::size_t kMaxText = std::size_t{1} << 20;
constexpr int kMaxDepth = 200;
constexpr std::size_t kMaxCases = 64;
constexpr int64_t kMaxUnrolledPower = 8;

[[noreturn]] void overflow() {
  bad_input("symbolic expression: a constant does not fit 63 bits; the sizes are damaged");
}

int64_t checked_add(int64_t a, int64_t b) {
  int64_t result = 0;
  if (__builtin_add_overflow(a, b, &result)) overflow();
  return result;
}

int64_t checked_mul(int64_t a, int64_t b) {
  int64_t result = 0;
  if (__builtin_mul_overflow(a, b, &result)) overflow();
  return result;
}

// Python's //: rounds towards minus infinity. REQUIRES: b != 0.
int64_t python_floor_div(int64_t a, int64_t b) {
  if (b == -1) return checked_mul(a, -1);
  const int64_t quotient = a / b;
  return (a % b != 0 && (a < 0) != (b < 0)) ? quotient - 1 : quotient;
}

// Python's %: has the sign of b. REQUIRES: b != 0.
int64_t python_mod(int64_t a, int64_t b) {
  if (b == -1) return 0;
  const int64_t rest = a % b;
  return (rest != 0 && (rest < 0) != (b < 0)) ? rest + b : rest;
}

int64_t gcd(int64_t a, int64_t b) {
  if (a == INT64_MIN || b == INT64_MIN) return 1;
  return std::gcd(a, b);
}

bool by_text(const Sym& a, const Sym& b) { return a.text() < b.text(); }
bool is_real_constant(const Sym& s) { return s.op() == Op::kFloat; }

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

std::string real_text(double value) {
  std::string text = fmt::format("{}", value);
  if (text.find_first_not_of("-0123456789") == std::string::npos) text += ".0";
  return text;
}

bool is_negative_term(const Sym& term) {
  const Sym& leading = term.op() == Op::kMul ? term.operands()[0] : term;
  return (leading.is_constant() || is_real_constant(leading)) && leading.text().starts_with('-');
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

}  // namespace

// The folding rules; a struct only so that it may build nodes as they are.
struct SymRules {
  using Operands = std::vector<Sym>;

  static Sym raw(Op op, Operands operands) {
    auto node = std::make_shared<Sym::Node>();
    node->op = op;
    node->text = text_of(op, operands);
    if (node->text.size() > kMaxText) {
      bad_input("symbolic expression: its text has {} characters, at most {} are read", node->text.size(), kMaxText);
    }
    node->operands = std::move(operands);
    return Sym(std::shared_ptr<const Sym::Node>(std::move(node)));
  }

  // A product taken apart: a constant and the factors, or a term of a sum: a coefficient and what it multiplies.
  struct Product {
    int64_t coefficient = 1;
    Operands factors;
  };

  static Product split(const Sym& s) {
    if (s.is_constant()) return {s.constant(), {}};
    if (s.op() != Op::kMul) return {1, {s}};
    const Operands& o = s.operands();
    if (o[0].is_constant()) return {o[0].constant(), Operands(o.begin() + 1, o.end())};
    return {1, o};
  }

  static Sym joined(int64_t coefficient, Operands factors) {
    if (coefficient == 0 || factors.empty()) return coefficient;
    if (coefficient != 1) factors.insert(factors.begin(), Sym(coefficient));
    return factors.size() == 1 ? factors[0] : raw(Op::kMul, std::move(factors));
  }

  static Operands terms_of(const Sym& s) { return s.op() == Op::kAdd ? s.operands() : Operands{s}; }

  static Sym add(const Operands& operands) {
    struct Term {
      int64_t coefficient;
      Sym base;
    };
    std::vector<Term> terms;
    int64_t constant = 0;
    std::optional<double> real;
    const auto take = [&](const Sym& s) {
      if (s.is_constant()) {
        constant = checked_add(constant, s.constant());
      } else if (is_real_constant(s)) {
        real = real.value_or(0) + s.real_value();
      } else {
        Product product = split(s);
        terms.push_back({product.coefficient, joined(1, std::move(product.factors))});
      }
    };
    for (const Sym& operand : operands) {
      if (operand.op() == Op::kAdd) {
        for (const Sym& term : operand.operands()) take(term);
      } else {
        take(operand);
      }
    }
    std::sort(terms.begin(), terms.end(), [](const Term& a, const Term& b) { return by_text(a.base, b.base); });
    Operands result;
    for (std::size_t i = 0; i < terms.size();) {
      int64_t coefficient = 0;
      const Sym& base = terms[i].base;
      for (; i < terms.size() && terms[i].base == base; ++i) {
        coefficient = checked_add(coefficient, terms[i].coefficient);
      }
      if (coefficient != 0) result.push_back(joined(coefficient, split(base).factors));
    }
    if (real) {
      result.push_back(Sym::real(*real + static_cast<double>(constant)));
    } else if (constant != 0 || result.empty()) {
      result.push_back(constant);
    }
    return result.size() == 1 ? result[0] : raw(Op::kAdd, std::move(result));
  }

  // The greatest constant that divides every term.
  static int64_t content_of(const Sym& s) {
    int64_t content = 0;
    for (const Sym& term : terms_of(s)) {
      if (is_real_constant(term)) return 1;
      content = gcd(content, split(term).coefficient);
    }
    return content == 0 ? 1 : content;
  }

  // REQUIRES: divisor divides every term.
  static Sym divided_by(const Sym& s, int64_t divisor) {
    if (divisor == 1) return s;
    Operands terms;
    for (const Sym& term : terms_of(s)) {
      Product product = split(term);
      terms.push_back(joined(python_floor_div(product.coefficient, divisor), std::move(product.factors)));
    }
    return add(terms);
  }

  static Sym mul(const Operands& operands) {
    int64_t coefficient = 1;
    std::optional<double> real;
    Operands factors;
    const auto take = [&](const Sym& s) {
      if (s.is_constant()) {
        coefficient = checked_mul(coefficient, s.constant());
      } else if (is_real_constant(s)) {
        real = real.value_or(1) * s.real_value();
      } else {
        factors.push_back(s);
      }
    };
    for (const Sym& operand : operands) {
      if (operand.op() == Op::kMul) {
        for (const Sym& factor : operand.operands()) take(factor);
      } else {
        take(operand);
      }
    }
    if (real) {
      if (factors.empty()) return Sym::real(*real * static_cast<double>(coefficient));
      std::sort(factors.begin(), factors.end(), by_text);
      factors.insert(factors.begin(), Sym::real(*real * static_cast<double>(coefficient)));
      return raw(Op::kMul, std::move(factors));
    }
    if (coefficient == 0 || factors.empty()) return coefficient;
    if (factors.size() == 1 && factors[0].op() == Op::kAdd) {
      if (coefficient == 1) return factors[0];
      Operands terms;
      for (const Sym& term : factors[0].operands()) terms.push_back(mul({Sym(coefficient), term}));
      return add(terms);
    }
    for (Sym& factor : factors) {
      if (factor.op() != Op::kAdd) continue;
      const int64_t content = content_of(factor);
      coefficient = checked_mul(coefficient, content);
      factor = divided_by(factor, content);
    }
    std::sort(factors.begin(), factors.end(), by_text);
    return joined(coefficient, std::move(factors));
  }

  static Sym power(const Sym& base, const Sym& exponent) {
    if (const auto n = exponent.as_constant()) {
      if (*n == 0) return 1;
      if (*n == 1) return base;
      if (base.is_constant() && *n > 0 && *n < 64) {
        int64_t value = 1;
        for (int64_t i = 0; i < *n; ++i) value = checked_mul(value, base.constant());
        return value;
      }
      if (*n > 0 && *n <= kMaxUnrolledPower) return mul(Operands(static_cast<std::size_t>(*n), base));
    }
    return raw(Op::kPow, {base, exponent});
  }

  // Like split, but a sum is one factor, with its common constant pulled out.
  static Product factors_of(const Sym& s) {
    if (s.op() != Op::kAdd) return split(s);
    const int64_t content = content_of(s);
    return {content, {divided_by(s, content)}};
  }

  // a / b when every factor of b is one of a.
  static std::optional<Sym> quotient_of_products(Product a, const Product& b) {
    if (b.coefficient == 0 || python_mod(a.coefficient, b.coefficient) != 0) return std::nullopt;
    for (const Sym& factor : b.factors) {
      const auto found = std::find(a.factors.begin(), a.factors.end(), factor);
      if (found == a.factors.end()) return std::nullopt;
      a.factors.erase(found);
    }
    a.factors.push_back(python_floor_div(a.coefficient, b.coefficient));
    return mul(a.factors);
  }

  static std::optional<Sym> exact_quotient(const Sym& a, const Sym& b) {
    const Product divisor = factors_of(b);
    if (auto whole = quotient_of_products(factors_of(a), divisor)) return whole;
    if (a.op() != Op::kAdd) return std::nullopt;
    Operands quotients;
    for (const Sym& term : a.operands()) {
      auto quotient = quotient_of_products(split(term), divisor);
      if (!quotient) return std::nullopt;
      quotients.push_back(*std::move(quotient));
    }
    return add(quotients);
  }

  // a = divisor * whole + rest, with every term of rest that the divisor does not divide; REQUIRES: divisor != 0.
  static std::pair<Sym, Sym> split_multiple(const Sym& a, int64_t divisor) {
    Operands whole, rest;
    for (const Sym& term : terms_of(a)) {
      Product product = split(term);
      if (product.factors.empty()) {
        whole.push_back(python_floor_div(product.coefficient, divisor));
        rest.push_back(python_mod(product.coefficient, divisor));
      } else if (python_mod(product.coefficient, divisor) == 0) {
        whole.push_back(joined(python_floor_div(product.coefficient, divisor), std::move(product.factors)));
      } else {
        rest.push_back(term);
      }
    }
    return {add(whole), add(rest)};
  }

  static Sym floor_div(const Sym& a, const Sym& b) {
    const auto divisor = b.as_constant();
    if (divisor == 0) bad_input("symbolic expression: `{}` is divided by zero", a.text());
    if (!a.is_integral() || !b.is_integral()) return raw(Op::kFloorDiv, {a, b});
    if (!divisor) {
      if (a == Sym(0)) return 0;
      if (auto quotient = exact_quotient(a, b)) return *quotient;
      return raw(Op::kFloorDiv, {a, b});
    }
    auto [whole, rest] = split_multiple(a, *divisor);
    return rest == Sym(0) ? whole : add({whole, floor_div_of_rest(rest, *divisor)});
  }

  static Sym floor_div_of_rest(const Sym& rest, int64_t divisor) {
    if (rest.is_constant()) return python_floor_div(rest.constant(), divisor);
    const int64_t common = gcd(content_of(rest), divisor);
    const Sym reduced = divided_by(rest, common);
    divisor /= common;
    if (divisor == 1) return reduced;
    if (reduced.op() == Op::kFloorDiv && divisor > 0) {  // (x // m) // n is x // (m*n) for positive m and n
      const auto inner = reduced.operands()[1].as_constant();
      int64_t both = 0;
      if (inner && *inner > 0 && !__builtin_mul_overflow(*inner, divisor, &both)) {
        return floor_div(reduced.operands()[0], both);
      }
    }
    return raw(Op::kFloorDiv, {reduced, divisor});
  }

  static Sym mod(const Sym& a, const Sym& b) {
    const auto divisor = b.as_constant();
    if (divisor == 0) bad_input("symbolic expression: `{}` is divided by zero", a.text());
    if (!a.is_integral() || !b.is_integral()) return raw(Op::kMod, {a, b});
    if (!divisor) {
      if (a == Sym(0) || exact_quotient(a, b)) return 0;
      return raw(Op::kMod, {a, b});
    }
    const Sym rest = split_multiple(a, *divisor).second;
    return rest.is_constant() ? rest : raw(Op::kMod, {rest, b});
  }

  static Sym extreme(Op op, const Operands& operands) {
    const bool is_max = op == Op::kMax;
    Operands kept;
    const auto take = [&](const Sym& candidate) {
      for (Sym& other : kept) {
        if (other == candidate) return;
        // A short list is compared in pairs: x and x + 1 differ by a constant.
        if (kept.size() > 8 && !(other.is_constant() && candidate.is_constant())) continue;
        const Sym difference = candidate - other;
        if (!difference.is_constant()) continue;
        if ((difference.constant() > 0) == is_max) other = candidate;
        return;
      }
      kept.push_back(candidate);
    };
    for (const Sym& operand : operands) {
      if (operand.op() == op) {
        for (const Sym& inner : operand.operands()) take(inner);
      } else {
        take(operand);
      }
    }
    std::sort(kept.begin(), kept.end(), [](const Sym& a, const Sym& b) {
      return a.is_constant() != b.is_constant() ? a.is_constant() : by_text(a, b);
    });
    kept.erase(std::unique(kept.begin(), kept.end()), kept.end());
    return kept.size() == 1 ? kept[0] : raw(op, std::move(kept));
  }

  static bool holds(Op op, auto difference) {
    switch (op) {
      case Op::kEq: return difference == 0;
      case Op::kNe: return difference != 0;
      case Op::kLt: return difference < 0;
      case Op::kLe: return difference <= 0;
      case Op::kGt: return difference > 0;
      default: return difference >= 0;
    }
  }

  static Sym relation(Op op, const Sym& a, const Sym& b) {
    const Sym difference = a - b;
    if (difference.is_constant()) return holds(op, difference.constant());
    if (is_real_constant(difference)) return holds(op, difference.real_value());
    return raw(op, {a, b});
  }

  // `and` (neutral 1) and `or` (neutral 0).
  static Sym logic(Op op, const Operands& operands) {
    const Sym neutral = op == Op::kAnd ? 1 : 0;
    Operands kept;
    for (const Sym& operand : operands) {
      if (operand.is_constant()) {
        if ((operand.constant() != 0) != (neutral.constant() != 0)) return 1 - neutral.constant();
      } else if (std::find(kept.begin(), kept.end(), operand) == kept.end()) {
        kept.push_back(operand);
      }
    }
    if (kept.empty()) return neutral;
    std::sort(kept.begin(), kept.end(), by_text);
    return kept.size() == 1 ? kept[0] : raw(op, std::move(kept));
  }

  static Sym to_integer(Op op, const Sym& x) {
    if (x.is_integral()) return x;
    if (x.op() == Op::kTrueDiv && x.operands()[0].is_integral() && x.operands()[1].is_integral()) {
      const Sym& a = x.operands()[0];
      const Sym& b = x.operands()[1];
      if (op == Op::kFloorToInt) return floor_div(a, b);
      if (op == Op::kCeilToInt) return mul({Sym(-1), floor_div(mul({Sym(-1), a}), b)});
    }
    return raw(op, {x});
  }

  static Sym true_div(const Sym& a, const Sym& b) {
    if (b == Sym(0)) bad_input("symbolic expression: `{}` is divided by zero", a.text());
    const bool by_one = b == Sym(1) || (is_real_constant(b) && b.real_value() == 1);
    if (by_one && !a.is_integral()) return a;
    return raw(Op::kTrueDiv, {a, b});
  }
};

Sym::Sym(int64_t value) {
  auto node = std::make_shared<Node>();
  node->op = Op::kInteger;
  node->integer = value;
  node->text = fmt::format_int(value).str();
  node_ = std::move(node);
}

Sym Sym::symbol(std::string name) {
  auto node = std::make_shared<Node>();
  node->op = Op::kSymbol;
  node->text = name;
  node->name = std::move(name);
  return Sym(std::shared_ptr<const Node>(std::move(node)));
}

Sym Sym::real(double value) {
  auto node = std::make_shared<Node>();
  node->op = Op::kFloat;
  node->real = value;
  node->text = real_text(value);
  return Sym(std::shared_ptr<const Node>(std::move(node)));
}

Sym Sym::make(Op op, std::vector<Sym> o) {
  const auto expect = [&](std::size_t count) {
    if (o.size() != count) internal_error("symbolic expression: {} operands given, {} expected", o.size(), count);
  };
  switch (op) {
    case Op::kAdd: return SymRules::add(o);
    case Op::kMul: return SymRules::mul(o);
    case Op::kPow: expect(2); return SymRules::power(o[0], o[1]);
    case Op::kFloorDiv: expect(2); return SymRules::floor_div(o[0], o[1]);
    case Op::kMod: expect(2); return SymRules::mod(o[0], o[1]);
    case Op::kTrueDiv: expect(2); return SymRules::true_div(o[0], o[1]);
    case Op::kMax:
    case Op::kMin:
      if (o.empty()) internal_error("symbolic expression: Max and Min need an operand");
      return SymRules::extreme(op, o);
    case Op::kToFloat:
      expect(1);
      return o[0].is_constant() ? real(static_cast<double>(o[0].constant())) : SymRules::raw(op, std::move(o));
    case Op::kTruncToInt:
    case Op::kFloorToInt:
    case Op::kCeilToInt:
    case Op::kRound: expect(1); return SymRules::to_integer(op, o[0]);
    case Op::kEq:
    case Op::kNe:
    case Op::kLt:
    case Op::kLe:
    case Op::kGt:
    case Op::kGe: expect(2); return SymRules::relation(op, o[0], o[1]);
    case Op::kAnd:
    case Op::kOr: return SymRules::logic(op, o);
    case Op::kNot:
      expect(1);
      if (o[0].is_constant()) return o[0].constant() == 0;
      return o[0].op() == Op::kNot ? o[0].operands()[0] : SymRules::raw(op, std::move(o));
    case Op::kWhere:
      expect(3);
      if (o[0].is_constant()) return o[0].constant() != 0 ? o[1] : o[2];
      return o[1] == o[2] ? o[1] : SymRules::raw(op, std::move(o));
    case Op::kAbs:
      expect(1);
      if (o[0].is_constant()) return o[0].constant() < 0 ? checked_mul(o[0].constant(), -1) : o[0].constant();
      return SymRules::raw(op, std::move(o));
    case Op::kSqrt: expect(1); return SymRules::raw(op, std::move(o));
    case Op::kInteger:
    case Op::kFloat:
    case Op::kSymbol: break;
  }
  internal_error("symbolic expression: `make` is for operations, not for leaves");
}

bool Sym::is_integral() const {
  switch (op()) {
    case Op::kFloat:
    case Op::kTrueDiv:
    case Op::kToFloat:
    case Op::kSqrt: return false;
    case Op::kSymbol: return !symbol_name().starts_with("zf") && !symbol_name().starts_with("zuf");
    case Op::kPow: return operands()[0].is_integral() && operands()[1].is_constant() && operands()[1].constant() >= 0;
    case Op::kAdd:
    case Op::kMul:
    case Op::kMax:
    case Op::kMin:
    case Op::kFloorDiv:
    case Op::kMod:
    case Op::kAbs:
      return std::all_of(operands().begin(), operands().end(), [](const Sym& s) { return s.is_integral(); });
    case Op::kWhere: return operands()[1].is_integral() && operands()[2].is_integral();
    default: return true;  // integers, relations, conversions to integers
  }
}

std::set<std::string> Sym::symbols() const {
  std::set<std::string> names;
  std::vector<const Sym*> open = {this};
  while (!open.empty()) {
    const Sym& s = *open.back();
    open.pop_back();
    if (s.is_symbol()) names.insert(s.symbol_name());
    for (const Sym& operand : s.operands()) open.push_back(&operand);
  }
  return names;
}

// --- evaluation ---

namespace {

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
    case Op::kGe: return Number::of(SymRules::holds(s.op(), compare(operand(0), operand(1))));
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

// --- sympy's srepr: Name(argument, …, keyword=value), integers, quoted strings ---

namespace {

struct Function {
  std::string_view name;
  Op op;
  std::size_t min_operands;
  std::size_t max_operands;
};

constexpr std::size_t kAny = SIZE_MAX;
constexpr Function kFunctions[] = {
    {"Add", Op::kAdd, 0, kAny},
    {"Mul", Op::kMul, 0, kAny},
    {"Pow", Op::kPow, 2, 2},
    {"PowByNatural", Op::kPow, 2, 2},
    {"FloatPow", Op::kPow, 2, 2},
    {"FloorDiv", Op::kFloorDiv, 2, 2},
    {"CleanDiv", Op::kFloorDiv, 2, 2},
    {"Mod", Op::kMod, 2, 2},
    {"PythonMod", Op::kMod, 2, 2},
    {"Max", Op::kMax, 1, kAny},
    {"Min", Op::kMin, 1, kAny},
    {"IntTrueDiv", Op::kTrueDiv, 2, 2},
    {"FloatTrueDiv", Op::kTrueDiv, 2, 2},
    {"Rational", Op::kTrueDiv, 2, 2},
    {"ToFloat", Op::kToFloat, 1, 1},
    {"TruncToInt", Op::kTruncToInt, 1, 1},
    {"FloorToInt", Op::kFloorToInt, 1, 1},
    {"floor", Op::kFloorToInt, 1, 1},
    {"CeilToInt", Op::kCeilToInt, 1, 1},
    {"ceiling", Op::kCeilToInt, 1, 1},
    {"RoundToInt", Op::kRound, 1, 1},
    {"Equality", Op::kEq, 2, 2},
    {"Unequality", Op::kNe, 2, 2},
    {"StrictLessThan", Op::kLt, 2, 2},
    {"LessThan", Op::kLe, 2, 2},
    {"StrictGreaterThan", Op::kGt, 2, 2},
    {"GreaterThan", Op::kGe, 2, 2},
    {"And", Op::kAnd, 0, kAny},
    {"Or", Op::kOr, 0, kAny},
    {"Not", Op::kNot, 1, 1},
    {"Where", Op::kWhere, 3, 3},
    {"Abs", Op::kAbs, 1, 1},
    {"OpaqueUnaryFn_sqrt", Op::kSqrt, 1, 1},
    // Written by means of others; see SreprParser::call.
    {"ModularIndexing", Op::kMod, 3, 3},
    {"CeilDiv", Op::kFloorDiv, 2, 2},
    {"TruncToFloat", Op::kTruncToInt, 1, 1},
    {"Identity", Op::kAdd, 1, 1},
};

bool is_name_start(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool is_name_part(char c) { return is_name_start(c) || (c >= '0' && c <= '9') || c == '.'; }

class SreprParser {
 public:
  explicit SreprParser(std::string_view text) : text_(text) {}

  Sym parse() {
    const Sym result = expression(0);
    skip_spaces();
    if (at_ < text_.size()) fail_here("text goes on after the expression");
    return result;
  }

 private:
  template <typename... Args>
  [[noreturn]] void fail_here(fmt::format_string<Args...> format, Args&&... args) const {
    bad_input("symbolic expression @ {}: {}; the program is damaged or from a PyTorch that crossload does not know",
              at_, fmt::format(format, std::forward<Args>(args)...));
  }

  void skip_spaces() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\t')) ++at_;
  }

  char peek() {
    skip_spaces();
    return at_ < text_.size() ? text_[at_] : '\0';
  }

  void expect(char c) {
    if (peek() != c) fail_here("`{}` expected", c);
    ++at_;
  }

  bool accept(char c) {
    if (peek() != c) return false;
    ++at_;
    return true;
  }

  std::string_view name() {
    if (!is_name_start(peek())) fail_here("a name or a number expected");
    const std::size_t begin = at_;
    while (at_ < text_.size() && is_name_part(text_[at_])) ++at_;
    return text_.substr(begin, at_ - begin);
  }

  std::string_view quoted() {
    const char quote = peek();
    if (quote != '\'' && quote != '"') fail_here("a quoted string expected");
    const std::size_t end = text_.find(quote, at_ + 1);
    if (end == std::string_view::npos) fail_here("a quoted string does not end");
    const std::string_view inside = text_.substr(at_ + 1, end - at_ - 1);
    at_ = end + 1;
    return inside;
  }

  int64_t integer() {
    skip_spaces();
    int64_t value = 0;
    const char* const begin = text_.data() + at_;
    const auto [end, error] = std::from_chars(begin, text_.data() + text_.size(), value);
    if (error == std::errc::result_out_of_range) fail_here("an integer does not fit 64 bits");
    if (error != std::errc() || (end < text_.data() + text_.size() && *end == '.')) fail_here("an integer expected");
    at_ += static_cast<std::size_t>(end - begin);
    return value;
  }

  // `positive=True`, `precision=53`
  void skip_keywords() {
    while (accept(',')) {
      name();
      expect('=');
      const char c = peek();
      if (c == '\'' || c == '"') {
        quoted();
      } else if (is_name_start(c)) {
        name();
      } else {
        integer();
      }
    }
  }

  Sym symbol() {
    const std::string_view text = quoted();
    if (text.empty() || !is_name_start(text[0]) || !std::all_of(text.begin(), text.end(), is_name_part)) {
      fail_here("a symbol's name is not an identifier");
    }
    skip_keywords();
    return Sym::symbol(std::string(text));
  }

  Sym real() {
    const char c = peek();
    const std::string_view text = c == '\'' || c == '"' ? quoted() : text_.substr(at_, number_length());
    double value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size()) fail_here("a number expected in Float(…)");
    if (c != '\'' && c != '"') at_ += text.size();
    skip_keywords();
    return Sym::real(value);
  }

  std::size_t number_length() const {
    const std::size_t end = text_.find_first_not_of("+-.0123456789eE", at_);
    return (end == std::string_view::npos ? text_.size() : end) - at_;
  }

  // Piecewise(ExprCondPair(value, condition), …, ExprCondPair(value, true))
  Sym piecewise(int depth) {
    std::vector<std::pair<Sym, Sym>> pairs;
    do {
      const std::string_view pair = name();
      if (pair != "ExprCondPair" && pair != "Tuple") fail_here("Piecewise holds `{}`, not pairs", pair);
      expect('(');
      Sym value = expression(depth + 1);
      expect(',');
      Sym condition = expression(depth + 1);
      expect(')');
      pairs.emplace_back(std::move(value), std::move(condition));
      if (pairs.size() > kMaxCases) fail_here("Piecewise has more than {} cases", kMaxCases);
    } while (accept(','));
    if (pairs.back().second != Sym(1)) fail_here("the last case of Piecewise is not always true");
    Sym result = pairs.back().first;
    for (std::size_t i = pairs.size() - 1; i-- > 0;) {
      result = Sym::make(Op::kWhere, {pairs[i].second, pairs[i].first, result});
    }
    return result;
  }

  std::vector<Sym> operands(int depth) {
    std::vector<Sym> result;
    if (peek() == ')') return result;
    do {
      const std::size_t before = at_;
      if (is_name_start(peek())) {  // evaluate=False and the like
        name();
        if (accept('=')) {
          name();
          continue;
        }
        at_ = before;
      }
      result.push_back(expression(depth + 1));
    } while (accept(','));
    return result;
  }

  Sym call(std::string_view function, int depth) {
    if (function == "Integer") return integer();
    if (function == "Symbol" || function == "Dummy") return symbol();
    if (function == "Float") return real();
    if (function == "Piecewise") return piecewise(depth);
    const auto* const f = std::find_if(std::begin(kFunctions), std::end(kFunctions),
                                       [&](const Function& known) { return known.name == function; });
    if (f == std::end(kFunctions)) fail_here("function `{}` is not known", function);
    const std::size_t begin = at_;
    const std::vector<Sym> o = operands(depth);
    if (o.size() < f->min_operands || o.size() > f->max_operands) {
      at_ = begin;
      fail_here("`{}` has {} operands, {} expected", function, o.size(), f->min_operands);
    }
    if (function == "ModularIndexing") return Sym::make(Op::kMod, {floor_div(o[0], o[1]), o[2]});
    if (function == "CeilDiv") return Sym(-1) * floor_div(Sym(-1) * o[0], o[1]);
    if (function == "TruncToFloat") return Sym::make(Op::kToFloat, {Sym::make(Op::kTruncToInt, o)});
    return Sym::make(f->op, o);
  }

  Sym expression(int depth) {
    if (depth > kMaxDepth) fail_here("nested deeper than {}", kMaxDepth);
    const char c = peek();
    if (c == '-' || (c >= '0' && c <= '9')) return integer();
    const std::string_view word = name();
    if (word == "true" || word == "True") return 1;
    if (word == "false" || word == "False") return 0;
    expect('(');
    Sym result = call(word, depth);
    expect(')');
    return result;
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

}  // namespace

Sym Sym::parse_srepr(std::string_view text) { return SreprParser(text).parse(); }

std::string to_string(const SymDims& dims) {
  std::string text = "[";
  for (std::size_t i = 0; i < dims.size(); ++i) {
    if (i > 0) text += ", ";
    text += dims[i].text();
  }
  return text += "]";
}

Sym product(const SymDims& dims) { return dims.empty() ? Sym(1) : Sym::make(Sym::Op::kMul, dims); }

std::optional<std::vector<int64_t>> constant_dims(const SymDims& dims) {
  std::vector<int64_t> result;
  result.reserve(dims.size());
  for (const Sym& dim : dims) {
    if (!dim.is_constant()) return std::nullopt;
    result.push_back(dim.constant());
  }
  return result;
}

}  // namespace crossload
