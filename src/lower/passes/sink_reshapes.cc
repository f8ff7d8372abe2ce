// A reshape that splits rows, [b*s, h] → [b, s, h], moves below operations that work on each row alone: elementwise ones
// and reductions over the last axis. So a dense layer, its activation, the next layer and the normalization between them
// all stay matrices: TensorFlow's CPU kernels fuse them only then, and the reshapes cancel.

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <string_view>

#include "lower/passes/passes.h"
#include "lower/passes/rewrite.h"

namespace crossload::lower {
namespace {

using graph::Graph;
using graph::Node;
using graph::Value;
using graph::ValueRef;

constexpr std::array<std::string_view, 27> kElementwise = {
    "AddV2", "BiasAdd", "Sub", "Mul", "RealDiv", "Maximum", "Minimum", "SquaredDifference", "Erf", "Erfc", "Tanh",
    "Sigmoid", "Relu", "Relu6", "Elu", "Selu", "LeakyRelu", "Softplus", "Square", "Sqrt", "Rsqrt", "Neg", "Exp", "Abs",
    "Cast", "Reciprocal", "Expm1"};
constexpr std::array<std::string_view, 4> kReductions = {"Mean", "Sum", "Max", "Softmax"};

template <std::size_t N>
bool is_one_of(const std::array<std::string_view, N>& names, std::string_view op) {
  return std::find(names.begin(), names.end(), op) != names.end();
}

SymDims without_last(const SymDims& dims) { return SymDims(dims.begin(), dims.end() - 1); }

class Sinker {
 public:
  explicit Sinker(Graph& graph) : old_(graph) {}

  bool run() {
    for (int i = 0; i < static_cast<int>(old_.nodes.size()); ++i) {
      Node node = old_.nodes[static_cast<std::size_t>(i)];
      for (ValueRef& input : node.inputs) input = moved_.at(input);
      if (!sink(node, i)) keep(std::move(node), i);
    }
    if (!changed_) return false;
    for (auto& output : old_.outputs) output.value = moved_.at(output.value);
    for (auto& input : old_.inputs) input.value = moved_.at(input.value);
    old_.nodes = std::move(new_.nodes);
    return true;
  }

 private:
  struct Rows {
    ValueRef matrix;      // [rows, last]
    ValueRef shape;       // the shape input of the reshape that split it
    SymDims leading;      // the axes that the rows are split into
  };

  // The reshape behind a value, when it splits the rows of a matrix and leaves the last axis alone.
  std::optional<Rows> rows_of(ValueRef ref) const {
    const Node& node = new_.nodes[static_cast<std::size_t>(ref.node)];
    if (node.op != "Reshape") return std::nullopt;
    const Value& source = new_.value(node.inputs[0]);
    const Value& result = node.outputs[0];
    if (!source.shape || source.shape->size() != 2 || !result.shape || result.shape->size() < 3) return std::nullopt;
    if (!(source.shape->back() == result.shape->back())) return std::nullopt;
    return Rows{node.inputs[0], node.inputs[1], without_last(*result.shape)};
  }

  // A value of full rank that is no such reshape, but that somebody reshapes to a matrix already.
  std::optional<ValueRef> known_matrix(ValueRef ref, const SymDims& dims) const {
    const auto found = matrices_.find(ref);
    if (found == matrices_.end()) return std::nullopt;
    const Value& matrix = new_.value(found->second);
    return matrix.shape && *matrix.shape == dims ? std::optional(found->second) : std::nullopt;
  }

  static bool is_vector_or_scalar(const Value& value, const Sym& last) {
    if (!value.shape) return false;
    return value.shape->empty() || (value.shape->size() == 1 && (value.shape->back() == last || value.shape->back() == Sym(1)));
  }

