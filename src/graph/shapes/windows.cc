// Windows over the spatial axes of images: convolution, pooling, other sizes; normalization of channels.
#include "graph/shapes/families.h"

namespace crossload::graph::shapes {
namespace {

/// Positions of the axes in a layout such as NHWC or NCDHW.
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

}  // namespace

void add_windows_rules(RuleTable& table) {
  table.add(convolution<false>, {"Conv2D", "Conv3D"});
  table.add(convolution<true>, {"DepthwiseConv2dNative"});
  table.add(stated_by<0>, {"Conv2DBackpropInput", "Conv3DBackpropInputV2", "DepthwiseConv2dNativeBackpropInput"});
  table.add(pool, {"AvgPool", "AvgPool3D", "MaxPool", "MaxPool3D"});
  table.add(pool_with_argmax, {"MaxPoolWithArgmax"});
  table.add(batch_norm, {"FusedBatchNormV3"});
  table.add(as_input<0>, {"LRN"});
  table.add(resize, {"ResizeArea", "ResizeBicubic", "ResizeBilinear", "ResizeNearestNeighbor", "ScaleAndTranslate"});
  table.add(depth_to_space, {"DepthToSpace"});
  table.add(space_to_depth, {"SpaceToDepth"});
}

}  // namespace crossload::graph::shapes
