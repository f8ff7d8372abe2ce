#include "graph/shapes/rule.h"

#include <algorithm>

#include "base/error.h"
#include "graph/shapes/families.h"

namespace crossload::graph::shapes {

const RuleTable& RuleTable::all() {
  static const RuleTable table = [] {
    RuleTable rules;
    add_all_shape_rules(rules);
    return rules;
  }();
  return table;
}

void RuleTable::add(Rule rule, std::initializer_list<std::string_view> ops) {
  for (const std::string_view op : ops) {
    if (!rules_.emplace(op, rule).second) internal_error("`{}` has two shape rules", op);
  }
}

Rule RuleTable::find(std::string_view op) const {
  const auto it = rules_.find(op);
  return it == rules_.end() ? nullptr : it->second;
}

SymDims slice(const SymDims& dims, std::size_t begin, std::size_t end) {
  return SymDims(dims.begin() + static_cast<std::ptrdiff_t>(begin), dims.begin() + static_cast<std::ptrdiff_t>(end));
}

SymDims concatenated(SymDims a, const SymDims& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

Sym ceil_div(const Sym& a, int64_t b) { return b == 1 ? a : floor_div(a + Sym(b - 1), Sym(b)); }

Sym either(const Context& c, const Sym& a, const Sym& b, const char* what) {
  if (a.is_constant() && b.is_constant() && a != b) {
    c.contradiction(fmt::format("{} are {} and {}; they must be equal", what, a.text(), b.text()));
  }
  return b.is_constant() ? b : a;
}

Shape try_broadcast(const SymDims& a, const SymDims& b) {
  const std::size_t rank = std::max(a.size(), b.size());
  const auto size = [&](const SymDims& x, std::size_t i) {
    return i + x.size() < rank ? kOne : x[i + x.size() - rank];
  };
  SymDims dims;
  for (std::size_t i = 0; i < rank; ++i) {
    const Sym x = size(a, i);
    const Sym y = size(b, i);
    if (x.is_constant() && y.is_constant() && x != y && x != kOne && y != kOne) return std::nullopt;
    const bool take_y = x == kOne || (y.is_constant() && y != kOne);
    dims.push_back(take_y ? y : x);
  }
  return dims;
}

SymDims broadcast_in(const Context& c, const SymDims& a, const SymDims& b) {
  const Shape dims = try_broadcast(a, b);
  if (!dims) c.contradiction(fmt::format("shapes {} and {} do not broadcast", to_string(a), to_string(b)));
  return *dims;
}

Shapes as_each_input(const Context& c) {
  Shapes shapes;
  for (int i = 0; i < c.input_count(); ++i) shapes.push_back(c.shape(i));
  return shapes;
}

Shapes scalar(const Context&) { return {SymDims{}}; }

}  // namespace crossload::graph::shapes
