// A function's body names its inputs `node:argument:index`, a graph `node:number`. The number is found by counting the
// outputs of the arguments before it. Origins are read from the debug information of nodes, see function_def.cc.
#include "savedmodel/artefact.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <optional>
#include <set>
#include <string_view>

#include "base/error.h"
#include "base/mapped_file.h"
#include "graph/tf_dtypes.h"
#include "graph/tf_ops.h"

namespace crossload::savedmodel {
namespace {

constexpr std::string_view kBodyPrefix = "body/";

std::optional<int> parse_int(std::string_view text) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (;;) {
    const std::size_t end = text.find(separator);
    parts.push_back(text.substr(0, end));
    if (end == text.npos) return parts;
    text.remove_prefix(end + 1);
  }
}

/// `<output>:<value>` or `<output>:<value>@<axis>,<axis>,…`, and `|<module>` behind it.
std::optional<PtClaim> parse_claim(int node, int order, std::string_view text) {
  const std::size_t colon = text.find(':');
  if (colon == text.npos) return std::nullopt;
  const auto output = parse_int(text.substr(0, colon));
  if (!output || *output < 0) return std::nullopt;
  PtClaim claim{{node, *output}, {}, {}};
  claim.order = order;
  text.remove_prefix(colon + 1);
  if (const std::size_t bar = text.find('|'); bar != text.npos) {
    claim.module = text.substr(bar + 1);
    text = text.substr(0, bar);
  }
  const std::size_t at = text.find('@');
  claim.pt_value = text.substr(0, at);
  if (at != text.npos) {
    for (const std::string_view axis : split(text.substr(at + 1), ',')) {
      const auto number = parse_int(axis);
      if (!number) return std::nullopt;
      claim.perm.push_back(*number);
    }
  }
  return claim;
}

/// `name`, `name:k` or `^name` of a graph.
struct GraphInput {
  std::string name;
  int output;
};

GraphInput parse_graph_input(const std::string& input) {
  if (input.starts_with('^')) return {input.substr(1), -1};
  const std::size_t colon = input.rfind(':');
  if (colon == input.npos) return {input, 0};
  return {input.substr(0, colon), parse_int(std::string_view(input).substr(colon + 1)).value_or(0)};
}

/// The functions that a node's attributes name.
void functions_of(const tf::NodeDef& node, std::set<std::string>& names) {
  for (const auto& [key, value] : node.attr()) {
    if (value.has_func()) names.insert(value.func().name());
  }
}

int64_t count_of(const tf::NodeDef& node, const graph::TfArg& arg) {
  const std::string& name = !arg.number_attr.empty() ? arg.number_attr : arg.type_list_attr;
  if (name.empty()) return 1;
  const auto found = node.attr().find(name);
  if (found == node.attr().end()) return 1;
  return !arg.number_attr.empty() ? found->second.i() : found->second.list().type_size();
}

/// The number of output `index` of output argument `argument`.
int flat_output(const tf::NodeDef& node, std::string_view argument, int index) {
  const graph::TfOp* op = graph::find_tf_op(node.op());
  if (op == nullptr) return index;  // not ours; operations with one output argument are the rule
  int64_t offset = 0;
  for (const graph::TfArg& arg : op->outputs) {
    if (arg.name == argument) return static_cast<int>(offset) + index;
    offset += count_of(node, arg);
  }
  bad_input("saved model: node `{}`: operation `{}` has no output `{}`", node.name(), node.op(), argument);
}

Port port_of(const tf::TensorInfo& info, const std::string& where) {
  const auto dtype = graph::dtype_from_tf_number(info.dtype());
  if (!dtype) bad_input("{}: type {} is not supported", where, static_cast<int>(info.dtype()));
  Port port = {info.name(), *dtype, std::nullopt};
  if (info.has_tensor_shape() && !info.tensor_shape().unknown_rank()) {
    port.dims.emplace();
    for (const auto& dim : info.tensor_shape().dim()) port.dims->push_back(dim.size());
  }
  return port;
}

class Flattener {
 public:
  Flattener(const tf::MetaGraphDef& meta, const std::filesystem::path& folder) : meta_(meta), folder_(folder) {
    for (int i = 0; i < graph().node_size(); ++i) main_index_[graph().node(i).name()] = i;
  }

