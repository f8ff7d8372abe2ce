// Walks the program once, in execution order. Mutation is removed on the way: a value that is a view remembers its base
// and the node that made it. An in-place write replaces the written value; when that is a view, the write is carried
// back into its base (`write_through`), and every other view of the base is made anew when it is next read.

#include "lower/lower.h"

#include <map>
#include <set>
#include <unordered_map>

#include "base/error.h"
#include "lower/op_table.h"
#include "lower/views.h"

namespace crossload::lower {
namespace {

using program::Argument;
using program::Block;
using program::InputKind;
using program::Node;
using program::Program;
using program::TensorRef;

// Constants up to this size go into the graph; larger ones become variables that do not train.
constexpr std::size_t kLargestInlineConstant = 1024;

bool needs_no_lowering(const std::string& target) {
  // Sizes are expressions of the program's symbols, so the nodes that compute them have nothing to do; checks of what
  // the exporter assumed are dropped, as the program is only run on inputs that fit its signature.
  return target.starts_with("_operator.") || target.starts_with("torch.sym_") || target.starts_with("math.") ||
         target.starts_with("aten.sym_") || target.starts_with("aten._assert_") ||
         target == "aten.sym_constrain_range_for_size.default" || target == "aten.sym_constrain_range.default";
}

class Driver {
 public:
  explicit Driver(const Program& program) : program_(program) {}

  graph::Graph run() {
    for (const auto& input : program_.inputs) add_input(input);
    for (const Node& node : program_.main.nodes) lower_node(node);
    if (!failures_.empty()) throw_failures();
    for (const auto& output : program_.outputs) add_output(output);
    return std::move(builder_.graph());
  }

 private:
  struct View {
    std::string base;
    const Node* node;   // null: the whole base under another name
    std::size_t index;  // which result of the node
    int version;        // the base's version that it was made from
  };

  void add_input(const program::ProgramInput& input) {
    if (input.kind == InputKind::kFrozen) return;
    if (input.kind != InputKind::kUser) {
      weights_[input.value] = &input;
      return;
    }
    const auto& type = program_.type_of(input.value);
    builder_.set_origin({});
    const Expr value = builder_.input(input.name, type.dtype, type.dims);
    define(input.value, value);
    for (int axis = 0; axis < static_cast<int>(type.dims.size()); ++axis) bind_symbol(value, axis);
  }

  void bind_symbol(Expr value, int axis) {
    const Sym& d = value.dim(axis);
    if (d.is_symbol() && !builder_.is_bound(d.symbol_name())) builder_.bind(d.symbol_name(), value, axis);
  }

  void define(const std::string& name, Expr value) {
    values_[name] = value;
    builder_.add_pt_value(value, {name, {}});
  }

  // Weights enter the graph when they are first read, in that order.
  void require(const std::string& name) {
    if (values_.contains(name)) {
      refresh(name);
      return;
    }
    const auto found = weights_.find(name);
    if (found == weights_.end()) return;
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
    define(name, value);
  }

  // A view whose base was written since is made anew from the base.
  void refresh(const std::string& name) {
    const auto found = views_.find(name);
    if (found == views_.end()) return;
    const View& view = found->second;
    refresh(view.base);
    const int version = versions_[view.base];
    if (view.version == version) return;
    found->second.version = version;
    values_[name] = view.node == nullptr ? values_.at(view.base) : call(*view.node).at(view.index);
    builder_.set_dims(values_[name], program_.main.tensors.at(name).dims);
    ++versions_[name];
  }

  Exprs call(const Node& node) {
    const OpTable::Entry* entry = OpTable::all().find(node.target);
    Call the_call(builder_, entry->schema, node, program_.main, values_);
    return entry->lowering(the_call);
  }

  bool is_poisoned(const Node& node) const {
    bool poisoned = false;
    for_each_tensor(node, [&](const std::string& name) { poisoned |= poisoned_.contains(name); });
    return poisoned;
  }

  template <typename F>
  static void for_each_tensor(const Node& node, F&& f) {
    for (const auto& argument : node.arguments) {
      if (const auto* one = std::get_if<TensorRef>(&argument.value)) f(one->name);
      if (const auto* list = std::get_if<program::TensorList>(&argument.value)) {
        for (const auto& item : list->names) {
          if (item) f(*item);
        }
      }
    }
  }

  void lower_node(const Node& node) {
    if (needs_no_lowering(node.target)) return;
    const program::Place& place = node.place < 0 ? kNowhere : program_.places[static_cast<std::size_t>(node.place)];
    const OpTable::Entry* entry = OpTable::all().find(node.target);
    if (entry == nullptr) {
      fail_at(node, place, "no lowering for");
      return;
    }
    if (is_poisoned(node)) {
      poison(node);
      return;
    }
    builder_.set_origin({place.module, place.source, node.name});
    try {
      for_each_tensor(node, [&](const std::string& name) { require(name); });
      define_results(node, entry->schema, call(node));
    } catch (const Unsupported& why) {
      fail_at(node, place, fmt::format("cannot be lowered: {}:", why.what()));
    } catch (const Error& error) {
      if (error.kind() == ErrorKind::kInterrupted) throw;
      // A type that no kernel takes, a size that no tensor holds: this call's failure, to be reported with the others.
      fail_at(node, place, fmt::format("cannot be lowered: {}:", error.what()));
    }
  }

