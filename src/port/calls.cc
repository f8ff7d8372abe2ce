#include "port/calls.h"

#include <algorithm>
#include <map>
#include <set>

#include "port/rules.h"

namespace crossload::port {
namespace {

using Function = Node (*)(const Bindings&, const TorchCall&, std::string& problem);

Node filled(std::string_view pattern, const Bindings& bound) { return fill(parse_expression(pattern), bound); }

bool is_none(const Node& n) { return n.is("Const", "None"); }

std::optional<long> integer(const Node& n) {
  if (n.is("Const") && !n.text.empty() && std::ranges::all_of(n.text, [](char c) { return c >= '0' && c <= '9'; })) {
    return std::stol(n.text);
  }
  if (n.is("Unary", "-")) {
    if (const auto inner = integer(n[0])) return -*inner;
  }
  return std::nullopt;
}

// The last two axes swapped, or a permutation where the rank is known.
Node transpose(const Bindings& bound, const TorchCall&, std::string& problem) {
  const auto first = integer(bound.at("dim0")), second = integer(bound.at("dim1"));
  const int rank = Kinds(bound.at("self").types).rank();
  if (!first || !second) {
    problem = "swaps axes that are not written as numbers";
    return {};
  }
  long a = *first, b = *second;
  if (a < 0 && b < 0 && a + b == -3) return filled("tf.linalg.matrix_transpose($self)", bound);
  if (rank < 0) {
    problem = "swaps axes of a tensor whose rank no probe saw";
    return {};
  }
  a = a < 0 ? a + rank : a;
  b = b < 0 ? b + rank : b;
  std::vector<Node> perm;
  for (long i = 0; i < rank; ++i) perm.push_back(number(i == a ? b : i == b ? a : i));
  Bindings with = bound;
  with["perm"] = make("List", "", perm);
  return filled("tf.transpose($self, perm=$perm)", with);
}

Node expand(const Bindings& bound, const TorchCall&, std::string&) {
  Node sizes = bound.at("sizes");
  const Node& self = bound.at("self");
  if (!sizes.is("List") && !sizes.is("Tuple")) return filled("tf.broadcast_to($self, $sizes)", bound);
  const int rank = Kinds(self.types).rank();
  const bool keeps = std::ranges::any_of(sizes.children, [](const Node& n) { return integer(n) == -1; });
  Bindings with = bound;
  const bool adds_one = sizes.size() == 2 && integer(sizes[0]) == 1 && integer(sizes[1]) == -1 && rank == 1;
  if (adds_one) return filled("tf.expand_dims($self, axis=0)", bound);
  if (keeps && (rank < 0 || !self.is("Name"))) {
    with["sizes"] = make("List", "", sizes.children);
    return filled("expand($self, $sizes)", with);
  }
  if (keeps) {
    const long offset = static_cast<long>(sizes.size()) - rank;
    for (size_t i = 0; i < sizes.size(); ++i) {
      if (integer(sizes[i]) != -1) continue;
      Bindings one{{"self", self}, {"i", number(static_cast<long>(i) - offset)}};
      sizes[i] = filled("shape_list($self)[$i]", one);
    }
  }
  sizes.kind = "List";
  with["sizes"] = sizes;
  return filled("tf.broadcast_to($self, $sizes)", with);
}

Node matmul(const Bindings& bound, const TorchCall&, std::string&) {
  const Node& other = bound.at("other");
  if (other.is("Call") && dotted(other[0]) == "tf.linalg.matrix_transpose") {
    Bindings with = bound;
    with["other"] = other[1];
    return filled("tf.matmul($input, $other, transpose_b=True)", with);
  }
  if (other.is("Call") && dotted(other[0]) == "tf.transpose" && other.size() == 3 && other[2][0].is("List")) {
    const std::vector<Node>& perm = other[2][0].children;
    const size_t n = perm.size();
    bool swaps =
        n >= 2 && integer(perm[n - 1]) == static_cast<long>(n) - 2 && integer(perm[n - 2]) == static_cast<long>(n) - 1;
    for (size_t i = 0; swaps && i + 2 < n; ++i) swaps = integer(perm[i]) == static_cast<long>(i);
    if (swaps) {
      Bindings with = bound;
      with["other"] = other[1];
      return filled("tf.matmul($input, $other, transpose_b=True)", with);
    }
  }
  return filled("tf.matmul($input, $other)", bound);
}

Node arange(const Bindings& bound, const TorchCall&, std::string&) {
  Bindings with = bound;
  if (with["dtype"].is("Attr") && with["dtype"].text == "int32") with["dtype"] = make("Const", "None");
  if (is_none(with["end"])) return filled("tf.range($start, dtype=$dtype)", with);
  if (is_none(with["step"])) return filled("tf.range($start, $end, dtype=$dtype)", with);
  return filled("tf.range($start, $end, $step, dtype=$dtype)", with);
}

Node size(const Bindings& bound, const TorchCall&, std::string&) {
  return is_none(bound.at("dim")) ? filled("shape_list($self)", bound) : filled("shape_list($self)[$dim]", bound);
}

Node to(const Bindings& bound, const TorchCall& c, std::string& problem) {
  Node target = bound.at("dtype");
  if (is_none(target)) target = bound.at("other");
  if (is_none(target)) return c.self;  // a device
  const Kinds kinds(target.types);
  if (kinds.is("device") || target.is("Name", "device") || target.is("Attr", "device")) return c.self;
  if (kinds.is_tensor()) return cast(c.self, attribute(target, "dtype"));
  if (kinds.is("dtype") || target.is("Attr") || target.is("Name")) return cast(c.self, target);
  problem = "converts to something that is neither a dtype nor a tensor";
  return {};
}

template <const char* kDtype>
Node as_dtype(const Bindings& bound, const TorchCall&, std::string&) {
  return cast(bound.at("self"), parse_expression(kDtype));
}
constexpr char kFloat32[] = "tf.float32";
constexpr char kInt32[] = "tf.int32";
constexpr char kBool[] = "tf.bool";

Node softmax(const Bindings& bound, const TorchCall&, std::string&) {
  Bindings with = bound;
  if (!is_none(bound.at("dtype"))) with["input"] = cast(bound.at("input"), bound.at("dtype"));
  return filled("stable_softmax($input, axis=$dim)", with);
}

Node dropout(const Bindings& bound, const TorchCall&, std::string&) {
  Bindings with = bound;
  if (is_none(bound.at("training"))) with["training"] = make("Const", "True");
  return filled("tf.nn.dropout($input, rate=$p) if $training else $input", with);
}

// The sizes of zeros, ones: one sequence, or several numbers.
template <const char* kPattern>
Node created(const Bindings& bound, const TorchCall&, std::string&) {
  return filled(kPattern, bound);
}
constexpr char kZeros[] = "tf.zeros($size, dtype=$dtype)";
constexpr char kOnes[] = "tf.ones($size, dtype=$dtype)";

Node full(const Bindings& bound, const TorchCall&, std::string&) {
  if (is_none(bound.at("dtype"))) return filled("tf.fill($size, $fill_value)", bound);
  return filled("tf.fill($size, tf.cast($fill_value, $dtype))", bound);
}

Node flatten(const Bindings& bound, const TorchCall&, std::string& problem) {
  const auto start = integer(bound.at("start_dim")), end = integer(bound.at("end_dim"));
  if (!start || !end) {
    problem = "flattens axes that are not written as numbers";
    return {};
  }
  if (*end != -1) return filled("flatten($self, $start_dim, $end_dim)", bound);
  return *start == 0 ? filled("tf.reshape($self, [-1])", bound) : filled("flatten($self, $start_dim)", bound);
}

Node cumsum(const Bindings& bound, const TorchCall&, std::string&) {
  Bindings with = bound;
  if (Kinds(bound.at("input").types).dtype() == "bool")
    with["input"] = cast(bound.at("input"), parse_expression("tf.int32"));
  return filled("tf.cumsum($input, axis=$dim)", with);
}

// The sum of truth values counts them.
Node sum(const Bindings& bound, const TorchCall&, std::string&) {
  Bindings with = bound;
  if (Kinds(bound.at("input").types).dtype() == "bool")
    with["input"] = cast(bound.at("input"), parse_expression("tf.int32"));
  if (!is_none(bound.at("dtype"))) with["input"] = cast(with["input"], bound.at("dtype"));
  return filled("tf.reduce_sum($input, axis=$dim, keepdims=$keepdim)", with);
}

Node norm_layer(const Bindings& bound, const TorchCall&, std::string&) {
  return filled("layer_norm($input, $normalized_shape, weight=$weight, bias=$bias, epsilon=$eps)", bound);
}

Node pad(const Bindings& bound, const TorchCall&, std::string& problem) {
  if (!is_none(bound.at("mode")) && !bound.at("mode").is("Str", "\"constant\"")) {
    problem = "pads with something else than a constant";
    return {};
  }
  Node sizes = bound.at("pad");
  const bool is_written = sizes.is("Tuple") || sizes.is("List");
  if (is_written && std::ranges::all_of(sizes.children, [](const Node& n) { return integer(n) == 0; }))
    return bound.at("input");
  return is_none(bound.at("value")) ? filled("pad($input, $pad)", bound)
                                    : filled("pad($input, $pad, value=$value)", bound);
}

// Splits by sizes, or into pieces of one size.
Node split(const Bindings& bound, const TorchCall&, std::string&) {
  const Node& sizes = bound.at("split_size");
  if (sizes.is("List") || sizes.is("Tuple")) return filled("tf.split($self, $split_size, axis=$dim)", bound);
  return filled("split_by($self, $split_size, axis=$dim)", bound);
}

// One number of a tensor.
Node item(const Bindings& bound, const TorchCall& c, std::string&) {
  return filled(Kinds(c.types).is("int") ? "int($self)" : "float($self)", bound);
}

Node topk(const Bindings& bound, const TorchCall&, std::string& problem) {
  if (integer(bound.at("dim")) != -1) {
    problem = "takes the largest values of an axis that is not written as -1";
    return {};
  }
  return filled("tf.math.top_k($input, k=$k)", bound);
}

Node index_add(const Bindings& bound, const TorchCall&, std::string& problem) {
  if (integer(bound.at("dim")) != 0) {
    problem = "adds to an axis that is not written as 0";
    return {};
  }
  return filled("tf.tensor_scatter_nd_add($self, tf.expand_dims($index, axis=-1), $source)", bound);
}

// A single number, as for the decision to skip a layer, is Python's.
Node rand(const Bindings& bound, const TorchCall&, std::string&) {
  const Node& size = bound.at("size");
  const bool is_number = (size.is("List") || size.is("Tuple")) && size.size() == 0;
  return filled(is_number ? "random.uniform(0, 1)" : "tf.random.uniform($size, dtype=$dtype)", bound);
}

Node default_dtype(const Bindings& bound, const TorchCall&, std::string&) { return filled("tf.float32", bound); }

struct Special {
  std::string_view signature;
  Function function;
};

constexpr Special kSpecial[] = {
    {"Tensor.transpose(self, dim0, dim1)", transpose},
    {"Tensor.swapaxes(self, dim0, dim1)", transpose},
    {"torch.transpose(self, dim0, dim1)", transpose},
    {"Tensor.expand(self, *sizes)", expand},
    {"torch.matmul(input, other)", matmul},
    {"torch.arange(start, end=None, step=None, dtype=None)", arange},
    {"Tensor.size(self, dim=None)", size},
    {"Tensor.to(self, other=None, dtype=None)", to},
    {"Tensor.type(self, other=None, dtype=None)", to},
    {"Tensor.type_as(self, other=None, dtype=None)", to},
    {"Tensor.item(self)", item},
    {"Tensor.float(self)", as_dtype<kFloat32>},
    {"Tensor.long(self)", as_dtype<kInt32>},
    {"Tensor.int(self)", as_dtype<kInt32>},
    {"Tensor.bool(self)", as_dtype<kBool>},
    {"torch.nn.functional.softmax(input, dim, dtype=None)", softmax},
    {"torch.softmax(input, dim, dtype=None)", softmax},
    {"Tensor.softmax(input, dim, dtype=None)", softmax},
    {"torch.nn.functional.dropout(input, p=0.5, training=None)", dropout},
    {"torch.zeros(*size, dtype=None)", created<kZeros>},
    {"torch.ones(*size, dtype=None)", created<kOnes>},
    {"torch.full(size, fill_value, dtype=None)", full},
    {"Tensor.flatten(self, start_dim=0, end_dim=-1)", flatten},
    {"torch.flatten(self, start_dim=0, end_dim=-1)", flatten},
    {"torch.sum(input, dim=None, keepdim=None, dtype=None)", sum},
    {"Tensor.sum(input, dim=None, keepdim=None, dtype=None)", sum},
    {"torch.cumsum(input, dim, dtype=None)", cumsum},
    {"Tensor.cumsum(input, dim, dtype=None)", cumsum},
    {"torch.nn.functional.layer_norm(input, normalized_shape, weight=None, bias=None, eps=1e-5)", norm_layer},
    {"torch.nn.functional.pad(input, pad, mode=None, value=None)", pad},
    {"torch.get_default_dtype()", default_dtype},
    {"torch.rand(*size, dtype=None)", rand},
    {"torch.topk(input, k, dim=-1)", topk},
    {"Tensor.topk(input, k, dim=-1)", topk},
    {"Tensor.index_add(self, dim, index, source)", index_add},
    {"Tensor.split(self, split_size, dim=0)", split},
    {"torch.split(self, split_size, dim=0)", split},
};

const std::map<std::string, std::pair<Signature, Function>>& specials() {
  static const auto kTable = [] {
    std::map<std::string, std::pair<Signature, Function>> table;
    for (const Special& row : kSpecial) {
      const Signature signature = parse_signature(row.signature);
      table[signature.name] = {signature, row.function};
    }
    return table;
  }();
  return kTable;
}

const std::map<std::string, std::vector<std::pair<Signature, Node>>>& plain() {
  static const auto kTable = [] {
    std::map<std::string, std::vector<std::pair<Signature, Node>>> table;
    for (const CallRule& row : call_rules()) {
      const Signature signature = parse_signature(row.torch);
      table[signature.name].emplace_back(signature, parse_expression(row.tf));
    }
    return table;
  }();
  return kTable;
}

}  // namespace

Node cast(Node value, Node dtype) { return call(parse_expression("tf.cast"), {std::move(value), std::move(dtype)}); }

bool is_tensor_method(const std::string& method) {
  return specials().contains("Tensor." + method) || plain().contains("Tensor." + method);
}

std::optional<Node> special_call(const TorchCall& c, std::string& problem) {
  const bool is_method = c.name.starts_with("Tensor.");
  std::vector<Node> arguments;
  if (is_method) arguments.push_back(c.self);
  for (const Node& argument : c.arguments) arguments.push_back(argument);
  if (const auto found = specials().find(c.name); found != specials().end()) {
    Bindings bound;
    if (!bind_arguments(found->second.first, nullptr, arguments, bound, problem)) return std::nullopt;
    Node made = found->second.second(bound, c, problem);
    if (!problem.empty()) return std::nullopt;
    made.types = c.types;
    return made;
  }
  if (const auto found = plain().find(c.name); found != plain().end()) {
    for (const auto& [signature, pattern] : found->second) {
      Bindings bound;
      problem.clear();
      if (!bind_arguments(signature, nullptr, arguments, bound, problem)) continue;
      Node made = fill(pattern, bound);
      made.types = c.types;
      return made;
    }
    return std::nullopt;
  }
  problem = "has no rule";
  return std::nullopt;
}

}  // namespace crossload::port
