// The table's text, one operation a line, and what it says:
//
//   ConcatV2(values:N*T, axis:Tidx) -> (output:T) {N:int>=2, T:type, Tidx:type(int32|int64)=int32}
//
//   argument   name:T        one tensor of the type in attribute T, or of the fixed type when T is a type's name
//              name:N*T      a list of N tensors of that type
//              name:[Tin]    a list of tensors of the types in the list attribute Tin
//   attribute  name:kind(allowed|allowed)>=minimum=default
//   `stateful` at the end marks operations that must not be merged or dropped.
#include "graph/tf_ops.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <iterator>

#include "base/error.h"

namespace crossload::graph {
namespace {

constexpr std::string_view kTable[] = {
#include "graph/tf_ops_table.inc"
};

/// Reads one line of the table from left to right.
class LineParser {
 public:
  explicit LineParser(std::string_view line) : line_(line), rest_(line) {}

  TfOp parse() {
    TfOp op;
    op.name = until("(");
    op.inputs = arguments();
    expect(" -> (");
    op.outputs = arguments();
    expect(" {");
    while (!take("}")) {
      op.attrs.push_back(attribute());
      take(", ");
    }
    op.is_stateful = take(" stateful");
    if (!rest_.empty()) broken();
    for (TfArg& arg : op.inputs) resolve(op, arg);
    for (TfArg& arg : op.outputs) resolve(op, arg);
    return op;
  }

 private:
  [[noreturn]] void broken() const {
    internal_error("tf_ops_table.inc: cannot read `{}` at column {}; run tools/tf_op_signatures.py", line_,
                   line_.size() - rest_.size());
  }
  bool take(std::string_view token) {
    if (!rest_.starts_with(token)) return false;
    rest_.remove_prefix(token.size());
    return true;
  }
  void expect(std::string_view token) {
    if (!take(token)) broken();
  }
  /// The text before the first of `stops`, without the stop.
  std::string_view before(std::string_view stops) {
    const std::size_t end = rest_.find_first_of(stops);
    if (end == std::string_view::npos) broken();
    const std::string_view text = rest_.substr(0, end);
    rest_.remove_prefix(end);
    return text;
  }
  std::string_view until(std::string_view stop) {
    const std::string_view text = before(stop);
    rest_.remove_prefix(1);
    return text;
  }

  std::vector<TfArg> arguments() {
    std::vector<TfArg> args;
    while (!take(")")) {
      TfArg arg;
      arg.name = until(":");
      if (take("[")) {
        arg.type_list_attr = until("]");
      } else {
        std::string_view type = before(",)");
        if (const std::size_t star = type.find('*'); star != std::string_view::npos) {
          arg.number_attr = type.substr(0, star);
          type.remove_prefix(star + 1);
        }
        arg.type_attr = type;
      }
      args.push_back(std::move(arg));
      take(", ");
    }
    return args;
  }

  /// `x:T` names an attribute if there is one called T, else a fixed type.
  void resolve(const TfOp& op, TfArg& arg) const {
    if (arg.type_attr.empty()) return;
    const auto is_it = [&](const TfAttr& attr) { return attr.name == arg.type_attr; };
    if (std::any_of(op.attrs.begin(), op.attrs.end(), is_it)) return;
    arg.type = value_type(arg.type_attr);
    if (!arg.type) broken();
    arg.type_attr.clear();
  }

  TfAttr attribute() {
    TfAttr attr;
    attr.name = until(":");
    attr.type = before("(>=,}");
    if (attr.type == "list") {
      attr.type += rest_.substr(0, rest_.find(')') + 1);
      until(")");
    }
    if (take("(")) {
      for (bool more = true; more;) {
        const std::string_view allowed = before("|)");
        more = take("|");
        if (attr.type != "type" && attr.type != "list(type)") {
          attr.allowed_strings.emplace_back(allowed);
        } else if (const auto dtype = dtype_from_name(allowed)) {
          attr.allowed_types.push_back(*dtype);
        } else {
          broken();
        }
      }
      expect(")");
    }
    if (take(">=")) {
      const std::string_view number = before("=,}");
      int64_t minimum = 0;
      if (std::from_chars(number.data(), number.data() + number.size(), minimum).ec != std::errc()) broken();
      attr.minimum = minimum;
    }
    if (take("=")) {
      attr.has_default = true;
      attr.default_text = default_value();
    }
    return attr;
  }

