#include "lower/passes/rewrite.h"

#include <algorithm>

#include "base/permutation.h"

namespace crossload::lower {

using graph::Graph;
using graph::Node;
using graph::PtValue;
using graph::ValueRef;

std::vector<std::vector<int>> users_of(const Graph& graph) {
  std::vector<std::vector<int>> users(graph.nodes.size());
  for (int i = 0; i < static_cast<int>(graph.nodes.size()); ++i) {
    for (const ValueRef ref : graph.nodes[static_cast<std::size_t>(i)].inputs)
      users[static_cast<std::size_t>(ref.node)].push_back(i);
  }
  for (const auto& output : graph.outputs) users[static_cast<std::size_t>(output.value.node)].push_back(-1);
  return users;
}

void replace_value(Graph& graph, ValueRef from, ValueRef to) {
  for (Node& node : graph.nodes) std::replace(node.inputs.begin(), node.inputs.end(), from, to);
  for (auto& output : graph.outputs) {
    if (output.value == from) output.value = to;
  }
}

std::vector<int> permutation_of(const Graph& graph, const Node& node) {
  if (node.op != "Transpose") return {};
  const Node& source = graph.nodes[static_cast<std::size_t>(node.inputs[1].node)];
  if (source.op != "Const") return {};
  const auto& value = std::get<Tensor>(source.attrs.at("value"));
  std::vector<int> perm;
  for (int64_t i = 0; i < value.count(); ++i) perm.push_back(static_cast<int>(element_as_int(value, i)));
  return perm;
}

std::vector<PtValue> pt_values_before_transpose(const graph::Value& transposed, const std::vector<int>& perm) {
  std::vector<PtValue> pt_values;
  for (const PtValue& pt_value : transposed.pt_values) {
    // Axis i of the transposed value is PyTorch's axis q[i] and the source's axis perm[i].
    std::vector<int> q = pt_value.perm;
    if (q.empty()) {
      for (int i = 0; i < static_cast<int>(perm.size()); ++i) q.push_back(i);
    }
    if (q.size() != perm.size()) continue;
    std::vector<int> of_source = compose(q, inverse(perm));
    if (is_identity(of_source)) of_source.clear();
    pt_values.push_back({pt_value.name, of_source, pt_value.module});
  }
  return pt_values;
}

void add_pt_values(graph::Value& value, const std::vector<PtValue>& pt_values) {
  for (const PtValue& pt_value : pt_values) {
    if (std::find(value.pt_values.begin(), value.pt_values.end(), pt_value) == value.pt_values.end())
      value.pt_values.push_back(pt_value);
  }
}

}  // namespace crossload::lower
