// The table of ATen operations that can be lowered, and the view that one lowering has of its call.
#pragma once

#include <optional>
#include <set>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "lower/builder.h"
#include "lower/schema.h"
#include "program/program.h"

namespace crossload::lower {

using Exprs = std::vector<Expr>;

/// Says that a lowering cannot handle this call; the driver goes on and reports every such call together.
class Unsupported : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// The same where a size would have to be a constant.
class NeedsConstant : public Unsupported {
 public:
  /// what: what the size is of, such as "argument `groups`".
  NeedsConstant(std::string_view what, const Sym& size);
  /// The symbols that the size depends on.
  const std::set<std::string>& symbols() const { return symbols_; }

 private:
  std::set<std::string> symbols_;
};

/// Lowers the bodies that a higher-order operation holds.
class Bodies {
 public:
  virtual ~Bodies() = default;
  /// The body's tensor outputs, computed in the graph of `into` from `inputs`, one entry for each input of the body; a
  /// null handle stands for one that is no tensor. Throws Unsupported for an input too many or too few. Calls in the
  /// body that cannot be lowered are reported; then this throws as well, which ends the lowering of the operation.
  virtual Exprs lower_body(const program::Block& body, const Exprs& inputs, Builder& into) = 0;
};

/// One ATen node being lowered. Arguments are asked for by the schema's names; what the node leaves out has the
/// schema's default. Asking for an argument that the schema does not have is an internal error.
class Call {
 public:
  Call(Builder& builder, const Schema& schema, const program::Node& node, const program::Block& block,
       const std::unordered_map<std::string, Expr>& values, Bodies& bodies)
      : builder_(builder), schema_(schema), node_(node), block_(block), values_(values), bodies_(bodies) {}

  Builder& builder() const { return builder_; }
  const program::Node& node() const { return node_; }

  bool is_none(std::string_view name) const;
  Expr tensor(std::string_view name) const;
  Expr tensor_or_null(std::string_view name) const;
  Expr first_tensor() const;
  Exprs tensors(std::string_view name) const;
  /// A list with None in it: null handles stand for None.
  Exprs optional_tensors(std::string_view name) const;
  int64_t integer(std::string_view name) const;
  std::optional<int64_t> integer_or_null(std::string_view name) const;
  std::vector<int64_t> integers(std::string_view name) const;
  Sym sym(std::string_view name) const;
  std::vector<Sym> syms(std::string_view name) const;
  double number(std::string_view name) const;
  std::vector<double> numbers(std::string_view name) const;
  bool flag(std::string_view name) const;
  std::string text(std::string_view name) const;
  std::optional<DType> dtype_or_null(std::string_view name) const;
  /// The operands of a higher-order operation: null handles stand for what is no tensor.
  Exprs operands(std::string_view name) const;
  const program::Block& body(std::string_view name) const;
  Bodies& bodies() const { return bodies_; }
  /// A Scalar argument as a constant (or size expression) of `dtype`.
  Expr scalar(std::string_view name, DType dtype) const;
  /// Whether a Scalar is a Python float (and not an integer or a boolean).
  bool is_float_scalar(std::string_view name) const;
  /// A `Tensor` or `Scalar` argument as a tensor of `dtype`.
  Expr operand(std::string_view name, DType dtype) const;

  /// An axis argument, brought into [0, rank); scalars count as rank 1.
  int axis(std::string_view name, int rank) const;
  std::vector<int> axes(std::string_view name, int rank) const;

  /// Types of the results, as the program states them.
  std::size_t result_count() const;
  const program::TensorType& result(std::size_t i = 0) const;
  DType result_dtype(std::size_t i = 0) const { return result(i).dtype; }
  const SymDims& result_dims(std::size_t i = 0) const { return result(i).dims; }

  Expr tf(std::string_view op, const std::vector<Expr>& inputs, graph::Attrs attrs = {}) const {
    return builder_.tf(op, inputs, std::move(attrs));
  }
  Expr tf_widened(std::string_view op, const std::vector<Expr>& inputs, graph::Attrs attrs = {}) const {
    return builder_.tf_widened(op, inputs, std::move(attrs));
  }
  /// The value of a size that must be known beforehand; throws NeedsConstant where only a run knows it.
  int64_t constant(std::string_view what, const Sym& size) const;
  [[noreturn]] void unsupported(const std::string& why) const { throw Unsupported(why); }

 private:
  const program::Argument& argument(std::string_view name) const;

  Builder& builder_;
  const Schema& schema_;
  const program::Node& node_;
  const program::Block& block_;
  const std::unordered_map<std::string, Expr>& values_;
  Bodies& bodies_;
};

/// A function that lowers a call to one value, or to several.
struct Lowering {
  using One = Expr (*)(Call&);
  using Many = Exprs (*)(Call&);
  constexpr Lowering(One function) : one(function) {}    // NOLINT: rows stay short
  constexpr Lowering(Many function) : many(function) {}  // NOLINT
  Exprs operator()(Call& call) const { return one != nullptr ? Exprs{one(call)} : many(call); }
  One one = nullptr;
  Many many = nullptr;
};

struct OpRow {
  const char* schema;
  Lowering lowering;
};

class OpTable {
 public:
  struct Entry {
    Schema schema;
    Lowering lowering;
    const char* family;
  };
  /// The rows of all families. A schema twice or malformed is an internal error, found here.
  static const OpTable& all();

  void add(const char* family, std::span<const OpRow> rows);
  /// The entry for a node's target (`aten.add.Tensor`), or null.
  const Entry* find(std::string_view target) const;
  /// In the order of their targets.
  std::vector<const Entry*> sorted() const;

 private:
  std::unordered_map<std::string, Entry> entries_;
};

/// A TensorFlow operation's name as a template argument: `unary<"Relu">`.
template <std::size_t N>
struct OpName {
  constexpr OpName(const char (&text)[N]) {  // NOLINT: written as a literal
    for (std::size_t i = 0; i < N; ++i) value[i] = text[i];
  }
  char value[N];
};

/// A call that becomes one TensorFlow node on `self`, computed in the result's dtype.
template <OpName Op>
Expr unary(Call& call) {
  return call.tf_widened(Op.value, {call.builder().cast(call.tensor("self"), call.result_dtype())});
}

/// A call that becomes one TensorFlow node on `self` and `other`, both brought to the result's dtype.
template <OpName Op>
Expr binary(Call& call) {
  const DType dtype = call.result_dtype();
  return call.tf_widened(Op.value, {call.operand("self", dtype), call.operand("other", dtype)});
}

/// The dtype that PyTorch's kernels compute in: float32 for the half precisions.
inline DType computed_dtype(DType dtype) {
  return dtype == DType::kFloat16 || dtype == DType::kBFloat16 ? DType::kFloat32 : dtype;
}

/// A call that leaves the values of its first argument as they are: memory layout, devices, dropout in evaluation mode.
Expr same_value(Call& call);

}  // namespace crossload::lower