  /// Up to the comma or brace that ends the attribute; those inside a list, a shape or a string do not.
  std::string_view default_value() {
    std::size_t end = 0;
    if (rest_.starts_with('"')) {
      end = rest_.find('"', 1) + 1;
    } else if (rest_.starts_with('[')) {
      end = rest_.find(']') + 1;
    } else if (rest_.starts_with('<')) {
      end = rest_.find('>') + 1;
    } else {
      end = rest_.find_first_of(",}");
    }
    if (end == 0 || end == std::string_view::npos) broken();
    const std::string_view text = rest_.substr(0, end);
    rest_.remove_prefix(end);
    return text;
  }

  std::string_view line_;
  std::string_view rest_;
};

std::string names_of(const std::vector<DType>& types) {
  std::string text;
  for (DType type : types) text += (text.empty() ? "" : ", ") + std::string(name_of(type));
  return text;
}

const TfAttr* find_attr(const TfOp& op, std::string_view name) {
  for (const TfAttr& attr : op.attrs) {
    if (attr.name == name) return &attr;
  }
  return nullptr;
}

/// An attribute whose type follows from another's: the complex type of a real one, or the reverse.
struct TypePair {
  std::string_view op;
  std::string_view from;
  std::string_view to;
};
constexpr TypePair kTypePairs[] = {
    {"Angle", "T", "Tout"},           {"Complex", "T", "Tout"},
    {"ComplexAbs", "T", "Tout"},      {"Eig", "T", "Tout"},
    {"IRFFT", "Tcomplex", "Treal"},   {"IRFFT2D", "Tcomplex", "Treal"},
    {"IRFFT3D", "Tcomplex", "Treal"}, {"Imag", "T", "Tout"},
    {"RFFT", "Treal", "Tcomplex"},    {"RFFT2D", "Treal", "Tcomplex"},
    {"RFFT3D", "Treal", "Tcomplex"},  {"Real", "T", "Tout"},
};

std::optional<DType> partner_of(std::string_view op, DType from) {
  switch (from) {
    case DType::kFloat32: return DType::kComplex64;
    case DType::kFloat64: return DType::kComplex128;
    // Eigenvalues of a complex matrix are complex as well.
    case DType::kComplex64: return op == "Eig" ? DType::kComplex64 : DType::kFloat32;
    case DType::kComplex128: return op == "Eig" ? DType::kComplex128 : DType::kFloat64;
    default: return std::nullopt;
  }
}

/// Works out one node's attributes and output types.
class Inference {
 public:
  Inference(const TfOp& op, const std::vector<DType>& inputs, Attrs& attrs) : op_(op), inputs_(inputs), attrs_(attrs) {}

  std::vector<DType> run() {
    check_kinds();
    count_lists();
    read_inputs();
    complete();
    check_values();
    return output_types();
  }

 private:
  template <typename T>
  const T* get(const std::string& name) const {
    const auto it = attrs_.find(name);
    return it == attrs_.end() ? nullptr : std::get_if<T>(&it->second);
  }

  void check_kinds() {
    for (auto& [name, value] : attrs_) {
      if (name.starts_with('_')) continue;  // TensorFlow lets every operation carry those
      const TfAttr* attr = find_attr(op_, name);
      if (!attr) internal_error("{}: no attribute `{}`; see `{}` in tf_ops_table.inc", op_.name, name, op_.name);
      if (const int64_t* integer = std::get_if<int64_t>(&value); integer && attr->type == "float") {
        value = static_cast<double>(*integer);
      }
      if (!attr_fits(*attr, value)) {
        internal_error("{}: attribute `{}` is a {}; it must be a {}", op_.name, name, kind_of(value), attr->type);
      }
    }
  }

  /// The length of a list argument, if an attribute says it.
  std::optional<std::size_t> known_length(const TfArg& arg) const {
    if (!arg.number_attr.empty()) {
      const int64_t* n = get<int64_t>(arg.number_attr);
      return n ? std::optional(static_cast<std::size_t>(*n)) : std::nullopt;
    }
    const auto* types = get<std::vector<DType>>(arg.type_list_attr);
    return types ? std::optional(types->size()) : std::nullopt;
  }
  static bool is_list(const TfArg& arg) { return !arg.number_attr.empty() || !arg.type_list_attr.empty(); }
  static const std::string& length_attr(const TfArg& arg) {
    return arg.number_attr.empty() ? arg.type_list_attr : arg.number_attr;
  }

