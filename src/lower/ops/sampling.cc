// Images read at positions between their cells: `grid_sample`.
//
// A position is a point of [-1, 1]^d. It is brought to cell coordinates, then treated by the padding mode, then each of
// the 2^d cells around it is read and weighted (aten/native/GridSampler.h). Channels last: one row of channels a cell.

#include "lower/ops/cubic_kernel.h"
#include "lower/ops/families.h"

namespace crossload::lower {
namespace {

enum Interpolation { kLinear = 0, kNearest = 1, kCubic = 2 };
enum Padding { kZeros = 0, kBorder = 1, kReflection = 2 };

Expr clipped(Expr x, Expr last) {
  Builder& b = x.builder();
  return b.tf("Minimum", {b.tf("Maximum", {x, b.scalar(x.dtype(), 0.0)}), last});
}

// Folds coordinates back between `low` and `low + span`, as if mirrors stood there.
Expr reflected(Expr x, double low, Expr span) {
  Builder& b = x.builder();
  const Expr from_low = b.tf("Abs", {x - low});
  const Expr flips = b.tf("Floor", {from_low / span});
  const Expr extra = from_low - flips * span;
  const Expr is_even = b.tf("Equal", {b.tf("FloorMod", {flips, b.scalar(x.dtype(), 2.0)}), b.scalar(x.dtype(), 0.0)});
  const Expr folded = b.select(is_even, extra + low, span - extra + low);
  return b.select(b.tf("Equal", {span, b.scalar(x.dtype(), 0.0)}), b.tf("ZerosLike", {x}), folded);
}

// Cell coordinates of points along one axis, wherever they lie.
Expr unpadded_coordinates(Call& call, Expr points, const Sym& size) {
  Builder& b = call.builder();
  const Expr cells = b.size(size, points.dtype()), last = b.size(size - Sym(1), points.dtype());
  return call.flag("align_corners") ? (points + 1.0) * 0.5 * last : ((points + 1.0) * cells - 1.0) * 0.5;
}

// Coordinates outside the image mapped to where the padding mode reads; the zeros of padding are put in when the cells
// are read.
Expr padded(Call& call, Expr x, const Sym& size) {
  Builder& b = call.builder();
  const Expr cells = b.size(size, x.dtype()), last = b.size(size - Sym(1), x.dtype());
  const bool corners = call.flag("align_corners");
  switch (call.integer("padding_mode")) {
    case kBorder: return clipped(x, last);
    case kReflection: return clipped(corners ? reflected(x, 0, last) : reflected(x, -0.5, cells), last);
    default: return x;
  }
}

Expr grid_sampler(Call& call) {
  Builder& b = call.builder();
  const DType dtype = computed_dtype(call.result_dtype());
  const Expr x = call.operand("input", dtype), grid = call.operand("grid", dtype);
  const int64_t mode = call.integer("interpolation_mode");
  const int spatial = x.rank() - 2;
  // [n, c, spatial…] → [n, cells, c]; points [n, positions, d], the last axis of the image first.
  std::vector<int> perm = {0};
  Sym cells(1);
  for (int i = 2; i < x.rank(); ++i) {
    perm.push_back(i);
    cells = cells * x.dim(i);
  }
  perm.push_back(1);
  const Expr rows = b.reshape(b.transpose(x, perm), {x.dim(0), cells, x.dim(1)});
  Sym positions(1);
  for (int i = 1; i <= spatial; ++i) positions = positions * grid.dim(i);
  Exprs at;  // by image axis
  for (int i = 0; i < spatial; ++i) {
    const Expr points = b.gather(grid, b.scalar(DType::kInt32, spatial - 1 - i), grid.rank() - 1);
    const Expr position = unpadded_coordinates(call, b.reshape(points, {grid.dim(0), positions}), x.dim(i + 2));
    at.push_back(mode == kCubic ? position : padded(call, position, x.dim(i + 2)));
  }

  const auto read = [&](const Exprs& cell, Expr coefficient) {
    Expr flat, is_inside;
    for (int i = 0; i < spatial; ++i) {
      const auto k = static_cast<std::size_t>(i);
      const Expr last = b.size(x.dim(i + 2) - Sym(1), dtype);
      const Expr inside = b.tf(
          "LogicalAnd", {b.tf("GreaterEqual", {cell[k], b.scalar(dtype, 0.0)}), b.tf("LessEqual", {cell[k], last})});
      is_inside = is_inside ? b.tf("LogicalAnd", {is_inside, inside}) : inside;
      const Expr index = b.cast(clipped(cell[k], last), DType::kInt32);
      flat = flat ? flat * b.size(x.dim(i + 2)) + index : index;
    }
    const Expr values = b.tf("GatherV2", {rows, flat, b.scalar(DType::kInt32, 1)}, {{"batch_dims", int64_t{1}}});
    b.set_dims(values, {grid.dim(0), positions, x.dim(1)});
    const Expr kept = b.select(is_inside, coefficient, b.scalar(dtype, 0.0));
    return values * b.unsqueeze(kept, 2);
  };

  Expr sum;
  if (mode == kNearest) {
    Exprs cell;
    for (const Expr& a : at) cell.push_back(b.tf("Rint", {a}));
    sum = read(cell, b.fill(dtype, {grid.dim(0), positions}, b.scalar(dtype, 1.0)));
  } else if (mode == kCubic) {
    // Four cells along each axis, each brought into the image by itself; Keys' kernel.
    std::vector<Exprs> cells_of, coefficients_of;
    for (int i = 0; i < spatial; ++i) {
      const Expr& a = at[static_cast<std::size_t>(i)];
      const Expr first = b.tf("Floor", {a}), t = a - first;
      coefficients_of.push_back(cubic_coefficients(t));
      Exprs four;
      for (int tap = -1; tap < 3; ++tap) four.push_back(padded(call, first + static_cast<double>(tap), x.dim(i + 2)));
      cells_of.push_back(four);
    }
    for (std::size_t down = 0; down < 4; ++down) {
      for (std::size_t across = 0; across < 4; ++across) {
        const Expr value =
            read({cells_of[0][down], cells_of[1][across]}, coefficients_of[0][down] * coefficients_of[1][across]);
        sum = sum ? sum + value : value;
      }
    }
  } else {
    for (int corner = 0; corner < 1 << spatial; ++corner) {
      Exprs cell;
      Expr coefficient;
      for (int i = 0; i < spatial; ++i) {
        const Expr& a = at[static_cast<std::size_t>(i)];
        const Expr low = b.tf("Floor", {a}), high = low + 1.0;
        const bool is_high = ((corner >> i) & 1) != 0;
        cell.push_back(is_high ? high : low);
        const Expr part = is_high ? a - low : high - a;
        coefficient = coefficient ? coefficient * part : part;
      }
      const Expr value = read(cell, coefficient);
      sum = sum ? sum + value : value;
    }
  }
  SymDims dims = {grid.dim(0)};
  for (int i = 1; i <= spatial; ++i) dims.push_back(grid.dim(i));
  dims.push_back(x.dim(1));
  std::vector<int> back = {0, spatial + 1};
  for (int i = 1; i <= spatial; ++i) back.push_back(i);
  return b.cast(b.transpose(b.reshape(sum, dims), back), call.result_dtype());
}

#define MODES "int interpolation_mode, int padding_mode, bool align_corners"

constexpr OpRow kRows[] = {
    {"aten::grid_sampler(Tensor input, Tensor grid, " MODES ") -> Tensor", grid_sampler},
    {"aten::grid_sampler_2d(Tensor input, Tensor grid, " MODES ") -> Tensor", grid_sampler},
    {"aten::grid_sampler_3d(Tensor input, Tensor grid, " MODES ") -> Tensor", grid_sampler},
};

#undef MODES

}  // namespace

void add_sampling_ops(OpTable& table) { table.add("sampling", kRows); }

}  // namespace crossload::lower
