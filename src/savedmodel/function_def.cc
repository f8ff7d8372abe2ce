// In a function's body, output k of a node is `<node>:<output argument>:<k counted inside that argument>`, and an
// argument of the function stands by its bare name. The signature lists arguments and results; `ret` says which body
// value each result is. Names of arguments and nodes share one space.
//
// Where a node came from is kept in its debug information, the place that TensorFlow provides for it:
//   original_func_names  the module's path, `source=<file:line>`
//   original_node_names  `<output>:<PyTorch value>`, with `@<axis>,<axis>,…` behind it where axes are permuted, and
//                        `|<path of the module that makes it>` at the end
#include "savedmodel/function_def.h"

#include <algorithm>
#include <map>

#include "base/error.h"
#include "graph/tf_ops.h"

namespace crossload::savedmodel {
namespace {

using graph::Graph;
using graph::Node;
using graph::ValueRef;

const graph::TfOp& op_of(const Node& node) {
  const graph::TfOp* op = graph::find_tf_op(node.op);
  if (op == nullptr) {
    internal_error("saved model: node `{}` has operation `{}`, which the table of operations lacks", node.name,
                   node.op);
  }
  return *op;
}

int64_t integer_attr(const Node& node, const std::string& name) {
  const auto it = node.attrs.find(name);
  const auto* value = it == node.attrs.end() ? nullptr : std::get_if<int64_t>(&it->second);
  if (value == nullptr) internal_error("saved model: node `{}` has no integer attribute `{}`", node.name, name);
  return *value;
}

std::size_t argument_count(const Node& node, const graph::TfArg& arg) {
  if (!arg.number_attr.empty()) return static_cast<std::size_t>(integer_attr(node, arg.number_attr));
  if (arg.type_list_attr.empty()) return 1;
  const auto it = node.attrs.find(arg.type_list_attr);
  if (it == node.attrs.end()) {
    internal_error("saved model: node `{}` has no attribute `{}`", node.name, arg.type_list_attr);
  }
  if (const auto* types = std::get_if<std::vector<DType>>(&it->second)) return types->size();
  return 0;  // an empty list of another type
}

/// `name:arg:index` of all outputs.
std::vector<std::string> endpoints_of(const Node& node, const graph::TfOp& op) {
  std::vector<std::string> result;
  for (const graph::TfArg& arg : op.outputs) {
    const std::size_t count = argument_count(node, arg);
    for (std::size_t i = 0; i < count; ++i) result.push_back(fmt::format("{}:{}:{}", node.name, arg.name, i));
  }
  if (result.size() < node.outputs.size()) {
    internal_error("saved model: node `{}` has {} outputs, operation `{}` has {}", node.name, node.outputs.size(),
                   node.op, result.size());
  }
  return result;
}

/// If and While have the shapes of their outputs as an attribute: without it TensorFlow takes those of a loop's inputs.
bool has_output_shapes(const graph::TfOp& op) {
  return std::ranges::any_of(op.attrs, [](const graph::TfAttr& a) { return a.name == "output_shapes"; });
}

void describe_origin(const Node& node, const std::vector<graph::Value>& outputs, tf::NodeDef& def) {
  auto& info = *def.mutable_experimental_debug_info();
  info.add_original_func_names(node.origin.module);
  info.add_original_func_names("source=" + node.origin.source);
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    for (const graph::PtValue& value : outputs[i].pt_values) {
      std::string text = fmt::format("{}:{}", i, value.name);
      if (!value.perm.empty()) text += fmt::format("@{}", fmt::join(value.perm, ","));
      if (value.module) text += "|" + *value.module;
      info.add_original_node_names(text);
    }
  }
}

void add_input(tf::FunctionDef& def, const std::string& name, tf::DataType type, const tf::TensorShapeProto& shape) {
  auto& arg = *def.mutable_signature()->add_input_arg();
  arg.set_name(name);
  arg.set_type(type);
  const auto index = static_cast<uint32_t>(def.signature().input_arg_size() - 1);
  auto& attrs = *(*def.mutable_arg_attr())[index].mutable_attr();
  *attrs["_output_shapes"].mutable_list()->add_shape() = shape;
}

void add_resource(tf::FunctionDef& def, const std::string& name, const graph::Variable& variable) {
  add_input(def, name, tf::DT_RESOURCE, {});
  auto& arg = *def.mutable_signature()->mutable_input_arg(def.signature().input_arg_size() - 1);
  auto& handle = *arg.add_handle_data();
  handle.set_dtype(to_tf(variable.dtype));
  *handle.mutable_shape() = to_tf(variable.dims);
}

void add_output(tf::FunctionDef& def, const std::string& name, tf::DataType type, const std::string& endpoint) {
  auto& arg = *def.mutable_signature()->add_output_arg();
  arg.set_name(name);
  arg.set_type(type);
  (*def.mutable_ret())[name] = endpoint;
}

/// The name of the function that a branch or loop body becomes; the text tells where it is used.
using BranchName = std::function<std::string(const Graph& branch, const std::string& user)>;

/// Turns one Graph into one FunctionDef.
class BodyWriter {
 public:
  BodyWriter(const Graph& graph, const std::string& name, const ConstantSource* constants)
      : graph_(graph), constants_(constants) {
    def_.mutable_signature()->set_name(name);
    for (const Node& node : graph.nodes) names_.reserve(node.name);
  }