  void define_results(const Node& node, const Schema& schema, const Exprs& results) {
    const SchemaArgument* written = schema.written();
    std::size_t i = 0;
    for (const auto& result : node.results) {
      if (!result.sym.empty()) bind_result_symbol(result.sym, results.at(i++));
      for (const auto& name : result.tensors) {
        if (i >= results.size()) internal_error("{} results expected, {} made", i + 1, results.size());
        define_result(node, schema, name, results[i], i, written != nullptr);
        ++i;
      }
    }
    if (written != nullptr && node.results.empty() && !results.empty()) write(written_name(node, *written), results[0]);
  }

  // A data-dependent scalar: its fresh symbol is the value itself.
  void bind_result_symbol(const std::string& sym, Expr value) {
    const auto found = program_.main.syms.find(sym);
    if (found != program_.main.syms.end() && found->second.is_symbol())
      builder_.bind(found->second.symbol_name(), value);
  }

  static std::string written_name(const Node& node, const SchemaArgument& written) {
    const auto* argument = node.find(written.name);
    const auto* ref = argument == nullptr ? nullptr : std::get_if<TensorRef>(argument);
    if (ref == nullptr) internal_error("`{}` writes to an argument that is no tensor", node.target);
    return ref->name;
  }

  void define_result(const Node& node, const Schema& schema, const std::string& name, Expr value, std::size_t i,
                     bool is_write) {
    const auto& type = program_.main.tensors.at(name);
    if (value.dtype() != type.dtype) {
      internal_error("result `{}` is {}, the program says {}", name, name_of(value.dtype()), name_of(type.dtype));
    }
    if (value.has_dims() && value.dims().size() != type.dims.size()) {
      internal_error("result `{}` has shape {}, the program says {}", name, to_string(value.dims()),
                     to_string(type.dims));
    }
    builder_.set_dims(value, type.dims);
    for (int axis = 0; axis < value.rank(); ++axis) bind_symbol(value, axis);
    if (is_write) {
      // The result is the written tensor itself under another name.
      const std::string target = written_name(node, *schema.written());
      write(target, value);
      views_[name] = {target, nullptr, 0, versions_[target]};
    } else if (const std::string base = viewed_name(node, schema, i); !base.empty()) {
      views_[name] = {base, &node, i, versions_[base]};
    }
    define(name, value);
  }

  // The value that result `i` shares its memory with; empty when the result is a tensor of its own.
  std::string viewed_name(const Node& node, const Schema& schema, std::size_t i) const {
    const SchemaArgument* viewed = schema.viewed(std::min(i, schema.result_aliases.size() - 1));
    const auto* argument = viewed == nullptr ? nullptr : node.find(viewed->name);
    const auto* ref = argument == nullptr ? nullptr : std::get_if<TensorRef>(argument);
    if (ref == nullptr) return {};
    const auto& tensors = program_.main.tensors;
    const bool is_converted = tensors.at(ref->name).dtype != tensors.at(node.results.at(0).tensors.at(0)).dtype;
    const auto* copy = schema.find("copy") == nullptr ? nullptr : node.find("copy");
    const bool is_copied = copy != nullptr && std::holds_alternative<bool>(*copy) && std::get<bool>(*copy);
    return is_converted || is_copied ? std::string() : ref->name;
  }

  void write(const std::string& name, Expr value) {
    if (values_.at(name).ref() == value.ref()) return;
    const auto found = views_.find(name);
    if (found != views_.end()) {
      View& view = found->second;
      if (view.node == nullptr) {
        write(view.base, value);
      } else {
        const OpTable::Entry* entry = OpTable::all().find(view.node->target);
        Call made_by(builder_, entry->schema, *view.node, program_.main, values_);
        refresh(view.base);
        write(view.base, write_back(made_by, view.index, values_.at(view.base), value));
      }
      view.version = versions_[view.base];
    }
    values_[name] = value;
    ++versions_[name];
  }

  void poison(const Node& node) {
    for (const auto& result : node.results) poisoned_.insert(result.tensors.begin(), result.tensors.end());
  }

  void fail_at(const Node& node, const program::Place& place, const std::string& what) {
    failures_.push_back(fmt::format("{} ({}): {} `{}`", place.module.empty() ? "model" : place.module, place.source,
                                    what, node.target));
    failed_targets_.insert(node.target);
    poison(node);
  }

  [[noreturn]] void throw_failures() {
    throw Error(ErrorKind::kUnsupported,
                fmt::format("lower: {} operation{} of this model cannot be lowered ({} places); see the list, or "
                            "`crossload ops` for what is supported",
                            failed_targets_.size(), failed_targets_.size() == 1 ? "" : "s", failures_.size()),
                failures_);
  }

  void add_output(const program::ProgramOutput& output) {
    if (output.is_mutation) return;
    const auto* ref = std::get_if<TensorRef>(&output.value);
    if (ref == nullptr) return;
    builder_.set_origin({});
    require(ref->name);
    builder_.add_output(output.name, values_.at(ref->name));
  }

  static const program::Place kNowhere;

  const Program& program_;
  Builder builder_;
  std::unordered_map<std::string, Expr> values_;
  std::unordered_map<std::string, const program::ProgramInput*> weights_;
  std::unordered_map<std::string, View> views_;
  std::unordered_map<std::string, int> versions_;
  std::set<std::string> poisoned_;
  std::set<std::string> failed_targets_;
  std::vector<std::string> failures_;
};

const program::Place Driver::kNowhere;

}  // namespace

graph::Graph lower(const Program& program) { return Driver(program).run(); }

std::vector<std::pair<std::string, int>> missing_ops(const Program& program) {
  std::map<std::string, int> counts;
  for (const Node& node : program.main.nodes) {
    if (!needs_no_lowering(node.target) && OpTable::all().find(node.target) == nullptr) ++counts[node.target];
  }
  return {counts.begin(), counts.end()};
}

}  // namespace crossload::lower
