// Tensors made from a shape, a range or nothing: constants, fills, random numbers, lists.
#include <algorithm>
#include <cmath>

#include "graph/shapes/families.h"

namespace crossload::graph::shapes {
namespace {

Shapes constant(const Context& c) {
  const auto value = c.node().attrs.find("value");
  if (value == c.node().attrs.end()) return {std::nullopt};
  const Dims& dims = std::get<Tensor>(value->second).dims();
  return {SymDims(dims.begin(), dims.end())};
}

Shapes range(const Context& c) {
  if (is_integer(c.dtype(0))) {
    const auto start = c.values(0);
    const auto limit = c.values(1);
    const auto delta = c.constant(2);
    if (!start || !limit || !delta || *delta == 0) return {std::nullopt};
    const Sym length = *delta > 0 ? (*limit)[0] - (*start)[0] : (*start)[0] - (*limit)[0];
    const Sym count = ceil_div(length, std::abs(*delta));
    return {SymDims{count.is_constant() ? Sym(std::max<int64_t>(0, count.constant())) : count}};
  }
  const Tensor *start = c.tensor(0), *limit = c.tensor(1), *delta = c.tensor(2);
  if (!start || !limit || !delta) return {std::nullopt};
  // In the element type, as the kernel does it.
  const double first = element_as_double(*start, 0), last = element_as_double(*limit, 0),
               step = element_as_double(*delta, 0);
  const double count =
      c.dtype(0) == DType::kFloat64
          ? std::ceil(std::abs((last - first) / step))
          : std::ceil(std::abs((static_cast<float>(last) - static_cast<float>(first)) / static_cast<float>(step)));
  return {SymDims{Sym(static_cast<int64_t>(count))}};
}

Shapes lin_space(const Context& c) {
  const auto count = c.values(2);
  return {count ? Shape(SymDims{(*count)[0]}) : std::nullopt};
}

}  // namespace

void add_created_rules(RuleTable& table) {
  table.add(constant, {"Const"});
  table.add(as_input<0>, {"OnesLike", "ZerosLike"});
  table.add(stated_by<0>,
            {"Fill", "ParameterizedTruncatedNormal", "RandomStandardNormal", "RandomUniform", "RandomUniformInt",
             "StatelessRandomNormal", "StatelessRandomNormalV2", "StatelessRandomUniform", "StatelessRandomUniformInt",
             "StatelessRandomUniformIntV2", "StatelessRandomUniformV2", "StatelessTruncatedNormal",
             "StatelessTruncatedNormalV2", "TruncatedNormal"});
  table.add(range, {"Range"});
  table.add(lin_space, {"LinSpace"});
  table.add(scalar, {"TensorListReserve", "TensorListSetItem"});
}

}  // namespace crossload::graph::shapes
