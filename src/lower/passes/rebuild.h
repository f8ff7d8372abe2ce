// A graph written anew node by node, for passes that insert nodes.
#pragma once

#include <map>
#include <string_view>

#include "graph/graph.h"

namespace crossload::lower {

/// Takes the nodes of a graph in order and makes a new list of them. The pass decides for each node what it becomes;
/// its inputs refer to the new list already.
class Rebuilder {
 public:
  explicit Rebuilder(graph::Graph& graph) : old_(graph) {}
  virtual ~Rebuilder() = default;

  /// Returns whether anything changed.
  bool run();

 protected:
  /// Appends the nodes that replace this one and calls `replace`; or returns false, and the node stays as it is.
  virtual bool rewrite(const graph::Node& node, int index) = 0;
  /// Called for nodes that stay, with their index in the new list.
  virtual void kept(const graph::Node&, graph::ValueRef) {}

  /// Output 0 of a node of the old graph is now `to`.
  void replace(int old_node, graph::ValueRef to);
  graph::ValueRef append(graph::Node node);
  graph::ValueRef constant(const Tensor& value, const graph::Node& beside);
  const graph::Value& value(graph::ValueRef ref) const { return new_.value(ref); }
  const graph::Node& node(graph::ValueRef ref) const { return new_.nodes[static_cast<std::size_t>(ref.node)]; }
  const graph::Graph& rebuilt() const { return new_; }

 private:
  void make_names_unique();

  graph::Graph& old_;
  graph::Graph new_;
  std::map<graph::ValueRef, graph::ValueRef> moved_;
  int constants_ = 0;
  bool changed_ = false;
};

/// Operations whose result at one position depends on their inputs at that position alone, with NumPy's broadcasting.
bool is_elementwise(std::string_view op);

}  // namespace crossload::lower
