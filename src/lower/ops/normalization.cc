// Normalizations: (x - mean) / sqrt(variance + eps) over some axes, times a weight, plus a bias.

#include <limits>
#include <numeric>

#include "base/error.h"
#include "lower/ops/families.h"

namespace crossload::lower {
namespace {

// Centred and scaled over `axes`; the variance is the biased one.
Expr standardized(Expr x, const std::vector<int>& axes, double eps) {
  Builder& b = x.builder();
  const Expr centred = x - b.reduce("Mean", x, axes, true);
  const Expr variance = b.reduce("Mean", b.tf("Square", {centred}), axes, true);
  return centred * b.tf("Rsqrt", {variance + eps});
}

Expr scaled_and_shifted(Expr x, Expr weight, Expr bias) {
  if (weight) x = x * weight;
  if (bias) x = x + bias;
  return x;
}

std::vector<int> last_axes(int rank, std::size_t count) {
  std::vector<int> axes(count);
  std::iota(axes.begin(), axes.end(), rank - static_cast<int>(count));
  return axes;
}

Expr layer_norm(Call& call) {
  Builder& b = call.builder();
  const DType dtype = computed_dtype(call.result_dtype());
  const Expr x = call.operand("input", dtype);
  const Expr y = standardized(x, last_axes(x.rank(), call.syms("normalized_shape").size()), call.number("eps"));
  const Expr weight = call.is_none("weight") ? Expr() : call.operand("weight", dtype);
  const Expr bias = call.is_none("bias") ? Expr() : call.operand("bias", dtype);
  return b.cast(scaled_and_shifted(y, weight, bias), call.result_dtype());
}

// The mean and 1 / sqrt(variance + eps) over `axes`, as the second and third result have them.
Exprs with_statistics(Call& call, Expr y, Expr grouped, const std::vector<int>& axes) {
  Builder& b = call.builder();
  const Expr mean = b.reduce("Mean", grouped, axes, true);
  const Expr variance = b.reduce("Mean", b.tf("Square", {grouped - mean}), axes, true);
  const auto shaped = [&](Expr v, std::size_t i) {
    return b.cast(b.reshape(v, call.result_dims(i)), call.result_dtype(i));
  };
  return {y, shaped(mean, 1), shaped(b.tf("Rsqrt", {variance + call.number("eps")}), 2)};
}

// The forms of Core ATen.
Exprs native_layer_norm(Call& call) {
  const Expr x = call.operand("input", computed_dtype(call.result_dtype()));
  return with_statistics(call, layer_norm(call), x, last_axes(x.rank(), call.syms("normalized_shape").size()));
}

// x / sqrt(mean(x^2) + eps); without eps the smallest step of the dtype.
Expr rms_norm(Call& call) {
  Builder& b = call.builder();
  const DType dtype = computed_dtype(call.result_dtype());
  const Expr x = call.operand("input", dtype);
  const double eps = call.is_none("eps") ? (dtype == DType::kFloat64 ? 2.220446049250313e-16 : 1.1920928955078125e-07)
                                         : call.number("eps");
  const auto axes = last_axes(x.rank(), call.syms("normalized_shape").size());
  const Expr y = x * b.tf("Rsqrt", {b.reduce("Mean", b.tf("Square", {x}), axes, true) + eps});
  return b.cast(scaled_and_shifted(y, call.is_none("weight") ? Expr() : call.operand("weight", dtype), {}),
                call.result_dtype());
}

// An optional argument [c], as it meets a tensor [n, c, …] of this rank.
Expr per_channel(Call& call, const char* name, int rank, DType dtype) {
  if (call.is_none(name)) return {};
  const Expr v = call.operand(name, dtype);
  SymDims dims(static_cast<std::size_t>(rank), Sym(1));
  dims[1] = v.dim(0);
  return call.builder().reshape(v, dims);
}

// Groups of channels [n, c, …] are standardized apart.
struct Groups {
  Expr x;  // [n, groups, channels, …]
  std::vector<int> axes;
};

Groups in_groups(Call& call, const Sym& groups) {
  Builder& b = call.builder();
  const Expr x = call.operand("input", computed_dtype(call.result_dtype()));
  const Sym channels = x.dim(1);
  SymDims grouped = {x.dim(0), groups, floor_div(channels, groups)};
  for (int i = 2; i < x.rank(); ++i) grouped.push_back(x.dim(i));
  std::vector<int> axes(grouped.size() - 2);
  std::iota(axes.begin(), axes.end(), 2);
  return {b.reshape(x, grouped), axes};
}

Expr normalized(Call& call, const Groups& groups) {
  Builder& b = call.builder();
  const DType dtype = groups.x.dtype();
  const SymDims& dims = call.result_dims();
  const int rank = static_cast<int>(dims.size());
  const Expr y = b.reshape(standardized(groups.x, groups.axes, call.number("eps")), dims);
  return b.cast(scaled_and_shifted(y, per_channel(call, "weight", rank, dtype), per_channel(call, "bias", rank, dtype)),
                call.result_dtype());
}

Expr group_norm(Call& call) { return normalized(call, in_groups(call, call.sym("num_groups"))); }

Exprs native_group_norm(Call& call) {
  const Groups groups = in_groups(call, call.sym("group"));
  return with_statistics(call, normalized(call, groups), groups.x, groups.axes);
}

std::vector<int> all_but_channels(int rank) {
  std::vector<int> axes = {0};
  for (int i = 2; i < rank; ++i) axes.push_back(i);
  return axes;
}

// With the statistics of the batch itself: how some models standardize their kernels, also in evaluation mode.
Expr batch_norm_by_own_statistics(Call& call, Expr x) {
  Builder& b = call.builder();
  const DType dtype = computed_dtype(x.dtype());
  const Expr y = standardized(b.cast(x, dtype), all_but_channels(x.rank()), call.number("eps"));
  return b.cast(
      scaled_and_shifted(y, per_channel(call, "weight", x.rank(), dtype), per_channel(call, "bias", x.rank(), dtype)),
      call.result_dtype());
}

// With the running statistics. For images by TensorFlow's own operation, channels last, which its optimizer merges with
// a convolution before it; otherwise by the formula.
Expr batch_norm_by_running_statistics(Call& call) {
  Builder& b = call.builder();
  const Expr x = call.tensor("input");
  if (x.rank() < 2) return x;  // only an empty tensor may lack the axis of channels
  const Expr mean = call.tensor("running_mean"), variance = call.tensor("running_var");
  const auto or_filled = [&](const char* name, double value) {
    if (!call.is_none(name)) return call.tensor(name);
    return b.fill(mean.dtype(), mean.dims(), b.scalar(mean.dtype(), value));
  };
  const Expr weight = or_filled("weight", 1), bias = or_filled("bias", 0);
  const double eps = call.number("eps");
  // Its kernel refuses an epsilon below 1.001e-5 on some devices; on the CPU every value is taken as given.
  if (x.rank() == 4 && x.dtype() == DType::kFloat32) {
    const Expr last = b.transpose(x, {0, 2, 3, 1});
    const Expr y =
        b.tf("FusedBatchNormV3", {last, weight, bias, mean, variance}, {{"is_training", false}, {"epsilon", eps}});
    return b.transpose(y, {0, 3, 1, 2});
  }
  const DType dtype = computed_dtype(x.dtype());
  SymDims per_channel(static_cast<std::size_t>(x.rank()), Sym(1));
  per_channel[1] = mean.dim(0);
  const auto shaped = [&](Expr v) { return b.reshape(b.cast(v, dtype), per_channel); };
  const Expr scale = b.cast(weight, dtype) * b.tf("Rsqrt", {b.cast(variance, dtype) + eps});
  const Expr y = (b.cast(x, dtype) - shaped(mean)) * shaped(scale) + shaped(bias);
  return b.cast(y, call.result_dtype());
}

Expr batch_norm(Call& call) {
  if (!call.flag("training")) return batch_norm_by_running_statistics(call);
  if (!call.is_none("running_mean")) {
    call.unsupported("batch normalization in training mode; call `model.eval()` before exporting");
  }
  return batch_norm_by_own_statistics(call, call.tensor("input"));
}

// The form that PyTorch's decompositions use; the saved statistics are empty in evaluation mode.
Exprs batch_norm_of_decomposition(Call& call) {
  Builder& b = call.builder();
  Exprs results = {batch_norm_by_running_statistics(call)};
  for (std::size_t i = 1; i < 3; ++i) {
    const DType dtype = call.result_dtype(i);
    results.push_back(b.fill(dtype, call.result_dims(i), b.scalar(dtype, 0)));
  }
  return results;
}

// Each channel of each instance is standardized apart; a module that keeps statistics uses those in evaluation mode.
// PyTorch rounds the statistics to the input's dtype.
Expr instance_norm(Call& call) {
  Builder& b = call.builder();
  const DType dtype = computed_dtype(call.result_dtype());
  const Expr x = call.operand("input", dtype);
  const auto rounded = [&](Expr v) { return b.cast(b.cast(v, call.result_dtype()), dtype); };
  Expr mean, variance;
  if (call.flag("use_input_stats")) {
    const std::vector<int> axes = last_axes(x.rank(), static_cast<std::size_t>(x.rank()) - 2);
    const Expr exact = b.reduce("Mean", x, axes, true);
    mean = rounded(exact);
    variance = b.reduce("Mean", b.tf("Square", {x - exact}), axes, true);
  } else {
    mean = per_channel(call, "running_mean", x.rank(), dtype);
    variance = per_channel(call, "running_var", x.rank(), dtype);
  }
  const Expr scale = rounded(b.tf("Rsqrt", {variance + call.number("eps")}));
  return b.cast(scaled_and_shifted((x - mean) * scale, per_channel(call, "weight", x.rank(), dtype),
                                   per_channel(call, "bias", x.rank(), dtype)),
                call.result_dtype());
}

// The form that decompositions give instance normalization: a batch of one, with its own statistics. The second and
// third results are the mean and 1 / sqrt(variance + eps) of each channel.
Exprs batch_norm_without_statistics(Call& call) {
  Builder& b = call.builder();
  const Expr x = call.operand("input", computed_dtype(call.result_dtype()));
  const std::vector<int> axes = all_but_channels(x.rank());
  const Expr mean = b.reduce("Mean", x, axes, false);
  const Expr variance = b.reduce("Mean", b.tf("Square", {x - b.reduce("Mean", x, axes, true)}), axes, false);
  const Expr scale = b.tf("Rsqrt", {variance + call.number("eps")});
  return {batch_norm_by_own_statistics(call, x), b.cast(mean, call.result_dtype(1)),
          b.cast(scale, call.result_dtype(2))};
}

// (sum |x|^p)^(1/p); p = 0 counts what is not zero.
Expr norm_over(Expr x, double order, const std::vector<int>& axes, bool keep) {
  Builder& b = x.builder();
  const DType dtype = x.dtype();
  const double infinity = std::numeric_limits<double>::infinity();
  const auto reduced = [&](std::string_view op, Expr value) { return b.reduce(op, value, axes, keep); };
  Expr y;
  if (order == 2) {
    y = b.tf("Sqrt", {reduced("Sum", b.tf("Square", {x}))});
  } else if (order == 1) {
    y = reduced("Sum", b.tf("Abs", {x}));
  } else if (order == infinity) {
    y = reduced("Max", b.tf("Abs", {x}));
  } else if (order == -infinity) {
    y = reduced("Min", b.tf("Abs", {x}));
  } else if (order == 0) {
    y = reduced("Sum", b.cast(b.tf("NotEqual", {x, b.scalar(dtype, 0)}), dtype));
  } else {
    const Expr power = b.tf("Pow", {b.tf("Abs", {x}), b.scalar(dtype, order)});
    y = b.tf("Pow", {reduced("Sum", power), b.scalar(dtype, 1 / order)});
  }
  return y;
}

// Over some axes, or over all.
Expr vector_norm(Call& call) {
  Builder& b = call.builder();
  const Expr x = call.operand("self", computed_dtype(call.result_dtype()));
  std::vector<int> axes(static_cast<std::size_t>(x.rank()));
  std::iota(axes.begin(), axes.end(), 0);
  if (const auto given = call.is_none("dim") ? std::vector<int>{} : call.axes("dim", x.rank());
      !given.empty() && x.rank() > 0) {
    axes = given;
  }
  return b.cast(norm_over(x, call.number("ord"), axes, call.flag("keepdim")), call.result_dtype());
}

// PyTorch's own bound: from here on it computes Euclidean distances by a matrix product.
constexpr int64_t kRowsComparedOneByOne = 25;

// |a|^2 - 2ab + |b|^2 as one product, which needs no memory for all differences.
Expr euclidean_by_product(Expr left, Expr right) {
  Builder& b = left.builder();
  const auto squares = [&](Expr x) { return b.reduce("Sum", b.tf("Square", {x}), {x.rank() - 1}, true); };
  const auto ones = [&](Expr x) {
    SymDims dims = x.dims();
    dims.back() = Sym(1);
    return b.fill(x.dtype(), dims, b.scalar(x.dtype(), 1));
  };
  const Expr a = b.concat({left * -2.0, squares(left), ones(left)}, left.rank() - 1);
  const Expr c = b.concat({right, ones(right), squares(right)}, right.rank() - 1);
  const Expr squared = b.tf("BatchMatMulV2", {a, c}, {{"adj_y", true}});
  return b.tf("Sqrt", {b.tf("Maximum", {squared, b.scalar(squared.dtype(), 0)})});
}

// The distances of every row of `x1` [..., p, m] to every row of `x2` [..., r, m].
Expr cdist(Call& call) {
  Builder& b = call.builder();
  const DType dtype = computed_dtype(call.result_dtype());
  const Expr left = call.operand("x1", dtype), right = call.operand("x2", dtype);
  const double order = call.number("p");
  const int64_t mode = call.integer_or_null("compute_mode").value_or(0);
  const auto is_many = [](const Sym& rows) { return rows.is_constant() && rows.constant() > kRowsComparedOneByOne; };
  if (order == 2 && (mode == 1 || (mode == 0 && (is_many(left.dim(-2)) || is_many(right.dim(-2)))))) {
    return b.cast(euclidean_by_product(left, right), call.result_dtype());
  }
  const Expr apart = b.unsqueeze(left, left.rank() - 1) - b.unsqueeze(right, right.rank() - 2);
  return b.cast(norm_over(apart, order, {apart.rank() - 1}, false), call.result_dtype());
}

// v * (g / |v|), the norm over all axes but one.
Expr weight_norm(Call& call) {
  Builder& b = call.builder();
  const Expr v = call.tensor("v");
  const int64_t kept = call.integer("dim");
  std::vector<int> axes;
  for (int i = 0; i < v.rank(); ++i) {
    if (i != (kept < 0 && kept != -1 ? kept + v.rank() : kept)) axes.push_back(i);  // -1 is the norm over all
  }
  const Expr norm = b.tf("Sqrt", {b.reduce("Sum", b.tf("Square", {v}), axes, true)});
  return v * (call.tensor("g") / norm);
}

constexpr OpRow kRows[] = {
    {"aten::layer_norm(Tensor input, SymInt[] normalized_shape, Tensor? weight=None, Tensor? bias=None, "
     "float eps=1e-05, bool cudnn_enable=True) -> Tensor",
     layer_norm},
    {"aten::native_layer_norm(Tensor input, SymInt[] normalized_shape, Tensor? weight, Tensor? bias, float eps) -> "
     "(Tensor, Tensor, Tensor)",
     native_layer_norm},
    {"aten::native_group_norm(Tensor input, Tensor? weight, Tensor? bias, SymInt N, SymInt C, SymInt HxW, int group, "
     "float eps) -> (Tensor, Tensor, Tensor)",
     native_group_norm},
    {"aten::rms_norm(Tensor input, SymInt[] normalized_shape, Tensor? weight=None, float? eps=None) -> Tensor",
     rms_norm},
    {"aten::group_norm(Tensor input, int num_groups, Tensor? weight=None, Tensor? bias=None, float eps=1e-05, "
     "bool cudnn_enabled=True) -> Tensor",
     group_norm},
    {"aten::batch_norm(Tensor input, Tensor? weight, Tensor? bias, Tensor? running_mean, Tensor? running_var, "
     "bool training, float momentum, float eps, bool cudnn_enabled) -> Tensor",
     batch_norm},
    {"aten::instance_norm(Tensor input, Tensor? weight, Tensor? bias, Tensor? running_mean, Tensor? running_var, "
     "bool use_input_stats, float momentum, float eps, bool cudnn_enabled) -> Tensor",
     instance_norm},
    {"aten::_native_batch_norm_legit.no_stats(Tensor input, Tensor? weight, Tensor? bias, bool training, float "
     "momentum, "
     "float eps) -> (Tensor, Tensor, Tensor)",
     batch_norm_without_statistics},
    {"aten::_native_batch_norm_legit_no_training(Tensor input, Tensor? weight, Tensor? bias, Tensor running_mean, "
     "Tensor running_var, float momentum, float eps) -> (Tensor, Tensor, Tensor)",
     batch_norm_of_decomposition},
    {"aten::_cdist_forward(Tensor x1, Tensor x2, float p, int? compute_mode) -> Tensor", cdist},
    {"aten::_weight_norm(Tensor v, Tensor g, int dim=0) -> Tensor", weight_norm},
    {"aten::linalg_vector_norm(Tensor self, Scalar ord=2, int[1]? dim=None, bool keepdim=False, *, "
     "ScalarType? dtype=None) -> Tensor",
     vector_norm},
};

}  // namespace

void add_normalization_ops(OpTable& table) { table.add("normalization", kRows); }

}  // namespace crossload::lower