  Flow run(const tf::SignatureDef& signature) {
    const tf::NodeDef& call = call_of(signature);
    const tf::FunctionDef& function = function_of(call);
    if (function.signature().input_arg_size() != call.input_size()) {
      bad_input("{}: function `{}` takes {} arguments, its caller gives {}", folder_.string(),
                function.signature().name(), function.signature().input_arg_size(), call.input_size());
    }
    flow_.restore = meta_.saver_def().restore_op_name();
    if (!flow_.restore.empty()) add_main(flow_.restore);
    for (int i = 0; i < call.input_size(); ++i) {
      const GraphInput input = parse_graph_input(call.input(i));
      arguments_[function.signature().input_arg(i).name()] = {add_main(input.name), input.output};
    }
    flow_.body_begin = static_cast<int>(flow_.nodes.size());
    add_body(function);
    for (const auto& [name, info] : signature.outputs()) {
      const GraphInput output = parse_graph_input(info.name());
      if (output.output >= 0 && output.output < static_cast<int>(results_.size())) {
        flow_.outputs[name] = results_[static_cast<std::size_t>(output.output)];
      }
    }
    add_library();
    return std::move(flow_);
  }

 private:
  const tf::GraphDef& graph() const { return meta_.graph_def(); }

  const tf::NodeDef& main_node(const std::string& name) const {
    const auto found = main_index_.find(name);
    if (found == main_index_.end()) bad_input("{}: no node `{}` in the main graph", folder_.string(), name);
    return graph().node(found->second);
  }

  const tf::NodeDef& call_of(const tf::SignatureDef& signature) const {
    if (signature.outputs().empty()) bad_input("{}: the signature has no outputs", folder_.string());
    const std::string name = parse_graph_input(signature.outputs().begin()->second.name()).name;
    const tf::NodeDef& node = main_node(name);
    if (!node.attr().contains("f") || !node.attr().at("f").has_func()) {
      bad_input("{}: the signature's outputs come from `{}` ({}), which is no call of a function", folder_.string(),
                name, node.op());
    }
    return node;
  }

  const tf::FunctionDef& function_of(const tf::NodeDef& call) const {
    const std::string& name = call.attr().at("f").func().name();
    for (const tf::FunctionDef& function : graph().library().function()) {
      if (function.signature().name() == name) return function;
    }
    bad_input("{}: no function `{}` in the library", folder_.string(), name);
  }

  /// Adds a node of the main graph and what it needs; a second time only finds it.
  int add_main(const std::string& root) {
    std::vector<std::pair<std::string, int>> stack = {{root, 0}};  // a node and its next input
    while (!stack.empty()) {
      auto& [name, next] = stack.back();
      const tf::NodeDef& node = main_node(name);
      if (added_.contains(name)) {
        stack.pop_back();
      } else if (next < node.input_size()) {
        const std::string input = parse_graph_input(node.input(next++)).name;
        if (!added_.contains(input)) {
          if (stack.size() > main_index_.size()) bad_input("{}: the main graph has a cycle", folder_.string());
          stack.emplace_back(input, 0);
        }
      } else {
        FlowNode& added = append(node, "");
        for (const std::string& input : node.input()) {
          const GraphInput parsed = parse_graph_input(input);
          added.inputs.push_back({added_.at(parsed.name), parsed.output});
        }
        if (name + ":0" == meta_.saver_def().filename_tensor_name()) make_filename(added.def);
        added_[name] = static_cast<int>(flow_.nodes.size()) - 1;
        stack.pop_back();
      }
    }
    return added_.at(root);
  }

  /// The variables' file as a constant, so that nothing but numbers need be fed.
  void make_filename(tf::NodeDef& def) const {
    def.set_op("Const");
    def.clear_attr();
    tf::TensorProto& value = *(*def.mutable_attr())["value"].mutable_tensor();
    value.set_dtype(tf::DT_STRING);
    value.mutable_tensor_shape();
    value.add_string_val((folder_ / "variables" / "variables").string());
    (*def.mutable_attr())["dtype"].set_type(tf::DT_STRING);
  }

  FlowNode& append(const tf::NodeDef& node, std::string_view prefix) {
    FlowNode& added = flow_.nodes.emplace_back();
    added.def = node;
    added.def.set_name(std::string(prefix) + node.name());
    added.def.clear_input();
    added.def.clear_experimental_debug_info();
    added.def.mutable_attr()->erase("_class");  // names of colocated nodes, which have changed
    return added;
  }

