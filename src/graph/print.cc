#include <fmt/format.h>

#include <cmath>

#include "graph/graph.h"
#include "graph/tf_ops.h"

namespace crossload::graph {
namespace {

constexpr int64_t kMaxElements = 16;  // of a tensor attribute; longer ones end in `...`

template <typename T>
std::string list_of(const std::vector<T>& items, std::string (*text)(T)) {
  std::string result = "[";
  for (std::size_t i = 0; i < items.size(); ++i) result += (i == 0 ? "" : ", ") + text(items[i]);
  return result + "]";
}

std::string integer_text(int64_t value) { return std::to_string(value); }
std::string index_text(int value) { return std::to_string(value); }
std::string type_text(DType type) { return std::string(name_of(type)); }

/// The shortest digits that read back as the same number, and always told from an integer.
template <typename T>
std::string real_text(T value) {
  std::string text = fmt::format("{}", value);
  if (std::isfinite(value) && text.find_first_of(".e") == std::string::npos) text += ".0";
  return text;
}
std::string double_text(double value) { return real_text(value); }

std::string quoted(std::string text) {
  std::string result = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\') result += '\\';
    result += c;
  }
  return result + "\"";
}

std::string element_text(const Tensor& tensor, int64_t i) {
  switch (tensor.dtype()) {
    case DType::kBool: return element_as_int(tensor, i) != 0 ? "true" : "false";
    case DType::kUInt64: return fmt::format("{}", tensor.at<uint64_t>(i));
    case DType::kFloat32: return real_text(tensor.at<float>(i));
    case DType::kComplex64: return fmt::format("{}+{}i", tensor.at<float>(2 * i), tensor.at<float>(2 * i + 1));
    case DType::kComplex128: return fmt::format("{}+{}i", tensor.at<double>(2 * i), tensor.at<double>(2 * i + 1));
    default:
      return is_integer(tensor.dtype()) ? integer_text(element_as_int(tensor, i))
                                        : real_text(element_as_double(tensor, i));
  }
}

std::string tensor_text(const Tensor& tensor) {
  std::string text = fmt::format("{}{}(", name_of(tensor.dtype()), to_string(tensor.dims()));
  for (int64_t i = 0; i < tensor.count(); ++i) {
    if (i > 0) text += ", ";
    if (i == kMaxElements) return text + "...)";
    text += element_text(tensor, i);
  }
  return text + ")";
}

struct AttrText {
  std::string operator()(int64_t value) const { return std::to_string(value); }
  std::string operator()(double value) const { return real_text(value); }
  std::string operator()(bool value) const { return value ? "true" : "false"; }
  std::string operator()(const std::string& value) const { return quoted(value); }
  std::string operator()(DType value) const { return type_text(value); }
  std::string operator()(const PartialShape& value) const { return "shape" + list_of(value.dims, integer_text); }
  std::string operator()(const Tensor& value) const { return tensor_text(value); }
  std::string operator()(const std::vector<int64_t>& value) const { return list_of(value, integer_text); }
  std::string operator()(const std::vector<double>& value) const { return list_of(value, double_text); }
  std::string operator()(const std::vector<std::string>& value) const { return list_of(value, quoted); }
  std::string operator()(const std::vector<DType>& value) const { return list_of(value, type_text); }
  std::string operator()(const std::shared_ptr<const Graph>&) const { return "{}"; }  // the body follows the line
};

/// Whether the inputs say what this attribute says.
bool follows_from_inputs(const TfOp* op, const std::string& attr) {
  if (!op) return false;
  if (op->name == "Const") return attr == "dtype";
  for (const TfArg& arg : op->inputs) {
    if (arg.type_attr == attr || arg.number_attr == attr || arg.type_list_attr == attr) return true;
  }
  return false;
}

class Printer {
 public:
  explicit Printer(std::string& out) : out_(out) {}

  void graph(const Graph& graph, const std::string& indent) {
    for (std::size_t i = 0; i < graph.variables.size(); ++i) {
      const Variable& v = graph.variables[i];
      out_ += fmt::format("{}variable {} {} : {}{} = {}{}{}\n", indent, i, v.name, name_of(v.dtype), to_string(v.dims),
                          v.source, v.perm.empty() ? "" : list_of(v.perm, index_text), v.trainable ? "" : " frozen");
    }
    for (std::size_t i = 0; i < graph.inputs.size(); ++i) {
      out_ += fmt::format("{}input {} {} = {}\n", indent, i, graph.inputs[i].name, ref(graph, graph.inputs[i].value));
    }
    for (const Node& node : graph.nodes) {
      if (node.op != "Dead") this->node(graph, node, indent);
    }
    for (const Output& output : graph.outputs) {
      out_ += fmt::format("{}output {} = {}\n", indent, output.name, ref(graph, output.value));
    }
  }

 private:
  static std::string ref(const Graph& graph, ValueRef ref) {
    if (ref.node < 0 || static_cast<std::size_t>(ref.node) >= graph.nodes.size()) return "%?";
    std::string text = "%" + graph.nodes[static_cast<std::size_t>(ref.node)].name;
    return ref.output == 0 ? text : text + ":" + std::to_string(ref.output);
  }

  static std::string value_text(const Value& value) {
    std::string text(name_of(value.dtype));
    text += value.shape ? to_string(*value.shape) : "[?]";
    for (const PtValue& pt : value.pt_values) {
      text += " @" + pt.name + (pt.perm.empty() ? "" : list_of(pt.perm, index_text));
    }
    return text;
  }

  void node(const Graph& graph, const Node& node, const std::string& indent) {
    const TfOp* op = find_tf_op(node.op);
    std::string inputs;
    for (ValueRef input : node.inputs) inputs += (inputs.empty() ? "" : ", ") + ref(graph, input);
    std::string attrs;
    for (const auto& [name, value] : node.attrs) {
      if (follows_from_inputs(op, name)) continue;
      attrs += fmt::format("{}{}={}", attrs.empty() ? "" : ", ", name, std::visit(AttrText{}, value));
    }
    std::string outputs;
    for (const Value& output : node.outputs) outputs += (outputs.empty() ? "" : ", ") + value_text(output);
    out_ += fmt::format("{}%{} = {}({})", indent, node.name, node.op, inputs);
    if (!attrs.empty()) out_ += " {" + attrs + "}";
    if (!outputs.empty()) out_ += " : " + outputs;
    if (!node.origin.module.empty() || !node.origin.source.empty()) {
      out_ += fmt::format("  # {}{}{}", node.origin.module,
                          node.origin.module.empty() || node.origin.source.empty() ? "" : " ", node.origin.source);
    }
    out_ += "\n";
    for (const auto& [name, value] : node.attrs) {
      const auto* body = std::get_if<std::shared_ptr<const Graph>>(&value);
      if (!body || !*body) continue;
      out_ += fmt::format("{}  {}:\n", indent, name);
      this->graph(**body, indent + "    ");
    }
  }

  std::string& out_;
};

}  // namespace

std::string print(const Graph& graph) {
  std::string text;
  Printer(text).graph(graph, "");
  return text;
}

}  // namespace crossload::graph