  /// Finds the one length that is not given: what the other arguments leave over, shared by all lists of that length.
  void count_lists() {
    std::size_t others = 0;
    std::size_t sharers = 0;
    for (const TfArg& arg : op_.inputs) {
      if (!is_list(arg)) {
        ++others;
      } else if (const auto length = known_length(arg)) {
        others += *length;
      } else if (sharers > 0 && free_attr_ != length_attr(arg)) {
        internal_error("{}: the lengths of both `{}` and `{}` are open; give one of these attributes", op_.name,
                       free_attr_, length_attr(arg));
      } else {
        free_attr_ = length_attr(arg);
        ++sharers;
      }
    }
    const bool fits =
        sharers == 0 ? inputs_.size() == others : inputs_.size() >= others && (inputs_.size() - others) % sharers == 0;
    if (!fits) {
      internal_error("{}: {} inputs ({}); the signature takes {}{}", op_.name, inputs_.size(), names_of(inputs_),
                     others, sharers == 0 ? "" : fmt::format(" and {} list(s) of `{}`", sharers, free_attr_));
    }
    if (sharers > 0) free_length_ = (inputs_.size() - others) / sharers;
  }

  void read_inputs() {
    std::size_t next = 0;
    for (const TfArg& arg : op_.inputs) {
      const std::size_t length = !is_list(arg) ? 1 : known_length(arg).value_or(free_length_);
      const std::vector<DType> types(inputs_.begin() + next, inputs_.begin() + next + length);
      next += length;
      if (!arg.type_list_attr.empty()) {
        const auto* given = get<std::vector<DType>>(arg.type_list_attr);
        if (given && *given != types) {
          internal_error("{}: input `{}` has types [{}]; attribute `{}` says [{}]", op_.name, arg.name, names_of(types),
                         arg.type_list_attr, names_of(*given));
        }
        attrs_[arg.type_list_attr] = types;
        continue;
      }
      for (DType type : types) read_type(arg, type);
    }
    // Only now: until here `free_attr_` must look open to every list that shares it.
    for (const TfArg& arg : op_.inputs) {
      if (!arg.number_attr.empty() && !get<int64_t>(arg.number_attr)) {
        attrs_[arg.number_attr] = static_cast<int64_t>(free_length_);
      }
    }
  }

  void read_type(const TfArg& arg, DType type) {
    if (arg.type) {
      if (*arg.type == type) return;
      internal_error("{}: input `{}` is {}; it must be {}", op_.name, arg.name, name_of(type), name_of(*arg.type));
    }
    const DType* given = get<DType>(arg.type_attr);
    if (given && *given != type) {
      internal_error("{}: input `{}` is {}; attribute `{}` is {} already, so cast one of the inputs", op_.name,
                     arg.name, name_of(type), arg.type_attr, name_of(*given));
    }
    attrs_[arg.type_attr] = type;
  }

  /// Attributes that follow from other attributes.
  void complete() {
    if (op_.name == "Const") {
      if (const Tensor* value = get<Tensor>("value")) {
        const DType* dtype = get<DType>("dtype");
        if (dtype && *dtype != value->dtype()) {
          internal_error("Const: attribute `dtype` is {}; the value is {}", name_of(*dtype), name_of(value->dtype()));
        }
        attrs_["dtype"] = value->dtype();
      }
    }
    for (const TypePair& pair : kTypePairs) {
      if (op_.name != pair.op || attrs_.contains(std::string(pair.to))) continue;
      const DType* from = get<DType>(std::string(pair.from));
      if (!from) continue;
      if (const auto to = partner_of(op_.name, *from)) attrs_[std::string(pair.to)] = *to;
    }
    for (const TfArg& arg : op_.outputs) {
      if (arg.type_list_attr.empty() || attrs_.contains(arg.type_list_attr)) continue;
      for (const TfAttr& attr : op_.attrs) {
        const auto* function = get<std::shared_ptr<const Graph>>(attr.name);
        if (!function || !*function) continue;
        std::vector<DType> types;
        for (const Output& output : (*function)->outputs) types.push_back((*function)->value(output.value).dtype);
        attrs_[arg.type_list_attr] = types;
        break;
      }
    }
  }

