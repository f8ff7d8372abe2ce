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

// `norm`: nothing or `backward` divides the way back by n, `ortho` both ways by its root, `forward` the way there by n.
Expr scaled(Call& call, Expr y, const Sym& count, Direction direction, bool tf_divides) {
  Builder& b = call.builder();
  const std::string norm = call.is_none("norm") ? "backward" : call.text("norm");
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
Expr transform(Call& call, Expr x, int axis, const Sym& count, Direction direction) {
  Builder& b = call.builder();
  const Expr last = resized_last(b.swap_axes(as_complex(x), axis, -1), count);
  const bool forward = direction == Direction::kForward;
  const Expr y = b.tf(forward ? "FFT" : "IFFT", {last});
  b.set_dims(y, last.dims());
  return b.swap_axes(scaled(call, y, count, direction, !forward), axis, -1);
}

template <Direction kDirection>
Expr fft(Call& call) {
  const Expr x = call.tensor("self");
  const int axis = call.axis("dim", x.rank());
  const Sym count = call.is_none("n") ? x.dim(axis) : call.sym("n");
  return transform(call, x, axis, count, kDirection);
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

template <Direction kDirection>
Expr fftn(Call& call) {
  Expr x = call.tensor("self");
  const auto axes = transformed_axes(call, x.rank());
  const auto sizes = call.is_none("s") ? std::vector<Sym>{} : call.syms("s");
  for (std::size_t i = 0; i < axes.size(); ++i) {
    const bool keeps = sizes.empty() || sizes[i] == Sym(-1);
    x = transform(call, x, axes[i], keeps ? x.dim(axes[i]) : sizes[i], kDirection);
  }
  return x;
}

// A real signal: the first n / 2 + 1 frequencies.
Expr rfft(Call& call) {
  Builder& b = call.builder();
  const Expr given = call.tensor("self");
  const Expr x = given.dtype() == DType::kFloat64 ? given : b.cast(given, DType::kFloat32);
  const int axis = call.axis("dim", x.rank());
  const Sym count = call.is_none("n") ? x.dim(axis) : call.sym("n");
  const Expr last = resized_last(b.swap_axes(x, axis, -1), count);
  const Expr y = b.tf("RFFT", {last, b.sizes({count})}, {{"Tcomplex", complex_of(x.dtype())}});
  SymDims dims = last.dims();
  dims.back() = floor_div(count, Sym(2)) + Sym(1);
  b.set_dims(y, dims);
  return b.swap_axes(scaled(call, y, count, Direction::kForward, false), axis, -1);
}

Expr irfft(Call& call) {
  Builder& b = call.builder();
  const Expr x = as_complex(call.tensor("self"));
  const int axis = call.axis("dim", x.rank());
  const Sym count = call.is_none("n") ? Sym(2) * (x.dim(axis) - Sym(1)) : call.sym("n");
  const Expr last = resized_last(b.swap_axes(x, axis, -1), floor_div(count, Sym(2)) + Sym(1));
  const Expr y = b.tf("IRFFT", {last, b.sizes({count})}, {{"Treal", real_of(x.dtype())}});
  SymDims dims = last.dims();
  dims.back() = count;
  b.set_dims(y, dims);
  return b.swap_axes(scaled(call, y, count, Direction::kBackward, true), axis, -1);
}

#define ONE_AXIS "Tensor self, SymInt? n=None, int dim=-1, str? norm=None"
#define AXES "Tensor self, SymInt[1]? s=None, int[1]? dim=None, str? norm=None"
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
    {"aten::fft_rfft(" ONE_AXIS ") -> Tensor", rfft},
    {"aten::fft_irfft(" ONE_AXIS ") -> Tensor", irfft},
};

#undef ONE_AXIS
#undef AXES
#undef TWO_AXES

}  // namespace

void add_spectral_ops(OpTable& table) { table.add("spectral", kRows); }

}  // namespace crossload::lower
