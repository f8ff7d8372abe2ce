#include "verify/pieces.h"

#include <algorithm>

#include "base/error.h"
#include "graph/tf_dtypes.h"

namespace crossload::verify {

using savedmodel::Edge;
using savedmodel::Flow;
using savedmodel::FlowNode;

Pieces::Piece Pieces::value(const std::string& name, const Edge& wanted, const Cut& cut) {
  auto& copies = copies_[name];
  copy(name, wanted.node, copies, cut);
  const Copy& made = copies.at(wanted.node);
  return {made.is_shared ? tensor_name(flow_, wanted) : fmt::format("{}:{}", made.name, wanted.output),
          made.placeholders};
}

int Pieces::placeholder_for(const KnownValue* known, DType dtype) {
  const auto [found, is_new] = placeholder_of_.try_emplace(known, static_cast<int>(placeholders_.size()));
  if (is_new) {
    placeholders_.push_back(known);
    tf::NodeDef& def = added_.emplace_back();
    def.set_name(placeholder_name(found->second));
    def.set_op("Placeholder");
    (*def.mutable_attr())["dtype"].set_type(static_cast<tf::DataType>(graph::tf_number_of(dtype)));
  }
  return found->second;
}

void Pieces::copy(const std::string& name, int root, std::map<int, Copy>& copies, const Cut& cut) {
  std::vector<std::pair<int, std::size_t>> stack = {{root, 0}};
  while (!stack.empty()) {
    auto& [node, next] = stack.back();
    const FlowNode& from = flow_.nodes[static_cast<std::size_t>(node)];
    if (copies.contains(node)) {
      stack.pop_back();
    } else if (node < flow_.body_begin) {
      copies[node];
      stack.pop_back();
    } else if (next < from.inputs.size()) {
      const Edge input = from.inputs[next++];
      if (!(input.output >= 0 && cut(input).first != nullptr) && !copies.contains(input.node)) {
        stack.emplace_back(input.node, 0);
      }
    } else {
      copies[node] = make_copy(name, from, copies, cut);
      stack.pop_back();
    }
  }
}

Pieces::Copy Pieces::make_copy(const std::string& name, const FlowNode& from, const std::map<int, Copy>& copies,
                               const Cut& cut) {
  Copy result;
  std::vector<std::string> inputs;
  for (const Edge& input : from.inputs) {
    if (input.output >= 0) {
      if (const auto [known, dtype] = cut(input); known != nullptr) {
        const int placeholder = placeholder_for(known, dtype);
        result.is_shared = false;
        result.placeholders.insert(placeholder);
        inputs.push_back(placeholder_name(placeholder));
        continue;
      }
    }
    const Copy& made = copies.at(input.node);
    const std::string& node = made.is_shared ? flow_.nodes[static_cast<std::size_t>(input.node)].def.name() : made.name;
    inputs.push_back(input.output < 0 ? "^" + node : fmt::format("{}:{}", node, input.output));
    result.is_shared = result.is_shared && made.is_shared;
    result.placeholders.insert(made.placeholders.begin(), made.placeholders.end());
  }
  if (result.is_shared) return result;
  result.name = fmt::format("{}/{}", name, from.def.name());
  tf::NodeDef& def = added_.emplace_back(from.def);
  def.set_name(result.name);
  for (std::string& input : inputs) def.add_input(std::move(input));
  return result;
}

Pruned pruned(const std::string& serialized, const std::set<std::string>& tensors) {
  Pruned result;
  tf::GraphDef whole, kept;
  if (!whole.ParseFromString(serialized)) internal_error("a graph that was just written cannot be read");
  std::map<std::string, int> index;
  for (int i = 0; i < whole.node_size(); ++i) index[whole.node(i).name()] = i;
  const auto node_of = [](std::string name) {
    if (name.starts_with('^')) name.erase(0, 1);
    return name.substr(0, name.find(':'));
  };
  std::vector<std::string> pending;
  for (const std::string& tensor : tensors) pending.push_back(node_of(tensor));
  while (!pending.empty()) {
    const std::string name = pending.back();
    pending.pop_back();
    const auto found = index.find(name);
    if (found == index.end() || !result.nodes.insert(name).second) continue;
    tf::NodeDef& node = *whole.mutable_node(found->second);
    if (node.op() == "ReadVariableOp") {
      result.reads.insert(name + ":0");
      node.clear_input();
      node.set_op("Placeholder");
      continue;
    }
    for (const std::string& input : node.input()) pending.push_back(node_of(input));
  }
  for (const tf::NodeDef& node : whole.node()) {
    if (result.nodes.contains(node.name())) *kept.add_node() = node;
  }
  *kept.mutable_library() = whole.library();
  *kept.mutable_versions() = whole.versions();
  result.graph = kept.SerializeAsString();
  return result;
}

runtime::Session unfused_session(const runtime::Runtime& runtime, const Flow& flow, const std::string& graph) {
  runtime::SessionOptions options;
  options.may_fuse = false;
  runtime::Session session = runtime.import_graph(graph, options);
  if (!flow.restore.empty()) session.run(flow.variables, {}, {flow.restore});
  return session;
}

}  // namespace crossload::verify
