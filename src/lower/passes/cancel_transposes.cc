#include "base/permutation.h"
#include "lower/passes/passes.h"
#include "lower/passes/rewrite.h"

namespace crossload::lower {

bool cancel_transposes(graph::Graph& graph) {
  bool changed = false;
  for (int i = 0; i < static_cast<int>(graph.nodes.size()); ++i) {
    graph::Node& node = graph.nodes[static_cast<std::size_t>(i)];
    const auto second = permutation_of(graph, node);
    if (second.empty()) continue;
    const graph::Node& source = graph.nodes[static_cast<std::size_t>(node.inputs[0].node)];
    const auto first = permutation_of(graph, source);
    if (first.size() != second.size()) continue;
    const auto both = compose(first, second);
    const graph::ValueRef start = source.inputs[0];
    if (is_identity(both)) {
      add_pt_values(graph.value(start), node.outputs[0].pt_values);
      replace_value(graph, {i, 0}, start);
      changed = true;
      continue;
    }
    // One transpose that does both: its constant replaces the `perm` of this node.
    graph::Node& perm = graph.nodes[static_cast<std::size_t>(node.inputs[1].node)];
    const auto users = users_of(graph)[static_cast<std::size_t>(node.inputs[1].node)];
    if (users.size() != 1) continue;
    perm.attrs["value"] = Tensor::vector_int32(std::vector<int32_t>(both.begin(), both.end()));
    node.inputs[0] = start;
    changed = true;
  }
  return changed;
}

}  // namespace crossload::lower