  void add_body(const tf::FunctionDef& function) {
    std::map<std::string, int> index;  // in the function
    for (int i = 0; i < function.node_def_size(); ++i) index[function.node_def(i).name()] = i;
    const int count = function.node_def_size();
    std::vector<int> place(static_cast<std::size_t>(count), -1);  // in the flow
    std::vector<std::vector<int>> users(static_cast<std::size_t>(count));
    std::vector<int> waiting(static_cast<std::size_t>(count), 0);
    const auto node_of = [&](std::string_view input) -> int {
      if (input.starts_with('^')) input.remove_prefix(1);
      const auto found = index.find(std::string(input.substr(0, input.find(':'))));
      return found == index.end() ? -1 : found->second;
    };
    std::vector<int> ready;
    for (int i = count; i-- > 0;) {
      for (const std::string& input : function.node_def(i).input()) {
        const int from = node_of(input);
        if (from < 0) continue;
        users[static_cast<std::size_t>(from)].push_back(i);
        ++waiting[static_cast<std::size_t>(i)];
      }
      if (waiting[static_cast<std::size_t>(i)] == 0) ready.push_back(i);
    }
    while (!ready.empty()) {
      const int current = ready.back();
      ready.pop_back();
      const tf::NodeDef& node = function.node_def(current);
      FlowNode& added = append(node, kBodyPrefix);
      const int added_index = static_cast<int>(flow_.nodes.size()) - 1;
      place[static_cast<std::size_t>(current)] = added_index;
      for (const std::string& input : node.input()) {
        const int from = node_of(input);
        if (from >= 0) {
          added.inputs.push_back(body_edge(function.node_def(from), place[static_cast<std::size_t>(from)], input));
          continue;
        }
        const auto argument = arguments_.find(input.starts_with('^') ? input.substr(1) : input);
        if (argument == arguments_.end()) {
          bad_input("{}: node `{}` of function `{}` reads `{}`, which is no value there", folder_.string(), node.name(),
                    function.signature().name(), input);
        }
        added.inputs.push_back(input.starts_with('^') ? Edge{argument->second.node, -1} : argument->second);
      }
      for (const std::string& text : node.experimental_debug_info().original_node_names()) {
        if (auto claim = parse_claim(added_index, current, text)) flow_.claims.push_back(std::move(*claim));
      }
      for (const int user : users[static_cast<std::size_t>(current)]) {
        if (--waiting[static_cast<std::size_t>(user)] == 0) ready.push_back(user);
      }
    }
    if (static_cast<int>(flow_.nodes.size()) - flow_.body_begin != count) {
      bad_input("{}: function `{}` has a cycle", folder_.string(), function.signature().name());
    }
    for (const auto& argument : function.signature().output_arg()) {
      const auto found = function.ret().find(argument.name());
      const std::string value = found == function.ret().end() ? "" : found->second;
      if (const int from = node_of(value); from >= 0) {
        results_.push_back(body_edge(function.node_def(from), place[static_cast<std::size_t>(from)], value));
      } else if (const auto given = arguments_.find(value); given != arguments_.end()) {
        results_.push_back(given->second);
      } else {
        bad_input("{}: function `{}` returns `{}`, which is no value there", folder_.string(),
                  function.signature().name(), value);
      }
    }
  }

  static Edge body_edge(const tf::NodeDef& from, int place, std::string_view input) {
    if (input.starts_with('^')) return {place, -1};
    const auto parts = split(input, ':');
    if (parts.size() == 1) return {place, 0};
    if (parts.size() == 2) return {place, parse_int(parts[1]).value_or(0)};
    return {place, flat_output(from, parts[1], parse_int(parts[2]).value_or(0))};
  }

  /// The functions that the flow's nodes call, and those that these call.
  void add_library() {
    std::map<std::string, const tf::FunctionDef*> functions;
    for (const tf::FunctionDef& function : graph().library().function()) {
      functions[function.signature().name()] = &function;
    }
    std::set<std::string> done, next;
    for (const FlowNode& node : flow_.nodes) functions_of(node.def, next);
    while (!next.empty()) {
      const std::string name = next.extract(next.begin()).value();
      const auto found = functions.find(name);
      if (!done.insert(name).second || found == functions.end()) continue;
      *flow_.library.add_function() = *found->second;
      for (const tf::NodeDef& node : found->second->node_def()) functions_of(node, next);
    }
  }

  const tf::MetaGraphDef& meta_;
  const std::filesystem::path& folder_;
  std::map<std::string, int> main_index_;
  std::map<std::string, int> added_;
  std::map<std::string, Edge> arguments_;
  std::vector<Edge> results_;  // of the function
  Flow flow_;
};

}  // namespace

