// Images of another size. Each spatial axis is resampled for itself: result cell i is a weighted sum of a few source
// cells, whose positions and coefficients are computed in float32 as PyTorch computes them (aten/native/UpSample.h).

#include <optional>

#include "lower/ops/cubic_kernel.h"
#include "lower/ops/families.h"

namespace crossload::lower {
namespace {

struct Axis {
  int axis;
  Sym in, out;
  std::optional<double> factor;  // given by the caller: then the step is 1 / factor, not in / out
};

std::vector<Axis> axes_of(Call& call, int spatial) {
  const Expr x = call.tensor("input");
  std::vector<double> factors;
  if (!call.is_none("scale_factors")) factors = call.numbers("scale_factors");
  std::vector<Axis> axes;
  for (int i = 0; i < spatial; ++i) {
    const int axis = x.rank() - spatial + i;
    Axis a{axis, x.dim(axis), call.result_dims()[static_cast<std::size_t>(axis)], {}};
    if (!factors.empty()) a.factor = factors[static_cast<std::size_t>(i)];
    axes.push_back(a);
  }
  return axes;
}

// Source cells per result cell.
Expr step(Builder& b, const Axis& a) {
  const DType f = DType::kFloat32;
  if (a.factor) return b.scalar(f, 1.0 / *a.factor);
  return b.size(a.in, f) / b.size(a.out, f);
}

Expr clipped_cells(const Axis& a, Expr cells) {
  Builder& b = cells.builder();
  const Expr whole = b.cast(cells, DType::kInt32);
  return b.tf("Minimum", {b.tf("Maximum", {whole, b.scalar(DType::kInt32, 0)}), b.size(a.in - Sym(1))});
}

template <int kSpatial>
Expr nearest(Call& call) {
  Builder& b = call.builder();
  Expr x = call.tensor("input");
  for (const Axis& a : axes_of(call, kSpatial)) {
    if (a.in == a.out) continue;
    const Expr positions = b.tf("Floor", {b.range(a.out, DType::kFloat32) * step(b, a)});
    x = b.gather(x, clipped_cells(a, positions), a.axis);
  }
  return x;
}

// Where result cell i lies among the source cells: (i + 0.5) * step - 0.5, rounded once, as the fused multiply-add of
// PyTorch's kernel rounds it. Rounded twice it moves a cell of 2,048 by 1e-4.
Expr source_position(Call& call, const Axis& a) {
  Builder& b = call.builder();
  if (!call.flag("align_corners")) {
    const Expr i = b.range(a.out, DType::kFloat64);
    return b.cast((i + 0.5) * b.cast(step(b, a), DType::kFloat64) - 0.5, DType::kFloat32);
  }
  const Expr i = b.range(a.out, DType::kFloat32);
  if (a.out == Sym(1)) return i;
  return i * (b.size(a.in - Sym(1), DType::kFloat32) / b.size(a.out - Sym(1), DType::kFloat32));
}

// The sum over taps of x at (first + tap), clipped to the image, times the tap's coefficient, one for each result cell.
Expr weighted(Expr x, const Axis& a, Expr first, const Exprs& coefficients) {
  Builder& b = x.builder();
  SymDims along(static_cast<std::size_t>(x.rank()), Sym(1));
  along[static_cast<std::size_t>(a.axis)] = a.out;
  Expr sum;
  for (std::size_t tap = 0; tap < coefficients.size(); ++tap) {
    const Expr cells = tap == 0 ? first : first + static_cast<double>(tap);
    const Expr part = b.gather(x, clipped_cells(a, cells), a.axis) * b.reshape(coefficients[tap], along);
    sum = sum ? sum + part : part;
  }
  return sum;
}

template <int kSpatial>
Expr linear(Call& call) {
  Builder& b = call.builder();
  Expr x = b.cast(call.tensor("input"), computed_dtype(call.result_dtype()));
  if (x.dtype() != DType::kFloat32) call.unsupported("resampling of anything but floats of at most 32 bits");
  for (const Axis& a : axes_of(call, kSpatial)) {
    if (a.in == a.out) continue;
    const Expr position = b.tf("Maximum", {source_position(call, a), b.scalar(DType::kFloat32, 0.0)});
    const Expr first = b.tf("Floor", {position}), high = position - first;
    x = weighted(x, a, first, {1.0 - high, high});
  }
  return b.cast(x, call.result_dtype());
}

// Keys' kernel over four cells.
Expr cubic(Call& call) {
  Builder& b = call.builder();
  Expr x = b.cast(call.tensor("input"), computed_dtype(call.result_dtype()));
  if (x.dtype() != DType::kFloat32) call.unsupported("resampling of anything but floats of at most 32 bits");
  for (const Axis& a : axes_of(call, 2)) {
    if (a.in == a.out && !call.flag("align_corners") && !a.factor) continue;
    const Expr position = source_position(call, a);
    const Expr first = b.tf("Floor", {position}), t = position - first;
    x = weighted(x, a, first - 1.0, cubic_coefficients(t));
  }
  return b.cast(x, call.result_dtype());
}

// With antialiasing a result cell is a weighted mean of all source cells within the kernel's support, which is
// stretched by the step: one product with a matrix of coefficients for each axis (aten/native/cpu/UpSampleKernel.cpp).
Expr antialiased(Call& call, double reach, Expr (*kernel)(Expr)) {
  Builder& b = call.builder();
  const DType f = DType::kFloat32;
  Expr x = b.cast(call.tensor("input"), computed_dtype(call.result_dtype()));
  if (x.dtype() != f) call.unsupported("resampling of anything but floats of at most 32 bits");
  for (const Axis& a : axes_of(call, 2)) {
    Expr scale = step(b, a);
    if (call.flag("align_corners")) {
      scale = a.out == Sym(1) ? b.scalar(f, 0.0) : b.size(a.in - Sym(1), f) / b.size(a.out - Sym(1), f);
    }
    const Expr stretch = b.tf("Maximum", {scale, b.scalar(f, 1.0)});
    const Expr support = stretch * reach;
    const Expr center = b.unsqueeze((b.range(a.out, f) + 0.5) * scale, 1);
    const Expr first = b.tf("Maximum", {b.tf("Floor", {(center - support) + 0.5}), b.scalar(f, 0.0)});
    const Expr end = b.tf("Minimum", {b.tf("Floor", {(center + support) + 0.5}), b.size(a.in, f)});
    const Expr cell = b.unsqueeze(b.range(a.in, f), 0);
    const Expr is_reached = b.tf("LogicalAnd", {b.tf("GreaterEqual", {cell, first}), b.tf("Less", {cell, end})});
    const Expr raw = kernel(b.tf("Abs", {(cell - center + 0.5) / stretch}));
    const Expr coefficients = b.select(is_reached, raw, b.scalar(f, 0.0));
    const Expr matrix = coefficients / b.reduce("Sum", coefficients, {1}, true);
    const bool is_last = a.axis == x.rank() - 1;
    x = is_last ? b.tf("BatchMatMulV2", {x, matrix}, {{"adj_y", true}}) : b.tf("BatchMatMulV2", {matrix, x});
  }
  return b.cast(x, call.result_dtype());
}

Expr linear_aa(Call& call) {
  return antialiased(call, 1, [](Expr t) {
    return t.builder().tf("Maximum", {1.0 - t, t.builder().scalar(t.dtype(), 0.0)});
  });
}

// Keys' kernel with a = -0.5; the far part is rounded as PyTorch's antialiasing rounds it, which is not `cubic_far`.
Expr cubic_aa(Call& call) {
  return antialiased(call, 2, [](Expr t) {
    Builder& b = t.builder();
    constexpr double kA = -0.5;
    const Expr near = cubic_near(t, kA), far = (((t - 5.0) * t + 8.0) * t - 4.0) * kA;
    const Expr is_near = b.tf("Less", {t, b.scalar(t.dtype(), 1.0)}),
               is_far = b.tf("Less", {t, b.scalar(t.dtype(), 2.0)});
    return b.select(is_near, near, b.select(is_far, far, b.scalar(t.dtype(), 0.0)));
  });
}

#define SIZES "SymInt[]? output_size"
#define FACTORS "float[]? scale_factors"

constexpr OpRow kRows[] = {
    {"aten::upsample_nearest1d.vec(Tensor input, " SIZES ", " FACTORS ") -> Tensor", nearest<1>},
    {"aten::upsample_nearest2d.vec(Tensor input, " SIZES ", " FACTORS ") -> Tensor", nearest<2>},
    {"aten::upsample_nearest3d.vec(Tensor input, " SIZES ", " FACTORS ") -> Tensor", nearest<3>},
    {"aten::upsample_linear1d.vec(Tensor input, " SIZES ", bool align_corners, " FACTORS ") -> Tensor", linear<1>},
    {"aten::upsample_bilinear2d.vec(Tensor input, " SIZES ", bool align_corners, " FACTORS ") -> Tensor", linear<2>},
    {"aten::upsample_trilinear3d.vec(Tensor input, " SIZES ", bool align_corners, " FACTORS ") -> Tensor", linear<3>},
    {"aten::_upsample_bilinear2d_aa.vec(Tensor input, " SIZES ", bool align_corners, " FACTORS ") -> Tensor",
     linear_aa},
    {"aten::_upsample_bicubic2d_aa.vec(Tensor input, " SIZES ", bool align_corners, " FACTORS ") -> Tensor", cubic_aa},
    {"aten::upsample_bicubic2d.vec(Tensor input, " SIZES ", bool align_corners, " FACTORS ") -> Tensor", cubic},
};

#undef SIZES
#undef FACTORS

}  // namespace

void add_resize_ops(OpTable& table) { table.add("resize", kRows); }

}  // namespace crossload::lower
