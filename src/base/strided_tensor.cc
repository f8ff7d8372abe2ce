// The last two joined axes are the rows and columns of matrices. Where the columns are not neighbours in the source,
// square tiles of one cache line's width go through a small array: each line of source and result is then touched once,
// also when strides are powers of two. The inner loop goes along the source's lines, whose pages are the costly ones to
// reach.
#include "base/strided_tensor.h"

#include <algorithm>
#include <cstring>

#include "base/error.h"

namespace crossload {
namespace {

constexpr std::size_t kBlockSize = std::size_t{2} << 20;
constexpr std::size_t kMaxBlockSize = std::size_t{8} << 20;
constexpr std::size_t kLine = 64;
constexpr std::size_t kRun = 512;  // bytes read from one row of a source before the next

template <std::size_t kWidth>
struct Element {
  std::byte bytes[kWidth];
};

template <std::size_t kWidth>
void read_tiled(const std::byte* source, int64_t row_stride, int64_t column_stride, int64_t rows, int64_t columns,
                std::byte* out) {
  using E = Element<kWidth>;
  constexpr int64_t kTile = std::max<std::size_t>(kLine / kWidth, 8);
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

StridedTensor::StridedTensor(const Tensor& tensor)
    : dtype_(tensor.dtype()),
      dims_(tensor.dims()),
      strides_(tensor.dims().size(), 1),
      bytes_(tensor.bytes()),
      owner_(tensor.owner()),
      count_(tensor.count()) {
  for (std::size_t i = dims_.size(); i-- > 1;) strides_[i - 1] = strides_[i] * std::max<int64_t>(dims_[i], 1);
  merge_axes();
}

std::optional<StridedTensor> StridedTensor::within(std::span<const std::byte> bytes, std::shared_ptr<const void> owner,
                                                   DType dtype, Dims dims, Dims strides, int64_t offset) {
  const auto width = static_cast<int64_t>(size_of(dtype));
  int64_t count = 1;
  int64_t reach = offset;
  bool fits = offset >= 0;
  bool empty = false;
  for (std::size_t axis = 0; axis < dims.size(); ++axis) {
    int64_t extent = 0;
    empty = empty || dims[axis] == 0;
    fits = fits && dims[axis] >= 0 && strides[axis] >= 0 && !__builtin_mul_overflow(count, dims[axis], &count) &&
           !__builtin_mul_overflow(std::max<int64_t>(dims[axis] - 1, 0), strides[axis], &extent) &&
           !__builtin_add_overflow(reach, extent, &reach);
  }
  int64_t size = 0;
  if (!fits || __builtin_mul_overflow(count, width, &size)) return std::nullopt;
  if (empty) {
    return StridedTensor(Tensor(dtype, std::move(dims), {}, nullptr));
  }
  if (reach >= static_cast<int64_t>(bytes.size()) / width) return std::nullopt;
  StridedTensor result;
  result.dtype_ = dtype;
  result.dims_ = std::move(dims);
  result.strides_ = std::move(strides);
  result.bytes_ = bytes.subspan(static_cast<std::size_t>(offset * width));
  result.owner_ = std::move(owner);
  result.count_ = count;
  result.merge_axes();
  return result;
}

void StridedTensor::merge_axes() {
  axes_.clear();
  if (count_ == 0) return;
  for (std::size_t i = 0; i < dims_.size(); ++i) {
    const Axis next{dims_[i], strides_[i]};
    if (next.size == 1) continue;
    if (!axes_.empty() && axes_.back().stride == next.size * next.stride) {
      axes_.back() = {axes_.back().size * next.size, next.stride};
    } else {
      axes_.push_back(next);
    }
  }
}

StridedTensor StridedTensor::permuted(std::span<const int> perm) const {
  StridedTensor result = *this;
  for (std::size_t i = 0; i < perm.size(); ++i) {
    result.dims_[i] = dims_[static_cast<std::size_t>(perm[i])];
    result.strides_[i] = strides_[static_cast<std::size_t>(perm[i])];
  }
  result.merge_axes();
  return result;
}

StridedTensor StridedTensor::sliced(std::size_t axis, int64_t begin, int64_t end) const {
  if (axis >= dims_.size() || begin < 0 || begin > end || end > dims_[axis]) {
    internal_error("strided tensor: no part [{}, {}) along axis {} of {}", begin, end, axis, to_string(dims_));
  }
  StridedTensor result = *this;
  result.dims_[axis] = end - begin;
  result.count_ = element_count(result.dims_);
  if (result.count_ > 0) {
    result.bytes_ = bytes_.subspan(static_cast<std::size_t>(begin * strides_[axis]) * size_of(dtype_));
  }
  result.merge_axes();
  return result;
}

std::span<const std::byte> StridedTensor::bytes() const {
  if (!is_contiguous()) internal_error("strided tensor: {} elements are not contiguous", count_);
  return bytes_.first(static_cast<std::size_t>(count_) * size_of(dtype_));
}

void StridedTensor::read_rows(int64_t first_row, int64_t last_row, int64_t first_column, int64_t last_column,
                              std::byte* out) const {
  const Axis column = axes_.back();
  const Axis row = axes_.size() > 1 ? axes_[axes_.size() - 2] : Axis{1, 0};
  const std::size_t leading = axes_.size() > 1 ? axes_.size() - 2 : 0;
  const std::size_t width = size_of(dtype_);
  const int64_t columns = last_column - first_column;
  while (first_row < last_row) {
    int64_t index = first_row / row.size;
    const int64_t at = first_row % row.size;
    const int64_t rows = std::min(last_row - first_row, row.size - at);
    int64_t base = at * row.stride + first_column * column.stride;
    for (std::size_t axis = leading; axis-- > 0; index /= axes_[axis].size) {
      base += index % axes_[axis].size * axes_[axis].stride;
    }
    const std::byte* from = bytes_.data() + static_cast<std::size_t>(base) * width;
    const auto row_bytes = static_cast<std::size_t>(columns) * width;
    if (column.stride == 1) {
      for (int64_t j = 0; j < rows; ++j) {
        std::memcpy(out + static_cast<std::size_t>(j) * row_bytes,
                    from + static_cast<std::size_t>(j * row.stride) * width, row_bytes);
      }
    } else {
      switch (width) {
        case 1: read_tiled<1>(from, row.stride, column.stride, rows, columns, out); break;
        case 2: read_tiled<2>(from, row.stride, column.stride, rows, columns, out); break;
        case 4: read_tiled<4>(from, row.stride, column.stride, rows, columns, out); break;
        case 8: read_tiled<8>(from, row.stride, column.stride, rows, columns, out); break;
        default: read_tiled<16>(from, row.stride, column.stride, rows, columns, out); break;
      }
    }
    out += static_cast<std::size_t>(rows) * row_bytes;
    first_row += rows;
  }
}

void StridedTensor::read(int64_t first, int64_t last, std::byte* out) const {
  if (first >= last) return;
  const std::size_t width = size_of(dtype_);
  if (is_contiguous()) {
    std::memcpy(out, bytes_.data() + static_cast<std::size_t>(first) * width,
                static_cast<std::size_t>(last - first) * width);
    return;
  }
  // The rest of a row, whole rows, the beginning of a row.
  const int64_t columns = axes_.back().size;
  const auto part = [&](int64_t first_row, int64_t last_row, int64_t first_column, int64_t last_column) {
    read_rows(first_row, last_row, first_column, last_column, out);
    const int64_t read = (last_row - first_row) * (last_column - first_column);
    first += read;
    out += static_cast<std::size_t>(read) * width;
  };
  if (const int64_t column = first % columns; column != 0) {
    part(first / columns, first / columns + 1, column, std::min(columns, column + last - first));
  }
  if (const int64_t rows = (last - first) / columns; rows > 0) {
    part(first / columns, first / columns + rows, 0, columns);
  }
  if (first < last) part(first / columns, first / columns + 1, 0, last - first);
}

// Row panels of about kBlockSize, higher where rows are so long that little of each source row would be read at a time;
// whole cache lines of it if possible.
int64_t StridedTensor::block_length() const {
  const std::size_t width = size_of(dtype_);
  if (is_contiguous() || axes_.size() == 1) return static_cast<int64_t>(kBlockSize / width);
  const auto row_size = static_cast<std::size_t>(axes_.back().size) * width;
  const std::size_t line = std::max<std::size_t>(kLine / width, 1);
  std::size_t rows = std::min(std::max(kBlockSize / row_size, kRun / width), kMaxBlockSize / row_size);
  if (rows > line) rows -= rows % line;
  if (rows == 0) return static_cast<int64_t>(kMaxBlockSize / width);
  return static_cast<int64_t>(rows) * axes_.back().size;
}

Tensor StridedTensor::to_tensor() const {
  if (is_contiguous()) return Tensor(dtype_, dims_, bytes(), owner_);
  auto buffer = std::make_shared<std::vector<std::byte>>(static_cast<std::size_t>(count_) * size_of(dtype_));
  read(0, count_, buffer->data());
  const std::span<const std::byte> view(*buffer);
  return Tensor(dtype_, dims_, view, std::move(buffer));
}

}  // namespace crossload
