// Images cut into overlapping patches (im2col), and patches summed into an image (col2im).

#include "lower/ops/families.h"

namespace crossload::lower {
namespace {

struct Cut {
  std::vector<int64_t> size, dilation, padding, stride;  // of h and w
  Sym patches_down, patches_across;
};

Cut cut_of(Call& call, const Sym& height, const Sym& width) {
  const auto hw = [&](const char* name) {
    auto values = call.integers(name);
    if (values.size() == 1) values.push_back(values[0]);
    return values;
  };
  Cut cut{hw("kernel_size"), hw("dilation"), hw("padding"), hw("stride"), Sym(), Sym()};
  const auto count = [&](const Sym& cells, std::size_t i) {
    return floor_div(cells + Sym(2 * cut.padding[i] - cut.dilation[i] * (cut.size[i] - 1) - 1), Sym(cut.stride[i])) +
           Sym(1);
  };
  cut.patches_down = count(height, 0);
  cut.patches_across = count(width, 1);
  return cut;
}

std::vector<int64_t> nhwc(const std::vector<int64_t>& hw) { return {1, hw[0], hw[1], 1}; }

// [n, c, h, w] → [n, c * kh * kw, patches]
Expr im2col(Call& call) {
  Builder& b = call.builder();
  Expr x = call.tensor("self");
  const bool is_batched = x.rank() == 4;
  if (!is_batched) x = b.unsqueeze(x, 0);
  const Cut cut = cut_of(call, x.dim(2), x.dim(3));
  const Sym channels = x.dim(1), batch = x.dim(0);
  Expr last = b.transpose(x, {0, 2, 3, 1});
  if (cut.padding[0] != 0 || cut.padding[1] != 0) {
    const std::vector<int> pads = {0,
                                   0,
                                   static_cast<int>(cut.padding[0]),
                                   static_cast<int>(cut.padding[0]),
                                   static_cast<int>(cut.padding[1]),
                                   static_cast<int>(cut.padding[1]),
                                   0,
                                   0};  // clang-format off
    last = b.tf("Pad", {last, b.reshape(b.int32s(pads), {Sym(4), Sym(2)})});  // clang-format on
  }
  const Expr patches = b.tf_widened("ExtractImagePatches", {last},
                                    {{"ksizes", nhwc(cut.size)},
                                     {"strides", nhwc(cut.stride)},
                                     {"rates", nhwc(cut.dilation)},
                                     {"padding", std::string("VALID")}});
  const Sym count = cut.patches_down * cut.patches_across, cells(cut.size[0] * cut.size[1]);
  const Expr by_cell = b.reshape(patches, {batch, count, cells, channels});
  return b.reshape(b.transpose(by_cell, {0, 3, 2, 1}), call.result_dims());
}

// [n, c * kh * kw, patches] → [n, c, h, w]: every cell is the sum of the patch cells that cover it.
Expr col2im(Call& call) {
  Builder& b = call.builder();
  Expr x = call.tensor("self");
  const bool is_batched = x.rank() == 3;
  if (!is_batched) x = b.unsqueeze(x, 0);
  const auto output = call.syms("output_size");
  const Sym height = output.at(0), width = output.size() > 1 ? output[1] : output[0];
  const Cut cut = cut_of(call, height, width);
  const Sym cells(cut.size[0] * cut.size[1]), channels = floor_div(x.dim(1), cells), batch = x.dim(0);
  const Sym padded_height = height + Sym(2 * cut.padding[0]), padded_width = width + Sym(2 * cut.padding[1]);
  const DType index = DType::kInt32;
  // Position of each (kernel row, kernel column, patch row, patch column) on the padded image.
  const auto along = [&](const Sym& count, int axis, int64_t step) {
    SymDims dims(4, Sym(1));
    dims[static_cast<std::size_t>(axis)] = count;
    return b.reshape(b.range(count, index) * b.scalar(index, step), dims);
  };
  const Expr row = along(Sym(cut.size[0]), 0, cut.dilation[0]) + along(cut.patches_down, 2, cut.stride[0]);
  const Expr column = along(Sym(cut.size[1]), 1, cut.dilation[1]) + along(cut.patches_across, 3, cut.stride[1]);
  const Sym count = cells * cut.patches_down * cut.patches_across;
  const Expr position = b.reshape(row * b.size(padded_width) + column, {count});
  const Expr split = b.reshape(x, {batch, channels, count});
  const Sym area = padded_height * padded_width;
  const Expr sums = b.tf_widened("UnsortedSegmentSum", {b.transpose(split, {2, 0, 1}), position, b.size(area)});
  b.set_dims(sums, {area, batch, channels});
  Expr y = b.reshape(b.transpose(sums, {1, 2, 0}), {batch, channels, padded_height, padded_width});
  y = b.slice(y, 2, Sym(cut.padding[0]), height + Sym(cut.padding[0]));
  y = b.slice(y, 3, Sym(cut.padding[1]), width + Sym(cut.padding[1]));
  return b.reshape(y, call.result_dims());
}

constexpr OpRow kRows[] = {
    {"aten::im2col(Tensor self, int[2] kernel_size, int[2] dilation, int[2] padding, int[2] stride) -> Tensor", im2col},
    {"aten::col2im(Tensor self, SymInt[2] output_size, int[2] kernel_size, int[2] dilation, int[2] padding, "
     "int[2] stride) -> Tensor",
     col2im},
};

}  // namespace

void add_patches_ops(OpTable& table) { table.add("patches", kRows); }

}  // namespace crossload::lower
