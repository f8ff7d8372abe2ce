// Joining, splitting, repeating and reordering tensors.

#include <algorithm>
#include <numeric>

#include "lower/ops/families.h"

namespace crossload::lower {
namespace {

Expr cat(Call& call) {
  Builder& b = call.builder();
  Exprs parts;
  for (const Expr& part : call.tensors("tensors")) {
    // PyTorch skips empty tensors of rank 1 among parts of another rank.
    if (part.rank() == 1 && part.dim(0) == Sym(0) && call.result_dims().size() != 1) continue;
    parts.push_back(b.cast(part, call.result_dtype()));
  }
  if (parts.empty()) return b.fill(call.result_dtype(), call.result_dims(), b.scalar(call.result_dtype(), 0));
  return b.concat(parts, call.axis("dim", static_cast<int>(call.result_dims().size())));
}

Expr stack(Call& call) {
  Exprs parts;
  for (const Expr& part : call.tensors("tensors")) parts.push_back(call.builder().cast(part, call.result_dtype()));
  return call.tf("Pack", parts, {{"axis", static_cast<int64_t>(call.axis("dim", parts[0].rank() + 1))}});
}

// Parts of the sizes that the program states for the results.
Exprs split(Call& call) {
  Builder& b = call.builder();
  const Expr x = call.first_tensor();
  const int axis = call.axis("dim", x.rank());
  const std::size_t count = call.result_count();
  SymDims sizes;
  for (std::size_t i = 0; i < count; ++i) sizes.push_back(call.result_dims(i)[static_cast<std::size_t>(axis)]);
  if (count == 1) return {x};
  const bool equal = std::all_of(sizes.begin(), sizes.end(), [&](const Sym& s) { return s == sizes[0]; });
  if (equal) {
    return b.tf_all("Split", {b.scalar(DType::kInt32, axis), x}, {{"num_split", static_cast<int64_t>(count)}});
  }
  return b.tf_all("SplitV", {x, b.sizes(sizes), b.scalar(DType::kInt32, axis)},
                  {{"num_split", static_cast<int64_t>(count)}});
}

Exprs unbind(Call& call) {
  const Expr x = call.tensor("self");
  const int axis = call.axis("dim", x.rank());
  return call.builder().tf_all("Unpack", {x},
                               {{"num", static_cast<int64_t>(call.result_count())}, {"axis", int64_t{axis}}});
}

Expr transpose(Call& call) {
  const Expr x = call.tensor("self");
  if (x.rank() == 0) return x;
  return call.builder().swap_axes(x, call.axis("dim0", x.rank()), call.axis("dim1", x.rank()));
}

Expr permute(Call& call) {
  const Expr x = call.tensor("self");
  std::vector<int> perm;
  for (const int64_t d : call.integers("dims")) perm.push_back(static_cast<int>(d < 0 ? d + x.rank() : d));
  return call.builder().transpose(x, perm);
}

// All axes in reverse order.
Expr reversed_axes(Call& call) {
  const Expr x = call.tensor("self");
  std::vector<int> perm(static_cast<std::size_t>(x.rank()));
  std::iota(perm.rbegin(), perm.rend(), 0);
  return call.builder().transpose(x, perm);
}

Expr move_axes(Call& call, const std::vector<int>& from, const std::vector<int>& to) {
  const Expr x = call.tensor("self");
  std::vector<int> perm(static_cast<std::size_t>(x.rank()), -1), rest;
  for (std::size_t i = 0; i < from.size(); ++i) perm[static_cast<std::size_t>(to[i])] = from[i];
  for (int i = 0; i < x.rank(); ++i) {
    if (std::find(from.begin(), from.end(), i) == from.end()) rest.push_back(i);
  }
  auto next = rest.begin();
  for (int& p : perm) {
    if (p < 0) p = *next++;
  }
  return call.builder().transpose(x, perm);
}
Expr movedim(Call& call) {
  const int rank = call.tensor("self").rank();
  return move_axes(call, {call.axis("source", rank)}, {call.axis("destination", rank)});
}

Expr flip(Call& call) {
  const Expr x = call.tensor("self");
  return call.tf("ReverseV2", {x, call.builder().int32s(call.axes("dims", x.rank()))});
}

Expr roll(Call& call) {
  Builder& b = call.builder();
  const Expr x = call.tensor("self");
  const Expr shifts = b.sizes(call.syms("shifts"));
  if (call.integers("dims").empty()) {
    const Sym count = product(x.dims());
    return b.reshape(call.tf("Roll", {b.reshape(x, {count}), shifts, b.int32s({0})}), x.dims());
  }
  std::vector<int> axes;
  for (const int64_t d : call.integers("dims")) axes.push_back(static_cast<int>(d < 0 ? d + x.rank() : d));
  return call.tf("Roll", {x, shifts, b.int32s(axes)});
}

Expr expand(Call& call) { return call.builder().broadcast(call.first_tensor(), call.result_dims()); }

Exprs broadcast_tensors(Call& call) {
  Exprs out;
  for (const Expr& x : call.tensors("tensors"))
    out.push_back(call.builder().broadcast(x, call.result_dims(out.size())));
  return out;
}

Expr repeat(Call& call, const char* counts_name) {
  Builder& b = call.builder();
  Expr x = call.tensor("self");
  std::vector<Sym> counts = call.syms(counts_name);
  while (static_cast<int>(counts.size()) < x.rank()) counts.insert(counts.begin(), Sym(1));
  SymDims dims = x.dims();
  while (dims.size() < counts.size()) dims.insert(dims.begin(), Sym(1));
  if (dims.empty()) return x;
  const Expr result = b.tf("Tile", {b.reshape(x, dims), b.sizes(counts)});
  b.set_dims(result, call.result_dims());
  return result;
}
Expr repeat_by(Call& call) { return repeat(call, "repeats"); }
Expr tile(Call& call) { return repeat(call, "dims"); }

// Every element repeated `repeats` times consecutively.
Expr repeat_interleave(Call& call) {
  Builder& b = call.builder();
  Expr x = call.tensor("self");
  if (call.is_none("dim")) x = b.reshape(x, {product(x.dims())});
  const int axis = call.is_none("dim") ? 0 : call.axis("dim", x.rank());
  const Sym repeats = call.sym("repeats");
  SymDims wide = x.dims();
  wide.insert(wide.begin() + axis + 1, repeats);
  return b.reshape(b.broadcast(b.unsqueeze(x, axis + 1), wide), call.result_dims());
}

// Element i repeated repeats[i] times consecutively: the element at position p of the result is that whose running
// count exceeds p.
Expr repeat_interleave_by_tensor(Call& call) {
  Builder& b = call.builder();
  Expr x = call.tensor("self");
  if (call.is_none("dim")) x = b.reshape(x, {product(x.dims())});
  const int axis = call.is_none("dim") ? 0 : call.axis("dim", x.rank());
  Expr repeats = b.cast(call.tensor("repeats"), DType::kInt64);
  const Sym count = x.dim(axis);
  repeats = b.broadcast(b.reshape(repeats, {product(repeats.dims())}), {count});
  const Expr ends = b.tf("Cumsum", {repeats, b.scalar(DType::kInt32, 0)});
  const Expr total = b.reduce("Sum", repeats, {0}, false);
  const Expr positions = b.tf("Range", {b.scalar(DType::kInt64, 0), total, b.scalar(DType::kInt64, 1)});
  b.set_dims(positions, {call.result_dims()[static_cast<std::size_t>(axis)]});
  const Expr index =
      b.tf("UpperBound", {b.unsqueeze(ends, 0), b.unsqueeze(positions, 0)}, {{"out_type", DType::kInt32}});
  return b.gather(x, b.reshape(index, positions.dims()), axis);
}

Exprs meshgrid(Call& call) {
  Builder& b = call.builder();
  const Exprs given = call.tensors("tensors");
  Exprs out;
  const bool xy = call.text("indexing") == "xy" && given.size() >= 2;
  for (std::size_t i = 0; i < given.size(); ++i) {
    const std::size_t axis = xy && i < 2 ? 1 - i : i;
    SymDims dims(given.size(), Sym(1));
    dims[axis] = product(given[i].dims());
    out.push_back(b.broadcast(b.reshape(given[i], dims), call.result_dims(i)));
  }
  return out;
}

// Differences of neighbours along an axis, n times over.
Expr diff(Call& call) {
  Builder& b = call.builder();
  Expr x = call.tensor("self");
  const int axis = call.axis("dim", x.rank());
  if (call.integer("n") == 0) return x;
  Exprs joined;
  if (!call.is_none("prepend")) joined.push_back(call.tensor("prepend"));
  joined.push_back(x);
  if (!call.is_none("append")) joined.push_back(call.tensor("append"));
  x = b.concat(joined, axis);
  for (int64_t i = 0; i < call.integer("n"); ++i) {
    SymDims dims = x.dims();
    Sym& count = dims[static_cast<std::size_t>(axis)];
    count = count - Sym(1);
    const Expr later = b.slice(x, axis, Sym(1), x.dim(axis)), earlier = b.slice(x, axis, Sym(0), count);
    x = x.dtype() == DType::kBool ? b.tf("NotEqual", {later, earlier}) : later - earlier;
    b.set_dims(x, dims);
  }
  return x;
}

// [..., c * r * r, h, w] to [..., c, h * r, w * r]: the channels of one cell become a block of r by r cells.
Expr pixel_shuffle(Call& call) {
  Builder& b = call.builder();
  const Expr x = call.tensor("self");
  const Sym r = call.sym("upscale_factor");
  const int rank = x.rank();
  SymDims blocks(x.dims().begin(), x.dims().end() - 3);
  const int front = static_cast<int>(blocks.size());
  blocks.insert(blocks.end(), {floor_div(x.dim(-3), r * r), r, r, x.dim(-2), x.dim(-1)});
  std::vector<int> perm(static_cast<std::size_t>(rank + 2));
  std::iota(perm.begin(), perm.end(), 0);
  const int c = front, down = front + 1, across = front + 2, h = front + 3, w = front + 4;
  std::copy_n(std::vector{c, h, down, w, across}.begin(), 5, perm.begin() + front);
  return b.reshape(b.transpose(b.reshape(x, blocks), perm), call.result_dims());
}

// The way back: a block of r by r cells becomes the channels of one cell.
Expr pixel_unshuffle(Call& call) {
  Builder& b = call.builder();
  const Expr x = call.tensor("self");
  const Sym r = call.sym("downscale_factor");
  const int rank = x.rank();
  SymDims blocks(x.dims().begin(), x.dims().end() - 3);
  const int front = static_cast<int>(blocks.size());
  blocks.insert(blocks.end(), {x.dim(-3), floor_div(x.dim(-2), r), r, floor_div(x.dim(-1), r), r});
  std::vector<int> perm(static_cast<std::size_t>(rank + 2));
  std::iota(perm.begin(), perm.end(), 0);
  const int c = front, h = front + 1, down = front + 2, w = front + 3, across = front + 4;
  std::copy_n(std::vector{c, down, across, h, w}.begin(), 5, perm.begin() + front);
  return b.reshape(b.transpose(b.reshape(x, blocks), perm), call.result_dims());
}

constexpr OpRow kRows[] = {
    {"aten::cat(Tensor[] tensors, int dim=0) -> Tensor", cat},
    {"aten::concat(Tensor[] tensors, int dim=0) -> Tensor", cat},
    {"aten::concatenate(Tensor[] tensors, int dim=0) -> Tensor", cat},
    {"aten::stack(Tensor[] tensors, int dim=0) -> Tensor", stack},
    {"aten::split.Tensor(Tensor(a -> *) self, SymInt split_size, int dim=0) -> Tensor(a)[]", split},
    {"aten::split.sizes(Tensor(a -> *) self, SymInt[] split_size, int dim=0) -> Tensor(a)[]", split},
    {"aten::split_with_sizes(Tensor(a -> *) self, SymInt[] split_sizes, int dim=0) -> Tensor(a)[]", split},
    {"aten::chunk(Tensor(a -> *) self, int chunks, int dim=0) -> Tensor(a)[]", split},
    {"aten::tensor_split.sections(Tensor(a -> *) self, SymInt sections, int dim=0) -> Tensor(a)[]", split},
    {"aten::unbind.int(Tensor(a -> *) self, int dim=0) -> Tensor(a)[]", unbind},
    {"aten::transpose.int(Tensor(a) self, int dim0, int dim1) -> Tensor(a)", transpose},
    {"aten::permute(Tensor(a) self, int[] dims) -> Tensor(a)", permute},
    {"aten::t(Tensor(a) self) -> Tensor(a)", reversed_axes},
    {"aten::numpy_T(Tensor(a) self) -> Tensor(a)", reversed_axes},
    {"aten::movedim.int(Tensor(a) self, int source, int destination) -> Tensor(a)", movedim},
    {"aten::flip(Tensor self, int[] dims) -> Tensor", flip},
    {"aten::roll(Tensor self, SymInt[1] shifts, int[1] dims=[]) -> Tensor", roll},
    {"aten::expand(Tensor(a) self, SymInt[] size, *, bool implicit=False) -> Tensor(a)", expand},
    {"aten::expand_as(Tensor(a) self, Tensor other) -> Tensor(a)", expand},
    {"aten::broadcast_to(Tensor(a) self, SymInt[] size) -> Tensor(a)", expand},
    {"aten::broadcast_tensors(Tensor[] tensors) -> Tensor[]", broadcast_tensors},
    {"aten::repeat(Tensor self, SymInt[] repeats) -> Tensor", repeat_by},
    {"aten::tile(Tensor self, SymInt[] dims) -> Tensor", tile},
    {"aten::repeat_interleave.self_int(Tensor self, SymInt repeats, int? dim=None, *, SymInt? output_size=None) -> "
     "Tensor",
     repeat_interleave},
    {"aten::repeat_interleave.self_Tensor(Tensor self, Tensor repeats, int? dim=None, *, SymInt? output_size=None) -> "
     "Tensor",
     repeat_interleave_by_tensor},
    {"aten::pixel_shuffle(Tensor self, int upscale_factor) -> Tensor", pixel_shuffle},
    {"aten::pixel_unshuffle(Tensor self, int downscale_factor) -> Tensor", pixel_unshuffle},
    {"aten::diff(Tensor self, int n=1, int dim=-1, Tensor? prepend=None, Tensor? append=None) -> Tensor", diff},
    {"aten::meshgrid.indexing(Tensor[] tensors, *, str indexing) -> Tensor[]", meshgrid},
};

}  // namespace

void add_shape_ops(OpTable& table) { table.add("shape", kRows); }

}  // namespace crossload::lower
