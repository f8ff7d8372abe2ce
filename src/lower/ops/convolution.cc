// Convolutions. PyTorch keeps channels second, TensorFlow's CPU kernels want them last: the input is transposed, the
// convolution done channels-last, the result transposed back. Passes cancel the transposes between two of them, and
// turn the kernel's transpose into the order in which the variable is stored.

#include <algorithm>
#include <numeric>

#include "lower/ops/families.h"

namespace crossload::lower {
namespace {

std::vector<int> channels_last(int rank) {
  std::vector<int> perm = {0};
  for (int i = 2; i < rank; ++i) perm.push_back(i);
  perm.push_back(1);
  return perm;
}

std::vector<int> channels_second(int rank) {
  std::vector<int> perm = {0, rank - 1};
  for (int i = 1; i < rank - 1; ++i) perm.push_back(i);
  return perm;
}

struct Geometry {
  std::vector<int64_t> strides, dilations;
  std::vector<std::pair<int64_t, int64_t>> pads;  // before and after, per spatial axis
};

std::vector<int64_t> per_axis(std::vector<int64_t> values, std::size_t axes) {
  if (values.size() == 1) values.assign(axes, values[0]);
  return values;
}

std::vector<int64_t> with_batch_and_channels(const std::vector<int64_t>& spatial) {
  std::vector<int64_t> all = {1};
  all.insert(all.end(), spatial.begin(), spatial.end());
  all.push_back(1);
  return all;
}

bool is_padded(const Geometry& g) {
  for (const auto& [before, after] : g.pads) {
    if (before != 0 || after != 0) return true;
  }
  return false;
}

Expr pad_spatial(Expr x, const Geometry& g) {
  Builder& b = x.builder();
  std::vector<int32_t> pads = {0, 0};
  for (const auto& [before, after] : g.pads) {
    pads.push_back(static_cast<int32_t>(before));
    pads.push_back(static_cast<int32_t>(after));
  }
  pads.insert(pads.end(), {0, 0});
  const Expr amounts = b.constant(Tensor::of<int32_t>(DType::kInt32, {x.rank(), 2}, pads));
  return b.tf("Pad", {x, amounts});
}

// The kernel with dilation - 1 zeros between its cells, for operations whose kernels know no dilation.
Expr spread_out(Expr kernel, const std::vector<int64_t>& dilations) {
  Builder& b = kernel.builder();
  for (int axis = 0; axis < static_cast<int>(dilations.size()); ++axis) {
    const int64_t dilation = dilations[static_cast<std::size_t>(axis)];
    if (dilation == 1) continue;
    SymDims dims = kernel.dims();
    const Sym cells = dims[static_cast<std::size_t>(axis)];
    std::vector<int32_t> pads(static_cast<std::size_t>(kernel.rank() + 1) * 2, 0);
    pads[static_cast<std::size_t>(axis) * 2 + 3] = static_cast<int32_t>(dilation - 1);
    Expr wide = b.tf("Pad", {b.unsqueeze(kernel, axis + 1),
                             b.constant(Tensor::of<int32_t>(DType::kInt32, {kernel.rank() + 1, 2}, pads))});
    dims[static_cast<std::size_t>(axis)] = cells * Sym(dilation);
    wide = b.reshape(wide, dims);
    kernel = b.slice(wide, axis, Sym(0), (cells - Sym(1)) * Sym(dilation) + Sym(1));
  }
  return kernel;
}

// One convolution in two or three spatial axes, channels last, kernel [spatial…, in / groups, out].
Expr convolve(Expr x, Expr kernel, const Geometry& g) {
  Builder& b = x.builder();
  if (x.rank() == 4) {
    graph::Attrs attrs = {{"strides", with_batch_and_channels(g.strides)},
                          {"dilations", with_batch_and_channels(g.dilations)},
                          {"padding", std::string("VALID")}};
    if (is_padded(g)) {
      attrs["padding"] = std::string("EXPLICIT");
      std::vector<int64_t> pads = {0, 0};
      for (const auto& [before, after] : g.pads) pads.insert(pads.end(), {before, after});
      pads.insert(pads.end(), {0, 0});
      attrs["explicit_paddings"] = pads;
    }
    return b.tf("Conv2D", {x, kernel}, attrs);
  }
  return b.tf("Conv3D", {is_padded(g) ? pad_spatial(x, g) : x, spread_out(kernel, g.dilations)},
              {{"strides", with_batch_and_channels(g.strides)}, {"padding", std::string("VALID")}});
}

// Depthwise, every input channel with kernels of its own: kernel [h, w, in, out / in]. TensorFlow's kernel needs equal
// strides: with others all positions are computed and the wanted ones sliced out. (Conv2D supports groups as well, but
// not once a bias is fused into it.)
Expr convolve_depthwise(Expr x, Expr kernel, const Geometry& g) {
  Builder& b = x.builder();
  const bool equal = g.strides[0] == g.strides[1];
  const graph::Attrs attrs = {
      {"strides", equal ? with_batch_and_channels(g.strides) : std::vector<int64_t>{1, 1, 1, 1}},
      {"padding", std::string("VALID")}};
  Expr y =
      b.tf("DepthwiseConv2dNative", {is_padded(g) ? pad_spatial(x, g) : x, spread_out(kernel, g.dilations)}, attrs);
  if (equal) return y;
  for (int axis = 1; axis <= 2; ++axis)
    y = b.slice(y, axis, Sym(0), y.dim(axis), g.strides[static_cast<std::size_t>(axis) - 1]);
  return y;
}

// A result [n, spatial…, c] in PyTorch's layout, without the axes that the input got for the convolution: a height for
// `is_1d`, a batch for `is_unbatched`.
Expr restored(Call& call, Expr y, bool is_1d, bool is_unbatched, DType dtype) {
  Builder& b = call.builder();
  y = b.transpose(y, channels_second(y.rank()));
  SymDims dims = call.result_dims();
  if (is_unbatched) dims.insert(dims.begin(), Sym(1));
  if (is_1d) {
    SymDims tall = dims;
    tall.insert(tall.begin() + 2, Sym(1));
    b.set_dims(y, tall);
    y = b.squeeze(y, {2});
  }
  b.set_dims(y, dims);
  return b.cast(is_unbatched ? b.squeeze(y, {0}) : y, dtype);
}

// `kernel` as PyTorch has it: [out, in / groups, spatial…].
Expr convolution(Call& call, Expr x, Expr kernel, Expr bias, Geometry g, int64_t groups) {
  Builder& b = call.builder();
  const DType dtype = x.dtype();
  if (is_integer(dtype)) {  // exact up to 2^53
    x = b.cast(x, DType::kFloat64);
    kernel = b.cast(kernel, DType::kFloat64);
    if (bias) bias = b.cast(bias, DType::kFloat64);
  }
  const bool is_unbatched = x.rank() == kernel.rank() - 1;
  if (is_unbatched) x = b.unsqueeze(x, 0);
  const bool is_1d = x.rank() == 3;
  if (is_1d) {  // as an image of height 1
    x = b.unsqueeze(x, 2);
    kernel = b.unsqueeze(kernel, 2);
    g.strides.insert(g.strides.begin(), 1);
    g.dilations.insert(g.dilations.begin(), 1);
    g.pads.insert(g.pads.begin(), {0, 0});
  }
  const int rank = x.rank();
  const auto in = x.dim(1), out = kernel.dim(0);
  const Expr last = b.transpose(x, channels_last(rank));
  // [out, in, spatial…] → [spatial…, in, out]
  std::vector<int> kernel_perm;
  for (int i = 2; i < rank; ++i) kernel_perm.push_back(i);
  kernel_perm.insert(kernel_perm.end(), {1, 0});

  Expr y;
  const bool is_depthwise = rank == 4 && in == Sym(groups);
  if (groups == 1) {
    y = convolve(last, b.transpose(kernel, kernel_perm), g);
  } else if (is_depthwise) {
    Expr depthwise;
    if (out == in) {
      depthwise = b.transpose(kernel, {2, 3, 0, 1});
    } else {
      const Expr split = b.reshape(kernel, {in, floor_div(out, in), kernel.dim(2), kernel.dim(3)});
      depthwise = b.transpose(split, {2, 3, 0, 1});
    }
    y = convolve_depthwise(last, depthwise, g);
  } else {
    const Sym in_part(call.constant("the number of channels in groups", in) / groups);
    const Sym out_part(call.constant("the number of channels that groups give", out) / groups);
    Exprs parts;
    for (int64_t i = 0; i < groups; ++i) {
      const Expr part = b.slice(last, rank - 1, in_part * Sym(i), in_part * Sym(i + 1));
      const Expr part_kernel = b.slice(kernel, 0, out_part * Sym(i), out_part * Sym(i + 1));
      parts.push_back(convolve(part, b.transpose(part_kernel, kernel_perm), g));
    }
    y = b.concat(parts, rank - 1);
  }
  if (bias) y = b.tf("BiasAdd", {y, bias});
  return restored(call, y, is_1d, is_unbatched, dtype);
}

Geometry geometry(Call& call, std::size_t axes) {
  Geometry g;
  g.strides = per_axis(call.integers("stride"), axes);
  g.dilations = per_axis(call.integers("dilation"), axes);
  return g;
}

Expr conv(Call& call) {
  const Expr kernel = call.tensor("weight");
  const auto axes = static_cast<std::size_t>(kernel.rank() - 2);
  Geometry g = geometry(call, axes);
  for (const int64_t p : per_axis(call.integers("padding"), axes)) g.pads.emplace_back(p, p);
  return convolution(call, call.tensor("input"), kernel, call.tensor_or_null("bias"), g, call.integer("groups"));
}

// `same` puts the odd cell behind, as PyTorch does.
Expr conv_with_named_padding(Call& call) {
  const Expr kernel = call.tensor("weight");
  const auto axes = static_cast<std::size_t>(kernel.rank() - 2);
  Geometry g = geometry(call, axes);
  const bool is_same = call.text("padding") == "same";
  for (std::size_t i = 0; i < axes; ++i) {
    const int64_t total =
        is_same ? g.dilations[i] * (call.constant("the kernel's size", kernel.dim(static_cast<int>(i) + 2)) - 1) : 0;
    g.pads.emplace_back(total / 2, total - total / 2);
  }
  return convolution(call, call.tensor("input"), kernel, call.tensor_or_null("bias"), g, call.integer("groups"));
}

// Transposed: the gradient of a convolution with respect to its input; PyTorch's kernel is [in, out / groups,
// spatial…]. The result is computed without padding, then the padding is cut off, and cells that no kernel reaches are
// appended (output_padding).
Expr transposed_conv(Call& call) {
  Builder& b = call.builder();
  const bool is_whole = is_integer(call.result_dtype());  // exact up to 2^53
  const DType dtype = is_whole ? DType::kFloat64 : computed_dtype(call.result_dtype());
  Expr x = call.operand("input", dtype), kernel = call.operand("weight", dtype);
  const auto axes = static_cast<std::size_t>(kernel.rank() - 2);
  auto g = geometry(call, axes);
  auto pads = per_axis(call.integers("padding"), axes), extra = per_axis(call.integers("output_padding"), axes);
  const bool is_unbatched = x.rank() == kernel.rank() - 1;
  if (is_unbatched) x = b.unsqueeze(x, 0);
  const bool is_1d = axes == 1;
  if (is_1d) {
    x = b.unsqueeze(x, 2);
    kernel = b.unsqueeze(kernel, 2);
    for (auto* values : {&g.strides, &g.dilations}) values->insert(values->begin(), 1);
    for (auto* values : {&pads, &extra}) values->insert(values->begin(), 0);
  }
  const int rank = x.rank();
  const int64_t groups = call.integer("groups");
  const Expr last = b.transpose(x, channels_last(rank));
  std::vector<int> kernel_perm;  // [in, out, spatial…] → [spatial…, out, in]
  for (int i = 2; i < rank; ++i) kernel_perm.push_back(i);
  kernel_perm.insert(kernel_perm.end(), {1, 0});
  if (groups != 1) (void)call.constant("the number of channels in groups", x.dim(1));
  const Sym in_part = floor_div(x.dim(1), Sym(groups));
  SymDims reach = {x.dim(0)};
  for (int i = 2; i < rank; ++i) {
    const auto k = static_cast<std::size_t>(i - 2);
    reach.push_back((x.dim(i) - Sym(1)) * Sym(g.strides[k]) + Sym(g.dilations[k]) * (kernel.dim(i) - Sym(1)) + Sym(1));
  }
  reach.push_back(kernel.dim(1));
  Exprs parts;
  for (int64_t i = 0; i < groups; ++i) {
    const Sym begin = in_part * Sym(i), end = in_part * Sym(i + 1);
    const Expr part = groups == 1 ? last : b.slice(last, rank - 1, begin, end);
    const Expr part_kernel = b.transpose(groups == 1 ? kernel : b.slice(kernel, 0, begin, end), kernel_perm);
    const Expr y = b.tf(rank == 4 ? "Conv2DBackpropInput" : "Conv3DBackpropInputV2",
                        {b.sizes(reach), spread_out(part_kernel, g.dilations), part},
                        {{"strides", with_batch_and_channels(g.strides)}, {"padding", std::string("VALID")}});
    b.set_dims(y, reach);
    parts.push_back(y);
  }
  Expr y = b.concat(parts, rank - 1);
  Geometry added;
  for (int i = 1; i < rank - 1; ++i) {
    const auto k = static_cast<std::size_t>(i - 1);
    const int64_t behind = extra[k] - pads[k];
    y = b.slice(y, i, Sym(pads[k]), reach[static_cast<std::size_t>(i)] + Sym(std::min<int64_t>(behind, 0)));
    added.pads.emplace_back(0, std::max<int64_t>(behind, 0));
  }
  if (is_padded(added)) y = pad_spatial(y, added);
  if (!call.is_none("bias")) y = b.tf("BiasAdd", {y, call.operand("bias", dtype)});
  return restored(call, y, is_1d, is_unbatched, call.result_dtype());
}

Expr any_convolution(Call& call) { return call.flag("transposed") ? transposed_conv(call) : conv(call); }

constexpr OpRow kRows[] = {
    {"aten::convolution(Tensor input, Tensor weight, Tensor? bias, SymInt[] stride, SymInt[] padding, "
     "SymInt[] dilation, bool transposed, SymInt[] output_padding, SymInt groups) -> Tensor",
     any_convolution},
    {"aten::conv1d(Tensor input, Tensor weight, Tensor? bias=None, SymInt[1] stride=[1], SymInt[1] padding=[0], "
     "SymInt[1] dilation=[1], SymInt groups=1) -> Tensor",
     conv},
    {"aten::conv1d.padding(Tensor input, Tensor weight, Tensor? bias=None, SymInt[1] stride=[1], str "
     "padding=\"valid\", "
     "SymInt[1] dilation=[1], SymInt groups=1) -> Tensor",
     conv_with_named_padding},
    {"aten::conv2d(Tensor input, Tensor weight, Tensor? bias=None, SymInt[2] stride=[1], SymInt[2] padding=[0], "
     "SymInt[2] dilation=[1], SymInt groups=1) -> Tensor",
     conv},
    {"aten::conv2d.padding(Tensor input, Tensor weight, Tensor? bias=None, SymInt[2] stride=[1], str "
     "padding=\"valid\", "
     "SymInt[2] dilation=[1], SymInt groups=1) -> Tensor",
     conv_with_named_padding},
    {"aten::conv3d(Tensor input, Tensor weight, Tensor? bias=None, SymInt[3] stride=[1], SymInt[3] padding=[0], "
     "SymInt[3] dilation=[1], SymInt groups=1) -> Tensor",
     conv},
    {"aten::conv3d.padding(Tensor input, Tensor weight, Tensor? bias=None, SymInt[3] stride=[1], str "
     "padding=\"valid\", "
     "SymInt[3] dilation=[1], SymInt groups=1) -> Tensor",
     conv_with_named_padding},
    {"aten::conv_transpose1d(Tensor input, Tensor weight, Tensor? bias=None, SymInt[1] stride=[1], "
     "SymInt[1] padding=[0], SymInt[1] output_padding=[0], SymInt groups=1, SymInt[1] dilation=[1]) -> Tensor",
     transposed_conv},
    {"aten::conv_transpose2d.input(Tensor input, Tensor weight, Tensor? bias=None, SymInt[2] stride=[1, 1], "
     "SymInt[2] padding=[0, 0], SymInt[2] output_padding=[0, 0], SymInt groups=1, SymInt[2] dilation=[1, 1]) -> Tensor",
     transposed_conv},
    {"aten::conv_transpose3d.input(Tensor input, Tensor weight, Tensor? bias=None, SymInt[3] stride=[1, 1, 1], "
     "SymInt[3] padding=[0, 0, 0], SymInt[3] output_padding=[0, 0, 0], SymInt groups=1, "
     "SymInt[3] dilation=[1, 1, 1]) -> Tensor",
     transposed_conv},
};

}  // namespace

void add_convolution_ops(OpTable& table) { table.add("convolution", kRows); }

}  // namespace crossload::lower
