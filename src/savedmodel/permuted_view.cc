// Element (j, i) of the matrix is source[base + j * row.stride + i * column.stride], where `base` follows from the
// leading axes. Where the columns are not neighbours in the source, square tiles of one cache line's width go through a
// small array: each line of source and result is then touched once, also when strides are powers of two. The inner loop
// goes along the source's lines, whose pages are the costly ones to reach.
#include "savedmodel/permuted_view.h"

#include <algorithm>
#include <cstring>

namespace crossload::savedmodel {
namespace {

template <std::size_t kWidth>
struct Element {
  std::byte bytes[kWidth];
};

template <std::size_t kWidth>
void read_tiled(const std::byte* source, int64_t row_stride, int64_t column_stride, int64_t rows, int64_t columns,
                std::byte* out) {
  using E = Element<kWidth>;
  constexpr int64_t kTile = std::max<std::size_t>(64 / kWidth, 8);
  E tile[kTile][kTile];
  const auto* from = reinterpret_cast<const E*>(source);
  auto* to = reinterpret_cast<E*>(out);
  for (int64_t i0 = 0; i0 < columns; i0 += kTile) {
    const int64_t length = std::min(kTile, columns - i0);
    for (int64_t j0 = 0; j0 < rows; j0 += kTile) {
      const int64_t height = std::min(kTile, rows - j0);
      const E* corner = from + j0 * row_stride + i0 * column_stride;
      if (row_stride == 1 && height == kTile && length == kTile) {
        for (int64_t i = 0; i < kTile; ++i) {
          E line[kTile];
          std::memcpy(line, corner + i * column_stride, sizeof line);
          for (int64_t j = 0; j < kTile; ++j) tile[j][i] = line[j];
        }
        for (int64_t j = 0; j < kTile; ++j) std::memcpy(to + (j0 + j) * columns + i0, tile[j], sizeof tile[j]);
        continue;
      }
      for (int64_t i = 0; i < length; ++i) {
        for (int64_t j = 0; j < height; ++j) tile[j][i] = corner[j * row_stride + i * column_stride];
      }
      for (int64_t j = 0; j < height; ++j) {
        std::copy_n(tile[j], length, to + (j0 + j) * columns + i0);
      }
    }
  }
}

}  // namespace

PermutedView::PermutedView(Tensor source, const std::vector<int>& perm)
    : source_(std::move(source)), width_(size_of(source_.dtype())) {
  const Dims& dims = source_.dims();
  std::vector<int64_t> strides(dims.size(), 1);
  for (std::size_t i = dims.size(); i-- > 1;) strides[i - 1] = strides[i] * dims[i];

  std::vector<Axis> axes;
  for (const int p : perm) {
    const Axis next{dims[static_cast<std::size_t>(p)], strides[static_cast<std::size_t>(p)]};
    if (next.size == 1) continue;
    if (!axes.empty() && axes.back().stride == next.size * next.stride) {
      axes.back() = {axes.back().size * next.size, next.stride};
    } else {
      axes.push_back(next);
    }
  }
  is_copy_ = axes.size() < 2 || source_.bytes().empty();
  if (is_copy_) return;
  column_ = axes.back();
  row_ = axes[axes.size() - 2];
  leading_.assign(axes.begin(), axes.end() - 2);
  columns_ = column_.size;
  rows_ = source_.count() / columns_;
}

void PermutedView::read(int64_t first_row, int64_t last_row, int64_t first_column, int64_t last_column,
                        std::byte* out) const {
  const int64_t columns = last_column - first_column;
  while (first_row < last_row) {
    int64_t index = first_row / row_.size;
    const int64_t row = first_row % row_.size;
    const int64_t rows = std::min(last_row - first_row, row_.size - row);
    int64_t base = row * row_.stride + first_column * column_.stride;
    for (std::size_t axis = leading_.size(); axis-- > 0; index /= leading_[axis].size) {
      base += index % leading_[axis].size * leading_[axis].stride;
    }
    const std::byte* from = source_.bytes().data() + static_cast<std::size_t>(base) * width_;
    const auto row_bytes = static_cast<std::size_t>(columns) * width_;
    if (column_.stride == 1) {
      for (int64_t j = 0; j < rows; ++j) {
        std::memcpy(out + static_cast<std::size_t>(j) * row_bytes,
                    from + static_cast<std::size_t>(j * row_.stride) * width_, row_bytes);
      }
    } else {
      switch (width_) {
        case 1: read_tiled<1>(from, row_.stride, column_.stride, rows, columns, out); break;
        case 2: read_tiled<2>(from, row_.stride, column_.stride, rows, columns, out); break;
        case 4: read_tiled<4>(from, row_.stride, column_.stride, rows, columns, out); break;
        case 8: read_tiled<8>(from, row_.stride, column_.stride, rows, columns, out); break;
        default: read_tiled<16>(from, row_.stride, column_.stride, rows, columns, out); break;
      }
    }
    out += static_cast<std::size_t>(rows) * row_bytes;
    first_row += rows;
  }
}

Tensor permuted(const Tensor& source, const std::vector<int>& perm) {
  if (perm.empty()) return source;
  Dims dims;
  for (const int p : perm) dims.push_back(source.dims()[static_cast<std::size_t>(p)]);
  const PermutedView view(source, perm);
  if (view.is_copy()) return Tensor(source.dtype(), std::move(dims), source.bytes(), source.owner());
  auto buffer = std::make_shared<std::vector<std::byte>>(source.bytes().size());
  view.read(0, view.rows(), 0, view.columns(), buffer->data());
  const std::span<const std::byte> bytes(*buffer);
  return Tensor(source.dtype(), std::move(dims), bytes, std::move(buffer));
}

}  // namespace crossload::savedmodel