  tf::FunctionDef write(const std::vector<int>& output_order, const BranchName& branch_name) {
    for (const graph::Input& input : graph_.inputs) {
      const graph::Value& value = graph_.value(input.value);
      input_names_.push_back(names_.unique(argument_name(input.name)));
      add_input(def_, input_names_.back(), to_tf(value.dtype), to_tf(value.shape));
    }
    if (constants_ == nullptr) {
      for (const graph::Variable& variable : graph_.variables) {
        resource_names_.push_back(names_.unique(argument_name(variable.name)));
        add_resource(def_, resource_names_.back(), variable);
      }
    }
    reads_.assign(graph_.variables.size(), -1);
    endpoints_.resize(graph_.nodes.size());
    for (std::size_t i = 0; i < graph_.nodes.size(); ++i) add_node(i, branch_name);
    for (const int index : output_order) add_result(graph_.outputs[static_cast<std::size_t>(index)]);
    return std::move(def_);
  }

 private:
  void add_node(std::size_t index, const BranchName& branch_name) {
    const Node& node = graph_.nodes[index];
    if (node.op == "Dead") return;
    if (node.op == "Input") {
      endpoints_[index] = {input_names_.at(static_cast<std::size_t>(integer_attr(node, "index")))};
      return;
    }
    if (node.op == "Variable") return add_variable(index);
    const graph::TfOp& op = op_of(node);
    endpoints_[index] = endpoints_of(node, op);
    tf::NodeDef& def = *def_.add_node_def();
    def.set_name(node.name);
    def.set_op(node.op);
    for (const ValueRef& input : node.inputs) {
      def.add_input(endpoints_.at(static_cast<std::size_t>(input.node)).at(static_cast<std::size_t>(input.output)));
    }
    auto& attrs = *def.mutable_attr();
    for (const auto& [name, value] : node.attrs) {
      const auto declared =
          std::find_if(op.attrs.begin(), op.attrs.end(), [&](const auto& a) { return a.name == name; });
      attrs[name] = to_tf(value, declared == op.attrs.end() ? std::string_view() : declared->type,
                          [&](const Graph& branch) { return branch_name(branch, node.name + "_" + name); });
    }
    if (has_output_shapes(op)) {
      auto& shapes = *attrs["output_shapes"].mutable_list();
      for (const graph::Value& output : node.outputs) *shapes.add_shape() = to_tf(output.shape);
    }
    if (node.op == "Const") attrs["dtype"] = type_attr(to_tf(node.outputs.at(0).dtype));
    describe_origin(node, node.outputs, def);
  }