Artefact::Artefact(const std::filesystem::path& folder) : folder_(folder) {
  const auto file = MappedFile::open(folder / "saved_model.pb");
  tf::SavedModel message;
  if (file->bytes().size() > static_cast<std::size_t>(std::numeric_limits<int>::max()) ||
      !message.ParseFromArray(file->bytes().data(), static_cast<int>(file->bytes().size())) ||
      message.meta_graphs_size() == 0) {
    bad_input("{}: {} bytes that are no SavedModel with a graph; convert the model again", file->path().string(),
              file->bytes().size());
  }
  meta_ = std::move(*message.mutable_meta_graphs(0));
}

bool Artefact::has_signature(const std::string& name) const { return meta_.signature_def().contains(name); }

bool Port::takes(const std::vector<int64_t>& shape) const {
  return !dims || std::equal(dims->begin(), dims->end(), shape.begin(), shape.end(),
                             [](int64_t wanted, int64_t found) { return wanted == -1 || wanted == found; });
}

std::string Port::shape_text() const {
  if (!dims) return "any shape";
  std::string text;
  for (const int64_t d : *dims) text += (text.empty() ? "" : ", ") + (d == -1 ? "?" : std::to_string(d));
  return "[" + text + "]";
}

Signature Artefact::signature(const std::string& name) const {
  const auto found = meta_.signature_def().find(name);
  if (found == meta_.signature_def().end()) {
    std::string names;
    for (const auto& [known, definition] : meta_.signature_def()) names += (names.empty() ? "`" : ", `") + known + "`";
    bad_input("{}: no signature `{}`; there are {}", folder_.string(), name, names.empty() ? "none" : names);
  }
  Signature result;
  for (const auto& [input, info] : found->second.inputs()) {
    result.inputs[input] = port_of(info, fmt::format("{}: input `{}`", folder_.string(), input));
  }
  for (const auto& [output, info] : found->second.outputs()) {
    result.outputs[output] = port_of(info, fmt::format("{}: output `{}`", folder_.string(), output));
  }
  return result;
}

Flow Artefact::flow(const std::string& name) const {
  const Signature ports = signature(name);
  Flow result = Flattener(meta_, folder_).run(meta_.signature_def().at(name));
  result.inputs = ports.inputs;
  return result;
}

std::vector<Restored> Artefact::restored() const {
  const tf::GraphDef& graph = meta_.graph_def();
  std::map<std::string, const tf::NodeDef*> nodes;
  for (const tf::NodeDef& node : graph.node()) nodes[node.name()] = &node;
  const auto find = [&](const std::string& name) -> const tf::NodeDef* {
    const auto found = nodes.find(name);
    return found == nodes.end() ? nullptr : found->second;
  };
  const tf::NodeDef* all = find(restore());
  std::vector<Restored> result;
  if (all == nullptr) return result;
  for (const std::string& input : all->input()) {
    const tf::NodeDef* assign = find(parse_graph_input(input).name);
    if (assign == nullptr || assign->op() != "AssignVariableOp" || assign->input_size() < 2) return {};
    const GraphInput value = parse_graph_input(assign->input(1));
    const tf::NodeDef* read = find(value.name);
    if (read == nullptr || read->op() != "RestoreV2" || read->input_size() < 2 || value.output < 0) return {};
    const tf::NodeDef* names = find(parse_graph_input(read->input(1)).name);
    if (names == nullptr || names->op() != "Const" || !names->attr().contains("value")) return {};
    const tf::TensorProto& keys = names->attr().at("value").tensor();
    if (value.output >= keys.string_val_size()) return {};
    result.push_back({fmt::format("{}:{}", value.name, value.output), keys.string_val(value.output)});
  }
  return result;
}

std::string tensor_name(const Flow& flow, const Edge& edge) {
  return fmt::format("{}:{}", flow.nodes[static_cast<std::size_t>(edge.node)].def.name(), edge.output);
}

std::string serialize(const Flow& flow, std::vector<tf::NodeDef> added) {
  tf::GraphDef graph;
  for (const FlowNode& node : flow.nodes) {
    tf::NodeDef& def = *graph.add_node();
    def = node.def;
    for (const Edge& input : node.inputs) {
      const std::string& from = flow.nodes[static_cast<std::size_t>(input.node)].def.name();
      def.add_input(input.output < 0 ? "^" + from : input.output == 0 ? from : tensor_name(flow, input));
    }
  }
  for (tf::NodeDef& def : added) *graph.add_node() = std::move(def);
  *graph.mutable_library() = flow.library;
  graph.mutable_versions()->set_producer(1087);
  graph.mutable_versions()->set_min_consumer(12);
  return graph.SerializeAsString();
}

}  // namespace crossload::savedmodel
