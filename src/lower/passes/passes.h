// Graph → Graph rewrites, one file each, and the order in which they run.
#pragma once

#include "graph/graph.h"

namespace crossload::lower {

/// All passes in their order. The graph computes the same values before and after; each pass keeps the marks that say
/// which PyTorch value a TensorFlow value is, moving them to the value that takes a removed one's place.
void run_passes(graph::Graph& graph);

/// Transposes and reshapes of constants are done now. Returns whether anything changed, as all passes do.
bool fold_constants(graph::Graph& graph);
/// A transposed variable is stored transposed, so that nothing is left to do at run time; a variable that is also read
/// as it is keeps its layout, and the matrix product transposes while reading.
bool fold_variable_layouts(graph::Graph& graph);
/// Transposes that undo each other vanish, two consecutive ones become one.
bool cancel_transposes(graph::Graph& graph);
/// Of consecutive reshapes only the last is left, and none that changes nothing.
bool cancel_reshapes(graph::Graph& graph);
/// A transpose moves below elementwise operations and reductions, towards the one that cancels it.
bool sink_transposes(graph::Graph& graph);
/// A reshape that splits the rows of a matrix moves below operations that work on each row alone.
bool sink_reshapes(graph::Graph& graph);
/// Divisions are hidden from TensorFlow's own optimizer, which would round otherwise. Runs last, once.
bool keep_rounding(graph::Graph& graph);
/// Nodes that no output needs are removed; inputs stay. Variables that nothing reads are dropped.
bool remove_dead_nodes(graph::Graph& graph);

}  // namespace crossload::lower
