// Recurrent layers over sequences of any length. Gates stand in PyTorch's order. An LSTM in float32 without projections
// is TensorFlow's BlockLSTMV2, the whole sequence in one node; everything else a loop over the steps, of which the
// inputs' share of the gates is computed beforehand.

#include "lower/loop.h"
#include "lower/ops/families.h"

namespace crossload::lower {
namespace {

// One direction of one layer. Null handles stand for what it does not have.
struct Layer {
  Expr w_ih, w_hh, b_ih, b_hh, w_hr;
};

// From the inputs' share of the gates [batch, gates], the state and the layer's weights to the next state, whose first
// part is the output.
using Step = Exprs (*)(Builder& b, Expr gates, const Exprs& state, const Layer& layer);

Expr row(Expr x, int64_t i) {
  Builder& b = x.builder();
  return b.squeeze(b.slice(x, 0, Sym(i), Sym(i + 1)), {0});
}

// x Wᵀ + bias over the last of two axes.
Expr linear(Expr x, Expr weight, Expr bias) {
  const Expr y = x.builder().tf("MatMul", {x, weight}, {{"transpose_b", true}});
  return bias ? y + bias : y;
}

// Part `i` of the gates, each `size` wide.
Expr gate(Expr gates, int64_t i, const Sym& size) {
  const Expr part = gates.builder().slice(gates, 1, size * Sym(i), size * Sym(i + 1));
  gates.builder().set_dims(part, {gates.dim(0), size});
  return part;
}

Exprs lstm_step(Builder& b, Expr given, const Exprs& state, const Layer& layer) {
  const Expr gates = given + linear(state[0], layer.w_hh, layer.b_hh);
  const Sym size = state[1].dim(1);
  const auto open = [&](int64_t i) { return b.tf("Sigmoid", {gate(gates, i, size)}); };
  const Expr cell = open(1) * state[1] + open(0) * b.tf("Tanh", {gate(gates, 2, size)});
  const Expr hidden = open(3) * b.tf("Tanh", {cell});
  return {layer.w_hr ? linear(hidden, layer.w_hr, {}) : hidden, cell};
}

Exprs gru_step(Builder& b, Expr given, const Exprs& state, const Layer& layer) {
  const Expr recurrent = linear(state[0], layer.w_hh, layer.b_hh);
  const Sym size = state[0].dim(1);
  const auto open = [&](int64_t i) { return b.tf("Sigmoid", {gate(given, i, size) + gate(recurrent, i, size)}); };
  const Expr reset = open(0), update = open(1);
  const Expr fresh = b.tf("Tanh", {gate(given, 2, size) + reset * gate(recurrent, 2, size)});
  return {(state[0] - fresh) * update + fresh};
}

template <OpName Activation>
Exprs plain_step(Builder& b, Expr given, const Exprs& state, const Layer& layer) {
  return {b.tf(Activation.value, {given + linear(state[0], layer.w_hh, layer.b_hh)})};
}

// What each step gives [time, batch, hidden], then the last state.
Exprs run_steps(Builder& b, Expr x, const Exprs& state, const Layer& layer, Step step) {
  const Sym gates = layer.w_ih.dim(0);
  const Expr flat = b.reshape(x, {x.dim(0) * x.dim(1), x.dim(2)});
  const Expr given = b.reshape(linear(flat, layer.w_ih, layer.b_ih), {x.dim(0), x.dim(1), gates});
  const Row out = {x.dtype(), state[0].dims()};
  Exprs results = for_each_slice(
      b, state, {given}, {layer.w_hh, layer.b_hh, layer.w_hr}, {out}, [&](Builder& body, const Exprs& in) {
        const std::size_t n = state.size();
        const Layer inside = {{}, in[n + 1], {}, in[n + 2], in[n + 3]};
        Exprs next = step(body, in[n], {in.begin(), in.begin() + static_cast<std::ptrdiff_t>(n)}, inside);
        for (std::size_t i = 0; i < n; ++i) body.set_dims(next[i], state[i].dims());
        next.push_back(next[0]);
        return next;
      });
  Exprs ordered = {results.back()};
  b.set_dims(ordered[0], {x.dim(0), state[0].dim(0), state[0].dim(1)});
  for (std::size_t i = 0; i < state.size(); ++i) {
    b.set_dims(results[i], state[i].dims());
    ordered.push_back(results[i]);
  }
  return ordered;
}

// The same for an LSTM in float32 without projections.
Exprs block_lstm(Builder& b, Expr x, const Exprs& state, const Layer& layer) {
  const DType dtype = x.dtype();
  const Sym size = state[0].dim(-1);
  const Expr weights = b.concat({b.transpose(layer.w_ih, {1, 0}), b.transpose(layer.w_hh, {1, 0})}, 0);
  const Expr nothing = b.fill(dtype, {size}, b.scalar(dtype, 0));
  const Expr bias = layer.b_ih ? layer.b_ih + layer.b_hh : b.fill(dtype, {Sym(4) * size}, b.scalar(dtype, 0));
  const Exprs made = b.tf_all(
      "BlockLSTMV2", {b.size(x.dim(0), DType::kInt64), x, state[1], state[0], weights, nothing, nothing, nothing, bias},
      {{"cell_clip", -1.0}, {"use_peephole", false}});
  const SymDims dims = {x.dim(0), x.dim(1), size};
  for (const Expr& m : made) b.set_dims(m, dims);
  const auto last = [&](Expr all) {
    const Expr one = b.gather(all, b.size(x.dim(0) - Sym(1)), 0);
    b.set_dims(one, {x.dim(1), size});
    return one;
  };
  return {made[6], last(made[6]), last(made[1])};
}

// All layers and directions: what the last layer gives, then the last states of all, stacked.
Exprs recurrent(Call& call, const Exprs& start, Step step) {
  Builder& b = call.builder();
  Expr x = call.tensor("input");
  if (call.flag("train") && call.number("dropout") != 0) {
    call.unsupported("a recurrent layer with dropout in training mode");
  }
  if (x.rank() != 3) call.unsupported("a recurrent layer over one sequence without a batch");
  const DType dtype = x.dtype(), computed = computed_dtype(dtype);
  x = b.cast(x, computed);
  const bool is_batch_first = call.flag("batch_first"), has_biases = call.flag("has_biases");
  if (is_batch_first) x = b.transpose(x, {1, 0, 2});
  const Exprs params = call.tensors("params");
  const int64_t layers = call.integer("num_layers"), directions = call.flag("bidirectional") ? 2 : 1;
  const auto cells = static_cast<std::size_t>(layers * directions);
  const std::size_t per_layer = params.size() / cells;
  const bool has_projections = per_layer == (has_biases ? 5 : 3);
  std::vector<Exprs> last(start.size());
  for (int64_t i = 0; i < layers; ++i) {
    Exprs parts;
    for (int64_t direction = 0; direction < directions; ++direction) {
      const int64_t cell = i * directions + direction;
      Exprs own;
      for (std::size_t k = 0; k < per_layer; ++k) {
        own.push_back(b.cast(params[static_cast<std::size_t>(cell) * per_layer + k], computed));
      }
      Layer layer = {own[0], own[1], {}, {}, has_projections ? own.back() : Expr()};
      if (has_biases) {
        layer.b_ih = own[2];
        layer.b_hh = own[3];
      }
      Exprs state;
      for (const Expr& s : start) state.push_back(b.cast(row(s, cell), computed));
      const auto turned = [&](Expr y) { return direction == 1 ? b.tf("ReverseV2", {y, b.int32s({0})}) : y; };
      const bool is_block = step == lstm_step && computed == DType::kFloat32 && !has_projections;
      const Exprs done =
          is_block ? block_lstm(b, turned(x), state, layer) : run_steps(b, turned(x), state, layer, step);
      parts.push_back(turned(done[0]));
      for (std::size_t k = 0; k < start.size(); ++k) last[k].push_back(done[k + 1]);
    }
    x = b.concat(parts, 2);
  }
  Exprs results = {b.cast(is_batch_first ? b.transpose(x, {1, 0, 2}) : x, dtype)};
  for (const Exprs& states : last) {
    results.push_back(b.cast(b.tf("Pack", states, {{"axis", int64_t{0}}}), dtype));
  }
  return results;
}

Exprs lstm(Call& call) { return recurrent(call, call.tensors("hx"), lstm_step); }

template <Step kStep>
Exprs with_one_state(Call& call) {
  return recurrent(call, {call.tensor("hx")}, kStep);
}

#define SETTINGS                                                                                           \
  "Tensor[] params, bool has_biases, int num_layers, float dropout, bool train, bool bidirectional, bool " \
  "batch_first"

constexpr OpRow kRows[] = {
    {"aten::lstm.input(Tensor input, Tensor[] hx, " SETTINGS ") -> (Tensor, Tensor, Tensor)", lstm},
    {"aten::gru.input(Tensor input, Tensor hx, " SETTINGS ") -> (Tensor, Tensor)", with_one_state<gru_step>},
    {"aten::rnn_tanh.input(Tensor input, Tensor hx, " SETTINGS ") -> (Tensor, Tensor)",
     with_one_state<plain_step<"Tanh">>},
    {"aten::rnn_relu.input(Tensor input, Tensor hx, " SETTINGS ") -> (Tensor, Tensor)",
     with_one_state<plain_step<"Relu">>},
};

#undef SETTINGS

}  // namespace

void add_rnn_ops(OpTable& table) { table.add("rnn", kRows); }

}  // namespace crossload::lower