  void check_type(const TfAttr& attr, DType type) const {
    if (attr.allowed_types.empty() || std::ranges::count(attr.allowed_types, type)) return;
    internal_error("{}: no CPU kernel for `{}` = {}; it takes {}", op_.name, attr.name, name_of(type),
                   names_of(attr.allowed_types));
  }
  void check_minimum(const TfAttr& attr, int64_t value) const {
    if (!attr.minimum || value >= *attr.minimum) return;
    internal_error("{}: attribute `{}` or its length is {}; at least {} is wanted", op_.name, attr.name, value,
                   *attr.minimum);
  }

  void check_values() const {
    for (const TfAttr& attr : op_.attrs) {
      const auto it = attrs_.find(attr.name);
      if (it == attrs_.end()) {
        if (!attr.has_default) internal_error("{}: attribute `{}` ({}) is missing", op_.name, attr.name, attr.type);
        continue;
      }
      if (const auto* type = std::get_if<DType>(&it->second)) check_type(attr, *type);
      if (const auto* integer = std::get_if<int64_t>(&it->second)) check_minimum(attr, *integer);
      if (const auto* list = std::get_if<std::vector<int64_t>>(&it->second)) {
        check_minimum(attr, static_cast<int64_t>(list->size()));
      }
      if (const auto* types = std::get_if<std::vector<DType>>(&it->second)) {
        check_minimum(attr, static_cast<int64_t>(types->size()));
        for (DType type : *types) check_type(attr, type);
      }
      if (const auto* text = std::get_if<std::string>(&it->second);
          text && !attr.allowed_strings.empty() && !std::ranges::count(attr.allowed_strings, *text)) {
        internal_error("{}: attribute `{}` is \"{}\"; allowed are {}", op_.name, attr.name, *text,
                       fmt::join(attr.allowed_strings, ", "));
      }
    }
  }

  DType type_of(const std::string& name) const {
    if (const DType* type = get<DType>(name)) return *type;
    return dtype_from_name(find_attr(op_, name)->default_text).value();  // check_values saw that it has a default
  }

  std::vector<DType> output_types() const {
    std::vector<DType> types;
    for (const TfArg& arg : op_.outputs) {
      if (!arg.type_list_attr.empty()) {
        const auto* list = get<std::vector<DType>>(arg.type_list_attr);
        if (list) types.insert(types.end(), list->begin(), list->end());
        continue;
      }
      std::size_t count = 1;
      if (!arg.number_attr.empty()) {
        const int64_t* n = get<int64_t>(arg.number_attr);
        count = static_cast<std::size_t>(n ? *n : std::stoll(find_attr(op_, arg.number_attr)->default_text));
      }
      types.insert(types.end(), count, arg.type ? *arg.type : type_of(arg.type_attr));
    }
    return types;
  }

  const TfOp& op_;
  const std::vector<DType>& inputs_;
  Attrs& attrs_;
  std::string free_attr_;
  std::size_t free_length_ = 0;
};

// In the order of Attr's alternatives.
constexpr std::array<std::string_view, std::variant_size_v<Attr>> kKinds = {
    "int",    "float",     "bool",        "string",       "type",       "shape",
    "tensor", "list(int)", "list(float)", "list(string)", "list(type)", "func"};

}  // namespace

const std::vector<TfOp>& all_tf_ops() {
  static const std::vector<TfOp> ops = [] {
    std::vector<TfOp> parsed;
    parsed.reserve(std::size(kTable));
    for (std::string_view line : kTable) parsed.push_back(LineParser(line).parse());
    return parsed;
  }();
  return ops;
}

std::optional<DType> value_type(std::string_view name) {
  return name == name_of(DType::kVariant) ? DType::kVariant : dtype_from_name(name);
}

const TfOp* find_tf_op(std::string_view name) {
  const std::vector<TfOp>& ops = all_tf_ops();
  const auto it = std::ranges::lower_bound(ops, name, {}, &TfOp::name);
  return it != ops.end() && it->name == name ? &*it : nullptr;
}

bool is_stateful(const Graph& graph) {
  return std::ranges::any_of(graph.nodes, [](const Node& node) {
    const TfOp* op = find_tf_op(node.op);
    return op != nullptr && op->is_stateful;
  });
}

std::string_view kind_of(const Attr& value) { return kKinds[value.index()]; }

bool attr_fits(const TfAttr& attr, const Attr& value) { return attr.type == kind_of(value); }

std::vector<DType> infer_types(const TfOp& op, const std::vector<DType>& input_types, Attrs& attrs) {
  return Inference(op, input_types, attrs).run();
}

}  // namespace crossload::graph
