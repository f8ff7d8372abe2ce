#include "lower/lower.h"

#include <map>

#include "base/error.h"
#include "lower/block_lowering.h"
#include "lower/inline_wrappers.h"

namespace crossload::lower {
namespace {

using program::Block;
using program::InputKind;
using program::Node;
using program::Program;
using program::TensorRef;

// Constants up to this size go into the graph; larger ones become variables that do not train.
constexpr std::size_t kLargestInlineConstant = 1024;

class Driver {
 public:
  explicit Driver(const Program& program)
      : program_(program),
        flat_(inline_wrappers(program.main)),
        lowering_(builder_, program, flat_ ? *flat_ : program.main, {}, failures_, BlockLowering::PtValues::kProgram) {
    lowering_.set_source([this](const std::string& name) { return weight(name); });
  }

  graph::Graph run() {
    lower_nodes();
    failures_.throw_all();
    for (const auto& output : program_.outputs) add_output(output);
    if (builder_.graph().outputs.empty()) {
      fail(ErrorKind::kUnsupported, "lower: the model returns no tensor, of {} outputs; return at least one",
           program_.outputs.size());
    }
    return std::move(builder_.graph());
  }

  Failures failures() {
    lower_nodes();
    return failures_;
  }

 private:
  void lower_nodes() {
    for (const auto& input : program_.inputs) add_input(input);
    lowering_.lower_nodes();
  }

  void add_input(const program::ProgramInput& input) {
    if (input.kind == InputKind::kFrozen) return;
    if (input.kind != InputKind::kUser) {
      weights_[input.value] = &input;
      return;
    }
    const auto& type = program_.type_of(input.value);
    builder_.set_origin({});
    lowering_.define(input.value, builder_.input(input.name, type.dtype, type.dims));
  }

  // Weights enter the graph when they are first read, in that order.
  Expr weight(const std::string& name) {
    const auto found = weights_.find(name);
    if (found == weights_.end()) return {};
    const program::ProgramInput& input = *found->second;
    const auto& type = program_.type_of(name);
    const auto dims = constant_dims(type.dims);
    if (!dims) internal_error("weight `{}` has the symbolic shape {}", input.name, to_string(type.dims));
    const auto data = program_.data.find(input.name);
    const bool is_inner = input.kind == InputKind::kConstant || (input.kind == InputKind::kBuffer && !input.persistent);
    const graph::Origin origin = builder_.origin();
    builder_.set_origin({});
    Expr value;
    if (is_inner && data != program_.data.end() && data->second.bytes().size() <= kLargestInlineConstant) {
      value = builder_.constant(data->second);
    } else {
      graph::Variable variable;
      variable.name = input.name;
      variable.source = input.name;
      variable.dtype = type.dtype;
      variable.dims = *dims;
      variable.trainable = input.kind == InputKind::kParameter && is_floating(type.dtype);
      value = builder_.variable(std::move(variable));
    }
    builder_.set_origin(origin);
    return value;
  }

  void add_output(const program::ProgramOutput& output) {
    if (output.is_mutation) return;
    const auto* ref = std::get_if<TensorRef>(&output.value);
    if (ref == nullptr) return;
    builder_.set_origin({});
    builder_.add_output(output.name, lowering_.value(ref->name));
  }

  const Program& program_;
  const std::optional<Block> flat_;
  Builder builder_;
  Failures failures_;
  BlockLowering lowering_;
  std::unordered_map<std::string, const program::ProgramInput*> weights_;
};

using Counts = std::map<std::string, int>;

template <typename IsCounted>
void count_targets(const Block& block, const IsCounted& is_counted, Counts& counts) {
  for (const Node& node : block.nodes) {
    if (is_counted(node)) ++counts[node.target];
    for (const auto& argument : node.arguments) {
      if (const auto* body = std::get_if<std::shared_ptr<const Block>>(&argument.value))
        count_targets(**body, is_counted, counts);
    }
  }
}

template <typename IsCounted>
std::vector<std::pair<std::string, int>> targets_of(const Program& program, const IsCounted& is_counted) {
  Counts counts;
  count_targets(program.main, is_counted, counts);
  return {counts.begin(), counts.end()};
}

}  // namespace

graph::Graph lower(const Program& program) { return Driver(program).run(); }

std::vector<std::pair<std::string, int>> missing_ops(const Program& program) {
  return targets_of(program, [](const Node& node) {
    return !needs_no_lowering(node) && OpTable::all().find(node.target) == nullptr;
  });
}

std::set<std::string> unlowered_ops(const Program& program) {
  std::set<std::string> targets = Driver(program).failures().targets();
  // What reads a failed call's result is not tried, but may have no lowering either.
  for (const auto& [target, count] : missing_ops(program)) targets.insert(target);
  return targets;
}

std::set<std::string> needed_constants(const Program& program) { return Driver(program).failures().needed(); }

std::vector<std::pair<std::string, int>> random_ops(const Program& program) {
  return targets_of(program, [](const Node& node) {
    const auto* entry = OpTable::all().find(node.target);
    return entry != nullptr && entry->family == std::string_view("random");
  });
}

}  // namespace crossload::lower
