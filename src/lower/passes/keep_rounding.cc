// TensorFlow's optimizer replaces divisions: 1 / x by Reciprocal, x / c for a constant c by x * (1 / c), and x /
// sqrt(y) by x * Rsqrt (grappler: constant_folding.cc, arithmetic_optimizer.cc). Reciprocal and Rsqrt are not correctly
// rounded once their kernels work on whole vectors (1 / 2 = 0.49999997), and 1 / c is rounded before it is multiplied
// with. PlaceholderWithDefault, an identity that the optimizer leaves alone, hides the operand from it; its kernel
// forwards the tensor without a copy.

#include <cmath>
#include <vector>

#include "lower/passes/passes.h"
#include "lower/passes/rebuild.h"

namespace crossload::lower {
namespace {

using graph::Node;
using graph::ValueRef;

// Divisors for which a division and a multiplication with the inverse give the same result.
bool are_powers_of_two(const Tensor& tensor) {
  for (int64_t i = 0; i < tensor.count(); ++i) {
    int exponent = 0;
    if (std::fabs(std::frexp(element_as_double(tensor, i), &exponent)) != 0.5) return false;
  }
  return true;
}

class RoundingKeeper : public Rebuilder {
 public:
  using Rebuilder::Rebuilder;

 private:
  bool rewrite(const Node& node, int index) override {
    if (node.op != "RealDiv" || !is_floating(node.outputs[0].dtype)) return false;
    const bool hides_divisor = is_rewritten(node.inputs[1]);
    const bool hides_dividend = !hides_divisor && is_constant(node.inputs[0]) && !is_constant(node.inputs[1]);
    if (!hides_divisor && !hides_dividend) return false;
    Node changed = node;
    if (hides_divisor) changed.inputs[1] = hidden(node.inputs[1], node);
    if (is_constant(node.inputs[0])) changed.inputs[0] = hidden(node.inputs[0], node);
    replace(index, append(std::move(changed)));
    return true;
  }

  // A divisor whose inverse the optimizer would multiply with. A variable is a constant in a frozen model.
  bool is_rewritten(ValueRef divisor) {
    const Node& made = node(divisor);
    if (made.op == "Const") return !are_powers_of_two(std::get<Tensor>(made.attrs.at("value")));
    return made.op == "Sqrt" || is_constant(divisor);
  }

  // What the optimizer may compute beforehand.
  bool is_constant(ValueRef ref) {
    const auto at = static_cast<std::size_t>(ref.node);
    while (constant_.size() <= at) {
      const Node& next = rebuilt().nodes[constant_.size()];
      bool constant = next.op == "Const" || next.op == "Variable";
      if (!constant && !next.inputs.empty() && next.op != "PlaceholderWithDefault") {
        constant = true;
        for (const ValueRef input : next.inputs) constant &= constant_[static_cast<std::size_t>(input.node)];
      }
      constant_.push_back(constant);
    }
    return constant_[at];
  }

  ValueRef hidden(ValueRef ref, const Node& division) {
    const auto known = hidden_.find(ref);
    if (known != hidden_.end()) return known->second;
    const graph::Value given = value(ref);
    Node identity;
    identity.op = "PlaceholderWithDefault";
    identity.name = division.name + "/as_it_is";
    identity.origin = division.origin;
    identity.inputs = {ref};
    graph::PartialShape shape;
    for (const Sym& size : given.shape.value_or(SymDims())) shape.dims.push_back(size.as_constant().value_or(-1));
    identity.attrs = {{"dtype", given.dtype}, {"shape", std::move(shape)}};
    identity.outputs.push_back({given.dtype, given.shape, {}});
    return hidden_[ref] = append(std::move(identity));
  }

  std::vector<bool> constant_;  // by node of the new list
  std::map<ValueRef, ValueRef> hidden_;
};

}  // namespace

bool keep_rounding(graph::Graph& graph) { return RoundingKeeper(graph).run(); }

}  // namespace crossload::lower
