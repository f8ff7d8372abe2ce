// A loop over slices counts i from 0 to n in a While. Its rows are lists of n tensors, of which iteration i sets the
// i-th, and which are stacked in the end. (A tensor of n rows would be copied in every iteration.)

#include "lower/loop.h"

namespace crossload::lower {

Loop::Loop(Builder& b, Expr iteration_limit, const Exprs& changing, const Exprs& fixed)
    : b_(b), functions_(b, 2), given_{b.scalar(DType::kInt32, 0), iteration_limit} {
  append(given_, changing);
  first_fixed_ = given_.size();
  append(given_, fixed);
  functions_.add_inputs(given_);
}

Exprs Loop::run(Expr is_on, const Exprs& next) {
  Exprs given = without_nulls(given_),
        after = {iteration(body()) + body().scalar(DType::kInt32, 1), iteration_limit(body())};
  append(given, functions_.capture());
  append(after, next);
  const Exprs& in = functions_.inputs(1);
  append(after, without_nulls({in.begin() + static_cast<std::ptrdiff_t>(first_fixed_), in.end()}));
  append(after, functions_.captured(1));
  functions_.add_outputs(0, {is_on});
  functions_.add_outputs(1, after);
  const char* op = functions_.is_stateful() ? "While" : "StatelessWhile";
  const Exprs results = b_.tf_all(op, given, {{"cond", functions_.graph(0)}, {"body", functions_.graph(1)}});
  return {results.begin() + kOwn, results.begin() + static_cast<std::ptrdiff_t>(first_fixed_)};
}

Exprs for_each_slice(Builder& b, const Exprs& carried, const Exprs& xs, const Exprs& fixed,
                     const std::vector<Row>& rows, const Iteration& iteration) {
  Exprs changing = carried, read = xs;
  const Expr count = b.size(xs.at(0).dim(0));
  for (const Row& row : rows) {
    changing.push_back(b.tf("TensorListReserve", {b.sizes(row.dims), count}, {{"element_dtype", row.dtype}}));
  }
  append(read, fixed);
  Loop loop(b, count, changing, read);

  Builder& body = loop.body();
  const Expr i = loop.iteration(body);
  Exprs values = loop.values(body);
  for (std::size_t k = 0; k < xs.size(); ++k) {
    Expr& x = values[changing.size() + k];
    x = body.gather(x, i, 0);
    const SymDims& all = xs[k].dims();
    body.set_dims(x, SymDims(all.begin() + 1, all.end()));
  }
  Exprs inputs(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(carried.size()));
  inputs.insert(inputs.end(), values.begin() + static_cast<std::ptrdiff_t>(changing.size()), values.end());
  Exprs next = iteration(body, inputs);
  for (std::size_t k = carried.size(); k < next.size(); ++k) {
    next[k] = body.tf("TensorListSetItem", {values[k], i, next[k]});
  }
  Builder& test = loop.test();
  Exprs results = loop.run(test.tf("Less", {loop.iteration(test), loop.iteration_limit(test)}), next);
  for (std::size_t k = carried.size(); k < results.size(); ++k) {
    const Row& row = rows[k - carried.size()];
    results[k] = b.tf("TensorListStack", {results[k], b.sizes(row.dims)}, {{"element_dtype", row.dtype}});
  }
  return results;
}

}  // namespace crossload::lower
