#include <set>

#include "base/error.h"
#include "graph/graph.h"
#include "graph/tf_ops.h"

namespace crossload::graph {
namespace {

bool is_name(std::string_view name) {
  const auto is_alnum = [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
  };
  if (name.empty() || !(is_alnum(name[0]) || name[0] == '.')) return false;
  for (char c : name) {
    if (!is_alnum(c) && std::string_view("_./-").find(c) == std::string_view::npos) return false;
  }
  return true;
}

std::string join(const std::vector<DType>& types) {
  std::string text;
  for (DType type : types) text += (text.empty() ? "" : ", ") + std::string(name_of(type));
  return text;
}

class Checker {
 public:
  /// `where` names the function that the graph is the body of; empty for the main graph.
  Checker(const Graph& graph, std::string where, std::vector<std::string>& problems)
      : graph_(graph), where_(std::move(where)), problems_(problems) {}

  void run() {
    for (std::size_t i = 0; i < graph_.nodes.size(); ++i) {
      if (graph_.nodes[i].op != "Dead") check_node(static_cast<int>(i));
    }
    check_interface();
  }

 private:
  template <typename... Args>
  void problem(const std::string& name, fmt::format_string<Args...> format, Args&&... args) {
    problems_.push_back(
        fmt::format("{}{}: {}", where_, name.empty() ? "?" : name, fmt::format(format, std::forward<Args>(args)...)));
  }

  /// Whether the value exists before node `limit`.
  bool exists(ValueRef ref, std::size_t limit) const {
    return ref.node >= 0 && static_cast<std::size_t>(ref.node) < limit && ref.output >= 0 &&
           static_cast<std::size_t>(ref.output) < graph_.nodes[static_cast<std::size_t>(ref.node)].outputs.size() &&
           graph_.nodes[static_cast<std::size_t>(ref.node)].op != "Dead";
  }

  void check_node(int index) {
    const Node& node = graph_.nodes[static_cast<std::size_t>(index)];
    if (!is_name(node.name)) {
      problem(node.name, "name is out of the alphabet [A-Za-z0-9.][A-Za-z0-9_./-]*");
    } else if (!names_.insert(node.name).second) {
      problem(node.name, "name is taken already");
    }
    std::vector<DType> types;
    for (std::size_t i = 0; i < node.inputs.size(); ++i) {
      const ValueRef ref = node.inputs[i];
      if (!exists(ref, static_cast<std::size_t>(index))) {
        problem(node.name, "input {} is output {} of node {}, which does not exist or does not precede node {}", i,
                ref.output, ref.node, index);
        return;
      }
      types.push_back(graph_.value(ref).dtype);
    }
    if (node.op == "Input" || node.op == "Variable") {
      check_leaf(index, node);
    } else if (const TfOp* op = find_tf_op(node.op)) {
      check_signature(node, *op, types);
    } else {
      problem(node.name, "operation `{}` is not in the table; see tools/tf_op_signatures.py", node.op);
    }
  }

  void check_leaf(int index, const Node& node) {
    const bool is_input = node.op == "Input";
    const std::size_t count = is_input ? graph_.inputs.size() : graph_.variables.size();
    const auto it = node.attrs.find("index");
    const int64_t* at = it == node.attrs.end() ? nullptr : std::get_if<int64_t>(&it->second);
    if (!node.inputs.empty() || node.outputs.size() != 1) {
      problem(node.name, "{} has {} inputs and {} outputs; it must have 0 and 1", node.op, node.inputs.size(),
              node.outputs.size());
    } else if (!at || *at < 0 || static_cast<std::size_t>(*at) >= count) {
      problem(node.name, "attribute `index` of {} is {}; the graph has {} of them", node.op,
              at ? std::to_string(*at) : "missing", count);
    } else if (is_input) {
      if (graph_.inputs[static_cast<std::size_t>(*at)].value != ValueRef{index, 0}) {
        problem(node.name, "is Input {}, but that input's value is another node", *at);
      }
    } else {
      check_variable(node, graph_.variables[static_cast<std::size_t>(*at)]);
    }
  }

  void check_variable(const Node& node, const Variable& variable) {
    const Value& value = node.outputs[0];
    if (value.dtype != variable.dtype) {
      problem(node.name, "is {}; variable `{}` is {}", name_of(value.dtype), variable.name, name_of(variable.dtype));
    }
    check_dims(node, variable.dims, "variable `" + variable.name + "`");
  }

  void check_dims(const Node& node, const Dims& dims, const std::string& what) {
    if (node.outputs.empty() || !node.outputs[0].shape) return;
    const SymDims& shape = *node.outputs[0].shape;
    if (shape == SymDims(dims.begin(), dims.end())) return;
    problem(node.name, "has shape {}; {} has {}", to_string(shape), what, to_string(dims));
  }

