#include "lower/functions.h"

#include <algorithm>
#include <set>

#include "base/error.h"
#include "graph/tf_ops.h"

namespace crossload::lower {
namespace {

// Brings the inputs of the captured sizes, the last ones, into the order of `symbols`.
void order_captured(Builder& builder, const std::vector<std::string>& symbols) {
  graph::Graph& graph = builder.graph();
  const std::size_t first = graph.inputs.size() - symbols.size();
  std::vector<graph::Input> ordered;
  for (const std::string& symbol : symbols) {
    const auto at = std::ranges::find(builder.captured(), symbol) - builder.captured().begin();
    ordered.push_back(graph.inputs[first + static_cast<std::size_t>(at)]);
  }
  for (std::size_t i = 0; i < ordered.size(); ++i) {
    graph.inputs[first + i] = ordered[i];
    graph.nodes[static_cast<std::size_t>(ordered[i].value.node)].attrs["index"] = static_cast<int64_t>(first + i);
  }
}

}  // namespace

Exprs without_nulls(const Exprs& values) {
  Exprs result;
  for (const Expr& value : values) {
    if (value) result.push_back(value);
  }
  return result;
}

Functions::Functions(Builder& outer, std::size_t count) : outer_(outer), inputs_(count), captured_(count) {
  for (std::size_t i = 0; i < count; ++i) builders_.push_back(std::make_unique<Builder>(outer));
}

void Functions::add_inputs(const Exprs& values) {
  for (const Expr& value : values) {
    if (value) {
      add_input(value, value.dims());
    } else {
      for (Exprs& inputs : inputs_) inputs.emplace_back();
    }
  }
}

void Functions::add_input(Expr value, const SymDims& dims) {
  for (std::size_t i = 0; i < builders_.size(); ++i) {
    Builder& b = *builders_[i];
    b.set_origin({});
    const std::string name = "in." + std::to_string(b.graph().inputs.size());
    inputs_[i].push_back(b.input(name, value.dtype(), dims));
    b.set_origin(outer_.origin());
  }
}

Exprs Functions::capture() {
  std::set<std::string> all;
  for (const auto& b : builders_) all.insert(b->captured().begin(), b->captured().end());
  const std::vector<std::string> symbols(all.begin(), all.end());
  for (std::size_t i = 0; i < builders_.size(); ++i) {
    for (const std::string& symbol : symbols) builders_[i]->capture(symbol);
    order_captured(*builders_[i], symbols);
    const auto& in = builders_[i]->graph().inputs;
    for (std::size_t k = in.size() - symbols.size(); k < in.size(); ++k) {
      captured_[i].emplace_back(builders_[i].get(), in[k].value);
    }
  }
  Exprs values;
  for (const std::string& symbol : symbols) values.push_back(outer_.bound(symbol));
  return values;
}

void Functions::add_outputs(std::size_t i, const Exprs& values) {
  Builder& b = *builders_[i];
  for (const Expr& value : values) b.add_output("out." + std::to_string(b.graph().outputs.size()), value);
}

std::shared_ptr<const graph::Graph> Functions::graph(std::size_t i) {
  return std::make_shared<const graph::Graph>(std::move(builders_[i]->graph()));
}

bool Functions::is_stateful() const {
  return std::ranges::any_of(builders_, [](const auto& b) { return graph::is_stateful(b->graph()); });
}

}  // namespace crossload::lower
