// Random numbers. TensorFlow draws other numbers than PyTorch, so results that depend on them differ; only the
// distribution is the same.

#include "lower/ops/families.h"

namespace crossload::lower {
namespace {

// Of [0, 1).
Expr uniform(Call& call) {
  Builder& b = call.builder();
  const DType drawn = computed_dtype(call.result_dtype());
  const Expr y = b.tf("RandomUniform", {b.sizes(call.result_dims())}, {{"dtype", drawn}});
  b.set_dims(y, call.result_dims());
  return b.cast(y, call.result_dtype());
}

Expr normal(Call& call) {
  Builder& b = call.builder();
  const DType drawn = computed_dtype(call.result_dtype());
  const Expr y = b.tf("RandomStandardNormal", {b.sizes(call.result_dims())}, {{"dtype", drawn}});
  b.set_dims(y, call.result_dims());
  return b.cast(y, call.result_dtype());
}

Expr uniform_between(Call& call) {
  const DType dtype = call.result_dtype();
  const Expr low = call.scalar("from", dtype), high = call.scalar("to", dtype);
  return low + uniform(call) * (high - low);
}

Expr normal_around(Call& call) {
  const DType dtype = call.result_dtype();
  return call.scalar("mean", dtype) + normal(call) * call.scalar("std", dtype);
}

Expr integers(Call& call, Expr low) {
  Builder& b = call.builder();
  const Expr y = b.tf("RandomUniformInt", {b.sizes(call.result_dims()), low, call.scalar("high", DType::kInt64)});
  b.set_dims(y, call.result_dims());
  return b.cast(y, call.result_dtype());
}
Expr integers_from_zero(Call& call) { return integers(call, call.builder().scalar(DType::kInt64, 0)); }
Expr integers_from(Call& call) { return integers(call, call.scalar("low", DType::kInt64)); }

// 1 with a probability that is one for all elements, or given by the tensor itself.
Expr bernoulli(Call& call, Expr probability) {
  Builder& b = call.builder();
  const Expr drawn = b.tf("RandomUniform", {b.sizes(call.result_dims())}, {{"dtype", DType::kFloat32}});
  b.set_dims(drawn, call.result_dims());
  return b.cast(b.tf("Less", {drawn, probability}), call.result_dtype());
}
Expr bernoulli_by_number(Call& call) { return bernoulli(call, call.scalar("p", DType::kFloat32)); }
Expr bernoulli_by_tensor(Call& call) { return bernoulli(call, call.operand("self", DType::kFloat32)); }

// Dropout that stays on: elements are kept with the probability 1 - p and divided by it. The second result says which.
Exprs dropout(Call& call) {
  Builder& b = call.builder();
  const Expr x = call.tensor("input");
  const bool is_on = call.is_none("train") || call.flag("train");
  if (!is_on) return {x, b.fill(DType::kBool, x.dims(), b.scalar(DType::kBool, 1))};
  const double kept = 1 - call.number("p");
  const Expr drawn = b.tf("RandomUniform", {b.sizes(x.dims())}, {{"dtype", DType::kFloat32}});
  b.set_dims(drawn, x.dims());
  const Expr is_kept = b.tf("Less", {drawn, b.scalar(DType::kFloat32, kept)});
  const Expr scaled = kept == 0 ? x : x * (1 / kept);
  return {b.select(is_kept, scaled, b.scalar(x.dtype(), 0)), is_kept};
}

Expr permutation(Call& call) {
  Builder& b = call.builder();
  return b.cast(b.tf("RandomShuffle", {b.range(call.result_dims().at(0), DType::kInt64)}), call.result_dtype());
}

#define FACTORY "ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None"
#define INTEGERS "ScalarType? dtype=long, Layout? layout=None, Device? device=None, bool? pin_memory=None"
#define FACTORY_LIKE FACTORY ", MemoryFormat? memory_format=None"

constexpr OpRow kRows[] = {
    {"aten::rand(SymInt[] size, *, " FACTORY ") -> Tensor", uniform},
    {"aten::rand.generator(SymInt[] size, *, Generator? generator, " FACTORY ") -> Tensor", uniform},
    {"aten::rand_like(Tensor self, *, " FACTORY_LIKE ") -> Tensor", uniform},
    {"aten::randn(SymInt[] size, *, " FACTORY ") -> Tensor", normal},
    {"aten::randn.generator(SymInt[] size, *, Generator? generator, " FACTORY ") -> Tensor", normal},
    {"aten::randn_like(Tensor self, *, " FACTORY_LIKE ") -> Tensor", normal},
    {"aten::randint(SymInt high, SymInt[] size, *, " INTEGERS ") -> Tensor", integers_from_zero},
    {"aten::randint.low(SymInt low, SymInt high, SymInt[] size, *, " INTEGERS ") -> Tensor", integers_from},
    {"aten::native_dropout(Tensor input, float p, bool? train) -> (Tensor, Tensor)", dropout},
    {"aten::randperm(SymInt n, *, " INTEGERS ") -> Tensor", permutation},
    {"aten::uniform_(Tensor(a!) self, float from=0., float to=1., *, Generator? generator=None) -> Tensor(a!)",
     uniform_between},
    {"aten::normal_(Tensor(a!) self, float mean=0., float std=1., *, Generator? generator=None) -> Tensor(a!)",
     normal_around},
    {"aten::bernoulli(Tensor self, *, Generator? generator=None) -> Tensor", bernoulli_by_tensor},
    {"aten::bernoulli.p(Tensor self, float p, *, Generator? generator=None) -> Tensor", bernoulli_by_number},
    {"aten::bernoulli_.float(Tensor(a!) self, float p=0.5, *, Generator? generator=None) -> Tensor(a!)",
     bernoulli_by_number},
};

#undef FACTORY
#undef INTEGERS
#undef FACTORY_LIKE

}  // namespace

void add_random_ops(OpTable& table) { table.add("random", kRows); }

}  // namespace crossload::lower
