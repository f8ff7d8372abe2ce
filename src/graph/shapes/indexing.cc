// Elements read by indices, slices, and elements written by indices.
#include <algorithm>

#include "graph/shapes/families.h"

namespace crossload::graph::shapes {
namespace {

Shapes gather(const Context& c) {
  const auto axis = c.constant(2);
  if (!axis || !c.shape(0) || !c.shape(1)) return {std::nullopt};
  const SymDims &params = *c.shape(0), &indices = *c.shape(1);
  const std::size_t along = c.axis(*axis, params.size());
  const int64_t batch_dims = c.integer("batch_dims", 0);
  const auto batch =
      static_cast<std::size_t>(batch_dims < 0 ? batch_dims + static_cast<int64_t>(indices.size()) : batch_dims);
  if (batch > indices.size())
    c.contradiction(fmt::format("batch_dims {} for indices of rank {}", batch, indices.size()));
  const SymDims head = concatenated(slice(params, 0, along), slice(indices, batch, indices.size()));
  return {concatenated(head, slice(params, along + 1, params.size()))};
}

Shapes gather_nd(const Context& c) {
  if (!c.shape(0) || !c.shape(1) || c.shape(1)->empty()) return {std::nullopt};
  const SymDims &params = *c.shape(0), &indices = *c.shape(1);
  const auto depth = indices.back().as_constant();
  if (!depth) return {std::nullopt};
  if (static_cast<std::size_t>(*depth) > params.size()) {
    c.contradiction(fmt::format("indices of depth {} into rank {}", *depth, params.size()));
  }
  return {concatenated(slice(indices, 0, indices.size() - 1),
                       slice(params, static_cast<std::size_t>(*depth), params.size()))};
}

Shapes plain_slice(const Context& c) {
  const auto begin = c.values(1);
  auto size = c.values(2);
  if (!size) return {std::nullopt};
  for (std::size_t i = 0; i < size->size(); ++i) {
    if ((*size)[i] != Sym(-1)) continue;
    if (!begin || !c.shape(0)) return {std::nullopt};
    (*size)[i] = (*c.shape(0))[i] - (*begin)[i];
  }
  return {size};
}

/// Bounds of one axis of a strided slice; nothing: open.
struct Bounds {
  std::optional<Sym> begin;
  std::optional<Sym> end;
  int64_t stride = 1;
};

/// How many elements the bounds take from an axis, or nothing.
std::optional<Sym> sliced(const Sym& size, const Bounds& bounds) {
  const auto is_number = [](const std::optional<Sym>& bound) { return !bound || bound->is_constant(); };
  if (size.is_constant() && is_number(bounds.begin) && is_number(bounds.end)) {
    const int64_t n = size.constant();
    const bool up = bounds.stride > 0;
    const auto clamped = [&](const Sym& bound) {
      const int64_t at = bound.constant() < 0 ? bound.constant() + n : bound.constant();
      return up ? std::clamp<int64_t>(at, 0, n) : std::clamp<int64_t>(at, -1, n - 1);
    };
    const int64_t first = bounds.begin ? clamped(*bounds.begin) : (up ? 0 : n - 1);
    const int64_t last = bounds.end ? clamped(*bounds.end) : (up ? n : -1);
    const int64_t length = up ? last - first : first - last;
    const int64_t step = std::abs(bounds.stride);
    return Sym(length <= 0 ? 0 : (length + step - 1) / step);
  }
  if (bounds.stride < 0) {
    if (bounds.begin || bounds.end) return std::nullopt;
    return ceil_div(size, -bounds.stride);
  }
  const auto from_start = [&](const Sym& bound) {
    return bound.is_constant() && bound.constant() < 0 ? size + bound : bound;
  };
  const Sym first = bounds.begin ? from_start(*bounds.begin) : Sym(0);
  Sym last = bounds.end ? from_start(*bounds.end) : size;
  if (bounds.end && last != size) {
    const bool from_end = bounds.end->is_constant() && bounds.end->constant() < 0;
    // An end that is a number may lie beyond the axis, except 1, for no axis is empty. One that is a size may too.
    if (!from_end && last != kOne) {
      if (last.is_constant() && last.constant() >= int64_t{1} << 31)
        last = size;
      else if (last.is_constant() || !size.is_constant())
        last = min(size, last);
    }
  }
  return ceil_div(last - first, bounds.stride);
}

Shapes strided_slice(const Context& c) {
  if (!c.shape(0)) return {std::nullopt};
  const SymDims& x = *c.shape(0);
  const auto begin = c.values(1), end = c.values(2), strides = c.values(3);
  // The number of entries is known from the shape even where values are not.
  const auto known_length = [&](int i) -> std::optional<std::size_t> {
    const Shape& shape = c.shape(i);
    if (!shape || shape->size() != 1 || !(*shape)[0].is_constant()) return std::nullopt;
    return static_cast<std::size_t>((*shape)[0].constant());
  };
  std::optional<std::size_t> entries;
  if (begin) entries = begin->size();
  for (int i = 1; i <= 3 && !entries; ++i) entries = known_length(i);
  if (!entries) return {std::nullopt};

  const auto mask = [&](const char* name, std::size_t i) { return ((c.integer(name, 0) >> i) & 1) != 0; };
  std::size_t used = 0;  // axes that entries other than the ellipsis and new axes stand for
  for (std::size_t i = 0; i < *entries; ++i) used += !mask("ellipsis_mask", i) && !mask("new_axis_mask", i);
  if (used > x.size()) c.contradiction(fmt::format("{} indices into rank {}", used, x.size()));

  SymDims dims;
  std::size_t axis = 0;
  for (std::size_t i = 0; i < *entries; ++i) {
    if (mask("ellipsis_mask", i)) {
      for (std::size_t skip = x.size() - used; skip > 0; --skip) dims.push_back(x[axis++]);
    } else if (mask("new_axis_mask", i)) {
      dims.push_back(kOne);
    } else if (mask("shrink_axis_mask", i)) {
      ++axis;
    } else {
      Bounds bounds;
      if (!strides || !(*strides)[i].is_constant()) return {std::nullopt};
      bounds.stride = (*strides)[i].constant();
      if (bounds.stride == 0) c.contradiction("stride 0");
      if (!mask("begin_mask", i)) {
        if (!begin) return {std::nullopt};
        bounds.begin = (*begin)[i];
      }
      if (!mask("end_mask", i)) {
        if (!end) return {std::nullopt};
        bounds.end = (*end)[i];
      }
      const auto size = sliced(x[axis++], bounds);
      if (!size) return {std::nullopt};
      dims.push_back(*size);
    }
  }
  return {concatenated(dims, slice(x, axis, x.size()))};
}

}  // namespace

void add_indexing_rules(RuleTable& table) {
  table.add(gather, {"GatherV2"});
  table.add(gather_nd, {"GatherNd"});
  table.add(plain_slice, {"Slice"});
  table.add(strided_slice, {"StridedSlice"});
  table.add(stated_by<2>, {"ScatterNd"});
  table.add(as_input<0>,
            {"TensorScatterAdd", "TensorScatterMax", "TensorScatterMin", "TensorScatterSub", "TensorScatterUpdate"});
}

}  // namespace crossload::graph::shapes
