#include "lower/passes/passes.h"

namespace crossload::lower {

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
}

}  // namespace crossload::lower