  void check_signature(const Node& node, const TfOp& op, const std::vector<DType>& types) {
    for (const TfAttr& attr : op.attrs) {
      const auto it = node.attrs.find(attr.name);
      if (it != node.attrs.end() && !attr_fits(attr, it->second)) {
        problem(node.name, "{}: attribute `{}` is a {}; it must be a {}", op.name, attr.name, kind_of(it->second),
                attr.type);
        return;
      }
    }
    Attrs attrs = node.attrs;
    std::vector<DType> expected;
    try {
      expected = infer_types(op, types, attrs);
    } catch (const Error& error) {
      problem(node.name, "{}", error.what());
      return;
    }
    for (const auto& [name, value] : attrs) {
      if (!node.attrs.contains(name)) problem(node.name, "{}: attribute `{}` is missing", op.name, name);
    }
    std::vector<DType> actual;
    for (const Value& output : node.outputs) actual.push_back(output.dtype);
    if (actual != expected) {
      problem(node.name, "{}: outputs are ({}); the signature gives ({})", op.name, join(actual), join(expected));
    }
    if (const auto it = attrs.find("value"); op.name == "Const" && it != attrs.end()) {
      check_dims(node, std::get<Tensor>(it->second).dims(), "its value");
    }
    for (const auto& [name, value] : attrs) {
      if (const auto* body = std::get_if<std::shared_ptr<const Graph>>(&value))
        check_function(node, attrs, name, *body);
    }
  }

  void check_function(const Node& node, const Attrs& attrs, const std::string& name,
                      const std::shared_ptr<const Graph>& body) {
    if (!body) return problem(node.name, "{}: function `{}` is null", node.op, name);
    Checker(*body, where_ + node.name + "." + name + ": ", problems_).run();

    const bool is_loop = attrs.contains("body");
    const std::string in = is_loop ? "T" : "Tin";
    const std::string out = is_loop ? "T" : "Tout";
    if (!attrs.contains(in) || !attrs.contains(out)) return;
    std::vector<DType> inputs;
    for (const Input& input : body->inputs) inputs.push_back(type_in(*body, input.value));
    std::vector<DType> outputs;
    for (const Output& output : body->outputs) outputs.push_back(type_in(*body, output.value));
    const auto& wanted_in = std::get<std::vector<DType>>(attrs.at(in));
    const bool is_condition = is_loop && name == "cond";
    const auto wanted_out = is_condition ? std::vector{DType::kBool} : std::get<std::vector<DType>>(attrs.at(out));
    if (inputs != wanted_in) {
      problem(node.name, "{}: `{}` takes ({}); it is given ({})", node.op, name, join(inputs), join(wanted_in));
    }
    if (outputs != wanted_out) {
      problem(node.name, "{}: `{}` returns ({}); it must return ({})", node.op, name, join(outputs), join(wanted_out));
    }
  }

  /// The type of a value that may not exist: that is reported elsewhere.
  static DType type_in(const Graph& graph, ValueRef ref) {
    const bool is_there =
        ref.node >= 0 && static_cast<std::size_t>(ref.node) < graph.nodes.size() && ref.output >= 0 &&
        static_cast<std::size_t>(ref.output) < graph.nodes[static_cast<std::size_t>(ref.node)].outputs.size();
    return is_there ? graph.value(ref).dtype : DType::kBool;
  }

  void check_interface() {
    std::set<std::string> names;
    for (const Input& input : graph_.inputs) {
      if (!names.insert(input.name).second) problem(input.name, "two inputs of the graph have this name");
      if (!exists(input.value, graph_.nodes.size())) {
        problem(input.name, "value of this input does not exist");
      } else if (graph_.nodes[static_cast<std::size_t>(input.value.node)].op != "Input") {
        problem(input.name, "value of this input is no Input node");
      }
    }
    names.clear();
    for (const Output& output : graph_.outputs) {
      if (!names.insert(output.name).second) problem(output.name, "two outputs of the graph have this name");
      if (!exists(output.value, graph_.nodes.size())) {
        problem(output.name, "output {} of node {}, this output of the graph, does not exist", output.value.output,
                output.value.node);
      }
    }
    names.clear();
    for (const Variable& variable : graph_.variables) {
      if (!names.insert(variable.name).second) problem(variable.name, "two variables have this name");
    }
  }

  const Graph& graph_;
  const std::string where_;
  std::vector<std::string>& problems_;
  std::set<std::string> names_;
};

}  // namespace

void check(const Graph& graph) {
  std::vector<std::string> problems;
  Checker(graph, "", problems).run();
  if (problems.empty()) return;
  const std::string more = problems.size() > 1 ? fmt::format("; {} more", problems.size() - 1) : "";
  throw Error(ErrorKind::kInternal, fmt::format("graph: {}{}", problems[0], more), problems);
}

}  // namespace crossload::graph
