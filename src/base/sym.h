// Integer, boolean and float expressions over named symbols: the sizes of a program whose shapes are not all constant.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace crossload {

/// An immutable expression, such as `2*s18 + 1`. Cheap to copy. Sums and products of constants are folded and put into
/// one order when built, so that equal sizes written in different ways mostly compare equal; `==` is structural.
class Sym {
 public:
  enum class Op {
    kInteger,
    kFloat,
    kSymbol,
    kAdd,
    kMul,
    kPow,
    kFloorDiv,
    kMod,
    kMax,
    kMin,
    kTrueDiv,
    kToFloat,
    kTruncToInt,
    kFloorToInt,
    kCeilToInt,
    kEq,
    kNe,
    kLt,
    kLe,
    kGt,
    kGe,
    kAnd,
    kOr,
    kNot,
    kWhere,
    kAbs,
    kRound,
    kSqrt,
  };

  Sym() : Sym(0) {}
  Sym(int64_t value);  // NOLINT: sizes and numbers mix freely
  static Sym symbol(std::string name);
  static Sym real(double value);
  /// Folds and orders. Throws `kBadInput` when a constant leaves 63 bits, a constant divisor is zero or the expression
  /// grows beyond a million characters. A divisor is taken to be nonzero: `s*t // t` is `s`.
  static Sym make(Op op, std::vector<Sym> operands);
  /// Parses sympy's `srepr` as torch.export writes it, e.g. `Add(Integer(1), Symbol('s18', positive=True))`.
  /// Throws `kBadInput` with the offset at a function or a literal that it does not know.
  static Sym parse_srepr(std::string_view text);

  Op op() const { return node_->op; }
  bool is_constant() const { return node_->op == Op::kInteger; }
  /// REQUIRES: is_constant().
  int64_t constant() const { return node_->integer; }
  std::optional<int64_t> as_constant() const { return is_constant() ? std::optional(constant()) : std::nullopt; }
  double real_value() const { return node_->real; }
  bool is_symbol() const { return node_->op == Op::kSymbol; }
  const std::string& symbol_name() const { return node_->name; }
  const std::vector<Sym>& operands() const { return node_->operands; }

  /// The names of all symbols in it.
  std::set<std::string> symbols() const;
  /// Whether the value is an integer whatever the symbols are; torch names float symbols `zf…` and `zuf…`.
  bool is_integral() const;
  /// Its value with every symbol replaced; Python's rules for floor division and modulus; relations are 0 or 1. Throws
  /// `kInternal` when `value_of` has no value for a symbol, a division is by zero or a result is no 64-bit integer.
  int64_t evaluate(const std::function<std::optional<int64_t>(const std::string&)>& value_of) const;
  /// Like infix Python: `s18*(s41 + 1)//2`. Equal text means equal expression.
  const std::string& text() const { return node_->text; }

  friend bool operator==(const Sym& a, const Sym& b) { return a.node_ == b.node_ || a.text() == b.text(); }
  friend Sym operator+(const Sym& a, const Sym& b) { return make(Op::kAdd, {a, b}); }
  friend Sym operator-(const Sym& a, const Sym& b) { return make(Op::kAdd, {a, make(Op::kMul, {Sym(-1), b})}); }
  friend Sym operator*(const Sym& a, const Sym& b) { return make(Op::kMul, {a, b}); }

 private:
  friend struct SymRules;
  struct Node {
    Op op;
    int64_t integer = 0;
    double real = 0;
    std::string name;
    std::vector<Sym> operands;
    std::string text;
  };
  explicit Sym(std::shared_ptr<const Node> node) : node_(std::move(node)) {}

  std::shared_ptr<const Node> node_;
};

inline Sym floor_div(const Sym& a, const Sym& b) { return Sym::make(Sym::Op::kFloorDiv, {a, b}); }
inline Sym max(const Sym& a, const Sym& b) { return Sym::make(Sym::Op::kMax, {a, b}); }
inline Sym min(const Sym& a, const Sym& b) { return Sym::make(Sym::Op::kMin, {a, b}); }

/// A shape whose dimensions may be symbolic; the rank is always known.
using SymDims = std::vector<Sym>;
/// `[s18, 12, s41, 32]`
std::string to_string(const SymDims& dims);
/// The product of all dimensions; 1 for a scalar.
Sym product(const SymDims& dims);
/// All dimensions as numbers, or nothing when one of them is symbolic.
std::optional<std::vector<int64_t>> constant_dims(const SymDims& dims);

}  // namespace crossload
