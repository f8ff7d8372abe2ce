// Higher-order operations: their bodies become functions of TensorFlow's If and While, in the stateless form where
// nothing in them draws random numbers.

#include "base/error.h"
#include "lower/loop.h"
#include "lower/ops/families.h"

namespace crossload::lower {
namespace {

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

Exprs while_loop(Call& call) {
  const Exprs carried = call.operands("carried_inputs");
  for (const Expr& value : carried) {
    if (!value) call.unsupported("a loop that carries a number; carry a tensor without axes instead");
  }
  Builder& b = call.builder();
  Loop loop(b, b.scalar(DType::kInt32, -1), carried, call.operands("additional_inputs"));
  const auto lowered = [&](std::string_view name, Builder& into) {
    return call.bodies().lower_body(call.body(name), loop.values(into), into);
  };
  const Exprs is_on = lowered("cond_fn", loop.test()), next = lowered("body_fn", loop.body());
  if (is_on.size() != 1) call.unsupported("a loop whose condition is no tensor");
  if (next.size() != carried.size()) call.unsupported("a loop that returns something else than tensors");
  return loop.run(loop.test().cast(loop.test().reshape(is_on[0], {}), DType::kBool), next);
}

/// Runs `block` for each slice of `xs` along axis 0: it takes `carried`, the slices and `additional`, and returns the
/// next carried values and a row of each result that is collected.
Exprs run_for_each_slice(Call& call, const program::Block& block, const Exprs& carried, const Exprs& xs,
                         const Exprs& additional) {
  std::vector<Row> rows;
  for (std::size_t i = carried.size(); i < call.result_count(); ++i) {
    const SymDims& all = call.result_dims(i);
    rows.push_back({call.result_dtype(i), SymDims(all.begin() + 1, all.end())});
  }
  return for_each_slice(call.builder(), carried, xs, additional, rows, [&](Builder& body, const Exprs& inputs) {
    const Exprs next = call.bodies().lower_body(block, inputs, body);
    if (next.size() != carried.size() + rows.size()) {
      call.unsupported("a body that returns something else than tensors");
    }
    return next;
  });
}

void require_tensors(Call& call, const Exprs& values) {
  if (values.empty()) call.unsupported("a loop over no tensor");
  for (const Expr& value : values) {
    if (!value) call.unsupported("a loop over something else than tensors");
  }
}

// A reverse scan needs nothing here: PyTorch exports it as a forward scan between two `flip`s.
Exprs scan(Call& call) {
  if (call.node().arguments.size() != 4) {
    call.unsupported(fmt::format("a scan with {} arguments, those of PyTorch 2.8 and newer are 4; export it anew",
                                 call.node().arguments.size()));
  }
  const Exprs carried = call.operands("init"), xs = call.operands("xs");
  require_tensors(call, carried);
  require_tensors(call, xs);
  return run_for_each_slice(call, call.body("combine_fn"), carried, xs, call.operands("additional_inputs"));
}

Exprs map_impl(Call& call) {
  const Exprs xs = call.operands("xs");
  require_tensors(call, xs);
  return run_for_each_slice(call, call.body("f"), {}, xs, call.operands("pos_args"));
}

// In the table only so that the operation counts as supported: inline_wrappers removes these nodes before lowering.
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
