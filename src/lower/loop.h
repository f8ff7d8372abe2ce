// Loops: a While whose test and body are built by hand, or for each slice of tensors.
#pragma once

#include <functional>
#include <vector>

#include "lower/functions.h"

namespace crossload::lower {

/// A While under construction. Its first two values are TensorFlow's own for loops, without which it has no gradient:
/// the number of iterations done, and the most iterations, -1 for no limit. Then come the values that an iteration
/// replaces, whose shapes stay, and those that it only reads.
class Loop {
 public:
  /// Null handles among `fixed` stay null.
  Loop(Builder& b, Expr iteration_limit, const Exprs& changing, const Exprs& fixed);

  Builder& test() { return functions_.builder(0); }
  Builder& body() { return functions_.builder(1); }
  Expr iteration(Builder& in) const { return inputs(in)[0]; }
  Expr iteration_limit(Builder& in) const { return inputs(in)[1]; }
  /// The changing and the fixed values, as `test` or `body` have them.
  Exprs values(Builder& in) const { return {inputs(in).begin() + kOwn, inputs(in).end()}; }

  /// The changing values after the last iteration.
  Exprs run(Expr is_on, const Exprs& next);

 private:
  static constexpr std::ptrdiff_t kOwn = 2;
  const Exprs& inputs(const Builder& in) const { return functions_.inputs(&in == &functions_.builder(0) ? 0 : 1); }

  Builder& b_;
  Functions functions_;
  Exprs given_;
  std::size_t first_fixed_;
};

/// A result of an iteration, of which all are stacked.
struct Row {
  DType dtype;
  SymDims dims;
};
/// From the carried values, one slice of each tensor and the fixed values to the next carried values and the rows.
using Iteration = std::function<Exprs(Builder&, const Exprs&)>;

/// Runs `iteration` for each slice of `xs` (at least one) along axis 0. Returns the last carried values, then each row
/// of all iterations stacked.
Exprs for_each_slice(Builder& b, const Exprs& carried, const Exprs& xs, const Exprs& fixed,
                     const std::vector<Row>& rows, const Iteration& iteration);

}  // namespace crossload::lower
