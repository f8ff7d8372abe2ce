// Complex numbers and Fourier transforms.

#include <cmath>
#include <numeric>

#include "lower/ops/families.h"

namespace crossload::lower {
namespace {

DType complex_of(DType real) { return real == DType::kFloat64 ? DType::kComplex128 : DType::kComplex64; }
DType real_of(DType complex) { return complex == DType::kComplex128 ? DType::kFloat64 : DType::kFloat32; }

Expr joined(Expr real, Expr imaginary) {
  return real.builder().tf("Complex", {real, imaginary}, {{"Tout", complex_of(real.dtype())}});
}

Expr part(std::string_view op, Expr x) { return x.builder().tf(op, {x}, {{"Tout", real_of(x.dtype())}}); }

Expr real(Call& call) {
  const Expr x = call.tensor("self");
  return is_complex(x.dtype()) ? part("Real", x) : x;
}
Expr imag(Call& call) { return part("Imag", call.tensor("self")); }
Expr angle(Call& call) {
  Builder& b = call.builder();
  const Expr x = call.tensor("self");
  if (is_complex(x.dtype())) return part("Angle", x);
  const Expr zero = b.scalar(call.result_dtype(), 0.0), pi = b.scalar(call.result_dtype(), std::acos(-1.0));
  const Expr y = b.cast(x, call.result_dtype());
  return b.select(b.tf("IsNan", {y}), y, b.select(b.tf("Less", {y, zero}), pi, zero));
}
Expr conjugate(Call& call) {
  const Expr x = call.tensor("self");
  return is_complex(x.dtype()) ? call.tf("Conj", {x}) : x;
}

Expr complex(Call& call) { return joined(call.tensor("real"), call.tensor("imag")); }
Expr polar(Call& call) {
  const Expr length = call.tensor("abs"), direction = call.tensor("angle");
  return joined(length * call.tf("Cos", {direction}), length * call.tf("Sin", {direction}));
}

// A last axis of two: the real part, then the imaginary one.
Expr view_as_complex(Call& call) {
  Builder& b = call.builder();
  const Expr x = call.tensor("self");
  const Exprs parts = b.tf_all("Unpack", {x}, {{"num", int64_t{2}}, {"axis", int64_t{x.rank() - 1}}});
  return joined(parts[0], parts[1]);
}
Expr view_as_real(Call& call) {
  const Expr x = call.tensor("self");
  return call.tf("Pack", {part("Real", x), part("Imag", x)}, {{"axis", int64_t{x.rank()}}});
}

// ---- Fourier transforms ----

// The signal cut or filled with zeros to `count` along the last axis.
Expr resized_last(Expr x, const Sym& count) {
  Builder& b = x.builder();
  const Sym have = x.dim(-1);
  if (have == count) return x;
  SymDims dims = x.dims();
  dims.back() = count;
  const auto rank = static_cast<std::size_t>(x.rank());
  SymDims amounts(2 * rank, Sym(0));
  amounts.back() = max(Sym(0), count - have);
  Expr y = b.tf("Pad", {x, b.reshape(b.sizes(amounts), {Sym(x.rank()), Sym(2)})});
  SymDims wide = x.dims();
  wide.back() = have + amounts.back();
  b.set_dims(y, wide);
  y = b.slice(y, x.rank() - 1, Sym(0), count);
  b.set_dims(y, dims);
  return y;
}

enum class Direction { kForward, kBackward };

std::string norm_of(Call& call) { return call.is_none("norm") ? "backward" : call.text("norm"); }

// The normalization argument of Core ATen's forms: 0 divides by nothing, 1 by the root of n, 2 by n.
std::string norm_of_code(Call& call, Direction direction) {
  const int64_t code = call.integer("normalization");
  if (code == 1) return "ortho";
  return (code == 2) == (direction == Direction::kForward) ? "forward" : "backward";
}

// `norm`: none or `backward` divides the inverse transform by n, `ortho` both by the root of n, `forward` the forward
// one by n.
Expr scaled(Expr y, const Sym& count, Direction direction, bool tf_divides, const std::string& norm) {
  Builder& b = y.builder();
  const DType real = is_complex(y.dtype()) ? real_of(y.dtype()) : y.dtype();
  const Expr n = b.size(count, real);
  Expr factor;
  if (norm == "ortho") {
    factor = b.scalar(real, 1.0) / b.tf("Sqrt", {n});
  } else if ((norm == "forward") == (direction == Direction::kForward)) {
    factor = b.scalar(real, 1.0) / n;
  }
  if (tf_divides) factor = factor ? factor * n : n;
  if (!factor) return y;
  if (tf_divides && norm == "backward") return y;
  return y * b.cast(factor, y.dtype());
}

Expr as_complex(Expr x) {
  if (is_complex(x.dtype())) return x;
  const Expr real = x.dtype() == DType::kFloat64 ? x : x.builder().cast(x, DType::kFloat32);
  return x.builder().cast(real, complex_of(real.dtype()));
}

// One axis of a complex transform.
Expr transform(Expr x, int axis, const Sym& count, Direction direction, const std::string& norm) {
  Builder& b = x.builder();
  const Expr last = resized_last(b.swap_axes(as_complex(x), axis, -1), count);
  const bool forward = direction == Direction::kForward;
  const Expr y = b.tf(forward ? "FFT" : "IFFT", {last});
  b.set_dims(y, last.dims());
  return b.swap_axes(scaled(y, count, direction, !forward, norm), axis, -1);
}

template <Direction kDirection>
Expr fft(Call& call) {
  const Expr x = call.tensor("self");
  const int axis = call.axis("dim", x.rank());
  const Sym count = call.is_none("n") ? x.dim(axis) : call.sym("n");
  return transform(x, axis, count, kDirection, norm_of(call));
}

std::vector<int> transformed_axes(Call& call, int rank) {
  if (!call.is_none("dim")) {
    std::vector<int> axes;
    for (const int64_t d : call.integers("dim")) axes.push_back(static_cast<int>(d < 0 ? d + rank : d));
    return axes;
  }
  const int count = call.is_none("s") ? rank : static_cast<int>(call.syms("s").size());
  std::vector<int> axes(static_cast<std::size_t>(count));
  std::iota(axes.begin(), axes.end(), rank - count);
  return axes;
}

Sym size_or(const std::vector<Sym>& sizes, std::size_t i, const Sym& own) {
  return sizes.empty() || sizes[i] == Sym(-1) ? own : sizes[i];
}

template <Direction kDirection>
Expr fftn(Call& call) {
  Expr x = call.tensor("self");
  const auto axes = transformed_axes(call, x.rank());
  const auto sizes = call.is_none("s") ? std::vector<Sym>{} : call.syms("s");
  for (std::size_t i = 0; i < axes.size(); ++i) {
    x = transform(x, axes[i], size_or(sizes, i, x.dim(axes[i])), kDirection, norm_of(call));
  }
  return x;
}

// A real signal: the first n / 2 + 1 frequencies.
Expr real_transform(Expr given, int axis, const Sym& count, const std::string& norm) {
  Builder& b = given.builder();
  const Expr x = given.dtype() == DType::kFloat64 ? given : b.cast(given, DType::kFloat32);
  const Expr last = resized_last(b.swap_axes(x, axis, -1), count);
  const Expr y = b.tf("RFFT", {last, b.sizes({count})}, {{"Tcomplex", complex_of(x.dtype())}});
  SymDims dims = last.dims();
  dims.back() = floor_div(count, Sym(2)) + Sym(1);
  b.set_dims(y, dims);
  return b.swap_axes(scaled(y, count, Direction::kForward, false, norm), axis, -1);
}

Expr inverse_real_transform(Expr given, int axis, const Sym& count, const std::string& norm) {
  Builder& b = given.builder();
  const Expr x = as_complex(given);
  const Expr last = resized_last(b.swap_axes(x, axis, -1), floor_div(count, Sym(2)) + Sym(1));
  const Expr y = b.tf("IRFFT", {last, b.sizes({count})}, {{"Treal", real_of(x.dtype())}});
  SymDims dims = last.dims();
  dims.back() = count;
  b.set_dims(y, dims);
  return b.swap_axes(scaled(y, count, Direction::kBackward, true, norm), axis, -1);
}

Expr rfft(Call& call) {
  const Expr x = call.tensor("self");
  const int axis = call.axis("dim", x.rank());
  return real_transform(x, axis, call.is_none("n") ? x.dim(axis) : call.sym("n"), norm_of(call));
}

Expr irfft(Call& call) {
  const Expr x = call.tensor("self");
  const int axis = call.axis("dim", x.rank());
  const Sym count = call.is_none("n") ? Sym(2) * (x.dim(axis) - Sym(1)) : call.sym("n");
  return inverse_real_transform(x, axis, count, norm_of(call));
}

// The real transform is along the last axis named; the complex ones along the others follow, and precede it in the
// inverse.
Expr rfftn(Call& call) {
  Expr x = call.tensor("self");
  const auto axes = transformed_axes(call, x.rank());
  const auto sizes = call.is_none("s") ? std::vector<Sym>{} : call.syms("s");
  for (std::size_t i = axes.size(); i-- > 0;) {
    const Sym count = size_or(sizes, i, x.dim(axes[i]));
    x = i + 1 == axes.size() ? real_transform(x, axes[i], count, norm_of(call))
                             : transform(x, axes[i], count, Direction::kForward, norm_of(call));
  }
  return x;
}

Expr irfftn(Call& call) {
  Expr x = call.tensor("self");
  const auto axes = transformed_axes(call, x.rank());
  const auto sizes = call.is_none("s") ? std::vector<Sym>{} : call.syms("s");
  for (std::size_t i = 0; i + 1 < axes.size(); ++i) {
    x = transform(x, axes[i], size_or(sizes, i, x.dim(axes[i])), Direction::kBackward, norm_of(call));
  }
  const Sym whole = Sym(2) * (x.dim(axes.back()) - Sym(1));
  return inverse_real_transform(x, axes.back(), size_or(sizes, axes.size() - 1, whole), norm_of(call));
}

// The forms of Core ATen, of several axes at once.
Expr fft_r2c(Call& call) {
  Expr x = call.tensor("self");
  const auto axes = call.axes("dim", x.rank());
  const std::string norm = norm_of_code(call, Direction::kForward);
  for (std::size_t i = axes.size(); i-- > 0;) {
    const bool is_half = call.flag("onesided") && i + 1 == axes.size();
    x = is_half ? real_transform(x, axes[i], x.dim(axes[i]), norm)
                : transform(x, axes[i], x.dim(axes[i]), Direction::kForward, norm);
  }
  return x;
}

Expr fft_c2r(Call& call) {
  Expr x = call.tensor("self");
  const auto axes = call.axes("dim", x.rank());
  const std::string norm = norm_of_code(call, Direction::kBackward);
  for (std::size_t i = 0; i + 1 < axes.size(); ++i) {
    x = transform(x, axes[i], x.dim(axes[i]), Direction::kBackward, norm);
  }
  return inverse_real_transform(x, axes.back(), call.sym("last_dim_size"), norm);
}

Expr fft_c2c(Call& call) {
  Expr x = call.tensor("self");
  const Direction direction = call.flag("forward") ? Direction::kForward : Direction::kBackward;
  for (const int axis : call.axes("dim", x.rank())) {
    x = transform(x, axis, x.dim(axis), direction, norm_of_code(call, direction));
  }
  return x;
}

// 0, 1, … then, unless of a real transform, the negative ones, all by n * d.
template <bool kIsReal>
Expr fft_frequencies(Call& call) {
  Builder& b = call.builder();
  const Sym n = call.sym("n");
  const DType dtype = computed_dtype(call.result_dtype()), index = DType::kInt32;
  Expr k = b.range(call.result_dims()[0], index);
  if (!kIsReal) {
    const Expr is_positive = b.tf("Less", {k, b.size(floor_div(n + Sym(1), Sym(2)))});
    k = b.select(is_positive, k, k - b.size(n));
  }
  const Expr factor = b.scalar(dtype, 1.0) / (b.size(n, dtype) * call.number("d"));
  return b.cast(b.cast(k, dtype) * factor, call.result_dtype());
}

#define ONE_AXIS "Tensor self, SymInt? n=None, int dim=-1, str? norm=None"
#define AXES "Tensor self, SymInt[1]? s=None, int[1]? dim=None, str? norm=None"
#define FREQUENCIES \
  "int n, float d=1., *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None"
#define TWO_AXES "Tensor self, SymInt[1]? s=None, int[1] dim=[-2, -1], str? norm=None"

constexpr OpRow kRows[] = {
    {"aten::real(Tensor(a) self) -> Tensor(a)", real},
    {"aten::imag(Tensor(a) self) -> Tensor(a)", imag},
    {"aten::angle(Tensor self) -> Tensor", angle},
    {"aten::conj(Tensor(a) self) -> Tensor(a)", conjugate},
    {"aten::_conj(Tensor(a) self) -> Tensor(a)", conjugate},
    {"aten::resolve_conj(Tensor(a) self) -> Tensor(a)", same_value},
    {"aten::complex(Tensor real, Tensor imag) -> Tensor", complex},
    {"aten::polar(Tensor abs, Tensor angle) -> Tensor", polar},
    {"aten::view_as_complex(Tensor(a) self) -> Tensor(a)", view_as_complex},
    {"aten::view_as_real(Tensor(a) self) -> Tensor(a)", view_as_real},
    {"aten::fft_fft(" ONE_AXIS ") -> Tensor", fft<Direction::kForward>},
    {"aten::fft_ifft(" ONE_AXIS ") -> Tensor", fft<Direction::kBackward>},
    {"aten::fft_fft2(" TWO_AXES ") -> Tensor", fftn<Direction::kForward>},
    {"aten::fft_ifft2(" TWO_AXES ") -> Tensor", fftn<Direction::kBackward>},
    {"aten::fft_fftn(" AXES ") -> Tensor", fftn<Direction::kForward>},
    {"aten::fft_ifftn(" AXES ") -> Tensor", fftn<Direction::kBackward>},
    {"aten::fft_rfft2(" TWO_AXES ") -> Tensor", rfftn},
    {"aten::fft_irfft2(" TWO_AXES ") -> Tensor", irfftn},
    {"aten::fft_rfftn(" AXES ") -> Tensor", rfftn},
    {"aten::fft_irfftn(" AXES ") -> Tensor", irfftn},
    {"aten::_fft_r2c(Tensor self, int[] dim, int normalization, bool onesided) -> Tensor", fft_r2c},
    {"aten::_fft_c2r(Tensor self, int[] dim, int normalization, SymInt last_dim_size) -> Tensor", fft_c2r},
    {"aten::_fft_c2c(Tensor self, SymInt[] dim, int normalization, bool forward) -> Tensor", fft_c2c},
    {"aten::fft_fftfreq(" FREQUENCIES ") -> Tensor", fft_frequencies<false>},
    {"aten::fft_rfftfreq(" FREQUENCIES ") -> Tensor", fft_frequencies<true>},
    {"aten::fft_rfft(" ONE_AXIS ") -> Tensor", rfft},
    {"aten::fft_irfft(" ONE_AXIS ") -> Tensor", irfft},
};

#undef ONE_AXIS
#undef AXES
#undef TWO_AXES
#undef FREQUENCIES

}  // namespace

void add_spectral_ops(OpTable& table) { table.add("spectral", kRows); }

}  // namespace crossload::lower
