// Reads the text form line by line; README.md has the grammar. Lines indented deeper than a node's line belong to it.
#include <charconv>
#include <unordered_map>

#include "base/error.h"
#include "graph/graph.h"
#include "graph/shape_inference.h"
#include "graph/tf_ops.h"

namespace crossload::graph {
namespace {

struct Line {
  int number;
  std::size_t indent;
  std::string_view text;
};

/// Takes tokens from the front of one line.
class Scanner {
 public:
  explicit Scanner(const Line& line) : line_(line), rest_(line.text) {}

  [[noreturn]] void broken(const std::string& wanted) const {
    bad_input("graph text line {}: found `{}`; {} is wanted", line_.number, rest_, wanted);
  }
  bool at_end() {
    skip_spaces();
    return rest_.empty();
  }
  bool sees(std::string_view token) {
    skip_spaces();
    return rest_.starts_with(token);
  }
  bool take(std::string_view token) {
    if (!sees(token)) return false;
    rest_.remove_prefix(token.size());
    return true;
  }
  void expect(std::string_view token) {
    if (!take(token)) broken("`" + std::string(token) + "`");
  }
  /// The longest run of letters, digits and `more`.
  std::string word(std::string_view more, const char* what) {
    skip_spaces();
    std::size_t end = 0;
    while (end < rest_.size() && (std::isalnum(static_cast<unsigned char>(rest_[end])) != 0 ||
                                  more.find(rest_[end]) != std::string_view::npos)) {
      ++end;
    }
    if (end == 0) broken(what);
    const std::string text(rest_.substr(0, end));
    rest_.remove_prefix(end);
    return text;
  }
  std::string value_name() { return word("_./-", "a name"); }
  template <typename T = int64_t>
  T integer() {
    skip_spaces();
    T value = 0;
    advance(std::from_chars(rest_.data(), rest_.data() + rest_.size(), value), "an integer");
    return value;
  }
  double real() {
    skip_spaces();
    double value = 0;
    advance(std::from_chars(rest_.data(), rest_.data() + rest_.size(), value), "a number");
    return value;
  }
  std::string quoted() {
    expect("\"");
    std::string text;
    while (!rest_.empty() && rest_[0] != '"') {
      if (rest_[0] == '\\') rest_.remove_prefix(1);
      if (rest_.empty()) break;
      text += rest_[0];
      rest_.remove_prefix(1);
    }
    expect("\"");
    return text;
  }
  DType dtype() {
    const std::string name = word("_", "a type");
    const auto type = value_type(name);
    if (!type) bad_input("graph text line {}: no type is called `{}`", line_.number, name);
    return *type;
  }
  bool boolean() {
    if (take("true")) return true;
    expect("false");
    return false;
  }
  /// `[item, item]`
  template <typename Item>
  auto list(Item item) {
    std::vector<decltype(item())> items;
    expect("[");
    while (!take("]")) {
      items.push_back(item());
      if (!sees("]")) expect(",");
    }
    return items;
  }
  std::vector<int64_t> integers() {
    return list([&] { return integer(); });
  }

  /// Sizes as Sym prints them: sums, products, `//`, `%`, Max and Min.
  Sym sum() {
    Sym left = term();
    for (;;) {
      if (take("+"))
        left = left + term();
      else if (take("-"))
        left = left - term();
      else
        return left;
    }
  }

 private:
  void skip_spaces() { rest_.remove_prefix(std::min(rest_.find_first_not_of(' '), rest_.size())); }
  void advance(std::from_chars_result result, const char* wanted) {
    if (result.ec != std::errc()) broken(wanted);
    rest_.remove_prefix(static_cast<std::size_t>(result.ptr - rest_.data()));
  }
  Sym term() {
    Sym left = factor();
    for (;;) {
      if (take("//"))
        left = floor_div(left, factor());
      else if (take("*"))
        left = left * factor();
      else if (take("%"))
        left = Sym::make(Sym::Op::kMod, {left, factor()});
      else
        return left;
    }
  }
  Sym factor() {
    if (take("-")) return Sym(-1) * factor();
    if (take("(")) {
      const Sym inner = sum();
      expect(")");
      return inner;
    }
    skip_spaces();
    if (!rest_.empty() && std::isdigit(static_cast<unsigned char>(rest_[0])) != 0) return Sym(integer());
    const std::string name = word("_", "a size");
    if (name != "Max" && name != "Min") return Sym::symbol(name);
    expect("(");
    std::vector<Sym> operands;
    do operands.push_back(sum());
    while (take(","));
    expect(")");
    return Sym::make(name == "Max" ? Sym::Op::kMax : Sym::Op::kMin, std::move(operands));
  }

