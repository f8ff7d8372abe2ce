// Products of matrices, and what is made of one matrix.
#include <unordered_map>

#include "graph/shapes/families.h"

namespace crossload::graph::shapes {
namespace {

Shapes mat_mul(const Context& c) {
  if (!c.shape(0) || !c.shape(1)) return {std::nullopt};
  const SymDims &a = *c.shape(0), &b = *c.shape(1);
  if (a.size() != 2 || b.size() != 2)
    c.contradiction(fmt::format("ranks {} and {}; both must be 2", a.size(), b.size()));
  const bool swap_a = c.flag("transpose_a"), swap_b = c.flag("transpose_b");
  either(c, a[swap_a ? 0 : 1], b[swap_b ? 1 : 0], "inner sizes");
  return {SymDims{a[swap_a ? 1 : 0], b[swap_b ? 0 : 1]}};
}

Shapes batch_mat_mul(const Context& c) {
  if (!c.shape(0) || !c.shape(1)) return {std::nullopt};
  const SymDims &a = *c.shape(0), &b = *c.shape(1);
  if (a.size() < 2 || b.size() < 2) c.contradiction(fmt::format("ranks {} and {}; at least 2", a.size(), b.size()));
  const bool swap_a = c.flag("adj_x"), swap_b = c.flag("adj_y");
  const auto rows = [](const SymDims& x, bool swap) { return x[x.size() - (swap ? 1 : 2)]; };
  either(c, rows(a, !swap_a), rows(b, swap_b), "inner sizes");
  SymDims dims = broadcast_in(c, slice(a, 0, a.size() - 2), slice(b, 0, b.size() - 2));
  dims.push_back(rows(a, swap_a));
  dims.push_back(rows(b, !swap_b));
  return {dims};
}

/// Without an ellipsis: a letter's size is that of any axis it names.
Shapes einsum(const Context& c) {
  const std::string equation = c.text("equation", "");
  const std::size_t arrow = equation.find("->");
  if (arrow == std::string::npos || equation.find('.') != std::string::npos) return {std::nullopt};
  std::unordered_map<char, Sym> size_of_letter;
  int input = 0;
  std::size_t axis = 0;
  for (char letter : equation.substr(0, arrow)) {
    if (letter == ' ') continue;
    if (letter == ',') {
      ++input;
      axis = 0;
      continue;
    }
    if (input >= c.input_count() || !c.shape(input)) return {std::nullopt};
    const SymDims& dims = *c.shape(input);
    if (axis >= dims.size()) c.contradiction(fmt::format("`{}` names more axes than input {} has", equation, input));
    const auto [it, is_new] = size_of_letter.emplace(letter, dims[axis]);
    if (!is_new) it->second = either(c, it->second, dims[axis], "sizes of one letter");
    ++axis;
  }
  SymDims dims;
  for (char letter : equation.substr(arrow + 2)) {
    if (letter == ' ') continue;
    const auto it = size_of_letter.find(letter);
    if (it == size_of_letter.end()) return {std::nullopt};
    dims.push_back(it->second);
  }
  return {dims};
}

}  // namespace

void add_products_rules(RuleTable& table) {
  table.add(mat_mul, {"MatMul"});
  table.add(batch_mat_mul, {"BatchMatMul", "BatchMatMulV2", "BatchMatMulV3"});
  table.add(einsum, {"Einsum"});
  table.add(as_input<0>, {"Cholesky", "Cross", "MatrixBandPart", "MatrixInverse", "MatrixSetDiagV3"});
  table.add(as_input<1>, {"MatrixSolve"});
}

}  // namespace crossload::graph::shapes