  // All nodes that read one variable become one.
  void add_variable(std::size_t index) {
    const Node& node = graph_.nodes[index];
    const auto variable_index = static_cast<std::size_t>(integer_attr(node, "index"));
    const graph::Variable& variable = graph_.variables.at(variable_index);
    if (const int first = reads_[variable_index]; first >= 0) {
      endpoints_[index] = endpoints_[static_cast<std::size_t>(first)];
      return;
    }
    reads_[variable_index] = static_cast<int>(index);
    tf::NodeDef& def = *def_.add_node_def();
    def.set_name(node.name);
    auto& attrs = *def.mutable_attr();
    attrs["dtype"] = type_attr(to_tf(variable.dtype));
    const std::optional<Tensor> constant =
        constants_ != nullptr ? constants_->constant(static_cast<int>(variable_index)) : std::nullopt;
    if (constant) {
      def.set_op("Const");
      *attrs["value"].mutable_tensor() = to_tf(*constant);
      endpoints_[index] = {node.name + ":output:0"};
    } else {
      def.set_op("ReadVariableOp");
      def.add_input(resource_names_.at(variable_index));
      endpoints_[index] = {node.name + ":value:0"};
    }
    describe_origin(node, node.outputs, def);
  }

  // A result that is an argument itself goes through an Identity, as TensorFlow's own tracing does it.
  void add_result(const graph::Output& output) {
    const Node& node = graph_.nodes.at(static_cast<std::size_t>(output.value.node));
    const tf::DataType type = to_tf(graph_.value(output.value).dtype);
    std::string endpoint =
        endpoints_.at(static_cast<std::size_t>(output.value.node)).at(static_cast<std::size_t>(output.value.output));
    if (node.op == "Input") {
      tf::NodeDef& def = *def_.add_node_def();
      def.set_name(names_.unique("Identity"));
      def.set_op("Identity");
      def.add_input(endpoint);
      (*def.mutable_attr())["T"] = type_attr(type);
      endpoint = def.name() + ":output:0";
    }
    add_output(def_, names_.unique(argument_name(output.name)), type, endpoint);
  }

  const Graph& graph_;
  const ConstantSource* constants_;
  tf::FunctionDef def_;
  Namer names_;
  std::vector<std::string> input_names_, resource_names_;
  std::vector<int> reads_;  // the node that reads each variable
  std::vector<std::vector<std::string>> endpoints_;
};

/// Adds each branch when it is met first.
BranchName add_once(const std::string& prefix, std::function<std::string(const Graph&, const std::string&)> add) {
  auto known = std::make_shared<std::map<const Graph*, std::string>>();
  return [prefix, add = std::move(add), known](const Graph& branch, const std::string& user) {
    const auto [it, is_new] = known->try_emplace(&branch);
    if (is_new) it->second = add(branch, prefix + "_" + argument_name(user));
    return it->second;
  };
}

}  // namespace

