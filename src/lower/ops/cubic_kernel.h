// Keys' cubic kernel: the coefficient of a cell by its distance from a position.
#pragma once

#include "lower/op_table.h"

namespace crossload::lower {

/// Of a cell at most 1 away: t = |distance|.
inline Expr cubic_near(Expr t, double a) { return ((t * (a + 2)) - (a + 3)) * t * t + 1.0; }
/// Of a cell between 1 and 2 away.
inline Expr cubic_far(Expr t, double a) { return (((t * a) - 5 * a) * t + 8 * a) * t - 4 * a; }

/// The coefficients of the four cells around a position that lies `t` beyond the second one, with PyTorch's a = -0.75
/// (aten/native/UpSample.h).
inline Exprs cubic_coefficients(Expr t) {
  constexpr double kA = -0.75;
  return {cubic_far(t + 1.0, kA), cubic_near(t, kA), cubic_near(1.0 - t, kA), cubic_far(2.0 - t, kA)};
}

}  // namespace crossload::lower
