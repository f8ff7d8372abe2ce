// One rule an operation, or one for many operations of the same kind; the table at the end says which.
#include "graph/shape_inference.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <unordered_map>

#include "base/error.h"
#include "graph/tf_ops.h"

namespace crossload::graph {
namespace {

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

using Rule = Shapes (*)(const Context&);

const Sym kOne(1);

SymDims slice(const SymDims& dims, std::size_t begin, std::size_t end) {
  return SymDims(dims.begin() + static_cast<std::ptrdiff_t>(begin), dims.begin() + static_cast<std::ptrdiff_t>(end));
}

SymDims concatenated(SymDims a, const SymDims& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

/// ceil(a / b) for b > 0.
Sym ceil_div(const Sym& a, int64_t b) { return b == 1 ? a : floor_div(a + Sym(b - 1), Sym(b)); }

/// The one of two sizes that must be equal, at best the constant one.
Sym either(const Context& c, const Sym& a, const Sym& b, const char* what) {
  if (a.is_constant() && b.is_constant() && a != b) {
    c.contradiction(fmt::format("{} are {} and {}; they must be equal", what, a.text(), b.text()));
  }
  return b.is_constant() ? b : a;
}

/// Aligned at the last axis; nothing when two constant sizes differ and neither is 1.
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

// ---- Elementwise ----------------------------------------------------------------------------------------------------

template <int I>
Shapes as_input(const Context& c) {
  return {c.shape(I)};
}

Shapes as_each_input(const Context& c) {
  Shapes shapes;
  for (int i = 0; i < c.input_count(); ++i) shapes.push_back(c.shape(i));
  return shapes;
}

/// All inputs broadcast together.
Shapes broadcast_all(const Context& c) {
  Shape result = c.shape(0);
  for (int i = 1; i < c.input_count(); ++i) {
    if (!result || !c.shape(i)) return {std::nullopt};
    result = broadcast_in(c, *result, *c.shape(i));
  }
  return {result};
}

// ---- Shapes that an input states ------------------------------------------------------------------------------------

/// Input I is the shape.
template <int I>
Shapes stated_by(const Context& c) {
  return {c.values(I)};
}

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

Shapes scalar(const Context&) { return {SymDims{}}; }

Shapes shape_of(const Context& c) {
  Shapes shapes;
  for (int i = 0; i < c.input_count(); ++i) {
    shapes.push_back(c.shape(i) ? Shape(SymDims{Sym(static_cast<int64_t>(c.shape(i)->size()))}) : std::nullopt);
  }
  return shapes;
}

Shapes constant(const Context& c) {
  const auto value = c.node().attrs.find("value");
  if (value == c.node().attrs.end()) return {std::nullopt};
  const Dims& dims = std::get<Tensor>(value->second).dims();
  return {SymDims(dims.begin(), dims.end())};
}

Shapes range(const Context& c) {
  if (is_integer(c.dtype(0))) {
    const auto start = c.values(0);
    const auto limit = c.values(1);
    const auto delta = c.constant(2);
    if (!start || !limit || !delta || *delta == 0) return {std::nullopt};
    const Sym length = *delta > 0 ? (*limit)[0] - (*start)[0] : (*start)[0] - (*limit)[0];
    const Sym count = ceil_div(length, std::abs(*delta));
    return {SymDims{count.is_constant() ? Sym(std::max<int64_t>(0, count.constant())) : count}};
  }
  const Tensor *start = c.tensor(0), *limit = c.tensor(1), *delta = c.tensor(2);
  if (!start || !limit || !delta) return {std::nullopt};
  // In the element type, as the kernel does it.
  const double first = element_as_double(*start, 0), last = element_as_double(*limit, 0),
               step = element_as_double(*delta, 0);
  const double count =
      c.dtype(0) == DType::kFloat64
          ? std::ceil(std::abs((last - first) / step))
          : std::ceil(std::abs((static_cast<float>(last) - static_cast<float>(first)) / static_cast<float>(step)));
  return {SymDims{Sym(static_cast<int64_t>(count))}};
}

Shapes lin_space(const Context& c) {
  const auto count = c.values(2);
  return {count ? Shape(SymDims{(*count)[0]}) : std::nullopt};
}

// ---- Axes -----------------------------------------------------------------------------------------------------------

Shapes transpose(const Context& c) {
  const auto perm = c.constants(1);
  if (!perm || !c.shape(0)) return {std::nullopt};
  const SymDims& x = *c.shape(0);
  if (perm->size() != x.size()) c.contradiction(fmt::format("{} axes for rank {}", perm->size(), x.size()));
  SymDims dims;
  for (int64_t axis : *perm) dims.push_back(x[c.axis(axis, x.size())]);
  return {dims};
}

Shapes expand_dims(const Context& c) {
  const auto axis = c.constant(1);
  if (!axis || !c.shape(0)) return {std::nullopt};
  SymDims dims = *c.shape(0);
  dims.insert(dims.begin() + static_cast<std::ptrdiff_t>(c.axis(*axis, dims.size() + 1)), kOne);
  return {dims};
}

Shapes squeeze(const Context& c) {
  if (!c.shape(0)) return {std::nullopt};
  const SymDims& x = *c.shape(0);
  std::vector<bool> drop(x.size(), false);
  const auto axes = c.integers("squeeze_dims");
  for (int64_t axis : axes) {
    const std::size_t i = c.axis(axis, x.size());
    if (x[i].is_constant() && x[i] != kOne) {
      c.contradiction(fmt::format("axis {} has size {}; only 1 can be squeezed", axis, x[i].text()));
    }
    drop[i] = true;
  }
  SymDims dims;
  for (std::size_t i = 0; i < x.size(); ++i) {
    if (axes.empty()) {
      if (!x[i].is_constant()) return {std::nullopt};
      drop[i] = x[i] == kOne;
    }
    if (!drop[i]) dims.push_back(x[i]);
  }
  return {dims};
}

/// Axes from input 1, `keep_dims` from the attribute.
Shapes reduce(const Context& c) {
  if (!c.shape(0)) return {std::nullopt};
  const SymDims& x = *c.shape(0);
  const bool keep = c.flag("keep_dims");
  const auto axes = c.constants(1);
  if (!axes) return {std::nullopt};
  std::vector<bool> reduced(x.size(), false);
  for (int64_t axis : *axes) reduced[c.axis(axis, x.size())] = true;
  SymDims dims;
  for (std::size_t i = 0; i < x.size(); ++i) {
    if (!reduced[i])
      dims.push_back(x[i]);
    else if (keep)
      dims.push_back(kOne);
  }
  return {dims};
}

Shapes arg_reduce(const Context& c) {
  const auto axis = c.constant(1);
  if (!axis || !c.shape(0)) return {std::nullopt};
  SymDims dims = *c.shape(0);
  dims.erase(dims.begin() + static_cast<std::ptrdiff_t>(c.axis(*axis, dims.size())));
  return {dims};
}

Shapes top_k(const Context& c) {
  const auto k = c.values(1);
  if (!k || !c.shape(0)) return {std::nullopt, std::nullopt};
  SymDims dims = *c.shape(0);
  if (dims.empty()) c.contradiction("the input is a scalar");
  dims.back() = (*k)[0];
  return {dims, dims};
}

Shapes one_hot(const Context& c) {
  const auto depth = c.values(1);
  if (!depth || !c.shape(0)) return {std::nullopt};
  SymDims dims = *c.shape(0);
  const std::size_t at = c.axis(c.integer("axis", -1), dims.size() + 1);
  dims.insert(dims.begin() + static_cast<std::ptrdiff_t>(at), (*depth)[0]);
  return {dims};
}

// ---- Joining and splitting ------------------------------------------------------------------------------------------

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

Shapes tile(const Context& c) {
  const auto times = c.values(1);
  if (!times || !c.shape(0)) return {std::nullopt};
  SymDims dims = *c.shape(0);
  if (times->size() != dims.size())
    c.contradiction(fmt::format("{} multiples for rank {}", times->size(), dims.size()));
  for (std::size_t i = 0; i < dims.size(); ++i) dims[i] = dims[i] * (*times)[i];
  return {dims};
}

/// Paddings from input 1, [rank, 2].
Shapes pad(const Context& c) {
  const auto paddings = c.values(1);
  if (!paddings || !c.shape(0)) return {std::nullopt};
  SymDims dims = *c.shape(0);
  if (paddings->size() != 2 * dims.size()) {
    c.contradiction(fmt::format("{} paddings for rank {}", paddings->size(), dims.size()));
  }
  for (std::size_t i = 0; i < dims.size(); ++i) dims[i] = dims[i] + (*paddings)[2 * i] + (*paddings)[2 * i + 1];
  return {dims};
}

// ---- Indexing -------------------------------------------------------------------------------------------------------

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
    const auto place = [&](const Sym& bound) {
      const int64_t at = bound.constant() < 0 ? bound.constant() + n : bound.constant();
      return up ? std::clamp<int64_t>(at, 0, n) : std::clamp<int64_t>(at, -1, n - 1);
    };
    const int64_t first = bounds.begin ? place(*bounds.begin) : (up ? 0 : n - 1);
    const int64_t last = bounds.end ? place(*bounds.end) : (up ? n : -1);
    const int64_t length = up ? last - first : first - last;
    const int64_t step = std::abs(bounds.stride);
    return Sym(length <= 0 ? 0 : (length + step - 1) / step);
  }
  if (bounds.stride < 0) {
    if (bounds.begin || bounds.end) return std::nullopt;
    return ceil_div(size, -bounds.stride);
  }
  const auto place = [&](const Sym& bound) {
    return bound.is_constant() && bound.constant() < 0 ? size + bound : bound;
  };
  const Sym first = bounds.begin ? place(*bounds.begin) : Sym(0);
  Sym last = bounds.end ? place(*bounds.end) : size;
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

// ---- Products -------------------------------------------------------------------------------------------------------

Shapes mat_mul(const Context& c) {
  if (!c.shape(0) || !c.shape(1)) return {std::nullopt};
  const SymDims &a = *c.shape(0), &b = *c.shape(1);
  if (a.size() != 2 || b.size() != 2)
    c.contradiction(fmt::format("ranks {} and {}; both must be 2", a.size(), b.size()));
  const bool swap_a = c.flag("transpose_a"), swap_b = c.flag("transpose_b");
  either(c, a[swap_a ? 0 : 1], b[swap_b ? 1 : 0], "inner sizes");
  return {SymDims{a[swap_a ? 1 : 0], b[swap_b ? 0 : 1]}};
}

Shapes batch_mat_mul(const Context& c) {
  if (!c.shape(0) || !c.shape(1)) return {std::nullopt};
  const SymDims &a = *c.shape(0), &b = *c.shape(1);
  if (a.size() < 2 || b.size() < 2) c.contradiction(fmt::format("ranks {} and {}; at least 2", a.size(), b.size()));
  const bool swap_a = c.flag("adj_x"), swap_b = c.flag("adj_y");
  const auto rows = [](const SymDims& x, bool swap) { return x[x.size() - (swap ? 1 : 2)]; };
  either(c, rows(a, !swap_a), rows(b, swap_b), "inner sizes");
  SymDims dims = broadcast_in(c, slice(a, 0, a.size() - 2), slice(b, 0, b.size() - 2));
  dims.push_back(rows(a, swap_a));
  dims.push_back(rows(b, !swap_b));
  return {dims};
}

/// Without an ellipsis: a letter's size is that of any axis it names.
Shapes einsum(const Context& c) {
  const std::string equation = c.text("equation", "");
  const std::size_t arrow = equation.find("->");
  if (arrow == std::string::npos || equation.find('.') != std::string::npos) return {std::nullopt};
  std::unordered_map<char, Sym> size_of_letter;
  int input = 0;
  std::size_t axis = 0;
  for (char letter : equation.substr(0, arrow)) {
    if (letter == ' ') continue;
    if (letter == ',') {
      ++input;
      axis = 0;
      continue;
    }
    if (input >= c.input_count() || !c.shape(input)) return {std::nullopt};
    const SymDims& dims = *c.shape(input);
    if (axis >= dims.size()) c.contradiction(fmt::format("`{}` names more axes than input {} has", equation, input));
    const auto [it, is_new] = size_of_letter.emplace(letter, dims[axis]);
    if (!is_new) it->second = either(c, it->second, dims[axis], "sizes of one letter");
    ++axis;
  }
  SymDims dims;
  for (char letter : equation.substr(arrow + 2)) {
    if (letter == ' ') continue;
    const auto it = size_of_letter.find(letter);
    if (it == size_of_letter.end()) return {std::nullopt};
    dims.push_back(it->second);
  }
  return {dims};
}

// ---- Windows --------------------------------------------------------------------------------------------------------

/// Places of the axes in a layout such as NHWC or NCDHW.
struct Layout {
  explicit Layout(const std::string& format, std::size_t rank)
      : channel(format.starts_with("NC") ? 1 : rank - 1),
        first_space(format.starts_with("NC") ? 2 : 1),
        spaces(rank - 2) {}
  std::size_t channel;
  std::size_t first_space;
  std::size_t spaces;
};

/// The number of windows along one axis.
Sym windows(const Context& c, const Sym& size, const Sym& kernel, int64_t stride, int64_t dilation, std::size_t axis) {
  const std::string padding = c.text("padding", "VALID");
  if (padding == "SAME") return ceil_div(size, stride);
  const Sym extent = (kernel - kOne) * Sym(dilation) + kOne;
  Sym padded = size;
  if (padding == "EXPLICIT") {
    const auto pads = c.integers("explicit_paddings");
    if (pads.size() < 2 * axis + 2) c.contradiction("explicit_paddings is too short");
    padded = size + Sym(pads[2 * axis] + pads[2 * axis + 1]);
  }
  return stride == 1 ? padded - extent + kOne : floor_div(padded - extent, Sym(stride)) + kOne;
}

/// Convolutions: the filter is [spaces…, in, out], or [h, w, in, multiplier] for depthwise ones.
template <bool IsDepthwise>
Shapes convolution(const Context& c) {
  if (!c.shape(0) || !c.shape(1)) return {std::nullopt};
  const SymDims &x = *c.shape(0), &filter = *c.shape(1);
  if (x.size() != filter.size() || x.size() < 3) {
    c.contradiction(fmt::format("input of rank {}, filter of rank {}", x.size(), filter.size()));
  }
  const Layout layout(c.text("data_format", x.size() == 5 ? "NDHWC" : "NHWC"), x.size());
  const auto strides = c.integers("strides");
  auto dilations = c.integers("dilations");
  if (dilations.empty()) dilations.assign(x.size(), 1);
  if (strides.size() != x.size() || dilations.size() != x.size())
    c.contradiction("strides or dilations do not fit the rank");
  SymDims dims = x;
  for (std::size_t s = 0; s < layout.spaces; ++s) {
    const std::size_t axis = layout.first_space + s;
    dims[axis] = windows(c, x[axis], filter[s], strides[axis], dilations[axis], axis);
  }
  const std::size_t last = filter.size() - 1;
  dims[layout.channel] = IsDepthwise ? filter[last - 1] * filter[last] : filter[last];
  return {dims};
}

Shapes pool(const Context& c) {
  if (!c.shape(0)) return {std::nullopt};
  const SymDims& x = *c.shape(0);
  const Layout layout(c.text("data_format", x.size() == 5 ? "NDHWC" : "NHWC"), x.size());
  const auto ksize = c.integers("ksize"), strides = c.integers("strides");
  if (ksize.size() != x.size() || strides.size() != x.size()) c.contradiction("ksize or strides do not fit the rank");
  SymDims dims = x;
  for (std::size_t s = 0; s < layout.spaces; ++s) {
    const std::size_t axis = layout.first_space + s;
    dims[axis] = windows(c, x[axis], Sym(ksize[axis]), strides[axis], 1, axis);
  }
  return {dims};
}

Shapes pool_with_argmax(const Context& c) {
  const Shapes one = pool(c);
  return {one[0], one[0]};
}

Shapes batch_norm(const Context& c) {
  const Shape& channels = c.shape(1);
  return {c.shape(0), channels, channels, channels, channels, std::nullopt};
}

Shapes resize(const Context& c) {
  const auto size = c.values(1);
  if (!size || size->size() != 2 || !c.shape(0) || c.shape(0)->size() != 4) return {std::nullopt};
  const SymDims& x = *c.shape(0);
  return {SymDims{x[0], (*size)[0], (*size)[1], x[3]}};
}

Shapes depth_to_space(const Context& c) {
  if (!c.shape(0) || c.shape(0)->size() != 4) return {std::nullopt};
  SymDims dims = *c.shape(0);
  const Layout layout(c.text("data_format", "NHWC"), 4);
  const Sym block(c.integer("block_size", 1));
  for (std::size_t s = 0; s < 2; ++s) dims[layout.first_space + s] = dims[layout.first_space + s] * block;
  dims[layout.channel] = floor_div(dims[layout.channel], block * block);
  return {dims};
}

Shapes space_to_depth(const Context& c) {
  if (!c.shape(0) || c.shape(0)->size() != 4) return {std::nullopt};
  SymDims dims = *c.shape(0);
  const Layout layout(c.text("data_format", "NHWC"), 4);
  const Sym block(c.integer("block_size", 1));
  for (std::size_t s = 0; s < 2; ++s) {
    dims[layout.first_space + s] = floor_div(dims[layout.first_space + s], block);
  }
  dims[layout.channel] = dims[layout.channel] * block * block;
  return {dims};
}

// ---- Functions ------------------------------------------------------------------------------------------------------

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

/// What a turn of the loop leaves as it is.
Shapes loop(const Context& c) {
  Shapes shapes = as_each_input(c);
  const Shapes after = output_shapes(c, "body");
  for (std::size_t i = 0; i < shapes.size(); ++i) {
    if (i >= after.size() || shapes[i] != after[i]) shapes[i].reset();
  }
  return shapes;
}

// ---- The table ------------------------------------------------------------------------------------------------------

const std::unordered_map<std::string_view, Rule>& rules() {
  static const std::unordered_map<std::string_view, Rule> table = [] {
    std::unordered_map<std::string_view, Rule> t;
    const auto add = [&](Rule rule, std::initializer_list<std::string_view> ops) {
      for (std::string_view op : ops) t.emplace(op, rule);
    };
    add(as_input<0>, {"Abs",
                      "Acos",
                      "Acosh",
                      "Angle",
                      "Asin",
                      "Asinh",
                      "Atan",
                      "Atanh",
                      "BesselI0",
                      "BesselI0e",
                      "BesselI1",
                      "BesselI1e",
                      "BesselJ0",
                      "BesselJ1",
                      "BesselK0",
                      "BesselK0e",
                      "BesselK1",
                      "BesselK1e",
                      "BesselY0",
                      "BesselY1",
                      "BiasAdd",
                      "Bucketize",
                      "Cast",
                      "Ceil",
                      "Cholesky",
                      "ComplexAbs",
                      "Conj",
                      "Cos",
                      "Cosh",
                      "Cross",
                      "Cumprod",
                      "Cumsum",
                      "CumulativeLogsumexp",
                      "Dawsn",
                      "Digamma",
                      "Elu",
                      "EnsureShape",
                      "Erf",
                      "Erfc",
                      "Erfinv",
                      "Exp",
                      "Expint",
                      "Expm1",
                      "FFT",
                      "FFT2D",
                      "FFT3D",
                      "Floor",
                      "IFFT",
                      "IFFT2D",
                      "IFFT3D",
                      "Identity",
                      "Imag",
                      "Invert",
                      "InvertPermutation",
                      "IsFinite",
                      "IsInf",
                      "IsNan",
                      "LRN",
                      "LeakyRelu",
                      "Lgamma",
                      "Log",
                      "Log1p",
                      "LogSoftmax",
                      "LogicalNot",
                      "MatrixBandPart",
                      "MatrixInverse",
                      "MatrixSetDiagV3",
                      "Ndtri",
                      "Neg",
                      "OnesLike",
                      "PopulationCount",
                      "PreventGradient",
                      "RandomShuffle",
                      "Real",
                      "Reciprocal",
                      "Relu",
                      "Relu6",
                      "ReverseSequence",
                      "ReverseV2",
                      "Rint",
                      "Roll",
                      "Round",
                      "Rsqrt",
                      "Selu",
                      "Sigmoid",
                      "Sign",
                      "Sin",
                      "Sinh",
                      "Softmax",
                      "Softplus",
                      "Softsign",
                      "Spence",
                      "Sqrt",
                      "Square",
                      "StopGradient",
                      "Tan",
                      "Tanh",
                      "TensorScatterAdd",
                      "TensorScatterMax",
                      "TensorScatterMin",
                      "TensorScatterSub",
                      "TensorScatterUpdate",
                      "ZerosLike"});
    add(as_input<1>, {"MatrixSolve", "Select"});
    add(as_each_input, {"IdentityN"});
    add(broadcast_all, {"Add",
                        "AddN",
                        "AddV2",
                        "Atan2",
                        "Betainc",
                        "BitwiseAnd",
                        "BitwiseOr",
                        "BitwiseXor",
                        "ClipByValue",
                        "Complex",
                        "Div",
                        "DivNoNan",
                        "Equal",
                        "FloorDiv",
                        "FloorMod",
                        "Greater",
                        "GreaterEqual",
                        "Igamma",
                        "Igammac",
                        "LeftShift",
                        "Less",
                        "LessEqual",
                        "LogicalAnd",
                        "LogicalOr",
                        "Maximum",
                        "Minimum",
                        "Mod",
                        "Mul",
                        "MulNoNan",
                        "NextAfter",
                        "NotEqual",
                        "Polygamma",
                        "Pow",
                        "RealDiv",
                        "RightShift",
                        "SelectV2",
                        "SquaredDifference",
                        "Sub",
                        "TruncateDiv",
                        "TruncateMod",
                        "Xdivy",
                        "Xlog1py",
                        "Xlogy",
                        "Zeta"});
    add(reduce, {"All", "Any", "EuclideanNorm", "Max", "Mean", "Min", "Prod", "Sum"});
    add(arg_reduce, {"ArgMax", "ArgMin"});
    add(stated_by<0>, {"Fill", "ParameterizedTruncatedNormal", "RandomStandardNormal", "RandomUniform",
                       "RandomUniformInt", "StatelessRandomNormal", "StatelessRandomNormalV2", "StatelessRandomUniform",
                       "StatelessRandomUniformInt", "StatelessRandomUniformIntV2", "StatelessRandomUniformV2",
                       "StatelessTruncatedNormal", "StatelessTruncatedNormalV2", "TruncatedNormal",
                       "Conv2DBackpropInput", "Conv3DBackpropInputV2", "DepthwiseConv2dNativeBackpropInput"});
    add(stated_by<1>, {"BroadcastTo"});
    add(stated_by<2>, {"ScatterNd"});
    add(reshape, {"Reshape"});
    add(shape_of, {"Shape", "ShapeN"});
    add(scalar, {"L2Loss", "Rank", "Size", "TensorListReserve", "TensorListSetItem"});
    add(constant, {"Const"});
    add(range, {"Range"});
    add(lin_space, {"LinSpace"});
    add(transpose, {"ConjugateTranspose", "Transpose"});
    add(expand_dims, {"ExpandDims"});
    add(squeeze, {"Squeeze"});
    add(top_k, {"TopKV2"});
    add(one_hot, {"OneHot"});
    add(concat, {"ConcatV2"});
    add(pack, {"Pack"});
    add(unpack, {"Unpack"});
    add(split, {"Split"});
    add(split_v, {"SplitV"});
    add(tile, {"Tile"});
    add(pad, {"MirrorPad", "Pad", "PadV2"});
    add(gather, {"GatherV2"});
    add(gather_nd, {"GatherNd"});
    add(plain_slice, {"Slice"});
    add(strided_slice, {"StridedSlice"});
    add(mat_mul, {"MatMul"});
    add(batch_mat_mul, {"BatchMatMul", "BatchMatMulV2", "BatchMatMulV3"});
    add(einsum, {"Einsum"});
    add(convolution<false>, {"Conv2D", "Conv3D"});
    add(convolution<true>, {"DepthwiseConv2dNative"});
    add(pool, {"AvgPool", "AvgPool3D", "MaxPool", "MaxPool3D"});
    add(pool_with_argmax, {"MaxPoolWithArgmax"});
    add(batch_norm, {"FusedBatchNormV3"});
    add(resize, {"ResizeArea", "ResizeBicubic", "ResizeBilinear", "ResizeNearestNeighbor", "ScaleAndTranslate"});
    add(depth_to_space, {"DepthToSpace"});
    add(space_to_depth, {"SpaceToDepth"});
    add(call, {"PartitionedCall", "StatefulPartitionedCall"});
    add(branch, {"If", "StatelessIf"});
    add(loop, {"StatelessWhile", "While"});
    return t;
  }();
  return table;
}

/// The number of outputs of an operation without a rule.
std::size_t count_outputs(const Node& node) {
  const TfOp* op = find_tf_op(node.op);
  if (!op) return 1;
  std::size_t count = 0;
  for (const TfArg& arg : op->outputs) {
    const std::string& list = arg.number_attr.empty() ? arg.type_list_attr : arg.number_attr;
    const auto it = node.attrs.find(list);
    if (it == node.attrs.end()) {
      ++count;
    } else if (const auto* types = std::get_if<std::vector<DType>>(&it->second)) {
      count += types->size();
    } else if (const auto* n = std::get_if<int64_t>(&it->second)) {
      count += static_cast<std::size_t>(*n);
    }
  }
  return count;
}

}  // namespace

std::vector<std::optional<SymDims>> infer_shapes(const Node& node, const Graph& graph, const KnownScalars& known) {
  const auto it = rules().find(node.op);
  if (it == rules().end()) return Shapes(count_outputs(node));
  return it->second(Context(node, graph, known));
}

SymDims broadcast(const SymDims& a, const SymDims& b) {
  const Shape dims = try_broadcast(a, b);
  if (!dims) internal_error("shapes {} and {} do not broadcast", to_string(a), to_string(b));
  return *dims;
}

}  // namespace crossload::graph