Function FunctionLibrary::add_forward(const Graph& graph, const std::string& name, const ConstantSource* constants,
                                      bool jit) {
  Function result;
  result.name = names_.unique(name);
  result.jit = jit;
  for (const graph::Input& input : graph.inputs) {
    const graph::Value& value = graph.value(input.value);
    result.inputs.push_back({input.name, to_tf(value.dtype), to_tf(value.shape)});
  }
  std::vector<int> order(graph.outputs.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = static_cast<int>(i);
  std::sort(order.begin(), order.end(), [&](int a, int b) {
    return graph.outputs[static_cast<std::size_t>(a)].name < graph.outputs[static_cast<std::size_t>(b)].name;
  });
  for (const int index : order) {
    const graph::Output& output = graph.outputs[static_cast<std::size_t>(index)];
    if (!result.outputs.empty() && result.outputs.back().name == output.name) {
      internal_error("saved model: two outputs are named `{}`", output.name);
    }
    const graph::Value& value = graph.value(output.value);
    result.outputs.push_back({output.name, to_tf(value.dtype), to_tf(value.shape)});
  }
  const BranchName branches =
      add_once(result.name, [this](const Graph& g, const std::string& n) { return add_branch(g, n); });
  tf::FunctionDef def = BodyWriter(graph, result.name, constants).write(order, branches);
  def.mutable_signature()->set_is_stateful(constants == nullptr && !graph.variables.empty());
  if (jit) (*def.mutable_attr())["_XlaMustCompile"] = bool_attr(true);
  *library_.add_function() = std::move(def);
  return result;
}

std::string FunctionLibrary::add_branch(const Graph& graph, const std::string& name) {
  if (!graph.variables.empty()) {
    internal_error("saved model: the inner function `{}` reads {} variables; they must be its inputs", name,
                   graph.variables.size());
  }
  const std::string unique = names_.unique(name);
  std::vector<int> order(graph.outputs.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = static_cast<int>(i);
  const BranchName branches =
      add_once(unique, [this](const Graph& g, const std::string& n) { return add_branch(g, n); });
  tf::FunctionDef def = BodyWriter(graph, unique, nullptr).write(order, branches);
  def.mutable_signature()->set_is_stateful(graph::is_stateful(graph));
  *library_.add_function() = std::move(def);
  return unique;
}

Function FunctionLibrary::add_wrapper(const std::string& name, const Function& callee,
                                      const std::vector<graph::Variable>& variables, const std::vector<int>& order,
                                      bool narrow_integers) {
  Function result;
  result.name = names_.unique(name);
  result.outputs = callee.outputs;
  tf::FunctionDef& def = *library_.add_function();
  def.mutable_signature()->set_name(result.name);
  def.mutable_signature()->set_is_stateful(!variables.empty());
  // Nodes have capitals, arguments have none.
  Namer names;
  std::vector<std::string> values(callee.inputs.size());
  for (const int index : order) {
    Port port = callee.inputs[static_cast<std::size_t>(index)];
    const std::string argument = names.unique(argument_name(port.name));
    values[static_cast<std::size_t>(index)] = argument;
    if (narrow_integers && port.dtype == tf::DT_INT64) {
      port.dtype = tf::DT_INT32;
      tf::NodeDef cast = cast_node(fmt::format("Cast_{}", argument), argument);
      values[static_cast<std::size_t>(index)] = cast.name() + ":y:0";
      *def.add_node_def() = std::move(cast);
    }
    add_input(def, argument, port.dtype, port.shape);
    result.inputs.push_back(std::move(port));
  }
  for (const graph::Variable& variable : variables) {
    values.push_back(names.unique(argument_name(variable.name)));
    add_resource(def, values.back(), variable);
  }
  tf::NodeDef call = call_node("StatefulPartitionedCall", callee, variables.size());
  for (const std::string& value : values) call.add_input(value);
  for (std::size_t i = 0; i < callee.outputs.size(); ++i) {
    add_output(def, names.unique(argument_name(callee.outputs[i].name)), callee.outputs[i].dtype,
               fmt::format("{}:output:{}", call.name(), i));
  }
  *def.add_node_def() = std::move(call);
  return result;
}

tf::NodeDef call_node(const std::string& name, const Function& callee, std::size_t variable_count) {
  tf::NodeDef node;
  node.set_name(name);
  node.set_op("StatefulPartitionedCall");
  auto& attrs = *node.mutable_attr();
  attrs["f"] = function_attr(callee.name);
  auto& in = *attrs["Tin"].mutable_list();
  for (const Port& port : callee.inputs) in.add_type(port.dtype);
  for (std::size_t i = 0; i < variable_count; ++i) in.add_type(tf::DT_RESOURCE);
  auto& out = *attrs["Tout"].mutable_list();
  for (const Port& port : callee.outputs) {
    out.add_type(port.dtype);
    *attrs["_output_shapes"].mutable_list()->add_shape() = port.shape;
  }
  if (callee.jit) attrs["_XlaMustCompile"] = bool_attr(true);
  return node;
}

tf::NodeDef cast_node(const std::string& name, const std::string& input) {
  tf::NodeDef node;
  node.set_name(name);
  node.set_op("Cast");
  node.add_input(input);
  (*node.mutable_attr())["SrcT"] = type_attr(tf::DT_INT32);
  (*node.mutable_attr())["DstT"] = type_attr(tf::DT_INT64);
  return node;
}

}  // namespace crossload::savedmodel
