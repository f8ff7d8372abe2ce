// Matrix products. A dense layer is a product of rank 2 with a bias added before the activation: the only form that
// TensorFlow's CPU kernels fuse.

#include <algorithm>
#include <map>
#include <numeric>

#include "lower/ops/families.h"

namespace crossload::lower {
namespace {

// A bias added to a product over no elements would be lost: the fused kernel returns zeros without the bias.
Expr with_bias(Expr product, Expr bias, const Sym& in) {
  Builder& b = product.builder();
  return in == Sym(0) ? b.broadcast(bias, product.dims()) : b.tf("BiasAdd", {product, bias});
}

// x [..., in] times kernel [in, out] → [..., out]
Expr dense(Expr x, Expr kernel, Expr bias) {
  Builder& b = x.builder();
  SymDims dims = x.dims();
  const Sym in = dims.back();
  Expr rows = x;
  if (x.rank() != 2) {
    dims.pop_back();
    rows = b.reshape(x, {product(dims), in});
    dims.push_back(in);
  }
  Expr y = b.tf_widened("MatMul", {rows, kernel});
  if (bias) y = with_bias(y, bias, in);
  dims.back() = kernel.dim(-1);
  return b.reshape(y, dims);
}

Expr linear(Call& call) {
  const Expr weight = call.tensor("weight");
  Builder& b = call.builder();
  if (weight.rank() == 1) {
    const Expr x = call.tensor("input");
    Expr y = b.reduce("Sum", x * weight, {x.rank() - 1}, false);
    const Expr bias = call.tensor_or_null("bias");
    return bias ? y + bias : y;
  }
  return dense(call.tensor("input"), b.transpose(weight, {1, 0}), call.tensor_or_null("bias"));
}

Expr batched(Expr a, Expr b) { return a.builder().tf_widened("BatchMatMulV2", {a, b}); }

Expr matmul(Call& call) {
  Builder& b = call.builder();
  Expr x = call.tensor("self"), y = call.tensor("other");
  if (x.rank() == 1 && y.rank() == 1) return b.reduce("Sum", x * y, {0}, false);
  if (y.rank() == 2 && x.rank() >= 2) return dense(x, y, {});
  const bool is_row = x.rank() == 1, is_column = y.rank() == 1;
  if (is_row) x = b.unsqueeze(x, 0);
  if (is_column) y = b.unsqueeze(y, 1);
  Expr result = x.rank() == 2 && y.rank() == 2 ? b.tf_widened("MatMul", {x, y}) : batched(x, y);
  if (is_row || is_column) result = b.reshape(result, call.result_dims());
  return result;
}

Expr mm(Call& call) { return call.tf_widened("MatMul", {call.tensor("self"), call.tensor("mat2")}); }
Expr bmm(Call& call) { return batched(call.tensor("self"), call.tensor("mat2")); }
Expr mv(Call& call) {
  Builder& b = call.builder();
  return b.squeeze(call.tf_widened("MatMul", {call.tensor("self"), b.unsqueeze(call.tensor("vec"), 1)}), {1});
}
Expr dot(Call& call) { return call.builder().reduce("Sum", call.tensor("self") * call.tensor("tensor"), {0}, false); }
Expr outer(Call& call) {
  Builder& b = call.builder();
  const DType dtype = call.result_dtype();
  return b.unsqueeze(call.operand("self", dtype), 1) * b.unsqueeze(call.operand("vec2", dtype), 0);
}

// beta * self + alpha * product
Expr added(Call& call, Expr result) {
  const DType dtype = call.result_dtype();
  if (call.number("alpha") != 1) result = result * call.scalar("alpha", dtype);
  const double beta = call.number("beta");
  if (beta == 0) return result;
  const Expr self = call.operand("self", dtype);
  return (beta == 1 ? self : self * call.scalar("beta", dtype)) + result;
}

Expr addmm(Call& call) {
  const Expr self = call.tensor("self");
  const Expr mat1 = call.tensor("mat1");
  const Expr product = call.tf_widened("MatMul", {mat1, call.tensor("mat2")});
  if (call.number("alpha") == 1 && call.number("beta") == 1 && self.rank() == 1 && self.dim(0) == product.dim(1)) {
    return with_bias(product, self, mat1.dim(1));
  }
  return added(call, product);
}
Expr baddbmm(Call& call) { return added(call, batched(call.tensor("batch1"), call.tensor("batch2"))); }

// Without `->` the result has the subscripts that occur once, in alphabetical order, after those of the ellipsis.
std::string with_result(const std::string& equation) {
  if (equation.find("->") != std::string::npos) return equation;
  std::string result = equation.find("...") == std::string::npos ? "" : "...";
  for (const char* range : {"AZ", "az"}) {
    for (char c = range[0]; c <= range[1]; ++c) {
      if (std::count(equation.begin(), equation.end(), c) == 1) result += c;
    }
  }
  return equation + "->" + result;
}

// TensorFlow does not sum over an ellipsis that the result lacks: its axes get letters of their own, from the last one
// on.
void name_summed_ellipsis(Call& call, std::vector<std::string>& terms, const Exprs& operands) {
  std::string all, unused;
  for (const std::string& term : terms) all += term;
  for (char c = 'A'; c <= 'z'; c = c == 'Z' ? 'a' : static_cast<char>(c + 1)) {
    if (all.find(c) == std::string::npos) unused += c;
  }
  std::map<char, Sym> sizes;
  for (std::size_t i = 0; i < terms.size(); ++i) {
    const std::size_t ellipsis = terms[i].find("...");
    if (ellipsis == std::string::npos) continue;
    const auto axes = static_cast<std::size_t>(operands[i].rank()) + 3 - terms[i].size();
    std::string letters(unused.rend() - static_cast<std::ptrdiff_t>(axes), unused.rend());
    for (std::size_t axis = 0; axis < axes; ++axis) {
      const Sym size = operands[i].dim(static_cast<int>(ellipsis + axis));
      if (sizes.emplace(letters[axis], size).first->second != size) call.unsupported("einsum over broadcast axes");
    }
    terms[i].replace(ellipsis, 3, letters);
  }
}

// TensorFlow's Einsum has the same notation, for one or two operands: more are multiplied from left to right, keeping
// the subscripts that are still needed.
Expr einsum(Call& call) {
  std::string equation = call.text("equation");
  std::erase(equation, ' ');
  equation = with_result(equation);
  const std::size_t arrow = equation.find("->");
  const std::string output = equation.substr(arrow + 2);
  std::vector<std::string> terms = {""};
  for (const char c : equation.substr(0, arrow)) {
    if (c == ',')
      terms.emplace_back();
    else
      terms.back().push_back(c);
  }
  Exprs operands;
  for (const Expr& x : call.tensors("tensors")) operands.push_back(call.builder().cast(x, call.result_dtype()));
  if (output.find('.') == std::string::npos) name_summed_ellipsis(call, terms, operands);
  if (operands.size() > 2 && output.find('.') != std::string::npos) {
    call.unsupported("einsum of more than two operands with an ellipsis");
  }
  const auto multiply = [&](Expr a, const std::string& ta, Expr b, const std::string& tb, const std::string& result) {
    return call.tf_widened("Einsum", {a, b}, {{"equation", ta + "," + tb + "->" + result}});
  };
  if (operands.size() == 1) return call.tf_widened("Einsum", operands, {{"equation", terms[0] + "->" + output}});
  Expr left = operands[0];
  std::string term = terms[0];
  for (std::size_t i = 1; i < operands.size(); ++i) {
    std::string kept = output;
    if (i + 1 < operands.size()) {
      std::string later = output;
      for (std::size_t j = i + 1; j < terms.size(); ++j) later += terms[j];
      kept.clear();
      for (const char c : term + terms[i]) {
        if (later.find(c) != std::string::npos && kept.find(c) == std::string::npos) kept += c;
      }
    }
    left = multiply(left, term, operands[i], terms[i], kept);
    term = kept;
  }
  call.builder().set_dims(left, call.result_dims());
  return left;
}

// Rows in groups, each group with a matrix of its own: group e ends before row offs[e]. Rows behind the last group are
// 0.
Expr grouped_mm(Call& call) {
  Builder& b = call.builder();
  const Expr x = call.tensor("input"), weight = call.tensor("weight");
  const int64_t groups = call.constant("the number of groups", weight.dim(0));
  const Exprs ends =
      b.tf_all("Unpack", {b.cast(call.tensor("offs"), DType::kInt32)}, {{"num", groups}, {"axis", int64_t{0}}});
  const Exprs matrices = b.tf_all("Unpack", {weight}, {{"num", groups}, {"axis", int64_t{0}}});
  Expr begin = b.scalar(DType::kInt32, 0);
  const auto rows = [&](Expr of, Expr from, Expr to, int64_t to_end) {
    return b.tf("StridedSlice", {of, b.unsqueeze(from, 0), b.unsqueeze(to, 0), b.int32s({1})}, {{"end_mask", to_end}});
  };
  Exprs parts;
  for (std::size_t e = 0; e < ends.size(); ++e) {
    parts.push_back(b.tf("MatMul", {rows(x, begin, ends[e], 0), matrices[e]}));
    begin = ends[e];
  }
  parts.push_back(b.tf("ZerosLike", {b.tf("MatMul", {rows(x, begin, begin, 1), matrices[0]})}));
  const Expr y = b.concat(parts, 0);
  b.set_dims(y, call.result_dims());
  return y;
}

constexpr OpRow kRows[] = {
    {"aten::linear(Tensor input, Tensor weight, Tensor? bias=None) -> Tensor", linear},
    {"aten::matmul(Tensor self, Tensor other) -> Tensor", matmul},
    {"aten::mm(Tensor self, Tensor mat2) -> Tensor", mm},
    {"aten::bmm(Tensor self, Tensor mat2) -> Tensor", bmm},
    {"aten::mv(Tensor self, Tensor vec) -> Tensor", mv},
    {"aten::dot(Tensor self, Tensor tensor) -> Tensor", dot},
    {"aten::outer(Tensor self, Tensor vec2) -> Tensor", outer},
    {"aten::addmm(Tensor self, Tensor mat1, Tensor mat2, *, Scalar beta=1, Scalar alpha=1) -> Tensor", addmm},
    {"aten::baddbmm(Tensor self, Tensor batch1, Tensor batch2, *, Scalar beta=1, Scalar alpha=1) -> Tensor", baddbmm},
    {"transformers::grouped_mm_fallback(Tensor input, Tensor weight, Tensor offs) -> Tensor", grouped_mm},
    {"aten::einsum(str equation, Tensor[] tensors, *, int[]? path=None) -> Tensor", einsum},
};

}  // namespace

void add_linear_ops(OpTable& table) { table.add("linear", kRows); }

}  // namespace crossload::lower
