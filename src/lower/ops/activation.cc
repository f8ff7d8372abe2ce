// Activations: each becomes a few TensorFlow nodes of the same shape and dtype. Forms that TensorFlow's CPU kernels
// fuse into a preceding MatMul are kept exactly as its rewriter looks for them.

#include <cmath>
#include <numbers>

#include "base/error.h"
#include "lower/ops/families.h"

namespace crossload::lower {
namespace {

// x * 0.5 * (1 + erf(x / sqrt 2)); the tanh form is 0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))), cube by products.
Expr gelu(Call& call) {
  const Expr x = call.tensor("self");
  if (call.text("approximate") == "tanh") {
    const Expr cube = (x * x) * x;
    const Expr inner = (x + cube * 0.044715) * std::sqrt(2.0 / std::numbers::pi);
    return (x * 0.5) * (call.tf("Tanh", {inner}) + 1.0);
  }
  return (x * 0.5) * (call.tf("Erf", {x * std::sqrt(0.5)}) + 1.0);
}

Expr silu(Call& call) {
  const Expr x = call.tensor("self");
  return x * call.tf("Sigmoid", {x});
}

Expr leaky_relu(Call& call) {
  const Expr x = call.tensor("self");
  return call.tf("LeakyRelu", {x}, {{"alpha", call.number("negative_slope")}});
}

// alpha * (exp(input_scale * x) - 1) below zero, scale over all.
Expr elu(Call& call) {
  const Expr x = call.tensor("self");
  const double alpha = call.number("alpha"), scale = call.number("scale"), input_scale = call.number("input_scale");
  if (alpha == 1 && scale == 1 && input_scale == 1) return call.tf("Elu", {x});
  const Expr negative =
      call.tf("Expm1", {call.tf("Minimum", {x, call.builder().scalar(x.dtype(), 0.0)}) * input_scale}) *
      (alpha * scale);
  return call.builder().select(call.tf("Greater", {x, call.builder().scalar(x.dtype(), 0.0)}), x * scale, negative);
}

// log(1 + exp(beta x)) / beta, the identity where beta x exceeds the threshold.
Expr softplus(Call& call) {
  const Expr x = call.tensor("self");
  const double beta = call.number("beta"), threshold = call.number("threshold");
  const Expr scaled = beta == 1 ? x : x * beta;
  const Expr soft = call.tf("Softplus", {scaled});
  const Expr result = beta == 1 ? soft : soft / beta;
  return call.builder().select(call.tf("Greater", {scaled, call.builder().scalar(x.dtype(), threshold)}), x, result);
}

Expr clipped(Call& call, Expr x, double low, double high) {
  Builder& b = call.builder();
  return call.tf_widened("Minimum",
                         {call.tf_widened("Maximum", {x, b.scalar(x.dtype(), low)}), b.scalar(x.dtype(), high)});
}

Expr hardtanh(Call& call) { return clipped(call, call.tensor("self"), call.number("min_val"), call.number("max_val")); }
Expr hardsigmoid(Call& call) { return clipped(call, call.tensor("self") + 3.0, 0, 6) / 6.0; }
Expr hardswish(Call& call) {
  const Expr x = call.tensor("self");
  return x * clipped(call, x + 3.0, 0, 6) / 6.0;
}

Expr glu(Call& call) {
  const Expr x = call.tensor("self");
  const int axis = call.axis("dim", x.rank());
  Builder& b = call.builder();
  const Sym half = call.result_dims()[static_cast<std::size_t>(axis)];
  return b.slice(x, axis, Sym(0), half) * call.tf("Sigmoid", {b.slice(x, axis, half, x.dim(axis))});
}

Expr log_sigmoid(Call& call) { return -call.tf("Softplus", {-call.tensor("self")}); }

// log(x / (1 - x)); the upper bound is rounded as PyTorch rounds it, for near 1 the result magnifies the last bit.
Expr logit(Call& call) {
  Builder& b = call.builder();
  Expr x = b.cast(call.tensor("self"), call.result_dtype());
  if (!call.is_none("eps")) {
    const double eps = call.number("eps");
    const double high = x.dtype() == DType::kFloat64 ? 1 - eps : static_cast<double>(1 - static_cast<float>(eps));
    x = clipped(call, x, eps, high);
  }
  return call.tf("Log", {x / (b.scalar(x.dtype(), 1.0) - x)});
}

Expr mish(Call& call) {
  const Expr x = call.tensor("self");
  return x * call.tf("Tanh", {call.tf("Softplus", {x})});
}

// Along any axis: TensorFlow's kernels work on the last one.
template <OpName Op>
Expr along_axis(Call& call) {
  const Expr x = call.builder().cast(call.tensor("self"), call.result_dtype());
  if (x.rank() == 0) return call.builder().reshape(call.tf(Op.value, {call.builder().reshape(x, {Sym(1)})}), {});
  const int axis = call.axis("dim", x.rank());
  if (axis == x.rank() - 1) return call.tf(Op.value, {x});
  Builder& b = call.builder();
  return b.swap_axes(call.tf(Op.value, {b.swap_axes(x, axis, -1)}), axis, -1);
}

Expr prelu(Call& call) {
  const Expr x = call.tensor("self");
  Expr weight = call.tensor("weight");
  Builder& b = call.builder();
  SymDims dims(static_cast<std::size_t>(x.rank()), Sym(1));
  if (x.rank() > 1 && weight.rank() > 0) dims[1] = weight.dim(0);
  weight = b.reshape(weight, dims);
  return b.select(call.tf("Greater", {x, b.scalar(x.dtype(), 0.0)}), x, x * weight);
}

constexpr OpRow kRows[] = {
    {"aten::relu(Tensor self) -> Tensor", unary<"Relu">},
    {"aten::relu_(Tensor(a!) self) -> Tensor(a!)", unary<"Relu">},
    {"aten::relu6(Tensor self) -> Tensor", unary<"Relu6">},
    {"aten::gelu(Tensor self, *, str approximate='none') -> Tensor", gelu},
    {"aten::silu(Tensor self) -> Tensor", silu},
    {"aten::silu_(Tensor(a!) self) -> Tensor(a!)", silu},
    {"aten::mish(Tensor self) -> Tensor", mish},
    {"aten::sigmoid(Tensor self) -> Tensor", unary<"Sigmoid">},
    {"aten::tanh(Tensor self) -> Tensor", unary<"Tanh">},
    {"aten::selu(Tensor self) -> Tensor", unary<"Selu">},
    {"aten::elu(Tensor self, Scalar alpha=1, Scalar scale=1, Scalar input_scale=1) -> Tensor", elu},
    {"aten::leaky_relu(Tensor self, Scalar negative_slope=0.01) -> Tensor", leaky_relu},
    {"aten::softplus(Tensor self, Scalar beta=1, Scalar threshold=20) -> Tensor", softplus},
    {"aten::log_sigmoid(Tensor self) -> Tensor", log_sigmoid},
    {"aten::logit(Tensor self, float? eps=None) -> Tensor", logit},
    {"aten::hardtanh(Tensor self, Scalar min_val=-1, Scalar max_val=1) -> Tensor", hardtanh},
    {"aten::hardtanh_(Tensor(a!) self, Scalar min_val=-1, Scalar max_val=1) -> Tensor(a!)", hardtanh},
    {"aten::hardsigmoid(Tensor self) -> Tensor", hardsigmoid},
    {"aten::hardswish(Tensor self) -> Tensor", hardswish},
    {"aten::hardswish_(Tensor(a!) self) -> Tensor(a!)", hardswish},
    {"aten::prelu(Tensor self, Tensor weight) -> Tensor", prelu},
    {"aten::glu(Tensor self, int dim=-1) -> Tensor", glu},
    {"aten::softmax.int(Tensor self, int dim, ScalarType? dtype=None) -> Tensor", along_axis<"Softmax">},
    {"aten::_softmax(Tensor self, int dim, bool half_to_float) -> Tensor", along_axis<"Softmax">},
    {"aten::log_softmax.int(Tensor self, int dim, ScalarType? dtype=None) -> Tensor", along_axis<"LogSoftmax">},
    {"aten::_log_softmax(Tensor self, int dim, bool half_to_float) -> Tensor", along_axis<"LogSoftmax">},
};

}  // namespace

void add_activation_ops(OpTable& table) { table.add("activation", kRows); }

}  // namespace crossload::lower
