// What a shape rule is: from a node's inputs and attributes to the shapes of its outputs.
#pragma once

#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/error.h"
#include "graph/shape_inference.h"

namespace crossload::graph::shapes {

using Shape = std::optional<SymDims>;
using Shapes = std::vector<Shape>;

/// What a rule sees: the node's inputs, their known values, its attributes.
class Context {
 public:
  Context(const Node& node, const Graph& graph, const KnownScalars& known)
      : node_(node), graph_(graph), known_(known) {}

  const Node& node() const { return node_; }
  int input_count() const { return static_cast<int>(node_.inputs.size()); }
  const Shape& shape(int i) const { return graph_.value(ref(i)).shape; }
  DType dtype(int i) const { return graph_.value(ref(i)).dtype; }

  /// Elements of an integer input, symbolic or constant.
  std::optional<std::vector<Sym>> values(int i) const { return integer_values(ref(i), graph_, known_); }
  /// The same where all are constant.
  std::optional<std::vector<int64_t>> constants(int i) const {
    const auto symbolic = values(i);
    return symbolic ? constant_dims(*symbolic) : std::nullopt;
  }
  /// The constant of an integer scalar (or one-element) input.
  std::optional<int64_t> constant(int i) const {
    const auto all = constants(i);
    return all && all->size() == 1 ? std::optional((*all)[0]) : std::nullopt;
  }
  /// The tensor that a Const input holds.
  const Tensor* tensor(int i) const {
    const Node& producer = graph_.nodes[static_cast<std::size_t>(ref(i).node)];
    return producer.op == "Const" ? std::get_if<Tensor>(&producer.attrs.at("value")) : nullptr;
  }

  template <typename T>
  T attr(const char* name, T otherwise) const {
    const auto it = node_.attrs.find(name);
    const T* value = it == node_.attrs.end() ? nullptr : std::get_if<T>(&it->second);
    return value ? *value : otherwise;
  }
  int64_t integer(const char* name, int64_t otherwise) const { return attr<int64_t>(name, otherwise); }
  bool flag(const char* name) const { return attr<bool>(name, false); }
  std::vector<int64_t> integers(const char* name) const { return attr<std::vector<int64_t>>(name, {}); }
  std::string text(const char* name, const char* otherwise) const { return attr<std::string>(name, otherwise); }

  [[noreturn]] void contradiction(const std::string& what) const {
    internal_error("{} `{}`: {}", node_.op, node_.name, what);
  }
  /// `axis` in [0, rank).
  std::size_t axis(int64_t axis, std::size_t rank) const {
    const auto signed_rank = static_cast<int64_t>(rank);
    if (axis < -signed_rank || axis >= signed_rank) {
      contradiction(fmt::format("axis {} is out of range for rank {}", axis, rank));
    }
    return static_cast<std::size_t>(axis < 0 ? axis + signed_rank : axis);
  }

 private:
  ValueRef ref(int i) const {
    if (i >= input_count()) contradiction(fmt::format("input {} is missing", i));
    return node_.inputs[static_cast<std::size_t>(i)];
  }

  const Node& node_;
  const Graph& graph_;
  const KnownScalars& known_;
};

/// One shape an output; nothing where it does not follow. Throws by `Context::contradiction`.
using Rule = Shapes (*)(const Context&);

class RuleTable {
 public:
  /// The rules of all families.
  static const RuleTable& all();

  /// One rule for each of the operations. Throws `kInternal` for an operation that has a rule already.
  void add(Rule rule, std::initializer_list<std::string_view> ops);
  /// Null when there is none.
  Rule find(std::string_view op) const;

 private:
  std::unordered_map<std::string_view, Rule> rules_;
};

inline const Sym kOne(1);

/// Axes [begin, end).
SymDims slice(const SymDims& dims, std::size_t begin, std::size_t end);
SymDims concatenated(SymDims a, const SymDims& b);
/// ceil(a / b) for b > 0.
Sym ceil_div(const Sym& a, int64_t b);
/// The one of two sizes that must be equal, at best the constant one.
Sym either(const Context& c, const Sym& a, const Sym& b, const char* what);
/// Aligned at the last axis; nothing when two constant sizes differ and neither is 1.
Shape try_broadcast(const SymDims& a, const SymDims& b);
/// The same; sizes that do not fit are a contradiction.
SymDims broadcast_in(const Context& c, const SymDims& a, const SymDims& b);

/// The shape of input I.
template <int I>
Shapes as_input(const Context& c) {
  return {c.shape(I)};
}

/// Outputs like inputs, one each.
Shapes as_each_input(const Context& c);

/// A scalar, whatever the inputs are.
Shapes scalar(const Context& c);

/// The elements of input I are the shape.
template <int I>
Shapes stated_by(const Context& c) {
  return {c.values(I)};
}

}  // namespace crossload::graph::shapes
