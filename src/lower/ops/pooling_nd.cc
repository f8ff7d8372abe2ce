// Pooling in any number of axes, channels second: volumes, maxima with their places, adaptive maxima; and unpooling.
// A place is a position in the spatial axes, row by row; of equal cells the first one counts.

#include <algorithm>
#include <numeric>

#include "lower/ops/families.h"

namespace crossload::lower {
namespace {

struct Window {  // along one axis
  int64_t size, stride, pad, dilation;
  Sym in, out;
  bool is_ceil = false;  // the last window may reach behind the padding
};
using Windows = std::vector<Window>;

Windows windows_of(Call& call, int axes, bool has_dilation) {
  const auto values = [&](const char* name) {
    auto all = call.integers(name);
    if (all.size() == 1) all.assign(static_cast<std::size_t>(axes), all[0]);
    return all;
  };
  const auto size = values("kernel_size"), pad = values("padding");
  auto stride = values("stride");
  if (stride.empty()) stride = size;
  const auto dilation = has_dilation ? values("dilation") : std::vector<int64_t>(size.size(), 1);
  const Expr x = call.tensor("self");
  Windows all;
  for (std::size_t i = 0; i < size.size(); ++i) {
    const int axis = static_cast<int>(i) - axes;
    const Sym out = call.result_dims()[call.result_dims().size() - size.size() + i];
    all.push_back({size[i], stride[i], pad[i], dilation[i], x.dim(axis), out, call.flag("ceil_mode")});
  }
  return all;
}

// Cells behind the padding that the last window needs (ceil_mode).
Sym overhang(const Window& w) {
  if (!w.is_ceil) return Sym(0);
  const Sym needed = (w.out - Sym(1)) * Sym(w.stride) + Sym((w.size - 1) * w.dilation + 1);
  return max(Sym(0), needed - (w.in + Sym(2 * w.pad)));
}

SymDims outs(const Windows& windows) {
  SymDims dims;
  for (const Window& w : windows) dims.push_back(w.out);
  return dims;
}

int64_t cells(const Windows& windows) {
  return std::accumulate(windows.begin(), windows.end(), int64_t{1},
                         [](int64_t n, const Window& w) { return n * w.size; });
}

// x [n, c, spatial…] from [n, c, spatial…] or [c, spatial…].
Expr batched(Expr x, std::size_t axes) {
  return x.rank() == static_cast<int>(axes) + 1 ? x.builder().unsqueeze(x, 0) : x;
}

// The spatial axes with as many cells of `value` around them as the windows reach.
Expr padded(Expr x, const Windows& windows, Expr value) {
  Builder& b = x.builder();
  const std::size_t lead = static_cast<std::size_t>(x.rank()) - windows.size();
  SymDims amounts(2 * lead, Sym(0)), dims = x.dims();
  bool any = false;
  for (std::size_t i = 0; i < windows.size(); ++i) {
    const Sym before(windows[i].pad), after = before + overhang(windows[i]);
    any |= !(after == Sym(0));
    amounts.insert(amounts.end(), {before, after});
    dims[lead + i] = dims[lead + i] + before + after;
  }
  if (!any) return x;
  const Expr y = b.tf("PadV2", {x, b.reshape(b.sizes(amounts), {Sym(x.rank()), Sym(2)}), value});
  b.set_dims(y, dims);
  return y;
}

// The cells of all windows on a first axis, row by row: [cells, n, c, out…].
Expr stacked_cells(Expr x, const Windows& windows) {
  Builder& b = x.builder();
  Exprs parts = {x};
  for (std::size_t i = 0; i < windows.size(); ++i) {
    const Window& w = windows[i];
    const int axis = x.rank() - static_cast<int>(windows.size() - i);
    Exprs finer;
    for (const Expr& part : parts) {
      for (int64_t k = 0; k < w.size; ++k) {
        const Sym begin(k * w.dilation), end = begin + Sym(1) + (w.out - Sym(1)) * Sym(w.stride);
        SymDims dims = part.dims();
        dims[static_cast<std::size_t>(axis)] = w.out;
        finer.push_back(b.slice(part, axis, begin, end, w.stride));
        b.set_dims(finer.back(), dims);
      }
    }
    parts = finer;
  }
  return b.tf("Pack", parts, {{"axis", int64_t{0}}});
}

// `values` of `count` as an axis of their own among `axes` spatial ones.
Expr along(Expr values, std::size_t axis, std::size_t axes) {
  SymDims dims(axes, Sym(1));
  dims[axis] = values.dim(0);
  return values.builder().reshape(values, dims);
}

// Row-major position in `sizes`, from one position an axis.
Expr row_major(const Exprs& positions, const SymDims& sizes) {
  Builder& b = positions[0].builder();
  Expr place = positions[0];
  for (std::size_t i = 1; i < positions.size(); ++i) {
    place = place * b.size(sizes[i], place.dtype()) + positions[i];
  }
  return place;
}

// Number `which` of the cells of a window of `sizes`, as one number an axis.
Exprs unraveled(Expr which, const SymDims& sizes) {
  Builder& b = which.builder();
  Exprs numbers(sizes.size());
  for (std::size_t i = sizes.size(); i-- > 0;) {
    const Expr size = b.size(sizes[i], which.dtype());
    numbers[i] = i == 0 ? which : b.tf("FloorMod", {which, size});
    if (i != 0) which = b.tf("FloorDiv", {which, size});
  }
  return numbers;
}

Expr max_of(Expr x, const Windows& windows) {
  Builder& b = x.builder();
  const bool is_dense = std::ranges::all_of(windows, [](const Window& w) { return w.dilation == 1; });
  const bool has_kernel = windows.size() == 2 || (is_floating(x.dtype()) && x.dtype() != DType::kFloat64);
  if (!is_dense || !has_kernel) return b.reduce("Max", stacked_cells(x, windows), {0}, false);
  std::vector<int64_t> sizes = {1}, strides = {1};
  std::vector<int> last = {0}, second = {0, x.rank() - 1};
  for (std::size_t i = 0; i < windows.size(); ++i) {
    sizes.push_back(windows[i].size);
    strides.push_back(windows[i].stride);
    last.push_back(static_cast<int>(i) + 2);
    second.push_back(static_cast<int>(i) + 1);
  }
  sizes.push_back(1);
  strides.push_back(1);
  last.push_back(1);
  const graph::Attrs attrs = {{"ksize", sizes}, {"strides", strides}, {"padding", std::string("VALID")}};
  const Expr y = b.tf_widened(windows.size() == 2 ? "MaxPool" : "MaxPool3D", {b.transpose(x, last)}, attrs);
  return b.transpose(y, second);
}

template <int kAxes>
Expr max_pool(Call& call) {
  Builder& b = call.builder();
  const Windows windows = windows_of(call, kAxes, true);
  const Expr x = batched(call.tensor("self"), kAxes);
  const Expr y = max_of(padded(x, windows, b.lowest(x.dtype())), windows);
  SymDims dims = {x.dim(0), x.dim(1)};
  for (const Sym& out : outs(windows)) dims.push_back(out);
  b.set_dims(y, dims);
  return b.reshape(y, call.result_dims());
}

template <int kAxes>
Exprs max_pool_with_indices(Call& call) {
  Builder& b = call.builder();
  const Windows windows = windows_of(call, kAxes, true);
  const Expr x = batched(call.tensor("self"), kAxes);
  const Expr stacked = stacked_cells(padded(x, windows, b.lowest(x.dtype())), windows);
  const DType index = call.result_dtype(1);
  const Expr which = b.tf("ArgMax", {stacked, b.scalar(DType::kInt32, 0)}, {{"output_type", index}});
  SymDims sizes, ins;
  for (const Window& w : windows) {
    sizes.emplace_back(w.size);
    ins.push_back(w.in);
  }
  Exprs positions = unraveled(which, sizes);
  for (std::size_t i = 0; i < windows.size(); ++i) {
    const Window& w = windows[i];
    const Expr begin = b.range(w.out, index) * b.scalar(index, w.stride) - b.scalar(index, w.pad);
    positions[i] = positions[i] * b.scalar(index, w.dilation) + along(begin, i, windows.size());
  }
  return {max_pool<kAxes>(call), b.reshape(row_major(positions, ins), call.result_dims(1))};
}

// Windows as equal as they can be: window i of an axis begins at floor(i * in / out), ends at ceil((i + 1) * in / out).
struct AdaptiveAxis {
  Sym in, out;
  bool is_even() const {
    return out == Sym(1) ||
           (in.is_constant() && out.is_constant() && out.constant() != 0 && in.constant() % out.constant() == 0);
  }
  Sym size() const {  // of the largest window, or one more
    if (is_even()) return floor_div(in, out);
    return min(in, floor_div(in + out - Sym(1), out) + Sym(1));
  }
  Expr begins(Builder& b, DType index) const {
    return b.tf("FloorDiv", {b.range(out, index) * b.size(in, index), b.size(out, index)});
  }
  // [out, size]: positions of the cells of each window; the last one again where a window has fewer.
  Expr positions(Builder& b) const {
    const DType index = DType::kInt32;
    const Expr next = (b.range(out, index) + b.scalar(index, 1)) * b.size(in, index) + b.size(out - Sym(1), index);
    const Expr ends = b.tf("FloorDiv", {next, b.size(out, index)});
    const Expr all = b.unsqueeze(begins(b, index), 1) + b.unsqueeze(b.range(size(), index), 0);
    return b.tf("Minimum", {all, b.unsqueeze(ends - b.scalar(index, 1), 1)});
  }
};

template <int kAxes>
Exprs adaptive_max_pool(Call& call) {
  Builder& b = call.builder();
  const Expr given = call.tensor("self");
  const int lead = given.rank() - kAxes;
  Expr x = given;
  std::vector<AdaptiveAxis> axes;
  std::vector<int> perm(static_cast<std::size_t>(lead));
  std::iota(perm.begin(), perm.end(), 0);
  for (int i = 0; i < kAxes; ++i) {
    axes.push_back({given.dim(lead + i), call.result_dims()[static_cast<std::size_t>(lead + i)]});
    const AdaptiveAxis& axis = axes.back();
    const int at = lead + 2 * i;
    SymDims dims = x.dims();
    dims[static_cast<std::size_t>(at)] = axis.size();
    dims.insert(dims.begin() + at, axis.out);
    x = axis.is_even() ? b.reshape(x, dims) : b.gather(x, axis.positions(b), at);
    b.set_dims(x, dims);
    perm.push_back(at);
  }
  for (int i = 0; i < kAxes; ++i) perm.push_back(lead + 2 * i + 1);
  SymDims sizes, ins, dims = call.result_dims();
  for (const AdaptiveAxis& axis : axes) {
    sizes.push_back(axis.size());
    ins.push_back(axis.in);
  }
  dims.push_back(product(sizes));
  x = b.reshape(b.transpose(x, perm), dims);
  const DType index = call.result_dtype(1);
  const Expr which = b.tf("ArgMax", {x, b.scalar(DType::kInt32, -1)}, {{"output_type", index}});
  Exprs positions = unraveled(which, sizes);
  for (std::size_t i = 0; i < axes.size(); ++i) {
    positions[i] = positions[i] + along(axes[i].begins(b, index), i, axes.size());
  }
  const Expr places = row_major(positions, ins);
  b.set_dims(places, call.result_dims(1));
  return {b.reduce("Max", x, {-1}, false), places};
}

// Zeros with the values at their places.
Expr max_unpool(Call& call) {
  Builder& b = call.builder();
  const Expr x = call.tensor("self");
  const std::size_t axes = call.syms("output_size").size();
  const SymDims& dims = call.result_dims();
  const auto spatial = [&](const SymDims& all) {
    return product({all.end() - static_cast<std::ptrdiff_t>(axes), all.end()});
  };
  const Sym planes = product({dims.begin(), dims.end() - static_cast<std::ptrdiff_t>(axes)});
  const Sym in = spatial(x.dims()), out = spatial(dims);
  const DType index = DType::kInt64;
  const Expr first = b.unsqueeze(b.range(planes, index) * b.size(out, index), 1);
  const Expr places = b.reshape(b.cast(call.tensor("indices"), index), {planes, in}) + first;
  const Expr zeros = b.fill(x.dtype(), {planes * out}, b.scalar(x.dtype(), 0));
  const Expr y = b.tf_widened("TensorScatterUpdate",
                              {zeros, b.reshape(places, {planes * in, Sym(1)}), b.reshape(x, {planes * in})});
  return b.reshape(y, dims);
}

// The number of cells that each window counts, over the spatial axes: with the padding, or only those in the input.
Expr counted_cells(Builder& b, DType dtype, const Windows& windows, bool counts_padding) {
  const DType index = DType::kInt32;
  Expr count = b.scalar(dtype, 1);
  for (std::size_t i = 0; i < windows.size(); ++i) {
    const Window& w = windows[i];
    Expr begin = b.range(w.out, index) * b.scalar(index, w.stride) - b.scalar(index, w.pad);
    const Sym behind = counts_padding ? w.in + Sym(w.pad) : w.in;
    const Expr end = b.tf("Minimum", {begin + b.scalar(index, w.size), b.size(behind)});
    if (!counts_padding) begin = b.tf("Maximum", {begin, b.scalar(index, 0)});
    count = count * along(b.cast(end - begin, dtype), i, windows.size());
  }
  return count;
}

// The mean over the first spatial axis, then over the other two: AvgPool has kernels for all float types, AvgPool3D
// has not.
Expr avg_pool3d(Call& call) {
  Builder& b = call.builder();
  const DType dtype = call.result_dtype();
  if (is_integer(dtype)) call.unsupported("the mean over windows of integers");
  const Windows windows = windows_of(call, 3, false);
  Expr x = b.cast(call.tensor("self"), computed_dtype(dtype));
  x = padded(x, windows, b.scalar(x.dtype(), 0));
  const SymDims& dims = call.result_dims();
  const Sym planes = product({dims.begin(), dims.end() - 3});
  const Sym tall = x.dim(-2), wide = x.dim(-1);
  const auto pool = [&](Expr y, const SymDims& from, const Window& h, const Window& w, const SymDims& to) {
    if (h.size == 1 && w.size == 1 && h.stride == 1 && w.stride == 1) return b.reshape(y, to);
    const Expr means = b.tf("AvgPool", {b.reshape(y, from)},
                            {{"ksize", std::vector<int64_t>{1, h.size, w.size, 1}},
                             {"strides", std::vector<int64_t>{1, h.stride, w.stride, 1}},
                             {"padding", std::string("VALID")}});
    b.set_dims(means, to);
    return means;
  };
  const Window& depth = windows[0];
  const Window whole = {1, 1, 0, 1, tall * wide, tall * wide};
  Expr y = pool(x, {planes, x.dim(-3), tall * wide, Sym(1)}, depth, whole, {planes, depth.out, tall * wide, Sym(1)});
  y = pool(y, {planes * depth.out, tall, wide, Sym(1)}, windows[1], windows[2],
           {planes * depth.out, windows[1].out, windows[2].out, Sym(1)});
  y = b.reshape(y, dims);
  const auto divisor = call.integer_or_null("divisor_override");
  const bool counts_padding = call.flag("count_include_pad");
  const bool is_whole = std::ranges::all_of(
      windows, [&](const Window& w) { return overhang(w) == Sym(0) && (w.pad == 0 || counts_padding); });
  if (divisor) {
    y = y * (static_cast<double>(cells(windows)) / static_cast<double>(*divisor));
  } else if (!is_whole) {
    const Expr count = counted_cells(b, y.dtype(), windows, counts_padding);
    y = y * (b.scalar(y.dtype(), cells(windows)) / count);
  }
  return b.cast(y, dtype);
}

constexpr OpRow kRows[] = {
    {"aten::max_pool3d(Tensor self, int[3] kernel_size, int[3] stride=[], int[3] padding=0, int[3] dilation=1, "
     "bool ceil_mode=False) -> Tensor",
     max_pool<3>},
    {"aten::max_pool2d_with_indices(Tensor self, int[2] kernel_size, int[2] stride=[], int[2] padding=0, "
     "int[2] dilation=1, bool ceil_mode=False) -> (Tensor, Tensor)",
     max_pool_with_indices<2>},
    {"aten::max_pool3d_with_indices(Tensor self, int[3] kernel_size, int[3] stride=[], int[3] padding=0, "
     "int[3] dilation=1, bool ceil_mode=False) -> (Tensor, Tensor)",
     max_pool_with_indices<3>},
    {"aten::adaptive_max_pool1d(Tensor self, int[1] output_size) -> (Tensor, Tensor)", adaptive_max_pool<1>},
    {"aten::adaptive_max_pool2d(Tensor self, int[2] output_size) -> (Tensor, Tensor)", adaptive_max_pool<2>},
    {"aten::adaptive_max_pool3d(Tensor self, int[3] output_size) -> (Tensor, Tensor)", adaptive_max_pool<3>},
    {"aten::max_unpool2d(Tensor self, Tensor indices, SymInt[2] output_size) -> Tensor", max_unpool},
    {"aten::max_unpool3d(Tensor self, Tensor indices, SymInt[3] output_size, int[3] stride, int[3] padding) -> Tensor",
     max_unpool},
    {"aten::avg_pool3d(Tensor self, int[3] kernel_size, int[3] stride=[], int[3] padding=0, bool ceil_mode=False, "
     "bool count_include_pad=True, int? divisor_override=None) -> Tensor",
     avg_pool3d},
};

}  // namespace

void add_pooling_nd_ops(OpTable& table) { table.add("pooling_nd", kRows); }

}  // namespace crossload::lower
