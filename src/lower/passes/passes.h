// Graph → Graph rewrites, one file each, and the order in which they run.
#pragma once

#include "graph/graph.h"

namespace crossload::lower {

/// All passes in their order. The graph computes the same values before and after; each pass keeps `pt_values`, which
/// say which PyTorch value a TensorFlow value equals, and moves those of a removed value to the one that replaces it.
void run_passes(graph::Graph& graph);

/// Transposes and reshapes of constants are computed now. Returns whether anything changed, as all passes do.
bool fold_constants(graph::Graph& graph);
/// A variable that is only read transposed is stored transposed, which saves the transpose at run time; one that is
/// also read as it is keeps its layout, and the matrix product transposes while reading.
bool fold_variable_layouts(graph::Graph& graph);
/// Transposes that undo each other vanish, two consecutive ones become one.
bool cancel_transposes(graph::Graph& graph);
/// Of consecutive reshapes only the last one stays; reshapes that change nothing vanish.
bool cancel_reshapes(graph::Graph& graph);
/// A transpose moves below elementwise operations and reductions, towards the one that cancels it.
bool sink_transposes(graph::Graph& graph);
/// A reshape that splits the rows of a matrix moves below operations that work on each row alone.
bool sink_reshapes(graph::Graph& graph);
/// Divisions are hidden from TensorFlow's own optimizer, whose replacements round differently. Runs last, once.
bool keep_rounding(graph::Graph& graph);
/// Nodes that no output needs are removed; inputs stay. Variables that nothing reads are dropped.
bool remove_dead_nodes(graph::Graph& graph);

}  // namespace crossload::lower
