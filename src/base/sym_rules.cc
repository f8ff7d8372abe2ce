// Canonical form: a sum is a list of distinct products with integer coefficients, ordered by their text, the constant
// last; a product is an optional constant, then factors ordered by their text, repeated for powers. A constant times a
// sum is multiplied out; a sum inside a longer product has its common factor pulled out. Everything else keeps its
// shape and folds what is exact for all integers.
#include "base/sym_rules.h"

#include <algorithm>
#include <numeric>
#include <optional>
#include <utility>

#include "base/error.h"
#include "base/sym_text.h"

namespace crossload {
namespace {

using Op = Sym::Op;
using Operands = std::vector<Sym>;

constexpr std::size_t kMaxText = std::size_t{1} << 20;
constexpr int64_t kMaxUnrolledPower = 8;

[[noreturn]] void overflow() {
  bad_input("symbolic expression: a constant does not fit 63 bits; the sizes are damaged");
}

int64_t checked_add(int64_t a, int64_t b) {
  int64_t result = 0;
  if (__builtin_add_overflow(a, b, &result)) overflow();
  return result;
}

int64_t gcd(int64_t a, int64_t b) {
  if (a == INT64_MIN || b == INT64_MIN) return 1;
  return std::gcd(a, b);
}

bool by_text(const Sym& a, const Sym& b) { return a.text() < b.text(); }
bool is_real_constant(const Sym& s) { return s.op() == Op::kFloat; }

// A product taken apart: a constant and the factors, or a term of a sum: a coefficient and what it multiplies.
struct Product {
  int64_t coefficient = 1;
  Operands factors;
};

Product split(const Sym& s) {
  if (s.is_constant()) return {s.constant(), {}};
  if (s.op() != Op::kMul) return {1, {s}};
  const Operands& o = s.operands();
  if (o[0].is_constant()) return {o[0].constant(), Operands(o.begin() + 1, o.end())};
  return {1, o};
}

Sym joined(int64_t coefficient, Operands factors) {
  if (coefficient == 0 || factors.empty()) return coefficient;
  if (coefficient != 1) factors.insert(factors.begin(), Sym(coefficient));
  return factors.size() == 1 ? factors[0] : SymRules::raw(Op::kMul, std::move(factors));
}

Operands terms_of(const Sym& s) { return s.op() == Op::kAdd ? s.operands() : Operands{s}; }

// The greatest constant that divides every term.
int64_t content_of(const Sym& s) {
  int64_t content = 0;
  for (const Sym& term : terms_of(s)) {
    if (is_real_constant(term)) return 1;
    content = gcd(content, split(term).coefficient);
  }
  return content == 0 ? 1 : content;
}

// REQUIRES: divisor divides every term.
Sym divided_by(const Sym& s, int64_t divisor) {
  if (divisor == 1) return s;
  Operands terms;
  for (const Sym& term : terms_of(s)) {
    Product product = split(term);
    terms.push_back(joined(python_floor_div(product.coefficient, divisor), std::move(product.factors)));
  }
  return SymRules::add(terms);
}

// Like split, but a sum is one factor, with its common constant pulled out.
Product factors_of(const Sym& s) {
  if (s.op() != Op::kAdd) return split(s);
  const int64_t content = content_of(s);
  return {content, {divided_by(s, content)}};
}

// a / b when every factor of b is one of a.
std::optional<Sym> quotient_of_products(Product a, const Product& b) {
  if (b.coefficient == 0 || python_mod(a.coefficient, b.coefficient) != 0) return std::nullopt;
  for (const Sym& factor : b.factors) {
    const auto found = std::find(a.factors.begin(), a.factors.end(), factor);
    if (found == a.factors.end()) return std::nullopt;
    a.factors.erase(found);
  }
  a.factors.push_back(python_floor_div(a.coefficient, b.coefficient));
  return SymRules::mul(a.factors);
}

std::optional<Sym> exact_quotient(const Sym& a, const Sym& b) {
  const Product divisor = factors_of(b);
  if (auto whole = quotient_of_products(factors_of(a), divisor)) return whole;
  if (a.op() != Op::kAdd) return std::nullopt;
  Operands quotients;
  for (const Sym& term : a.operands()) {
    auto quotient = quotient_of_products(split(term), divisor);
    if (!quotient) return std::nullopt;
    quotients.push_back(*std::move(quotient));
  }
  return SymRules::add(quotients);
}

// a = divisor * whole + rest, with every term of rest that the divisor does not divide; REQUIRES: divisor != 0.
std::pair<Sym, Sym> split_multiple(const Sym& a, int64_t divisor) {
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
  return {SymRules::add(whole), SymRules::add(rest)};
}

Sym floor_div_of_rest(const Sym& rest, int64_t divisor) {
  if (rest.is_constant()) return python_floor_div(rest.constant(), divisor);
  const int64_t common = gcd(content_of(rest), divisor);
  const Sym reduced = divided_by(rest, common);
  divisor /= common;
  if (divisor == 1) return reduced;
  if (reduced.op() == Op::kFloorDiv && divisor > 0) {  // (x // m) // n is x // (m*n) for positive m and n
    const auto inner = reduced.operands()[1].as_constant();
    int64_t both = 0;
    if (inner && *inner > 0 && !__builtin_mul_overflow(*inner, divisor, &both)) {
      return SymRules::floor_div(reduced.operands()[0], both);
    }
  }
  return SymRules::raw(Op::kFloorDiv, {reduced, divisor});
}

}  // namespace

int64_t checked_mul(int64_t a, int64_t b) {
  int64_t result = 0;
  if (__builtin_mul_overflow(a, b, &result)) overflow();
  return result;
}

int64_t python_floor_div(int64_t a, int64_t b) {
  if (b == -1) return checked_mul(a, -1);
  const int64_t quotient = a / b;
  return (a % b != 0 && (a < 0) != (b < 0)) ? quotient - 1 : quotient;
}

int64_t python_mod(int64_t a, int64_t b) {
  if (b == -1) return 0;
  const int64_t rest = a % b;
  return (rest != 0 && (rest < 0) != (b < 0)) ? rest + b : rest;
}

Sym SymRules::raw(Op op, Operands operands) {
  auto node = std::make_shared<Sym::Node>();
  node->op = op;
  node->text = text_of(op, operands);
  if (node->text.size() > kMaxText) {
    bad_input("symbolic expression: its text has {} characters, at most {} are read", node->text.size(), kMaxText);
  }
  node->operands = std::move(operands);
  return Sym(std::shared_ptr<const Sym::Node>(std::move(node)));
}

Sym SymRules::add(const Operands& operands) {
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

Sym SymRules::mul(const Operands& operands) {
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

Sym SymRules::power(const Sym& base, const Sym& exponent) {
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

Sym SymRules::floor_div(const Sym& a, const Sym& b) {
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

Sym SymRules::mod(const Sym& a, const Sym& b) {
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

Sym SymRules::extreme(Op op, const Operands& operands) {
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

Sym SymRules::relation(Op op, const Sym& a, const Sym& b) {
  const Sym difference = a - b;
  if (difference.is_constant()) return holds(op, difference.constant());
  if (is_real_constant(difference)) return holds(op, difference.real_value());
  return raw(op, {a, b});
}

// `and` (neutral 1) and `or` (neutral 0).
Sym SymRules::logic(Op op, const Operands& operands) {
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

Sym SymRules::to_integer(Op op, const Sym& x) {
  if (x.is_integral()) return x;
  if (x.op() == Op::kTrueDiv && x.operands()[0].is_integral() && x.operands()[1].is_integral()) {
    const Sym& a = x.operands()[0];
    const Sym& b = x.operands()[1];
    if (op == Op::kFloorToInt) return floor_div(a, b);
    if (op == Op::kCeilToInt) return mul({Sym(-1), floor_div(mul({Sym(-1), a}), b)});
  }
  return raw(op, {x});
}

Sym SymRules::true_div(const Sym& a, const Sym& b) {
  if (b == Sym(0)) bad_input("symbolic expression: `{}` is divided by zero", a.text());
  const bool by_one = b == Sym(1) || (is_real_constant(b) && b.real_value() == 1);
  if (by_one && !a.is_integral()) return a;
  return raw(Op::kTrueDiv, {a, b});
}

}  // namespace crossload
