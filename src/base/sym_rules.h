// The rules by which `Sym::make` folds and orders, and the arithmetic that they share with evaluation. For sym*.cc
// only.
#pragma once

#include <cstdint>
#include <vector>

#include "base/sym.h"

namespace crossload {

/// Throws `kBadInput` when the product leaves 64 bits.
int64_t checked_mul(int64_t a, int64_t b);
/// Python's //: rounds towards minus infinity. REQUIRES: b != 0.
int64_t python_floor_div(int64_t a, int64_t b);
/// Python's %: has the sign of b. REQUIRES: b != 0.
int64_t python_mod(int64_t a, int64_t b);

/// Whether a relation holds between two numbers, given their difference.
inline bool holds(Sym::Op op, auto difference) {
  switch (op) {
    case Sym::Op::kEq: return difference == 0;
    case Sym::Op::kNe: return difference != 0;
    case Sym::Op::kLt: return difference < 0;
    case Sym::Op::kLe: return difference <= 0;
    case Sym::Op::kGt: return difference > 0;
    default: return difference >= 0;
  }
}

/// One rule for each operation. It is a struct so that Sym can make it a friend, which may build nodes without folding.
struct SymRules {
  using Op = Sym::Op;
  using Operands = std::vector<Sym>;

  /// The operation as it stands, not folded. Throws `kBadInput` when its text is too long.
  static Sym raw(Op op, Operands operands);

  static Sym add(const Operands& operands);
  static Sym mul(const Operands& operands);
  static Sym power(const Sym& base, const Sym& exponent);
  static Sym floor_div(const Sym& a, const Sym& b);
  static Sym mod(const Sym& a, const Sym& b);
  static Sym true_div(const Sym& a, const Sym& b);
  /// Of `kMax` or `kMin`; REQUIRES: there is an operand.
  static Sym extreme(Op op, const Operands& operands);
  /// Of `kEq` to `kGe`.
  static Sym relation(Op op, const Sym& a, const Sym& b);
  /// Of `kAnd` or `kOr`.
  static Sym logic(Op op, const Operands& operands);
  /// Of `kTruncToInt` to `kCeilToInt` and `kRound`.
  static Sym to_integer(Op op, const Sym& x);
};

}  // namespace crossload
