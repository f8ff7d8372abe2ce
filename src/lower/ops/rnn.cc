// Recurrent layers. An LSTM is TensorFlow's BlockLSTMV2: the whole sequence in one node, its gates in PyTorch's order
// (input, forget, cell, output).

#include "lower/ops/families.h"

namespace crossload::lower {
namespace {

struct Sequence {
  Expr all, last_hidden, last_cell;  // [time, batch, hidden] and twice [batch, hidden]
};

Expr row(Expr x, int64_t i) {
  Builder& b = x.builder();
  return b.squeeze(b.slice(x, 0, Sym(i), Sym(i + 1)), {0});
}

// One direction of one layer over x [time, batch, in].
Sequence lstm_layer(Builder& b, Expr x, Expr hidden, Expr cell, Expr w_ih, Expr w_hh, Expr bias, bool backwards) {
  if (backwards) x = b.tf("ReverseV2", {x, b.int32s({0})});
  const DType dtype = x.dtype();
  const Sym size = hidden.dim(-1);
  const Expr weights = b.concat({b.transpose(w_ih, {1, 0}), b.transpose(w_hh, {1, 0})}, 0);
  const Expr nothing = b.fill(dtype, {size}, b.scalar(dtype, 0));
  if (!bias) bias = b.fill(dtype, {Sym(4) * size}, b.scalar(dtype, 0));
  const Exprs made = b.tf_all(
      "BlockLSTMV2", {b.size(x.dim(0), DType::kInt64), x, cell, hidden, weights, nothing, nothing, nothing, bias},
      {{"cell_clip", -1.0}, {"use_peephole", false}});
  const SymDims dims = {x.dim(0), x.dim(1), size};
  for (const Expr& m : made) b.set_dims(m, dims);
  const auto last = [&](Expr all) {
    const Expr one = b.gather(all, b.size(x.dim(0) - Sym(1)), 0);
    b.set_dims(one, {x.dim(1), size});
    return one;
  };
  const Expr all = made[6], cells = made[1];
  return {backwards ? b.tf("ReverseV2", {all, b.int32s({0})}) : all, last(all), last(cells)};
}

Exprs lstm(Call& call) {
  Builder& b = call.builder();
  if (call.flag("train") && call.number("dropout") != 0) call.unsupported("an LSTM with dropout in training mode");
  Expr x = call.tensor("input");
  if (x.dtype() != DType::kFloat32) call.unsupported("an LSTM of anything but float32");
  const Exprs start = call.tensors("hx"), params = call.tensors("params");
  const bool is_batched = x.rank() == 3, is_batch_first = call.flag("batch_first");
  if (!is_batched) call.unsupported("an LSTM over one sequence without a batch");
  if (is_batch_first) x = b.transpose(x, {1, 0, 2});
  const bool has_biases = call.flag("has_biases");
  const int64_t layers = call.integer("num_layers"), directions = call.flag("bidirectional") ? 2 : 1;
  const std::size_t per_layer = has_biases ? 4 : 2;
  if (params.size() != per_layer * static_cast<std::size_t>(layers * directions)) {
    call.unsupported("an LSTM with projections");
  }
  Exprs hidden, cell;
  for (int64_t layer = 0; layer < layers; ++layer) {
    Exprs parts;
    for (int64_t direction = 0; direction < directions; ++direction) {
      const int64_t i = layer * directions + direction;
      const Expr* w = &params[static_cast<std::size_t>(i) * per_layer];
      const Expr bias = has_biases ? w[2] + w[3] : Expr();
      const Sequence done = lstm_layer(b, x, row(start[0], i), row(start[1], i), w[0], w[1], bias, direction == 1);
      parts.push_back(done.all);
      hidden.push_back(done.last_hidden);
      cell.push_back(done.last_cell);
    }
    x = b.concat(parts, 2);
  }
  const auto stacked = [&](const Exprs& rows) { return b.tf("Pack", rows, {{"axis", int64_t{0}}}); };
  return {is_batch_first ? b.transpose(x, {1, 0, 2}) : x, stacked(hidden), stacked(cell)};
}

constexpr OpRow kRows[] = {
    {"aten::lstm.input(Tensor input, Tensor[] hx, Tensor[] params, bool has_biases, int num_layers, float dropout, "
     "bool train, bool bidirectional, bool batch_first) -> (Tensor, Tensor, Tensor)",
     lstm},
};

}  // namespace

void add_rnn_ops(OpTable& table) { table.add("rnn", kRows); }

}  // namespace crossload::lower
