// Tensors made from sizes and numbers alone.

#include <numbers>

#include "lower/ops/families.h"

namespace crossload::lower {
namespace {

Expr filled(Call& call, Expr value) { return call.builder().fill(call.result_dtype(), call.result_dims(), value); }
Expr zeros(Call& call) { return filled(call, call.builder().scalar(call.result_dtype(), 0)); }
Expr ones(Call& call) { return filled(call, call.builder().scalar(call.result_dtype(), 1)); }
Expr full(Call& call) { return filled(call, call.scalar("fill_value", call.result_dtype())); }
Expr scalar_tensor(Call& call) { return call.scalar("s", call.result_dtype()); }
Expr fill_scalar(Call& call) { return filled(call, call.scalar("value", call.result_dtype())); }
Expr fill_tensor(Call& call) { return filled(call, call.tensor("value")); }

// Floats are start + i * step in double precision, as PyTorch computes them: TensorFlow's Range accumulates the
// rounding error of its step. For integers from float bounds PyTorch counts the elements before it truncates start and
// step.
Expr arange(Call& call, const char* start, const char* end, const char* step) {
  Builder& b = call.builder();
  const DType dtype = call.result_dtype();
  const auto is = [&](const char* name, int64_t value) { return name == nullptr || call.sym(name) == Sym(value); };
  if (is(start, 0) && is(step, 1)) return b.range(call.result_dims().at(0), dtype);
  const DType whole = dtype == DType::kInt64 ? dtype : DType::kInt32;
  const DType computed = is_floating(dtype) ? DType::kFloat64 : whole;
  const auto is_float = [&](const char* name) { return name != nullptr && call.is_float_scalar(name); };
  if (is_floating(dtype) || is_float(start) || is_float(end) || is_float(step)) {
    const Expr indices = b.range(call.result_dims().at(0), computed);
    const Expr steps = is(step, 1) ? indices : indices * call.scalar(step, computed);
    return b.cast(call.scalar(start, computed) + steps, dtype);
  }
  const Expr from = call.scalar(start, computed);
  const Expr by = step != nullptr ? call.scalar(step, computed) : b.scalar(computed, 1);
  const Expr result = b.tf("Range", {from, call.scalar(end, computed), by});
  b.set_dims(result, call.result_dims());
  return b.cast(result, dtype);
}
Expr arange_end(Call& call) { return arange(call, nullptr, "end", nullptr); }
Expr arange_start(Call& call) { return arange(call, "start", "end", nullptr); }
Expr arange_step(Call& call) { return arange(call, "start", "end", "step"); }

// PyTorch counts from both ends: start + i * step in the lower half, end - (n - 1 - i) * step in the upper, each
// rounded once (a fused multiply-add), which float64 does for float32.
Expr linspace(Call& call) {
  Builder& b = call.builder();
  const DType dtype = call.result_dtype();
  const DType computed = is_floating(dtype) ? computed_dtype(dtype) : DType::kFloat64;
  const Sym count = call.result_dims().at(0);
  const Expr start = b.cast(call.operand("start", dtype), computed), end = b.cast(call.operand("end", dtype), computed);
  if (count == Sym(1)) return b.cast(b.reshape(start, {Sym(1)}), dtype);
  const DType wide = DType::kFloat64;
  const Expr step = b.cast((end - start) / b.size(count - Sym(1), computed), wide);
  const Expr i = b.range(count, wide), left = b.size(count - Sym(1), wide) - i;
  const Expr half = b.size(floor_div(count, Sym(2)), wide);
  const Expr result =
      b.select(b.tf("Less", {i, half}), b.cast(start, wide) + i * step, b.cast(end, wide) - left * step);
  b.set_dims(result, call.result_dims());
  return b.cast(b.cast(result, computed), dtype);
}

Expr eye(Call& call) {
  Builder& b = call.builder();
  const SymDims& dims = call.result_dims();
  const Expr rows = b.unsqueeze(b.range(dims[0], DType::kInt32), 1);
  const Expr columns = b.unsqueeze(b.range(dims[1], DType::kInt32), 0);
  return b.cast(b.tf("Equal", {rows, columns}), call.result_dtype());
}

// The part of a matrix on and below (`lower`) or on and above a diagonal.
Expr triangle(Call& call, bool lower) {
  Builder& b = call.builder();
  const Expr x = call.tensor("self");
  const Expr rows = b.unsqueeze(b.range(x.dim(-2), DType::kInt32), 1);
  const Expr columns = b.unsqueeze(b.range(x.dim(-1), DType::kInt32), 0);
  const Expr offset = columns - rows, diagonal = call.scalar("diagonal", DType::kInt32);
  const Expr keep = b.tf(lower ? "LessEqual" : "GreaterEqual", {offset, diagonal});
  return b.select(keep, x, b.scalar(x.dtype(), 0));
}
Expr tril(Call& call) { return triangle(call, true); }
Expr triu(Call& call) { return triangle(call, false); }

// ---- Windows over a signal, in float64 ----

// What a window of two or more elements is made from: their positions, and the distance from the first to the last. A
// periodic window is one element longer, and the last is left out.
struct WindowPlaces {
  Expr at;    // 0, 1, … in float64
  Expr last;  // a scalar
};

template <typename Formula>
Expr window(Call& call, const char* periodic, Formula formula) {
  Builder& b = call.builder();
  const DType wide = DType::kFloat64;
  const Sym count = call.result_dims().at(0);
  const bool is_periodic = periodic == nullptr || call.flag(periodic);
  if (count == Sym(1)) return ones(call);
  const Expr last = b.size(is_periodic ? count : count - Sym(1), wide);
  const Expr y = formula(WindowPlaces{b.range(count, wide), last});
  b.set_dims(y, call.result_dims());
  return b.cast(y, call.result_dtype());
}

// a - b·cos(2πi/last)
Expr cosine_window(Call& call, const char* periodic, double a, double factor) {
  return window(call, periodic, [&](const WindowPlaces& w) {
    const Expr turn = w.at * (2 * std::numbers::pi) / w.last;
    return a - call.tf("Cos", {turn}) * factor;
  });
}
template <bool kHasPeriodic>
Expr hann_window(Call& call) {
  return cosine_window(call, kHasPeriodic ? "periodic" : nullptr, 0.5, 0.5);
}
template <bool kHasPeriodic>
Expr hamming_window(Call& call) {
  return cosine_window(call, kHasPeriodic ? "periodic" : nullptr, 0.54, 0.46);
}
Expr hamming_window_alpha(Call& call) { return cosine_window(call, "periodic", call.number("alpha"), 0.46); }
Expr hamming_window_alpha_beta(Call& call) {
  return cosine_window(call, "periodic", call.number("alpha"), call.number("beta"));
}

// 0.42 - 0.5·cos(2πi/last) + 0.08·cos(4πi/last)
template <bool kHasPeriodic>
Expr blackman_window(Call& call) {
  return window(call, kHasPeriodic ? "periodic" : nullptr, [&](const WindowPlaces& w) {
    const Expr turn = w.at * (2 * std::numbers::pi) / w.last;
    return 0.42 - call.tf("Cos", {turn}) * 0.5 + call.tf("Cos", {turn * 2.0}) * 0.08;
  });
}

// A triangle: 1 - |2i/last - 1|
template <bool kHasPeriodic>
Expr bartlett_window(Call& call) {
  return window(call, kHasPeriodic ? "periodic" : nullptr,
                [&](const WindowPlaces& w) { return 1.0 - call.tf("Abs", {w.at * 2.0 / w.last - 1.0}); });
}

// I0(β·√(1 - (2i/last - 1)²)) / I0(β)
Expr kaiser_window_of(Call& call, const char* periodic, double beta) {
  return window(call, periodic, [&](const WindowPlaces& w) {
    const Expr x = w.at * 2.0 / w.last - 1.0;
    const Expr width = call.tf("Sqrt", {1.0 - x * x});
    return call.tf("BesselI0", {width * beta}) / call.tf("BesselI0", {call.builder().scalar(DType::kFloat64, beta)});
  });
}
template <bool kHasPeriodic>
Expr kaiser_window(Call& call) {
  return kaiser_window_of(call, kHasPeriodic ? "periodic" : nullptr, 12.0);
}
Expr kaiser_window_beta(Call& call) { return kaiser_window_of(call, "periodic", call.number("beta")); }

#define FACTORY "ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None"
#define FACTORY_LIKE FACTORY ", MemoryFormat? memory_format=None"

constexpr OpRow kRows[] = {
    {"aten::zeros(SymInt[] size, *, " FACTORY ") -> Tensor", zeros},
    {"aten::ones(SymInt[] size, *, " FACTORY ") -> Tensor", ones},
    {"aten::full(SymInt[] size, Scalar fill_value, *, " FACTORY ") -> Tensor", full},
    // What an uninitialised tensor holds is undefined, so zeros serve.
    {"aten::empty.memory_format(SymInt[] size, *, " FACTORY_LIKE ") -> Tensor", zeros},
    {"aten::zeros_like(Tensor self, *, " FACTORY_LIKE ") -> Tensor", zeros},
    {"aten::ones_like(Tensor self, *, " FACTORY_LIKE ") -> Tensor", ones},
    {"aten::full_like(Tensor self, Scalar fill_value, *, " FACTORY_LIKE ") -> Tensor", full},
    {"aten::empty_like(Tensor self, *, " FACTORY_LIKE ") -> Tensor", zeros},
    {"aten::new_zeros(Tensor self, SymInt[] size, *, " FACTORY ") -> Tensor", zeros},
    {"aten::new_ones(Tensor self, SymInt[] size, *, " FACTORY ") -> Tensor", ones},
    {"aten::new_full(Tensor self, SymInt[] size, Scalar fill_value, *, " FACTORY ") -> Tensor", full},
    {"aten::new_empty(Tensor self, SymInt[] size, *, " FACTORY ") -> Tensor", zeros},
    {"aten::scalar_tensor(Scalar s, *, " FACTORY ") -> Tensor", scalar_tensor},
    {"aten::fill.Scalar(Tensor self, Scalar value) -> Tensor", fill_scalar},
    {"aten::fill.Tensor(Tensor self, Tensor value) -> Tensor", fill_tensor},
    {"aten::fill_.Scalar(Tensor(a!) self, Scalar value) -> Tensor(a!)", fill_scalar},
    {"aten::fill_.Tensor(Tensor(a!) self, Tensor value) -> Tensor(a!)", fill_tensor},
    {"aten::zero_(Tensor(a!) self) -> Tensor(a!)", zeros},
    {"aten::arange(Scalar end, *, " FACTORY ") -> Tensor", arange_end},
    {"aten::arange.start(Scalar start, Scalar end, *, " FACTORY ") -> Tensor", arange_start},
    {"aten::arange.start_step(Scalar start, Scalar end, Scalar step=1, *, " FACTORY ") -> Tensor", arange_step},
    {"aten::linspace(Scalar start, Scalar end, int steps, *, " FACTORY ") -> Tensor", linspace},
    {"aten::linspace.Tensor_Tensor(Tensor start, Tensor end, int steps, *, " FACTORY ") -> Tensor", linspace},
    {"aten::hann_window(int window_length, *, " FACTORY ") -> Tensor", hann_window<false>},
    {"aten::hann_window.periodic(int window_length, bool periodic, *, " FACTORY ") -> Tensor", hann_window<true>},
    {"aten::hamming_window(int window_length, *, " FACTORY ") -> Tensor", hamming_window<false>},
    {"aten::hamming_window.periodic(int window_length, bool periodic, *, " FACTORY ") -> Tensor", hamming_window<true>},
    {"aten::hamming_window.periodic_alpha(int window_length, bool periodic, float alpha, *, " FACTORY ") -> Tensor",
     hamming_window_alpha},
    {"aten::hamming_window.periodic_alpha_beta(int window_length, bool periodic, float alpha, float beta, *, " FACTORY
     ") -> Tensor",
     hamming_window_alpha_beta},
    {"aten::blackman_window(int window_length, *, " FACTORY ") -> Tensor", blackman_window<false>},
    {"aten::blackman_window.periodic(int window_length, bool periodic, *, " FACTORY ") -> Tensor",
     blackman_window<true>},
    {"aten::bartlett_window(int window_length, *, " FACTORY ") -> Tensor", bartlett_window<false>},
    {"aten::bartlett_window.periodic(int window_length, bool periodic, *, " FACTORY ") -> Tensor",
     bartlett_window<true>},
    {"aten::kaiser_window(int window_length, *, " FACTORY ") -> Tensor", kaiser_window<false>},
    {"aten::kaiser_window.periodic(int window_length, bool periodic, *, " FACTORY ") -> Tensor", kaiser_window<true>},
    {"aten::kaiser_window.beta(int window_length, bool periodic, float beta, *, " FACTORY ") -> Tensor",
     kaiser_window_beta},
    {"aten::eye(SymInt n, *, " FACTORY ") -> Tensor", eye},
    {"aten::eye.m(SymInt n, SymInt m, *, " FACTORY ") -> Tensor", eye},
    {"aten::tril(Tensor self, SymInt diagonal=0) -> Tensor", tril},
    {"aten::triu(Tensor self, SymInt diagonal=0) -> Tensor", triu},
};

#undef FACTORY
#undef FACTORY_LIKE

}  // namespace

void add_creation_ops(OpTable& table) { table.add("creation", kRows); }

}  // namespace crossload::lower
