// Pooling over windows, channels last for TensorFlow's CPU kernels.

#include <algorithm>
#include <limits>
#include <optional>

#include "base/error.h"
#include "lower/ops/families.h"

namespace crossload::lower {
namespace {

// Brings [c, l], [n, c, l], [c, h, w] to [n, h, w, c] and back.
class Image {
 public:
  Image(Call& call, int spatial_axes) : b_(call.builder()), x_(call.tensor("self")), spatial_(spatial_axes) {
    is_batched_ = x_.rank() == spatial_ + 2;
    if (!is_batched_) x_ = b_.unsqueeze(x_, 0);
    if (spatial_ == 1) x_ = b_.unsqueeze(x_, 2);
  }
  Expr channels_last() { return b_.transpose(x_, {0, 2, 3, 1}); }
  Sym size(int axis) const { return x_.dim(2 + axis); }  // of h and w
  Expr restored(Call& call, Expr y) {
    y = b_.transpose(y, {0, 3, 1, 2});
    SymDims dims = call.result_dims();
    if (!is_batched_) dims.insert(dims.begin(), Sym(1));
    if (spatial_ == 1) dims.insert(dims.begin() + 2, Sym(1));
    b_.set_dims(y, dims);
    return b_.reshape(y, call.result_dims());
  }

