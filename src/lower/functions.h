// Functions that one node calls: the branches of a condition, the test and the body of a loop.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "lower/op_table.h"

namespace crossload::lower {

inline void append(Exprs& to, const Exprs& more) { to.insert(to.end(), more.begin(), more.end()); }
/// The values that are inputs of a node; null handles among the inputs of `Functions` have none.
Exprs without_nulls(const Exprs& values);

/// Builds several functions that all take the same inputs. Sizes of the outer graph that one of them reads become
/// inputs of every one (`Builder::capture`).
///   Functions two(b, 2); two.add_inputs(values); … lower bodies from two.inputs(i) into two.builder(i) …
///   const Exprs captured = two.capture(); … two.add_outputs(i, …) …
///   b.tf_all("StatelessIf", {condition, values…, captured…}, {{"then_branch", two.graph(0)}, …});
class Functions {
 public:
  Functions(Builder& outer, std::size_t count);

  Builder& builder(std::size_t i) const { return *builders_[i]; }
  /// Adds inputs of the values' dtypes and shapes; a null handle stays null.
  void add_inputs(const Exprs& values);
  /// The same for one value that may have another shape in each call.
  void add_input(Expr value, const SymDims& dims);
  const Exprs& inputs(std::size_t i) const { return inputs_[i]; }
  /// Makes each size of the outer graph that any of them reads an input of all, and returns those sizes. Called once,
  /// when all bodies are lowered; `captured(i)` then gives those inputs.
  Exprs capture();
  const Exprs& captured(std::size_t i) const { return captured_[i]; }
  void add_outputs(std::size_t i, const Exprs& values);
  /// Moves the function's graph out.
  std::shared_ptr<const graph::Graph> graph(std::size_t i);
  /// Whether any of them draws random numbers or has side effects.
  bool is_stateful() const;

 private:
  Builder& outer_;
  std::vector<std::unique_ptr<Builder>> builders_;
  std::vector<Exprs> inputs_, captured_;
};

}  // namespace crossload::lower
