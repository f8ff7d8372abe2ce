// Functions: calls, conditions, loops.
#include "graph/shapes/families.h"

namespace crossload::graph::shapes {
namespace {

Shapes output_shapes(const Context& c, const char* function) {
  const auto body = c.attr<std::shared_ptr<const Graph>>(function, nullptr);
  Shapes shapes;
  if (!body) return shapes;
  for (const Output& output : body->outputs) shapes.push_back(body->value(output.value).shape);
  return shapes;
}

Shapes call(const Context& c) { return output_shapes(c, "f"); }

/// What both branches agree on.
Shapes branch(const Context& c) {
  Shapes shapes = output_shapes(c, "then_branch");
  const Shapes others = output_shapes(c, "else_branch");
  for (std::size_t i = 0; i < shapes.size(); ++i) {
    if (i >= others.size() || shapes[i] != others[i]) shapes[i].reset();
  }
  return shapes;
}

/// What an iteration of the loop leaves as it is.
Shapes loop(const Context& c) {
  Shapes shapes = as_each_input(c);
  const Shapes after = output_shapes(c, "body");
  for (std::size_t i = 0; i < shapes.size(); ++i) {
    if (i >= after.size() || shapes[i] != after[i]) shapes[i].reset();
  }
  return shapes;
}

}  // namespace

void add_branches_rules(RuleTable& table) {
  table.add(call, {"PartitionedCall", "StatefulPartitionedCall"});
  table.add(branch, {"If", "StatelessIf"});
  table.add(loop, {"StatelessWhile", "While"});
}

}  // namespace crossload::graph::shapes