 private:
  Builder& b_;
  Expr x_;
  int spatial_;
  bool is_batched_;
};

struct Windows {
  std::vector<int64_t> size, stride, dilation;    // of h and w
  std::vector<std::pair<int64_t, int64_t>> pads;  // before and after, by the argument `padding`
  SymDims overhang;                               // cells beyond the padding that ceil_mode needs at the end
  bool has_overhang() const { return !(overhang[0] == Sym(0) && overhang[1] == Sym(0)); }
};

Windows windows(Call& call, int spatial, const Image& image, const SymDims& result, bool has_dilation) {
  const auto hw = [&](const char* name, int64_t tall) {
    auto values = call.integers(name);
    if (values.size() == 1) values.assign(static_cast<std::size_t>(spatial), values[0]);
    if (spatial == 1 && !values.empty()) values.insert(values.begin(), tall);
    return values;
  };
  Windows w;
  w.size = hw("kernel_size", 1);
  w.stride = hw("stride", 1);
  if (w.stride.empty()) w.stride = w.size;
  w.dilation = has_dilation ? hw("dilation", 1) : std::vector<int64_t>{1, 1};
  for (const int64_t p : hw("padding", 0)) w.pads.emplace_back(p, p);
  w.overhang.assign(2, Sym(0));
  if (!call.flag("ceil_mode")) return w;
  for (int i = 0; i < 2; ++i) {
    if (spatial == 1 && i == 0) continue;
    const auto k = static_cast<std::size_t>(i);
    const Sym& out = result[result.size() - 2 + k];
    const Sym needed = (out - Sym(1)) * Sym(w.stride[k]) + Sym((w.size[k] - 1) * w.dilation[k] + 1);
    w.overhang[k] = max(Sym(0), needed - (image.size(i) + Sym(w.pads[k].first + w.pads[k].second)));
  }
  return w;
}

std::vector<int64_t> nhwc(const std::vector<int64_t>& hw) { return {1, hw[0], hw[1], 1}; }

Expr padded(Expr x, const Windows& w, bool with_overhang, Expr value) {
  SymDims amounts(2, Sym(0));
  bool any = false;
  for (std::size_t i = 0; i < 2; ++i) {
    const Sym after = with_overhang ? w.overhang[i] + Sym(w.pads[i].second) : Sym(w.pads[i].second);
    any |= w.pads[i].first != 0 || !(after == Sym(0));
    amounts.insert(amounts.end(), {Sym(w.pads[i].first), after});
  }
  amounts.insert(amounts.end(), 2, Sym(0));
  if (!any) return x;
  Builder& b = x.builder();
  SymDims dims = x.dims();
  for (std::size_t i = 1; i < 3; ++i) dims[i] = dims[i] + amounts[2 * i] + amounts[2 * i + 1];
  const Expr y = b.tf("PadV2", {x, b.reshape(b.sizes(amounts), {Sym(4), Sym(2)}), value});
  b.set_dims(y, dims);
  return y;
}

Expr pool(std::string_view op, Expr x, const Windows& w) {
  return x.builder().tf(op, {x},
                        {{"ksize", nhwc(w.size)}, {"strides", nhwc(w.stride)}, {"padding", std::string("VALID")}});
}

// The cells of each window as an axis of their own, then its maximum: for dilation, which MaxPool does not support.
Expr max_of_patches(Expr x, const Windows& w, const SymDims& out_hw) {
  Builder& b = x.builder();
  const Expr patches = b.tf("ExtractImagePatches", {x},
                            {{"ksizes", nhwc(w.size)},
                             {"strides", nhwc(w.stride)},
                             {"rates", nhwc(w.dilation)},
                             {"padding", std::string("VALID")}});
  const SymDims dims = {x.dim(0), out_hw[0], out_hw[1], Sym(w.size[0] * w.size[1]), x.dim(3)};
  return b.reduce("Max", b.reshape(patches, dims), {3}, false);
}

template <int kSpatial>
Expr max_pool(Call& call) {
  Image image(call, kSpatial);
  const SymDims& out = call.result_dims();
  const Windows w = windows(call, kSpatial, image, out, true);
  Expr x = image.channels_last();
  x = padded(x, w, true, call.builder().lowest(x.dtype()));
  if (w.dilation == std::vector<int64_t>{1, 1}) {
    return image.restored(call, pool("MaxPool", x, w));
  }
  return image.restored(call, max_of_patches(x, w, {kSpatial == 1 ? Sym(1) : out[out.size() - 2], out.back()}));
}

// Row i of the matrix averages window i of an axis: the cells from i * stride - pad on, as far as there are any. With
// `counts_padding` the padded cells count in the divisor.
Expr window_matrix(Builder& b, DType dtype, const Sym& in, const Sym& out, int64_t size, int64_t stride, int64_t pad,
                   bool counts_padding) {
  const DType index = DType::kInt32;
  const Expr i = b.unsqueeze(b.range(out, index), 1), j = b.unsqueeze(b.range(in, index), 0);
  const Expr begin = i * b.scalar(index, stride) - b.scalar(index, pad);
  const Expr end = begin + b.scalar(index, size);
  const Expr is_inside = b.tf("LogicalAnd", {b.tf("GreaterEqual", {j, begin}), b.tf("Less", {j, end})});
  const Expr coefficients = b.cast(is_inside, dtype);
  const Expr padded_end = b.tf("Minimum", {end, b.size(in + Sym(pad))});
  return coefficients / (counts_padding ? b.cast(padded_end - begin, dtype) : b.reduce("Sum", coefficients, {1}, true));
}

// Windows far larger than images are: padding the image to their size would take more memory than there is.
constexpr int64_t kLargestPaddedWindow = 64;

Expr avg_pool_by_matrices(Call& call, const Windows& w, int spatial) {
  Builder& b = call.builder();
  const bool counts_padding = call.flag("count_include_pad");
  Expr x = b.cast(call.tensor("self"), computed_dtype(call.result_dtype()));
  for (int i = 0; i < spatial; ++i) {
    const int axis = x.rank() - spatial + i;
    const auto k = static_cast<std::size_t>(2 - spatial + i);
    const Expr matrix = window_matrix(b, x.dtype(), x.dim(axis), call.result_dims()[static_cast<std::size_t>(axis)],
                                      w.size[k], w.stride[k], w.pads[k].first, counts_padding);
    const bool is_last = i == spatial - 1;
    x = is_last ? b.tf("BatchMatMulV2", {x, matrix}, {{"adj_y", true}}) : b.tf("BatchMatMulV2", {matrix, x});
  }
  return b.cast(x, call.result_dtype());
}

// The sum over a window by the number of cells: of the window, with its padding, or only of those in the input.
template <int kSpatial>
Expr avg_pool(Call& call) {
  Builder& b = call.builder();
  Image image(call, kSpatial);
  const Windows w = windows(call, kSpatial, image, call.result_dims(), false);
  const DType dtype = call.result_dtype();
  if (is_integer(dtype)) call.unsupported("the mean over windows of integers");
  if (w.has_overhang() && std::max(w.size[0], w.size[1]) > kLargestPaddedWindow) {
    if constexpr (kSpatial == 2) {
      if (call.integer_or_null("divisor_override")) call.unsupported("a divisor for large windows");
    }
    return avg_pool_by_matrices(call, w, kSpatial);
  }
  const Expr x = b.cast(image.channels_last(), computed_dtype(dtype));
  const bool has_pads = w.pads[0].first != 0 || w.pads[1].first != 0;
  const auto divisor = [&]() -> std::optional<int64_t> {
    if constexpr (kSpatial == 2) return call.integer_or_null("divisor_override");
    return std::nullopt;
  }();
  const Expr zero = b.scalar(x.dtype(), 0), one = b.scalar(x.dtype(), 1);
  Expr y = pool("AvgPool", padded(x, w, true, zero), w);
  const double cells = static_cast<double>(w.size[0] * w.size[1]);
  if (divisor) {
    y = y * (cells / static_cast<double>(*divisor));
  } else if (w.has_overhang() || (has_pads && !call.flag("count_include_pad"))) {
    SymDims one_image = {Sym(1), image.size(0), image.size(1), Sym(1)};
    Expr ones = b.fill(x.dtype(), one_image, one);
    if (call.flag("count_include_pad")) {
      ones = padded(ones, w, false, one);
      Windows overhang_only = w;
      overhang_only.pads.assign(2, {0, 0});
      ones = padded(ones, overhang_only, true, zero);
    } else {
      ones = padded(ones, w, true, zero);
    }
    y = y / pool("AvgPool", ones, w);
  }
  return image.restored(call, b.cast(y, dtype));
}

// Row i of the matrix averages the cells floor(i * in / out) up to ceil((i + 1) * in / out).
Tensor averaging_matrix(DType dtype, int64_t in, int64_t out) {
  std::vector<float> coefficients(static_cast<std::size_t>(in * out), 0.0F);
  for (int64_t i = 0; i < out; ++i) {
    const int64_t begin = i * in / out, end = ((i + 1) * in + out - 1) / out;
    for (int64_t j = begin; j < end; ++j)
      coefficients[static_cast<std::size_t>(i * in + j)] = 1.0F / static_cast<float>(end - begin);
  }
  if (dtype == DType::kFloat32) return Tensor::of<float>(dtype, {out, in}, coefficients);
  const std::vector<double> wide(coefficients.begin(), coefficients.end());
  return Tensor::of<double>(DType::kFloat64, {out, in}, wide);
}

// The same for sizes that are known at run time only.
Expr averaging_matrix(Builder& b, DType dtype, const Sym& in, const Sym& out) {
  const DType index = DType::kInt32;
  const Expr i = b.unsqueeze(b.range(out, index), 1), j = b.unsqueeze(b.range(in, index), 0);
  const Expr in_size = b.size(in), out_size = b.size(out), one = b.scalar(index, 1);
  const Expr begin = b.tf("FloorDiv", {i * in_size, out_size});
  const Expr end = b.tf("FloorDiv", {(i + one) * in_size + (out_size - one), out_size});
  const Expr is_inside = b.tf("LogicalAnd", {b.tf("GreaterEqual", {j, begin}), b.tf("Less", {j, end})});
  return b.cast(is_inside, dtype) / b.cast(end - begin, dtype);
}

// Windows of nearly equal size. Where all are equal this is plain pooling; else one product with an averaging matrix
// per axis.
template <int kSpatial>
Expr adaptive_avg_pool(Call& call) {
  Builder& b = call.builder();
  const Expr given = call.tensor("self");
  const DType dtype = call.result_dtype(), computed = computed_dtype(dtype);
  Sym in[kSpatial], out[kSpatial];
  std::vector<int> axes;
  bool is_even = kSpatial < 3, to_one = true;
  for (int i = 0; i < kSpatial; ++i) {
    const int axis = given.rank() - kSpatial + i;
    axes.push_back(axis);
    in[i] = given.dim(axis);
    out[i] = call.result_dims()[static_cast<std::size_t>(axis)];
    to_one = to_one && out[i] == Sym(1);
    is_even = is_even && in[i].is_constant() && out[i].is_constant() && out[i].constant() != 0 &&
              in[i].constant() % out[i].constant() == 0;
  }
  Expr x = b.cast(given, computed);
  if (to_one) return b.cast(b.reduce("Mean", x, axes, true), dtype);
  if (is_even && kSpatial < 3) {
    Image image(call, kSpatial);
    Windows w;
    w.size = {kSpatial == 1 ? 1 : in[0].constant() / out[0].constant(),
              in[kSpatial - 1].constant() / out[kSpatial - 1].constant()};
    w.stride = w.size;
    w.overhang.assign(2, Sym(0));
    return image.restored(call, b.cast(pool("AvgPool", b.cast(image.channels_last(), computed), w), dtype));
  }
  for (int i = 0; i < kSpatial; ++i) {
    if (in[i] == out[i]) continue;
    const bool is_constant = in[i].is_constant() && out[i].is_constant();
    const Expr matrix = is_constant ? b.constant(averaging_matrix(computed, in[i].constant(), out[i].constant()))
                                    : averaging_matrix(b, computed, in[i], out[i]);
    if (i == kSpatial - 2) {
      x = b.tf("BatchMatMulV2", {matrix, x});
    } else {
      const Expr last = b.swap_axes(x, axes[static_cast<std::size_t>(i)], -1);
      x = b.swap_axes(b.tf("BatchMatMulV2", {last, matrix}, {{"adj_y", true}}), axes[static_cast<std::size_t>(i)], -1);
    }
  }
  return b.cast(x, dtype);
}

constexpr OpRow kRows[] = {
    {"aten::max_pool1d(Tensor self, int[1] kernel_size, int[1] stride=[], int[1] padding=[0], int[1] dilation=[1], "
     "bool ceil_mode=False) -> Tensor",
     max_pool<1>},
    {"aten::max_pool2d(Tensor self, int[2] kernel_size, int[2] stride=[], int[2] padding=[0], int[2] dilation=[1], "
     "bool ceil_mode=False) -> Tensor",
     max_pool<2>},
    {"aten::avg_pool1d(Tensor self, int[1] kernel_size, int[1] stride=[], int[1] padding=[0], bool ceil_mode=False, "
     "bool count_include_pad=True) -> Tensor",
     avg_pool<1>},
    {"aten::avg_pool2d(Tensor self, int[2] kernel_size, int[2] stride=[], int[2] padding=[0], bool ceil_mode=False, "
     "bool count_include_pad=True, int? divisor_override=None) -> Tensor",
     avg_pool<2>},
    {"aten::adaptive_avg_pool3d(Tensor self, SymInt[3] output_size) -> Tensor", adaptive_avg_pool<3>},
    {"aten::adaptive_avg_pool1d(Tensor self, int[1] output_size) -> Tensor", adaptive_avg_pool<1>},
    {"aten::adaptive_avg_pool2d(Tensor self, SymInt[2] output_size) -> Tensor", adaptive_avg_pool<2>},
};

}  // namespace

void add_pooling_ops(OpTable& table) { table.add("pooling", kRows); }

}  // namespace crossload::lower