  bool sink(Node& node, int index) {
    const bool is_reduction = is_one_of(kReductions, node.op);
    if (!is_reduction && !is_one_of(kElementwise, node.op)) return false;
    if (node.outputs.size() != 1 || !node.outputs[0].shape || node.outputs[0].shape->size() < 3) return false;
    const SymDims dims = *node.outputs[0].shape;
    const std::size_t data_inputs = is_reduction ? 1 : node.inputs.size();
    std::optional<Rows> rows;
    for (std::size_t i = 0; i < data_inputs && !rows; ++i) rows = rows_of(node.inputs[i]);
    if (!rows || rows->leading != without_last(dims)) return false;
    const Sym count = (*new_.value(rows->matrix).shape)[0];

    std::vector<ValueRef> inputs;
    for (std::size_t i = 0; i < data_inputs; ++i) {
      const ValueRef input = node.inputs[i];
      const Value& value = new_.value(input);
      if (const auto same = rows_of(input); same && same->leading == rows->leading && (*new_.value(same->matrix).shape)[0] == count) {
        inputs.push_back(same->matrix);
      } else if (!is_reduction && is_vector_or_scalar(value, dims.back())) {
        inputs.push_back(input);
      } else if (const auto matrix = known_matrix(input, {count, dims.back()})) {
        inputs.push_back(*matrix);
      } else {
        return false;
      }
    }
    if (is_reduction && node.op != "Softmax") {
      if (!reduces_last_axis_only(node, dims.size())) return false;
      inputs.push_back(constant(Tensor::vector_int32({1}), node));
    }

    Node on_rows = node;
    on_rows.inputs = inputs;
    on_rows.outputs[0].shape = SymDims{count, dims.back()};
    const ValueRef matrix = append(std::move(on_rows));
    Node split;
    split.op = "Reshape";
    split.name = node.name + "/split_rows";
    split.origin = node.origin;
    split.inputs = {matrix, shape_with_last(rows->shape, dims.back(), node)};
    split.attrs = {{"T", node.outputs[0].dtype}, {"Tshape", DType::kInt32}};
    split.outputs.push_back({node.outputs[0].dtype, dims, {}});
    moved_[{index, 0}] = append(std::move(split));
    changed_ = true;
    return true;
  }

  bool reduces_last_axis_only(const Node& node, std::size_t rank) const {
    const auto keep = node.attrs.find("keep_dims");
    if (keep == node.attrs.end() || !std::get<bool>(keep->second)) return false;
    const Node& axes = new_.nodes[static_cast<std::size_t>(node.inputs[1].node)];
    if (axes.op != "Const") return false;
    const auto& value = std::get<Tensor>(axes.attrs.at("value"));
    if (value.count() != 1) return false;
    const int64_t axis = element_as_int(value, 0);
    return axis == -1 || axis == static_cast<int64_t>(rank) - 1;
  }

  ValueRef constant(const Tensor& value, const Node& beside) {
    Node node;
    node.op = "Const";
    node.name = beside.name + "/const_" + std::to_string(constants_++);
    node.origin = beside.origin;
    node.attrs = {{"dtype", value.dtype()}, {"value", value}};
    node.outputs.push_back({value.dtype(), SymDims(value.dims().begin(), value.dims().end()), {}});
    return append(std::move(node));
  }

  // The shape that splits the rows, with another last axis where the reduction left one column.
  ValueRef shape_with_last(ValueRef shape, const Sym& last, const Node& beside) {
    const Node node = new_.nodes[static_cast<std::size_t>(shape.node)];
    const int32_t size = last.is_constant() ? static_cast<int32_t>(last.constant()) : 0;
    if (node.op == "Const") {
      const auto& value = std::get<Tensor>(node.attrs.at("value"));
      std::vector<int32_t> sizes;
      for (int64_t i = 0; i < value.count(); ++i) sizes.push_back(static_cast<int32_t>(element_as_int(value, i)));
      if (!last.is_constant() || sizes.back() == size) return shape;
      sizes.back() = size;
      return constant(Tensor::vector_int32(sizes), beside);
    }
    if (node.op != "Pack" || !last.is_constant()) return shape;
    const Node& last_part = new_.nodes[static_cast<std::size_t>(node.inputs.back().node)];
    if (last_part.op == "Const" && element_as_int(std::get<Tensor>(last_part.attrs.at("value")), 0) == size) return shape;
    Node pack = node;
    pack.inputs.back() = constant(Tensor::scalar_int32(size), beside);
    pack.name = beside.name + "/shape";
    pack.origin = beside.origin;
    return append(std::move(pack));
  }

  ValueRef append(Node node) {
    new_.nodes.push_back(std::move(node));
    return {static_cast<int>(new_.nodes.size()) - 1, 0};
  }

  void keep(Node node, int index) {
    const int outputs = static_cast<int>(node.outputs.size());
    if (node.op == "Reshape" && node.outputs[0].shape && node.outputs[0].shape->size() == 2) {
      matrices_.emplace(node.inputs[0], ValueRef{static_cast<int>(new_.nodes.size()), 0});
    }
    const ValueRef ref = append(std::move(node));
    for (int i = 0; i < outputs; ++i) moved_[{index, i}] = {ref.node, i};
  }

  Graph& old_;
  Graph new_;
  std::map<ValueRef, ValueRef> moved_;
  std::map<ValueRef, ValueRef> matrices_;
  int constants_ = 0;
  bool changed_ = false;
};

}  // namespace

bool sink_reshapes(Graph& graph) { return Sinker(graph).run(); }

}  // namespace crossload::lower