  const Line& line_;
  std::string_view rest_;
};

template <typename T>
void append(std::vector<std::byte>& bytes, T value) {
  const auto* begin = reinterpret_cast<const std::byte*>(&value);
  bytes.insert(bytes.end(), begin, begin + sizeof value);
}

class Parser {
 public:
  explicit Parser(std::vector<Line> lines) : lines_(std::move(lines)) {}

  /// The graph whose lines have this indentation; ends at the first shallower line.
  Graph graph(std::size_t indent) {
    Graph graph;
    std::unordered_map<std::string, int> nodes;
    struct Pending {
      std::size_t input;
      Line line;
      std::string name;
    };
    std::vector<Pending> inputs;
    while (next_ < lines_.size() && lines_[next_].indent == indent) {
      const Line line = lines_[next_++];
      Scanner scan(line);
      if (scan.take("variable ")) {
        graph.variables.push_back(variable(scan));
      } else if (scan.take("input ")) {
        scan.integer();
        std::string name = input_name(scan);
        scan.expect("= %");
        inputs.push_back({graph.inputs.size(), line, scan.value_name()});
        graph.inputs.push_back({std::move(name), {}});
      } else if (scan.take("output ")) {
        std::string name = input_name(scan);
        scan.expect("=");
        graph.outputs.push_back({std::move(name), reference(scan, line, nodes)});
      } else {
        node(graph, scan, line, nodes);
      }
    }
    if (next_ < lines_.size() && lines_[next_].indent > indent) {
      bad_input("graph text line {}: indented by {}; {} is wanted", lines_[next_].number, lines_[next_].indent, indent);
    }
    for (const Pending& pending : inputs) {
      const auto it = nodes.find(pending.name);
      if (it == nodes.end()) bad_input("graph text line {}: no value `%{}`", pending.line.number, pending.name);
      graph.inputs[pending.input].value = {it->second, 0};
    }
    return graph;
  }

  bool is_done() const { return next_ == lines_.size(); }

 private:
  static std::string input_name(Scanner& scan) { return scan.value_name(); }

  static Variable variable(Scanner& scan) {
    Variable variable;
    scan.integer();
    variable.name = scan.value_name();
    scan.expect(":");
    variable.dtype = scan.dtype();
    variable.dims = scan.integers();
    scan.expect("=");
    variable.source = scan.value_name();
    if (scan.sees("[")) variable.perm = permutation(scan);
    variable.trainable = !scan.take("frozen");
    return variable;
  }

  static std::vector<int> permutation(Scanner& scan) {
    return scan.list([&] { return static_cast<int>(scan.integer()); });
  }

  static ValueRef reference(Scanner& scan, const Line& line, const std::unordered_map<std::string, int>& nodes) {
    scan.expect("%");
    const std::string name = scan.value_name();
    const auto it = nodes.find(name);
    if (it == nodes.end()) bad_input("graph text line {}: no value `%{}` stands above", line.number, name);
    return {it->second, scan.take(":") ? static_cast<int>(scan.integer()) : 0};
  }

  static Tensor tensor(Scanner& scan) {
    const DType dtype = scan.dtype();
    const Dims dims = scan.integers();
    scan.expect("(");
    std::vector<std::byte> bytes;
    for (int64_t n = element_count(dims); n > 0; --n) {
      if (dtype == DType::kBool) {
        append<uint8_t>(bytes, scan.boolean());
      } else if (is_complex(dtype)) {
        for (const char* end : {"+", "i"}) {
          const double part = scan.real();
          dtype == DType::kComplex64 ? append(bytes, static_cast<float>(part)) : append(bytes, part);
          scan.expect(end);
        }
      } else if (dtype == DType::kUInt64) {
        append(bytes, scan.integer<uint64_t>());
      } else {
        const Tensor one = is_integer(dtype) ? scalar_tensor(dtype, scan.integer()) : scalar_tensor(dtype, scan.real());
        bytes.insert(bytes.end(), one.bytes().begin(), one.bytes().end());
      }
      if (n > 1) scan.expect(",");
    }
    scan.expect(")");
    return Tensor::copy_of(dtype, dims, bytes);
  }

  /// A value of the kind that the operation declares.
  static Attr attribute(Scanner& scan, const std::string& kind) {
    if (kind == "int") return scan.integer();
    if (kind == "float") return scan.real();
    if (kind == "bool") return scan.boolean();
    if (kind == "string") return scan.quoted();
    if (kind == "type") return scan.dtype();
    if (kind == "tensor") return tensor(scan);
    if (kind == "shape") {
      scan.expect("shape");
      return PartialShape{scan.integers()};
    }
    if (kind == "list(int)") return scan.integers();
    if (kind == "list(float)") return scan.list([&] { return scan.real(); });
    if (kind == "list(string)") return scan.list([&] { return scan.quoted(); });
    if (kind == "list(type)") return scan.list([&] { return scan.dtype(); });
    if (kind == "func") {
      scan.expect("{}");
      return std::shared_ptr<const Graph>();
    }
    scan.broken("an attribute of kind " + kind);
  }

