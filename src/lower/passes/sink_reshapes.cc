// A reshape that splits rows, [b*s, h] → [b, s, h], moves below operations that work on each row alone: elementwise
// ones and reductions over the last axis. So a dense layer, its activation, the next layer and the normalization
// between them all stay matrices: TensorFlow's CPU kernels fuse them only then, and the reshapes cancel.

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <string_view>

#include "lower/passes/passes.h"
#include "lower/passes/rebuild.h"

namespace crossload::lower {
namespace {

using graph::Graph;
using graph::Node;
using graph::Value;
using graph::ValueRef;

constexpr std::array<std::string_view, 4> kOverLastAxis = {"Max", "Mean", "Softmax", "Sum"};

SymDims without_last(const SymDims& dims) { return SymDims(dims.begin(), dims.end() - 1); }

class ReshapeSinker : public Rebuilder {
 public:
  using Rebuilder::Rebuilder;

 private:
  struct Rows {
    ValueRef matrix;  // [rows, last]
    ValueRef shape;   // the shape input of the reshape that split it
    SymDims leading;  // the axes that the rows are split into
  };

  // The reshape behind a value, when it splits the rows of a matrix and leaves the last axis alone.
  std::optional<Rows> rows_of(ValueRef ref) const {
    const Node& reshape = node(ref);
    if (reshape.op != "Reshape") return std::nullopt;
    const Value& source = value(reshape.inputs[0]);
    const Value& result = reshape.outputs[0];
    if (!source.shape || source.shape->size() != 2 || !result.shape || result.shape->size() < 3) return std::nullopt;
    if (!(source.shape->back() == result.shape->back())) return std::nullopt;
    return Rows{reshape.inputs[0], reshape.inputs[1], without_last(*result.shape)};
  }

  // For a value that is no such reshape, but that somebody reshapes to a matrix already.
  std::optional<ValueRef> known_matrix(ValueRef ref, const SymDims& dims) const {
    const auto found = matrices_.find(ref);
    if (found == matrices_.end()) return std::nullopt;
    const Value& matrix = value(found->second);
    return matrix.shape && *matrix.shape == dims ? std::optional(found->second) : std::nullopt;
  }

  static bool is_vector_or_scalar(const Value& v, const Sym& last) {
    if (!v.shape) return false;
    return v.shape->empty() || (v.shape->size() == 1 && (v.shape->back() == last || v.shape->back() == Sym(1)));
  }

  bool rewrite(const Node& old, int index) override {
    const bool is_reduction = std::binary_search(kOverLastAxis.begin(), kOverLastAxis.end(), old.op);
    if (!is_reduction && !is_elementwise(old.op)) return false;
    if (old.outputs.size() != 1 || !old.outputs[0].shape || old.outputs[0].shape->size() < 3) return false;
    const SymDims dims = *old.outputs[0].shape;
    const std::size_t data_inputs = is_reduction ? 1 : old.inputs.size();
    std::optional<Rows> rows;
    for (std::size_t i = 0; i < data_inputs && !rows; ++i) rows = rows_of(old.inputs[i]);
    if (!rows || rows->leading != without_last(dims)) return false;
    if (!(value(rows->matrix).shape->back() == dims.back())) {
      // The last axis changes: only a shape that is known part by part can be made to fit.
      const std::string_view made_by = node(rows->shape).op;
      if (!dims.back().is_constant() || (made_by != "Const" && made_by != "Pack")) return false;
    }
    const Sym count = (*value(rows->matrix).shape)[0];

    std::vector<ValueRef> inputs;
    for (std::size_t i = 0; i < data_inputs; ++i) {
      const ValueRef input = old.inputs[i];
      const auto same = rows_of(input);
      if (same && same->leading == rows->leading && (*value(same->matrix).shape)[0] == count) {
        inputs.push_back(same->matrix);
      } else if (!is_reduction && is_vector_or_scalar(value(input), dims.back())) {
        inputs.push_back(input);
      } else if (const auto matrix = known_matrix(input, {count, dims.back()})) {
        inputs.push_back(*matrix);
      } else {
        return false;
      }
    }
    if (is_reduction && old.op != "Softmax") {
      if (!reduces_last_axis_only(old, dims.size())) return false;
      inputs.push_back(constant(Tensor::vector_int32({1}), old));
    }

    Node on_rows = old;
    on_rows.inputs = inputs;
    on_rows.outputs[0].shape = SymDims{count, dims.back()};
    const ValueRef matrix = append(std::move(on_rows));
    Node split;
    split.op = "Reshape";
    split.name = old.name + "/split_rows";
    split.origin = old.origin;
    split.inputs = {matrix, shape_with_last(rows->shape, dims.back(), old)};
    split.attrs = {{"T", old.outputs[0].dtype}, {"Tshape", DType::kInt32}};
    split.outputs.push_back({old.outputs[0].dtype, dims, {}});
    replace(index, append(std::move(split)));
    return true;
  }

  bool reduces_last_axis_only(const Node& reduction, std::size_t rank) const {
    const auto keep = reduction.attrs.find("keep_dims");
    if (keep == reduction.attrs.end() || !std::get<bool>(keep->second)) return false;
    const Node& axes = node(reduction.inputs[1]);
    if (axes.op != "Const") return false;
    const auto& tensor = std::get<Tensor>(axes.attrs.at("value"));
    if (tensor.count() != 1) return false;
    const int64_t axis = element_as_int(tensor, 0);
    return axis == -1 || axis == static_cast<int64_t>(rank) - 1;
  }

  // The shape that splits the rows, with another last axis where the reduction left one column.
  ValueRef shape_with_last(ValueRef shape, const Sym& last, const Node& beside) {
    const Node made_by = node(shape);
    const int32_t size = last.is_constant() ? static_cast<int32_t>(last.constant()) : 0;
    if (made_by.op == "Const") {
      const auto& tensor = std::get<Tensor>(made_by.attrs.at("value"));
      std::vector<int32_t> sizes;
      for (int64_t i = 0; i < tensor.count(); ++i) sizes.push_back(static_cast<int32_t>(element_as_int(tensor, i)));
      if (!last.is_constant() || sizes.back() == size) return shape;
      sizes.back() = size;
      return constant(Tensor::vector_int32(sizes), beside);
    }
    if (made_by.op != "Pack" || !last.is_constant()) return shape;
    const Node& last_part = node(made_by.inputs.back());
    if (last_part.op == "Const" && element_as_int(std::get<Tensor>(last_part.attrs.at("value")), 0) == size)
      return shape;
    Node pack = made_by;
    pack.inputs.back() = constant(Tensor::scalar_int32(size), beside);
    pack.name = beside.name + "/shape";
    pack.origin = beside.origin;
    return append(std::move(pack));
  }

  void kept(const Node& old, ValueRef ref) override {
    if (old.op == "Reshape" && old.outputs[0].shape && old.outputs[0].shape->size() == 2)
      matrices_.emplace(old.inputs[0], ref);
  }

  std::map<ValueRef, ValueRef> matrices_;
};

}  // namespace

bool sink_reshapes(Graph& graph) { return ReshapeSinker(graph).run(); }

}  // namespace crossload::lower
