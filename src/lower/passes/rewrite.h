// What the passes share: who uses a value, and replacing one value by another.
#pragma once

#include <vector>

#include "graph/graph.h"

namespace crossload::lower {

/// For each node the nodes that read any of its outputs, in order; outputs of the graph count as node -1.
std::vector<std::vector<int>> users_of(const graph::Graph& graph);
/// Every reader of `from`, outputs included, reads `to` instead.
void replace_value(graph::Graph& graph, graph::ValueRef from, graph::ValueRef to);
/// The permutation of a Transpose whose `perm` is constant; empty otherwise.
std::vector<int> permutation_of(const graph::Graph& graph, const graph::Node& node);
/// The `pt_values` of a transposed value, restated for the value before the transpose by `perm`.
std::vector<graph::PtValue> pt_values_before_transpose(const graph::Value& transposed, const std::vector<int>& perm);
/// Adds those `pt_values` that the value does not have yet.
void add_pt_values(graph::Value& value, const std::vector<graph::PtValue>& pt_values);

}  // namespace crossload::lower
