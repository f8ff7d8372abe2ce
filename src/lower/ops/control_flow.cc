// Higher-order operations: their bodies become functions of TensorFlow's If and While, in the stateless form where
// nothing in them draws random numbers.
//
// A loop over the slices of tensors (scan, map) counts i from 0 to n in a While. What it collects stands in a tensor of
// n rows from the start, of which turn i writes row i; a While owns its values, so that is done in place.

#include "base/error.h"
#include "lower/functions.h"
#include "lower/ops/families.h"

namespace crossload::lower {
namespace {

void append(Exprs& to, const Exprs& more) { to.insert(to.end(), more.begin(), more.end()); }

Exprs without_nulls(const Exprs& values) {
  Exprs result;
  for (const Expr& value : values) {
    if (value) result.push_back(value);
  }
  return result;
}

// ---- cond -----------------------------------------------------------------------------------------------------------

Expr condition(Call& call) {
  Builder& b = call.builder();
  if (const Expr given = call.tensor_or_null("pred")) return b.cast(b.reshape(given, {}), DType::kBool);
  return b.size(call.sym("pred"), DType::kBool);
}

Exprs cond(Call& call) {
  constexpr const char* kBranches[] = {"true_graph", "false_graph"};
  Builder& b = call.builder();
  const Expr is_true = condition(call);
  const Exprs operands = call.operands("operands");
  Functions branches(b, 2);
  branches.add_inputs(operands);
  Exprs results[2];
  for (std::size_t i = 0; i < 2; ++i) {
    results[i] = call.bodies().lower_body(call.body(kBranches[i]), branches.inputs(i), branches.builder(i));
    if (results[i].size() != call.result_count()) call.unsupported("a branch that returns something else than tensors");
  }
  Exprs inputs = {is_true};
  append(inputs, without_nulls(operands));
  append(inputs, branches.capture());
  for (std::size_t i = 0; i < 2; ++i) branches.add_outputs(i, results[i]);
  const char* op = branches.is_stateful() ? "If" : "StatelessIf";
  return b.tf_all(op, inputs, {{"then_branch", branches.graph(0)}, {"else_branch", branches.graph(1)}});
}

// ---- Loops ----------------------------------------------------------------------------------------------------------

/// A While under construction: values that a turn replaces, and values that it only reads.
class Loop {
 public:
  /// Both functions take `changing`, whose shapes stay in a turn, and then `fixed`, where null handles stay null.
  Loop(Builder& b, const Exprs& changing, const Exprs& fixed) : b_(b), functions_(b, 2), changing_(changing), fixed_(fixed) {
    functions_.add_inputs(changing);
    functions_.add_inputs(fixed);
  }

  Builder& test_builder() { return functions_.builder(0); }
  Builder& body_builder() { return functions_.builder(1); }
  const Exprs& test_inputs() const { return functions_.inputs(0); }
  const Exprs& body_inputs() const { return functions_.inputs(1); }

  /// The changing values after the last turn.
  Exprs run(Expr test, Exprs next) {
    Exprs inputs = changing_;
    append(inputs, without_nulls(fixed_));
    append(inputs, functions_.capture());
    const Exprs& in = functions_.inputs(1);
    append(next, without_nulls(Exprs(in.begin() + static_cast<std::ptrdiff_t>(changing_.size()), in.end())));
    append(next, functions_.captured(1));
    functions_.add_outputs(0, {test});
    functions_.add_outputs(1, next);
    const char* op = functions_.is_stateful() ? "While" : "StatelessWhile";
    Exprs after = b_.tf_all(op, inputs, {{"cond", functions_.graph(0)}, {"body", functions_.graph(1)}});
    after.resize(changing_.size());
    return after;
  }

