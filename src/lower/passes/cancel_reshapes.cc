#include "lower/passes/passes.h"
#include "lower/passes/rewrite.h"

namespace crossload::lower {
namespace {

bool only_reshapes(const graph::Node& node) {
  return node.op == "Reshape" || node.op == "ExpandDims" || node.op == "Squeeze";
}

}  // namespace

bool cancel_reshapes(graph::Graph& graph) {
  bool changed = false;
  for (int i = 0; i < static_cast<int>(graph.nodes.size()); ++i) {
    graph::Node& node = graph.nodes[static_cast<std::size_t>(i)];
    if (!only_reshapes(node)) continue;
    // The elements are the source's, so its `pt_values` hold for the source as well.
    graph::ValueRef source = node.inputs[0];
    while (node.op == "Reshape" && only_reshapes(graph.nodes[static_cast<std::size_t>(source.node)])) {
      source = graph.nodes[static_cast<std::size_t>(source.node)].inputs[0];
    }
    if (source != node.inputs[0]) {
      node.inputs[0] = source;
      changed = true;
    }
    const graph::Value& before = graph.value(source);
    if (before.shape && node.outputs[0].shape && *before.shape == *node.outputs[0].shape) {
      std::vector<graph::PtValue> pt_values;
      for (const auto& pt_value : node.outputs[0].pt_values) {
        if (pt_value.perm.empty()) pt_values.push_back(pt_value);
      }
      add_pt_values(graph.value(source), pt_values);
      replace_value(graph, {i, 0}, source);
      changed = true;
    }
  }
  return changed;
}

}  // namespace crossload::lower
