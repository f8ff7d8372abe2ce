#include "lower/passes/passes.h"

namespace crossload::lower {
namespace {

// A function is a graph of its own: nothing moves in or out, and its inputs stay, since its callers give them.
void run_passes_in_functions(graph::Graph& graph) {
  for (graph::Node& node : graph.nodes) {
    for (auto& [name, attr] : node.attrs) {
      auto* function = std::get_if<std::shared_ptr<const graph::Graph>>(&attr);
      if (function == nullptr) continue;
      auto changed = std::make_shared<graph::Graph>(**function);
      run_passes(*changed);
      *function = std::move(changed);
    }
  }
}

}  // namespace

void run_passes(graph::Graph& graph) {
  // Cancelling may bring new neighbours together; every round removes nodes, so this ends.
  bool changed = true;
  while (changed) {
    changed = fold_constants(graph);
    changed |= cancel_transposes(graph);
    changed |= cancel_reshapes(graph);
    changed |= fold_variable_layouts(graph);
    changed |= sink_transposes(graph);
    changed |= sink_reshapes(graph);
    changed |= remove_dead_nodes(graph);
  }
  keep_rounding(graph);
  run_passes_in_functions(graph);
}

}  // namespace crossload::lower
