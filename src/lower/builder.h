// Builds a TensorFlow graph node by node: constants, sizes, and the few operations that every lowering uses.
#pragma once

#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "graph/graph.h"
#include "graph/shape_inference.h"

namespace crossload::lower {

class Builder;

/// A handle on one value of the graph under construction. Arithmetic inserts constants in the operand's dtype, so that
/// a lowering reads as its formula. Operands of a binary operator must have one dtype; shapes broadcast.
class Expr {
 public:
  Expr() = default;
  Expr(Builder* builder, graph::ValueRef ref) : builder_(builder), ref_(ref) {}

  explicit operator bool() const { return builder_ != nullptr; }
  Builder& builder() const { return *builder_; }
  graph::ValueRef ref() const { return ref_; }
  DType dtype() const;
  /// Throws `kInternal` when neither inference nor the program knows the shape.
  const SymDims& dims() const;
  bool has_dims() const;
  int rank() const { return static_cast<int>(dims().size()); }
  /// Dimension `axis`; negative axes count from the end.
  const Sym& dim(int axis) const;

 private:
  Builder* builder_ = nullptr;
  graph::ValueRef ref_;
};

Expr operator+(Expr a, Expr b);
Expr operator-(Expr a, Expr b);
Expr operator*(Expr a, Expr b);
Expr operator/(Expr a, Expr b);  // true division of floats, TensorFlow's RealDiv
Expr operator-(Expr a);
Expr operator+(Expr a, double b);
Expr operator-(Expr a, double b);
Expr operator*(Expr a, double b);
Expr operator/(Expr a, double b);
Expr operator-(double a, Expr b);
Expr operator*(double a, Expr b);
Expr operator+(double a, Expr b);

/// Nodes with the same operation, inputs and attributes are made once. Every node gets the origin set last.
class Builder {
 public:
  Builder() = default;
  /// Builds a function that a node of `outer`'s graph will call. Sizes of which it knows only the symbol come from
  /// there, as inputs, see `capture`.
  explicit Builder(Builder& outer) : outer_(&outer), origin_(outer.origin_) {}
  Builder(const Builder&) = delete;
  Builder& operator=(const Builder&) = delete;

  // Operations by TensorFlow's names. Types follow from the inputs, shapes by inference where it can.
  Expr tf(std::string_view op, const std::vector<Expr>& inputs, graph::Attrs attrs = {});
  std::vector<Expr> tf_all(std::string_view op, const std::vector<Expr>& inputs, graph::Attrs attrs = {});
  /// Like `tf`, computed in a wider dtype where no CPU kernel takes the first input's; a result of the wider dtype is
  /// cast back. Inputs of the first one's dtype are widened with it.
  Expr tf_widened(std::string_view op, const std::vector<Expr>& inputs, graph::Attrs attrs = {});

  // Leaves.
  Expr input(const std::string& name, DType dtype, SymDims dims);
  Expr variable(graph::Variable variable);
  Expr constant(const Tensor& value);
  Expr scalar(DType dtype, double value);
  Expr scalar(DType dtype, int64_t value);
  Expr scalar(DType dtype, int value) { return scalar(dtype, static_cast<int64_t>(value)); }
  Expr int32s(const std::vector<int>& values);
  /// The smallest and the largest value of the dtype: infinities for floats, the limits for integers.
  Expr lowest(DType dtype);
  Expr highest(DType dtype);

  // Sizes. A symbol is bound to the axis of a tensor, or to a scalar, that holds its value at run time.
  bool is_bound(const std::string& symbol) const { return symbols_.contains(symbol); }
  void bind(const std::string& symbol, Expr tensor, int axis);
  void bind(const std::string& symbol, Expr scalar);
  /// The symbol of a size that is known at run time only, that of the first axis of `found`; where the symbol is bound
  /// already it stays as it is.
  Sym found_size(const std::string& symbol, Expr found);
  /// In a function: makes a symbol of the outer graph an input, once, and binds it unless it is bound already. Throws
  /// `kInternal` where it is bound nowhere.
  void capture(const std::string& symbol);
  /// The captured symbols in the order of their inputs, which come after all others.
  const std::vector<std::string>& captured() const { return captured_; }
  /// What is bound to the symbol: a scalar that holds it at run time. Throws `kInternal` where it is bound to nothing.
  Expr bound(const std::string& symbol);
  /// The value of an expression as a scalar of `dtype` (int32, int64, float…).
  Expr size(const Sym& value, DType dtype = DType::kInt32);
  /// A vector of sizes, int32: a constant where all are constant.
  Expr sizes(const SymDims& dims);

  // Shape and type changes; each returns its operand where nothing would change.
  Expr reshape(Expr x, const SymDims& dims);
  Expr transpose(Expr x, const std::vector<int>& perm);
  Expr swap_axes(Expr x, int a, int b);
  Expr broadcast(Expr x, const SymDims& dims);
  Expr cast(Expr x, DType dtype);
  Expr squeeze(Expr x, const std::vector<int>& axes);
  Expr unsqueeze(Expr x, int axis);
  Expr fill(DType dtype, const SymDims& dims, Expr scalar);
  /// 0, 1, … count-1 of `dtype`.
  Expr range(const Sym& count, DType dtype);
  Expr concat(const std::vector<Expr>& parts, int axis);
  /// `begin` and `end` along one axis; `end` may exceed the size.
  Expr slice(Expr x, int axis, const Sym& begin, const Sym& end, int64_t step = 1);
  Expr select(Expr condition, Expr yes, Expr no);
  Expr reduce(std::string_view op, Expr x, const std::vector<int>& axes, bool keep_dims);
  Expr gather(Expr x, Expr indices, int axis);

  void set_origin(graph::Origin origin) { origin_ = std::move(origin); }
  const graph::Origin& origin() const { return origin_; }
  /// Replaces the inferred shape; used when the program states it.
  void set_dims(Expr x, SymDims dims);
  void add_pt_value(Expr x, graph::PtValue pt_value);
  void add_output(std::string name, Expr x);

  graph::Graph& graph() { return graph_; }
  const graph::Graph& graph() const { return graph_; }

 private:
  std::string unique_name(std::string_view op);

  struct Binding {
    Expr value;
    int axis;  // -1: the value itself is the scalar
  };

  Builder* outer_ = nullptr;
  graph::Graph graph_;
  graph::Origin origin_;
  std::vector<std::string> captured_;
  std::unordered_map<std::string, int> by_content_;
  std::unordered_map<std::string, int> name_counts_;
  std::unordered_map<std::string, Binding> symbols_;
  graph::KnownScalars known_scalars_;  // those that symbols are bound to
};

}  // namespace crossload::lower
