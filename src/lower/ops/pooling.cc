// Pooling over windows, channels last for TensorFlow's CPU kernels.

#include <algorithm>
#include <limits>
#include <optional>

#include "base/error.h"
#include "lower/ops/families.h"

namespace crossload::lower {
namespace {

// Brings [c, l], [n, c, l], [c, h, w] to [n, h, w, c] and back.
class Picture {
 public:
  Picture(Call& call, int spatial_axes) : b_(call.builder()), x_(call.tensor("self")), spatial_(spatial_axes) {
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
  std::vector<int64_t> size, stride;                   // of h and w
  std::vector<std::pair<int64_t, int64_t>> pads;       // before and after, as PyTorch is asked for
  std::vector<int64_t> overhang;                       // further cells behind that ceil_mode needs
};

Windows windows(Call& call, int spatial, const Picture& picture, const SymDims& result) {
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
  for (const int64_t p : hw("padding", 0)) w.pads.emplace_back(p, p);
  w.overhang.assign(2, 0);
  if (!call.flag("ceil_mode")) return w;
  for (int i = 0; i < 2; ++i) {
    if (spatial == 1 && i == 0) continue;
    const auto in = picture.size(i).as_constant();
    const auto out = result[result.size() - 2 + static_cast<std::size_t>(i)].as_constant();
    if (!in || !out) call.unsupported("pooling with ceil_mode over a symbolic size");
    const auto k = static_cast<std::size_t>(i);
    const int64_t needed = (*out - 1) * w.stride[k] + w.size[k];
    w.overhang[k] = std::max<int64_t>(0, needed - (*in + w.pads[k].first + w.pads[k].second));
  }
  return w;
}

std::vector<int64_t> nhwc(const std::vector<int64_t>& hw) { return {1, hw[0], hw[1], 1}; }

Expr padded(Expr x, const Windows& w, bool with_overhang, double value) {
  std::vector<int32_t> amounts = {0, 0};
  bool any = false;
  for (std::size_t i = 0; i < 2; ++i) {
    const int64_t after = w.pads[i].second + (with_overhang ? w.overhang[i] : 0);
    any |= w.pads[i].first != 0 || after != 0;
    amounts.insert(amounts.end(), {static_cast<int32_t>(w.pads[i].first), static_cast<int32_t>(after)});
  }
  amounts.insert(amounts.end(), {0, 0});
  if (!any) return x;
  Builder& b = x.builder();
  return b.tf("PadV2", {x, b.constant(Tensor::of<int32_t>(DType::kInt32, {4, 2}, amounts)), b.scalar(x.dtype(), value)});
}

Expr pool(std::string_view op, Expr x, const Windows& w) {
  return x.builder().tf(op, {x}, {{"ksize", nhwc(w.size)}, {"strides", nhwc(w.stride)}, {"padding", std::string("VALID")}});
}

template <int kSpatial>
Expr max_pool(Call& call) {
  for (const int64_t d : call.integers("dilation")) {
    if (d != 1) call.unsupported("max pooling with dilation");
  }
  Picture picture(call, kSpatial);
  const Windows w = windows(call, kSpatial, picture, call.result_dims());
  const Expr x = padded(picture.channels_last(), w, true, -std::numeric_limits<double>::infinity());
  return picture.restored(call, pool("MaxPool", x, w));
}

// The sum over a window by the number of cells: of the window, with its padding, or only of those in the input.
template <int kSpatial>
Expr avg_pool(Call& call) {
  Builder& b = call.builder();
  Picture picture(call, kSpatial);
  const Windows w = windows(call, kSpatial, picture, call.result_dims());
  const Expr x = picture.channels_last();
  const bool has_overhang = w.overhang[0] != 0 || w.overhang[1] != 0;
  const bool has_pads = w.pads[0].first != 0 || w.pads[1].first != 0;
  const auto divisor = [&]() -> std::optional<int64_t> {
    if constexpr (kSpatial == 2) return call.integer_or_null("divisor_override");
    return std::nullopt;
  }();
  Expr y = pool("AvgPool", padded(x, w, true, 0), w);
  const double cells = static_cast<double>(w.size[0] * w.size[1]);
  if (divisor) {
    y = y * (cells / static_cast<double>(*divisor));
  } else if (has_overhang || (has_pads && !call.flag("count_include_pad"))) {
    SymDims one_picture = {Sym(1), picture.size(0), picture.size(1), Sym(1)};
    Expr ones = b.fill(x.dtype(), one_picture, b.scalar(x.dtype(), 1));
    if (call.flag("count_include_pad")) {
      Windows pads_only = w;
      pads_only.overhang.assign(2, 0);
      ones = padded(ones, pads_only, false, 1);
      Windows overhang_only = w;
      for (std::size_t i = 0; i < 2; ++i) overhang_only.pads[i] = {0, w.overhang[i]};
      ones = padded(ones, overhang_only, false, 0);
    } else {
      ones = padded(ones, w, true, 0);
    }
    y = y / pool("AvgPool", ones, w);
  }
  return picture.restored(call, y);
}

// Windows of equal size where the output divides the input.
template <int kSpatial>
Expr adaptive_avg_pool(Call& call) {
  Builder& b = call.builder();
  Picture picture(call, kSpatial);
  const auto out = call.syms("output_size");
  const Expr x = picture.channels_last();
  const bool to_one = std::all_of(out.begin(), out.end(), [](const Sym& s) { return s == Sym(1); });
  if (to_one) return picture.restored(call, b.reduce("Mean", x, {1, 2}, true));
  Windows w;
  for (int i = 0; i < 2; ++i) {
    if (kSpatial == 1 && i == 0) {
      w.size.push_back(1);
      continue;
    }
    const auto in = picture.size(i).as_constant();
    const auto wanted = out[static_cast<std::size_t>(kSpatial == 1 ? 0 : i)].as_constant();
    if (!in || !wanted || *in % *wanted != 0) {
      call.unsupported(fmt::format("adaptive pooling of {} cells into {}", picture.size(i).text(),
                                   out[static_cast<std::size_t>(kSpatial == 1 ? 0 : i)].text()));
    }
    w.size.push_back(*in / *wanted);
  }
  w.stride = w.size;
  return picture.restored(call, pool("AvgPool", x, w));
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
    {"aten::adaptive_avg_pool1d(Tensor self, int[1] output_size) -> Tensor", adaptive_avg_pool<1>},
    {"aten::adaptive_avg_pool2d(Tensor self, SymInt[2] output_size) -> Tensor", adaptive_avg_pool<2>},
};

}  // namespace

void add_pooling_ops(OpTable& table) { table.add("pooling", kRows); }

}  // namespace crossload::lower
