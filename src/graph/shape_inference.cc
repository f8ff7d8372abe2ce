#include "graph/shape_inference.h"

#include "base/error.h"
#include "graph/shapes/rule.h"
#include "graph/tf_ops.h"

namespace crossload::graph {
namespace {

/// The number of outputs of an operation without a rule.
std::size_t count_outputs(const Node& node) {
  const TfOp* op = find_tf_op(node.op);
  if (!op) return 1;
  std::size_t count = 0;
  for (const TfArg& arg : op->outputs) {
    const std::string& list = arg.number_attr.empty() ? arg.type_list_attr : arg.number_attr;
    const auto it = node.attrs.find(list);
    if (it == node.attrs.end()) {
      ++count;
    } else if (const auto* types = std::get_if<std::vector<DType>>(&it->second)) {
      count += types->size();
    } else if (const auto* n = std::get_if<int64_t>(&it->second)) {
      count += static_cast<std::size_t>(*n);
    }
  }
  return count;
}

}  // namespace

std::vector<std::optional<SymDims>> infer_shapes(const Node& node, const Graph& graph, const KnownScalars& known) {
  const shapes::Rule rule = shapes::RuleTable::all().find(node.op);
  if (rule == nullptr) return std::vector<std::optional<SymDims>>(count_outputs(node));
  return rule(shapes::Context(node, graph, known));
}

SymDims broadcast(const SymDims& a, const SymDims& b) {
  const auto dims = shapes::try_broadcast(a, b);
  if (!dims) internal_error("shapes {} and {} do not broadcast", to_string(a), to_string(b));
  return *dims;
}

}  // namespace crossload::graph
