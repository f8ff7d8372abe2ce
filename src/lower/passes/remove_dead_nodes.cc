#include <algorithm>

#include "lower/passes/passes.h"
#include "lower/passes/rewrite.h"

namespace crossload::lower {

using graph::Graph;
using graph::Node;

namespace {

// The `pt_values` of a dead reshape hold for its source too.
void hand_over_pt_values(Graph& graph, const Node& node) {
  if (node.op != "Reshape" && node.op != "ExpandDims" && node.op != "Squeeze") return;
  std::vector<graph::PtValue> pt_values;
  for (const auto& pt_value : node.outputs[0].pt_values) {
    if (pt_value.perm.empty()) pt_values.push_back(pt_value);
  }
  add_pt_values(graph.value(node.inputs[0]), pt_values);
}

}  // namespace

bool remove_dead_nodes(Graph& graph) {
  std::vector<bool> live(graph.nodes.size(), false);
  std::vector<int> pending;
  const auto visit = [&](int node) {
    if (live[static_cast<std::size_t>(node)]) return;
    live[static_cast<std::size_t>(node)] = true;
    pending.push_back(node);
  };
  for (const auto& output : graph.outputs) visit(output.value.node);
  for (const auto& input : graph.inputs) visit(input.value.node);
  while (!pending.empty()) {
    const int node = pending.back();
    pending.pop_back();
    for (const auto ref : graph.nodes[static_cast<std::size_t>(node)].inputs) visit(ref.node);
  }
  if (std::all_of(live.begin(), live.end(), [](bool l) { return l; })) return false;

  // Later nodes first, so that `pt_values` move through a whole chain of reshapes.
  for (int i = static_cast<int>(graph.nodes.size()); i-- > 0;) {
    const Node& node = graph.nodes[static_cast<std::size_t>(i)];
    if (live[static_cast<std::size_t>(i)]) continue;
    if (const auto perm = permutation_of(graph, node); !perm.empty()) {
      add_pt_values(graph.value(node.inputs[0]), pt_values_before_transpose(node.outputs[0], perm));
    }
    hand_over_pt_values(graph, node);
  }

  std::vector<int> new_index(graph.nodes.size(), -1), new_variable(graph.variables.size(), -1);
  std::vector<Node> nodes;
  std::vector<graph::Variable> variables;
  for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
    if (!live[i]) continue;
    new_index[i] = static_cast<int>(nodes.size());
    nodes.push_back(std::move(graph.nodes[i]));
    Node& node = nodes.back();
    for (auto& ref : node.inputs) ref.node = new_index[static_cast<std::size_t>(ref.node)];
    if (node.op == "Variable") {
      auto& index = std::get<int64_t>(node.attrs.at("index"));
      int& moved = new_variable[static_cast<std::size_t>(index)];
      if (moved < 0) {
        moved = static_cast<int>(variables.size());
        variables.push_back(std::move(graph.variables[static_cast<std::size_t>(index)]));
      }
      index = moved;
    }
  }
  for (auto& output : graph.outputs) output.value.node = new_index[static_cast<std::size_t>(output.value.node)];
  for (auto& input : graph.inputs) input.value.node = new_index[static_cast<std::size_t>(input.value.node)];
  graph.nodes = std::move(nodes);
  graph.variables = std::move(variables);
  return true;
}

}  // namespace crossload::lower
