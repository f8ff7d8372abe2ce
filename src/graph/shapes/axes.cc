// Axes moved, added, reduced, or walked along.
#include "graph/shapes/families.h"

namespace crossload::graph::shapes {
namespace {

Shapes transpose(const Context& c) {
  const auto perm = c.constants(1);
  if (!perm || !c.shape(0)) return {std::nullopt};
  const SymDims& x = *c.shape(0);
  if (perm->size() != x.size()) c.contradiction(fmt::format("{} axes for rank {}", perm->size(), x.size()));
  SymDims dims;
  for (int64_t axis : *perm) dims.push_back(x[c.axis(axis, x.size())]);
  return {dims};
}

Shapes expand_dims(const Context& c) {
  const auto axis = c.constant(1);
  if (!axis || !c.shape(0)) return {std::nullopt};
  SymDims dims = *c.shape(0);
  dims.insert(dims.begin() + static_cast<std::ptrdiff_t>(c.axis(*axis, dims.size() + 1)), kOne);
  return {dims};
}

Shapes squeeze(const Context& c) {
  if (!c.shape(0)) return {std::nullopt};
  const SymDims& x = *c.shape(0);
  std::vector<bool> drop(x.size(), false);
  const auto axes = c.integers("squeeze_dims");
  for (int64_t axis : axes) {
    const std::size_t i = c.axis(axis, x.size());
    if (x[i].is_constant() && x[i] != kOne) {
      c.contradiction(fmt::format("axis {} has size {}; only 1 can be squeezed", axis, x[i].text()));
    }
    drop[i] = true;
  }
  SymDims dims;
  for (std::size_t i = 0; i < x.size(); ++i) {
    if (axes.empty()) {
      if (!x[i].is_constant()) return {std::nullopt};
      drop[i] = x[i] == kOne;
    }
    if (!drop[i]) dims.push_back(x[i]);
  }
  return {dims};
}

/// Axes from input 1, `keep_dims` from the attribute.
Shapes reduce(const Context& c) {
  if (!c.shape(0)) return {std::nullopt};
  const SymDims& x = *c.shape(0);
  const bool keep = c.flag("keep_dims");
  const auto axes = c.constants(1);
  if (!axes) return {std::nullopt};
  std::vector<bool> reduced(x.size(), false);
  for (int64_t axis : *axes) reduced[c.axis(axis, x.size())] = true;
  SymDims dims;
  for (std::size_t i = 0; i < x.size(); ++i) {
    if (!reduced[i])
      dims.push_back(x[i]);
    else if (keep)
      dims.push_back(kOne);
  }
  return {dims};
}

Shapes arg_reduce(const Context& c) {
  const auto axis = c.constant(1);
  if (!axis || !c.shape(0)) return {std::nullopt};
  SymDims dims = *c.shape(0);
  dims.erase(dims.begin() + static_cast<std::ptrdiff_t>(c.axis(*axis, dims.size())));
  return {dims};
}

Shapes top_k(const Context& c) {
  const auto k = c.values(1);
  if (!k || !c.shape(0)) return {std::nullopt, std::nullopt};
  SymDims dims = *c.shape(0);
  if (dims.empty()) c.contradiction("the input is a scalar");
  dims.back() = (*k)[0];
  return {dims, dims};
}

Shapes one_hot(const Context& c) {
  const auto depth = c.values(1);
  if (!depth || !c.shape(0)) return {std::nullopt};
  SymDims dims = *c.shape(0);
  const std::size_t at = c.axis(c.integer("axis", -1), dims.size() + 1);
  dims.insert(dims.begin() + static_cast<std::ptrdiff_t>(at), (*depth)[0]);
  return {dims};
}

Shapes tile(const Context& c) {
  const auto times = c.values(1);
  if (!times || !c.shape(0)) return {std::nullopt};
  SymDims dims = *c.shape(0);
  if (times->size() != dims.size())
    c.contradiction(fmt::format("{} multiples for rank {}", times->size(), dims.size()));
  for (std::size_t i = 0; i < dims.size(); ++i) dims[i] = dims[i] * (*times)[i];
  return {dims};
}

/// Paddings from input 1, [rank, 2].
Shapes pad(const Context& c) {
  const auto paddings = c.values(1);
  if (!paddings || !c.shape(0)) return {std::nullopt};
  SymDims dims = *c.shape(0);
  if (paddings->size() != 2 * dims.size()) {
    c.contradiction(fmt::format("{} paddings for rank {}", paddings->size(), dims.size()));
  }
  for (std::size_t i = 0; i < dims.size(); ++i) dims[i] = dims[i] + (*paddings)[2 * i] + (*paddings)[2 * i + 1];
  return {dims};
}

}  // namespace

void add_axes_rules(RuleTable& table) {
  table.add(as_input<0>,
            {"Cumprod", "Cumsum", "CumulativeLogsumexp", "FFT", "FFT2D", "FFT3D", "IFFT", "IFFT2D", "IFFT3D",
             "InvertPermutation", "LogSoftmax", "RandomShuffle", "ReverseSequence", "ReverseV2", "Roll", "Softmax"});
  table.add(transpose, {"ConjugateTranspose", "Transpose"});
  table.add(expand_dims, {"ExpandDims"});
  table.add(squeeze, {"Squeeze"});
  table.add(reduce, {"All", "Any", "EuclideanNorm", "Max", "Mean", "Min", "Prod", "Sum"});
  table.add(scalar, {"L2Loss"});
  table.add(arg_reduce, {"ArgMax", "ArgMin"});
  table.add(top_k, {"TopKV2"});
  table.add(one_hot, {"OneHot"});
  table.add(tile, {"Tile"});
  table.add(pad, {"MirrorPad", "Pad", "PadV2"});
}

}  // namespace crossload::graph::shapes
