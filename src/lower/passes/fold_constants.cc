#include "lower/passes/passes.h"
#include "lower/passes/rewrite.h"

namespace crossload::lower {

bool fold_constants(graph::Graph& graph) {
  bool changed = false;
  for (graph::Node& node : graph.nodes) {
    if (node.op != "Transpose" && node.op != "Reshape") continue;
    const graph::Node& source = graph.nodes[static_cast<std::size_t>(node.inputs[0].node)];
    if (source.op != "Const") continue;
    const auto& value = std::get<Tensor>(source.attrs.at("value"));
    Tensor folded;
    if (node.op == "Transpose") {
      const auto perm = permutation_of(graph, node);
      if (perm.empty()) continue;
      folded = transposed(value, perm);
    } else {
      const auto dims = node.outputs[0].shape ? constant_dims(*node.outputs[0].shape) : std::nullopt;
      if (!dims) continue;
      folded = Tensor(value.dtype(), *dims, value.bytes(), value.owner());
    }
    node.op = "Const";
    node.inputs.clear();
    node.attrs = {{"dtype", value.dtype()}, {"value", folded}};
    changed = true;
  }
  return changed;
}

}  // namespace crossload::lower
