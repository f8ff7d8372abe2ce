// Tensors put together along an axis, and taken apart.
#include <algorithm>
#include <numeric>

#include "graph/shapes/families.h"

namespace crossload::graph::shapes {
namespace {

Shapes concat(const Context& c) {
  const int n = c.input_count() - 1;
  const auto axis = c.constant(n);
  if (!axis || !c.shape(0)) return {std::nullopt};
  SymDims dims = *c.shape(0);
  const std::size_t along = c.axis(*axis, dims.size());
  for (int i = 1; i < n; ++i) {
    if (!c.shape(i)) return {std::nullopt};
    const SymDims& part = *c.shape(i);
    if (part.size() != dims.size()) c.contradiction(fmt::format("ranks {} and {}", dims.size(), part.size()));
    for (std::size_t d = 0; d < dims.size(); ++d) {
      dims[d] = d == along ? dims[d] + part[d] : either(c, dims[d], part[d], "sizes beside the axis");
    }
  }
  return {dims};
}

Shapes pack(const Context& c) {
  for (int i = 0; i < c.input_count(); ++i) {
    if (!c.shape(i)) continue;
    SymDims dims = *c.shape(i);
    const std::size_t at = c.axis(c.integer("axis", 0), dims.size() + 1);
    dims.insert(dims.begin() + static_cast<std::ptrdiff_t>(at), Sym(c.input_count()));
    return {dims};
  }
  return {std::nullopt};
}

Shapes unpack(const Context& c) {
  const auto n = static_cast<std::size_t>(c.integer("num", 0));
  if (!c.shape(0)) return Shapes(n);
  SymDims dims = *c.shape(0);
  dims.erase(dims.begin() + static_cast<std::ptrdiff_t>(c.axis(c.integer("axis", 0), dims.size())));
  return Shapes(n, dims);
}

Shapes split(const Context& c) {
  const int64_t n = c.integer("num_split", 1);
  const auto axis = c.constant(0);
  if (!axis || !c.shape(1)) return Shapes(static_cast<std::size_t>(n));
  SymDims dims = *c.shape(1);
  Sym& size = dims[c.axis(*axis, dims.size())];
  if (size.is_constant() && size.constant() % n != 0) {
    c.contradiction(fmt::format("size {} does not split into {} equal parts", size.text(), n));
  }
  size = floor_div(size, Sym(n));
  return Shapes(static_cast<std::size_t>(n), dims);
}

Shapes split_v(const Context& c) {
  const auto n = static_cast<std::size_t>(c.integer("num_split", 1));
  auto sizes = c.values(1);
  const auto axis = c.constant(2);
  if (!sizes || !axis || !c.shape(0) || sizes->size() != n) return Shapes(n);
  SymDims dims = *c.shape(0);
  Sym& along = dims[c.axis(*axis, dims.size())];
  if (const auto open = std::ranges::find(*sizes, Sym(-1)); open != sizes->end()) {
    *open = Sym(0);
    *open = along - std::accumulate(sizes->begin(), sizes->end(), Sym(0));
  }
  Shapes shapes;
  for (const Sym& size : *sizes) {
    along = size;
    shapes.emplace_back(dims);
  }
  return shapes;
}

}  // namespace

void add_joining_rules(RuleTable& table) {
  table.add(concat, {"ConcatV2"});
  table.add(pack, {"Pack"});
  table.add(unpack, {"Unpack"});
  table.add(split, {"Split"});
  table.add(split_v, {"SplitV"});
}

}  // namespace crossload::graph::shapes
