// Shapes as values, and shapes that an input states.
#include <algorithm>

#include "graph/shapes/families.h"

namespace crossload::graph::shapes {
namespace {

Shapes reshape(const Context& c) {
  auto dims = c.values(1);
  if (!dims) return {std::nullopt};
  const auto open = std::ranges::find(*dims, Sym(-1));
  if (open == dims->end()) return {dims};
  if (!c.shape(0)) return {std::nullopt};
  *open = kOne;
  const Sym total = product(*c.shape(0));
  const Sym part = product(*dims);
  if (total.is_constant() && part.is_constant() && part != Sym(0) && total.constant() % part.constant() != 0) {
    c.contradiction(fmt::format("{} elements do not fill a shape of {} times anything", total.text(), part.text()));
  }
  if (part == Sym(0)) return {std::nullopt};
  *open = floor_div(total, part);
  return {dims};
}

Shapes shape_of(const Context& c) {
  Shapes shapes;
  for (int i = 0; i < c.input_count(); ++i) {
    shapes.push_back(c.shape(i) ? Shape(SymDims{Sym(static_cast<int64_t>(c.shape(i)->size()))}) : std::nullopt);
  }
  return shapes;
}

}  // namespace

void add_sizes_rules(RuleTable& table) {
  table.add(reshape, {"Reshape"});
  table.add(stated_by<1>, {"BroadcastTo"});
  table.add(shape_of, {"Shape", "ShapeN"});
  table.add(scalar, {"Rank", "Size"});
}

}  // namespace crossload::graph::shapes