 private:
  Builder& b_;
  Functions functions_;
  const Exprs changing_, fixed_;
};

Exprs while_loop(Call& call) {
  const Exprs carried = call.operands("carried_inputs");
  for (const Expr& value : carried) {
    if (!value) call.unsupported("a loop that carries a number; carry a tensor without axes instead");
  }
  Loop loop(call.builder(), carried, call.operands("additional_inputs"));
  Builder& test = loop.test_builder();
  const Exprs tested = call.bodies().lower_body(call.body("cond_fn"), loop.test_inputs(), test);
  const Exprs next = call.bodies().lower_body(call.body("body_fn"), loop.body_inputs(), loop.body_builder());
  if (tested.size() != 1) call.unsupported("a loop whose condition is no tensor");
  if (next.size() != carried.size()) call.unsupported("a loop that returns something else than tensors");
  return loop.run(test.cast(test.reshape(tested[0], {}), DType::kBool), next);
}

/// Runs `body` for each slice of `xs` along axis 0: it takes `carried`, the slices and `additional`, and returns the
/// next carried values and a row of each result that is collected.
Exprs for_each_slice(Call& call, const program::Block& body, const Exprs& carried, const Exprs& xs,
                     const Exprs& additional) {
  Builder& b = call.builder();
  const std::size_t collected = call.result_count() - carried.size();
  const Expr count = b.size(xs.at(0).dim(0));
  Exprs changing = {b.scalar(DType::kInt32, 0)};
  append(changing, carried);
  for (std::size_t i = carried.size(); i < call.result_count(); ++i) {
    const DType dtype = call.result_dtype(i);
    changing.push_back(b.fill(dtype, call.result_dims(i), b.scalar(dtype, 0)));
  }
  Exprs fixed = {count};
  append(fixed, xs);
  append(fixed, additional);
  Loop loop(b, changing, fixed);

  Builder& turn = loop.body_builder();
  const auto at = [&](std::size_t i) { return loop.body_inputs()[i]; };
  const Expr index = at(0);
  const std::size_t first_x = changing.size() + 1, first_additional = first_x + xs.size();
  Exprs inputs;
  for (std::size_t i = 0; i < carried.size(); ++i) inputs.push_back(at(1 + i));
  for (std::size_t i = 0; i < xs.size(); ++i) {
    const Expr row = turn.gather(at(first_x + i), index, 0);
    const SymDims& all = xs[i].dims();
    turn.set_dims(row, SymDims(all.begin() + 1, all.end()));
    inputs.push_back(row);
  }
  for (std::size_t i = 0; i < additional.size(); ++i) inputs.push_back(at(first_additional + i));
  const Exprs made = call.bodies().lower_body(body, inputs, turn);
  if (made.size() != call.result_count()) call.unsupported("a body that returns something else than tensors");

  Exprs next = {turn.tf("AddV2", {index, turn.scalar(DType::kInt32, 1)})};
  for (std::size_t i = 0; i < carried.size(); ++i) next.push_back(made[i]);
  const Expr place = turn.reshape(index, {Sym(1), Sym(1)});
  for (std::size_t i = 0; i < collected; ++i) {
    const Expr row = turn.unsqueeze(made[carried.size() + i], 0);
    next.push_back(turn.tf("TensorScatterUpdate", {at(1 + carried.size() + i), place, row}));
  }
  Builder& test = loop.test_builder();
  const Expr is_left = test.tf("Less", {loop.test_inputs()[0], loop.test_inputs()[changing.size()]});
  Exprs results = loop.run(is_left, next);
  results.erase(results.begin());  // the index
  return results;
}

void require_tensors(Call& call, const Exprs& values) {
  if (values.empty()) call.unsupported("a loop over no tensor");
  for (const Expr& value : values) {
    if (!value) call.unsupported("a loop over something else than tensors");
  }
}

// Backwards is forwards over reversed tensors: the program has a `flip` before and behind.
Exprs scan(Call& call) {
  if (call.node().arguments.size() != 4) {
    call.unsupported(fmt::format("a scan with {} arguments, those of PyTorch 2.8 and newer are 4; export it anew",
                                 call.node().arguments.size()));
  }
  const Exprs carried = call.operands("init"), xs = call.operands("xs");
  require_tensors(call, carried);
  require_tensors(call, xs);
  return for_each_slice(call, call.body("combine_fn"), carried, xs, call.operands("additional_inputs"));
}

Exprs map_impl(Call& call) {
  const Exprs xs = call.operands("xs");
  require_tensors(call, xs);
  return for_each_slice(call, call.body("f"), {}, xs, call.operands("pos_args"));
}

// Stands in the table so that it is known; lower/inline_wrappers.h takes these nodes away before.
Exprs inlined(Call& call) { internal_error("`{}`: its body was not inlined", call.node().target); }

constexpr OpRow kRows[] = {
    {"higher_order::cond(Tensor pred, Graph true_graph, Graph false_graph, Tensor[] operands) -> Tensor[]", cond},
    {"higher_order::map_impl(Graph f, Tensor[] xs, Tensor[] pos_args) -> Tensor[]", map_impl},
    {"higher_order::scan(Graph combine_fn, Tensor[] init, Tensor[] xs, Tensor[] additional_inputs) -> Tensor[]", scan},
    {"higher_order::while_loop(Graph cond_fn, Graph body_fn, Tensor[] carried_inputs, Tensor[] additional_inputs) -> "
     "Tensor[]",
     while_loop},
    {"higher_order::wrap_with_autocast(str device_type, ScalarType? dtype, bool enabled, bool? cache_enabled, Graph "
     "wrapped, Tensor[] args) -> Tensor[]",
     inlined},
    {"higher_order::wrap_with_set_grad_enabled(bool enabled, Graph wrapped, Tensor[] args) -> Tensor[]", inlined},
};

}  // namespace

void add_control_flow_ops(OpTable& table) { table.add("control_flow", kRows); }

}  // namespace crossload::lower
