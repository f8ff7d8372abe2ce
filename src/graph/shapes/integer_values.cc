// What is known of the integers that compute shapes: TensorFlow's Shape, Pack, StridedSlice and arithmetic on them.
#include <algorithm>
#include <string_view>
#include <tuple>
#include <unordered_map>

#include "base/error.h"
#include "graph/shape_inference.h"

namespace crossload::graph {
namespace {

using Values = std::optional<std::vector<Sym>>;

constexpr int kMaxNodes = 500;         // looked at for one answer; a size is computed by a few
constexpr int64_t kMaxElements = 256;  // a longer constant is data, not a shape

template <typename T>
T attr_or(const Node& node, const char* name, T otherwise) {
  const auto it = node.attrs.find(name);
  const T* value = it == node.attrs.end() ? nullptr : std::get_if<T>(&it->second);
  return value ? *value : otherwise;
}

class Evaluator {
 public:
  Evaluator(const Graph& graph, const KnownScalars& known) : graph_(graph), known_(known) {}

  Values of(ValueRef ref) {
    if (const auto it = known_.find(ref); it != known_.end()) return std::vector{it->second};
    if (++looked_at_ > kMaxNodes || !is_integer(graph_.value(ref).dtype) || ref.output != 0) return std::nullopt;
    const Node& node = graph_.nodes[static_cast<std::size_t>(ref.node)];
    if (node.op == "Const") return constant(std::get<Tensor>(node.attrs.at("value")));
    if (rank(ref) > 1) return std::nullopt;
    if (const auto rule = kRules.find(node.op); rule != kRules.end()) return (this->*rule->second)(node);
    return node.inputs.size() == 2 ? elementwise(node) : std::nullopt;
  }

 private:
  using Rule = Values (Evaluator::*)(const Node&);
  static const std::unordered_map<std::string_view, Rule> kRules;

  static int64_t count(const std::vector<Sym>& values) { return static_cast<int64_t>(values.size()); }
  int rank(ValueRef ref) const {
    const auto& shape = graph_.value(ref).shape;
    return shape ? static_cast<int>(shape->size()) : -1;
  }

  static Values constant(const Tensor& tensor) {
    if (tensor.count() > kMaxElements) return std::nullopt;
    std::vector<Sym> values;
    for (int64_t i = 0; i < tensor.count(); ++i) values.emplace_back(element_as_int(tensor, i));
    return values;
  }

  Values same(const Node& node) { return of(node.inputs[0]); }

  Values shape(const Node& node) { return graph_.value(node.inputs[0]).shape; }

  Values size(const Node& node) {
    const std::optional<SymDims>& dims = graph_.value(node.inputs[0]).shape;
    return dims ? Values({product(*dims)}) : std::nullopt;
  }

  Values rank_of(const Node& node) {
    const std::optional<SymDims>& dims = graph_.value(node.inputs[0]).shape;
    return dims ? Values({Sym(static_cast<int64_t>(dims->size()))}) : std::nullopt;
  }

  Values joined(const Node& node, std::size_t parts) {
    std::vector<Sym> all;
    for (std::size_t i = 0; i < parts; ++i) {
      const Values part = of(node.inputs[i]);
      if (!part) return std::nullopt;
      all.insert(all.end(), part->begin(), part->end());
    }
    return all;
  }
  Values pack(const Node& node) { return joined(node, node.inputs.size()); }
  Values concat(const Node& node) { return joined(node, node.inputs.size() - 1); }

  Values gather(const Node& node) {
    const Values values = of(node.inputs[0]);
    const Values indices = of(node.inputs[1]);
    if (!values || !indices || rank(node.inputs[0]) != 1) return std::nullopt;
    std::vector<Sym> picked;
    for (const Sym& index : *indices) {
      if (!index.is_constant() || index.constant() < 0 || index.constant() >= count(*values)) return std::nullopt;
      picked.push_back((*values)[static_cast<std::size_t>(index.constant())]);
    }
    return picked;
  }

  /// The elements of a vector added or multiplied.
  Values reduced(const Node& node) {
    const bool is_product = node.op == "Prod";
    const Values values = of(node.inputs[0]);
    if (!values || rank(node.inputs[0]) != 1) return std::nullopt;
    Sym total(is_product ? 1 : 0);
    for (const Sym& value : *values) total = is_product ? total * value : total + value;
    return std::vector{total};
  }

