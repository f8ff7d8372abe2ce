#include "lower/passes/rebuild.h"

#include <algorithm>
#include <array>
#include <set>

namespace crossload::lower {

using graph::Node;
using graph::ValueRef;

namespace {

constexpr std::array<std::string_view, 39> kElementwise = {
    "Abs",       "AddV2",   "Cast",     "Ceil",       "Cos",        "Elu",          "Equal",     "Erf",
    "Erfc",      "Exp",     "Expm1",    "Floor",      "Greater",    "GreaterEqual", "LeakyRelu", "Less",
    "LessEqual", "Log",     "Log1p",    "LogicalAnd", "LogicalNot", "LogicalOr",    "Maximum",   "Minimum",
    "Mul",       "Neg",     "NotEqual", "Pow",        "RealDiv",    "Reciprocal",   "Relu",      "Relu6",
    "Rsqrt",     "Sigmoid", "Softplus", "Sqrt",       "Square",     "Sub",          "Tanh"};

}  // namespace

bool is_elementwise(std::string_view op) {
  return std::binary_search(kElementwise.begin(), kElementwise.end(), op) || op == "Selu" || op == "Sin" ||
         op == "SquaredDifference";
}

bool Rebuilder::run() {
  for (int i = 0; i < static_cast<int>(old_.nodes.size()); ++i) {
    Node node = old_.nodes[static_cast<std::size_t>(i)];
    for (ValueRef& input : node.inputs) input = moved_.at(input);
    if (rewrite(node, i)) {
      changed_ = true;
      continue;
    }
    const int outputs = static_cast<int>(node.outputs.size());
    const ValueRef ref = append(node);
    for (int k = 0; k < outputs; ++k) moved_[{i, k}] = {ref.node, k};
    kept(node, ref);
  }
  if (!changed_) return false;
  for (auto& output : old_.outputs) output.value = moved_.at(output.value);
  for (auto& input : old_.inputs) input.value = moved_.at(input.value);
  old_.nodes = std::move(new_.nodes);
  make_names_unique();
  return true;
}

// Nodes added in different rounds may carry one name; the later ones are numbered.
void Rebuilder::make_names_unique() {
  std::set<std::string> taken;
  for (Node& node : old_.nodes) {
    std::string name = node.name;
    for (int i = 1; !taken.insert(name).second; ++i) name = node.name + "_" + std::to_string(i);
    node.name = name;
  }
}

void Rebuilder::replace(int old_node, ValueRef to) { moved_[{old_node, 0}] = to; }

ValueRef Rebuilder::append(Node node) {
  new_.nodes.push_back(std::move(node));
  return {static_cast<int>(new_.nodes.size()) - 1, 0};
}

ValueRef Rebuilder::constant(const Tensor& tensor, const Node& beside) {
  Node node;
  node.op = "Const";
  node.name = beside.name + "/const_" + std::to_string(constants_++);
  node.origin = beside.origin;
  node.attrs = {{"dtype", tensor.dtype()}, {"value", tensor}};
  node.outputs.push_back({tensor.dtype(), SymDims(tensor.dims().begin(), tensor.dims().end()), {}});
  return append(std::move(node));
}

}  // namespace crossload::lower