  static std::string kind_of_attribute(const Node& node, const TfOp* op, const std::string& name) {
    if (!op) return name == "index" ? "int" : "string";
    for (const TfAttr& attr : op->attrs) {
      if (attr.name == name) return attr.type;
    }
    internal_error("{}: no attribute `{}`", node.op, name);
  }

  static Value value(Scanner& scan) {
    Value value;
    value.dtype = scan.dtype();
    if (!scan.take("[?]")) value.shape = scan.list([&] { return scan.sum(); });
    while (scan.take("@")) {
      PtValue pt{scan.value_name(), {}};
      if (scan.sees("[")) pt.perm = permutation(scan);
      value.pt_values.push_back(std::move(pt));
    }
    return value;
  }

  void node(Graph& graph, Scanner& scan, const Line& line, std::unordered_map<std::string, int>& nodes) {
    Node node;
    scan.expect("%");
    node.name = scan.value_name();
    scan.expect("=");
    node.op = scan.word("_", "an operation");
    const TfOp* op = find_tf_op(node.op);
    scan.expect("(");
    while (!scan.take(")")) {
      node.inputs.push_back(reference(scan, line, nodes));
      if (!scan.sees(")")) scan.expect(",");
    }
    if (scan.take("{")) {
      while (!scan.take("}")) {
        const std::string name = scan.word("_", "an attribute");
        scan.expect("=");
        node.attrs[name] = attribute(scan, kind_of_attribute(node, op, name));
        if (!scan.sees("}")) scan.expect(",");
      }
    }
    std::vector<Value> values;
    if (scan.take(":")) {
      do values.push_back(value(scan));
      while (scan.take(","));
    }
    if (scan.take("#")) {
      while (!scan.at_end()) {
        std::string word = scan.word("_./-:@<>", "an origin");
        (word.find(':') == std::string::npos ? node.origin.module : node.origin.source) = std::move(word);
      }
    }
    if (!scan.at_end()) scan.broken("the end of the line");
    while (next_ < lines_.size() && lines_[next_].indent > line.indent) function(node, lines_[next_++]);

    node.outputs = std::move(values);
    complete(graph, node, op);
    nodes[node.name] = static_cast<int>(graph.nodes.size());
    graph.nodes.push_back(std::move(node));
  }

  void function(Node& node, const Line& line) {
    Scanner scan(line);
    const std::string name = scan.word("_", "the name of a function");
    scan.expect(":");
    const std::size_t indent = next_ < lines_.size() ? lines_[next_].indent : 0;
    if (indent <= line.indent) bad_input("graph text line {}: function `{}` has no body", line.number, name);
    node.attrs[name] = std::make_shared<const Graph>(graph(indent));
  }

  /// Attributes, types and shapes that the line leaves out. A node that fits no signature stays as it is, for `check`.
  static void complete(const Graph& graph, Node& node, const TfOp* op) {
    if (!op) return;
    std::vector<DType> types;
    for (ValueRef ref : node.inputs) {
      const auto& outputs = graph.nodes[static_cast<std::size_t>(ref.node)].outputs;
      if (static_cast<std::size_t>(ref.output) >= outputs.size()) return;
      types.push_back(outputs[static_cast<std::size_t>(ref.output)].dtype);
    }
    std::vector<DType> inferred;
    try {
      inferred = infer_types(*op, types, node.attrs);
    } catch (const Error&) {
      return;
    }
    if (!node.outputs.empty()) return;
    const auto shapes = infer_shapes(node, graph);
    for (std::size_t i = 0; i < inferred.size(); ++i) {
      node.outputs.push_back({inferred[i], i < shapes.size() ? shapes[i] : std::nullopt, {}});
    }
  }

  const std::vector<Line> lines_;
  std::size_t next_ = 0;
};

}  // namespace

Graph parse(std::string_view text) {
  std::vector<Line> lines;
  for (int number = 1; !text.empty(); ++number) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    const std::size_t indent = std::min(line.find_first_not_of(' '), line.size());
    line.remove_prefix(indent);
    if (!line.empty() && line[0] != '#') lines.push_back({number, indent, line});
  }
  Parser parser(std::move(lines));
  Graph graph = parser.graph(0);
  if (!parser.is_done()) bad_input("graph text: a line is indented less than the first");
  return graph;
}

}  // namespace crossload::graph
