#include <algorithm>

#include "base/permutation.h"
#include "lower/passes/passes.h"
#include "lower/passes/rewrite.h"

namespace crossload::lower {
namespace {

using graph::Graph;
using graph::Node;
using graph::ValueRef;

// The permutation by which every reader transposes the variable; empty when they differ or one reads it as it is.
std::vector<int> common_permutation(const Graph& graph, const std::vector<int>& users) {
  std::vector<int> common;
  for (const int user : users) {
    if (user < 0) return {};
    const auto perm = permutation_of(graph, graph.nodes[static_cast<std::size_t>(user)]);
    if (perm.empty() || (!common.empty() && perm != common)) return {};
    common = perm;
  }
  return common;
}

void store_permuted(Graph& graph, int index, const std::vector<int>& users, const std::vector<int>& perm) {
  Node& node = graph.nodes[static_cast<std::size_t>(index)];
  auto& variable = graph.variables[static_cast<std::size_t>(std::get<int64_t>(node.attrs.at("index")))];
  std::vector<int> before = variable.perm;
  if (before.empty()) {
    for (int i = 0; i < static_cast<int>(perm.size()); ++i) before.push_back(i);
  }
  variable.perm = compose(before, perm);
  if (is_identity(variable.perm)) variable.perm.clear();
  Dims dims;
  for (const int axis : perm) dims.push_back(variable.dims[static_cast<std::size_t>(axis)]);
  variable.dims = dims;
  graph::Value& value = node.outputs[0];
  value.shape = SymDims(dims.begin(), dims.end());
  // The variable now holds the permuted values.
  for (auto& pt_value : value.pt_values) {
    pt_value.perm = pt_value.perm.empty() ? perm : compose(pt_value.perm, perm);
    if (is_identity(pt_value.perm)) pt_value.perm.clear();
  }
  for (const int user : users) replace_value(graph, {user, 0}, {index, 0});
}

}  // namespace

bool fold_variable_layouts(Graph& graph) {
  bool changed = false;
  const auto users = users_of(graph);
  for (int i = 0; i < static_cast<int>(graph.nodes.size()); ++i) {
    if (graph.nodes[static_cast<std::size_t>(i)].op != "Variable" || users[static_cast<std::size_t>(i)].empty())
      continue;
    const auto perm = common_permutation(graph, users[static_cast<std::size_t>(i)]);
    if (!perm.empty()) {
      store_permuted(graph, i, users[static_cast<std::size_t>(i)], perm);
      changed = true;
      continue;
    }
    // Read in both layouts, as tied embeddings are: matrix products transpose it themselves.
    for (const int user : users[static_cast<std::size_t>(i)]) {
      if (user < 0 || permutation_of(graph, graph.nodes[static_cast<std::size_t>(user)]) != std::vector<int>{1, 0})
        continue;
      for (const int product : users[static_cast<std::size_t>(user)]) {
        if (product < 0) continue;
        Node& node = graph.nodes[static_cast<std::size_t>(product)];
        if (node.op != "MatMul" || node.inputs[1] != ValueRef{user, 0}) continue;
        const auto given = node.attrs.find("transpose_b");
        const bool already = given != node.attrs.end() && std::get<bool>(given->second);
        node.attrs["transpose_b"] = !already;
        node.inputs[1] = {i, 0};
        changed = true;
      }
    }
  }
  return changed;
}

}  // namespace crossload::lower