  Values negated(const Node& node) {
    Values values = of(node.inputs[0]);
    if (values) {
      for (Sym& value : *values) value = Sym(-1) * value;
    }
    return values;
  }

  /// The value that computes elementwise on two operands, or nothing when the operation is no such thing.
  static std::optional<Sym> apply(std::string_view op, const Sym& a, const Sym& b) {
    if (op == "AddV2" || op == "Add") return a + b;
    if (op == "Sub") return a - b;
    if (op == "Mul") return a * b;
    if (op == "Maximum") return max(a, b);
    if (op == "Minimum") return min(a, b);
    if (op == "FloorDiv" && b != Sym(0)) return b == Sym(1) ? a : floor_div(a, b);
    if (op == "FloorMod" && b != Sym(0)) return Sym::make(Sym::Op::kMod, {a, b});
    return std::nullopt;
  }

  Values elementwise(const Node& node) {
    const std::string_view op = node.op;
    if (!apply(op, 1, 1)) return std::nullopt;
    const Values a = of(node.inputs[0]);
    const Values b = a ? of(node.inputs[1]) : std::nullopt;
    if (!a || !b || (a->size() != b->size() && a->size() != 1 && b->size() != 1)) return std::nullopt;
    std::vector<Sym> values;
    const std::size_t n = a->size() == 1 ? b->size() : a->size();
    for (std::size_t i = 0; i < n; ++i) {
      const auto value = apply(op, (*a)[a->size() == 1 ? 0 : i], (*b)[b->size() == 1 ? 0 : i]);
      if (!value) return std::nullopt;
      values.push_back(*value);
    }
    return values;
  }

  /// One slice of a vector, or one element of it.
  Values strided_slice(const Node& node) {
    if (rank(node.inputs[0]) != 1) return std::nullopt;
    const Values values = of(node.inputs[0]);
    if (!values || attr_or<int64_t>(node, "ellipsis_mask", 0) != 0 || attr_or<int64_t>(node, "new_axis_mask", 0) != 0) {
      return std::nullopt;
    }
    int64_t bounds[3];  // begin, end, stride
    for (std::size_t i = 0; i < 3; ++i) {
      const Values bound = of(node.inputs[i + 1]);
      if (!bound || bound->size() != 1 || !(*bound)[0].is_constant()) return std::nullopt;
      bounds[i] = (*bound)[0].constant();
    }
    const int64_t size = count(*values);
    const auto [begin, end, stride] = std::tuple(bounds[0], bounds[1], bounds[2]);
    if (attr_or<int64_t>(node, "shrink_axis_mask", 0) != 0) {
      const int64_t at = begin < 0 ? begin + size : begin;
      if (at < 0 || at >= size) return std::nullopt;
      return std::vector{(*values)[static_cast<std::size_t>(at)]};
    }
    if (stride <= 0) return std::nullopt;
    const auto clamp = [&](int64_t at) { return std::clamp<int64_t>(at < 0 ? at + size : at, 0, size); };
    const int64_t first = attr_or<int64_t>(node, "begin_mask", 0) != 0 ? 0 : clamp(begin);
    const int64_t last = attr_or<int64_t>(node, "end_mask", 0) != 0 ? size : clamp(end);
    std::vector<Sym> part;
    for (int64_t i = first; i < last; i += stride) part.push_back((*values)[static_cast<std::size_t>(i)]);
    return part;
  }

  const Graph& graph_;
  const KnownScalars& known_;
  int looked_at_ = 0;
};

const std::unordered_map<std::string_view, Evaluator::Rule> Evaluator::kRules = {
    {"Identity", &Evaluator::same},   {"Cast", &Evaluator::same},       {"Reshape", &Evaluator::same},
    {"ExpandDims", &Evaluator::same}, {"Squeeze", &Evaluator::same},    {"StopGradient", &Evaluator::same},
    {"Shape", &Evaluator::shape},     {"Size", &Evaluator::size},       {"Rank", &Evaluator::rank_of},
    {"Pack", &Evaluator::pack},       {"ConcatV2", &Evaluator::concat}, {"StridedSlice", &Evaluator::strided_slice},
    {"GatherV2", &Evaluator::gather}, {"Prod", &Evaluator::reduced},    {"Sum", &Evaluator::reduced},
    {"Neg", &Evaluator::negated},
};

}  // namespace

std::optional<std::vector<Sym>> integer_values(ValueRef ref, const Graph& graph, const KnownScalars& known) {
  return Evaluator(graph, known).of(ref);
}

}  // namespace crossload::graph
