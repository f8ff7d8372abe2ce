// Walks a block once, in execution order. Mutation is removed on the way: a value that is a view remembers its base
// and the node that made it. An in-place write replaces the written value; when that is a view, its base is replaced as
// well (`write_back`), and every other view of the base is computed again when it is next read.
//
// The body of a higher-order operation is a block with a scope of its own: it is lowered by a BlockLowering of its own,
// into the graph of the function that it becomes. Its values get no `pt_values`: their names mean nothing outside.

#include "lower/block_lowering.h"

#include "base/error.h"
#include "lower/views.h"

namespace crossload::lower {

using program::Block;
using program::CallSite;
using program::Node;
using program::TensorRef;

namespace {

// Thrown by a lowering when calls in one of its bodies failed, which have been reported already.
struct BodyFailed {};

template <typename F>
void for_each_tensor(const Node& node, F&& f) {
  for (const auto& argument : node.arguments) {
    if (const auto* one = std::get_if<TensorRef>(&argument.value)) f(one->name);
    if (const auto* list = std::get_if<program::TensorList>(&argument.value)) {
      for (const auto& item : list->names) {
        if (item) f(*item);
      }
    }
  }
}

std::string written_name(const Node& node, const SchemaArgument& written) {
  const auto* argument = node.find(written.name);
  const auto* ref = argument == nullptr ? nullptr : std::get_if<TensorRef>(argument);
  if (ref == nullptr) internal_error("`{}` writes to an argument that is no tensor", node.target);
  return ref->name;
}

}  // namespace

void Failures::add(const Node& node, const CallSite& site, const std::string& what) {
  details_.push_back(
      fmt::format("{} ({}): {} `{}`", site.module.empty() ? "model" : site.module, site.source, what, node.target));
  targets_.insert(node.target);
}

void Failures::throw_all() const {
  if (details_.empty()) return;
  throw Error(ErrorKind::kUnsupported,
              fmt::format("lower: {} operation{} of this model cannot be lowered ({} call sites); see the list, or "
                          "`crossload ops` for what is supported",
                          targets_.size(), targets_.size() == 1 ? "" : "s", details_.size()),
              details_);
}

// Sizes are expressions of the program's symbols, so the nodes that compute them have nothing to do; checks of what the
// exporter assumed are dropped, as the program is only run on inputs that fit its signature.
bool needs_no_lowering(const Node& node) {
  const std::string& target = node.target;
  return target.starts_with("_operator.") || target.starts_with("torch.sym_") || target.starts_with("math.") ||
         target.starts_with("aten.sym_") || target.starts_with("aten._assert_") ||
         target == "aten.sym_constrain_range_for_size.default" || target == "aten.sym_constrain_range.default";
}

void BlockLowering::define(const std::string& name, Expr value) {
  values_[name] = value;
  const auto found = program_.main.tensors.find(name);
  if (pt_values_ == PtValues::kProgram && found != program_.main.tensors.end()) {
    builder_.add_pt_value(value, {name, {}, builder_.origin().module});
  }
  bind_symbols(value);
}

void BlockLowering::define_outside(const std::string& name, Expr value) {
  outside_.insert(name);
  define(name, value);
}

void BlockLowering::bind_symbols(Expr value) {
  for (int axis = 0; value.has_dims() && axis < value.rank(); ++axis) {
    const Sym& d = value.dim(axis);
    if (d.is_symbol() && !builder_.is_bound(d.symbol_name())) builder_.bind(d.symbol_name(), value, axis);
  }
}

Expr BlockLowering::value(const std::string& name) {
  require(name);
  return values_.at(name);
}

void BlockLowering::require(const std::string& name) {
  if (values_.contains(name)) {
    refresh(name);
  } else if (source_) {
    if (const Expr given = source_(name)) define(name, given);
  }
}

// A view whose base was written since is made anew from the base.
void BlockLowering::refresh(const std::string& name) {
  const auto found = views_.find(name);
  if (found == views_.end()) return;
  const View& view = found->second;
  refresh(view.base);
  const int version = versions_[view.base];
  if (view.version == version) return;
  found->second.version = version;
  values_[name] = view.node == nullptr ? values_.at(view.base) : call(*view.node).at(view.index);
  builder_.set_dims(values_[name], block_.tensors.at(name).dims);
  ++versions_[name];
}

Exprs BlockLowering::call(const Node& node) {
  const OpTable::Entry* entry = OpTable::all().find(node.target);
  Call the_call(builder_, entry->schema, node, block_, values_, *this);
  return entry->lowering(the_call);
}

Exprs BlockLowering::lower_body(const Block& body, const Exprs& inputs, Builder& into) {
  if (body.inputs.size() != inputs.size()) {
    throw Unsupported(fmt::format("a body takes {} values, it is given {}", body.inputs.size(), inputs.size()));
  }
  const std::size_t failures_before = failures_.count();
  const graph::Origin origin = into.origin();
  BlockLowering inner(into, program_, body, current_, failures_, PtValues::kNone);
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    if (inputs[i]) inner.define_outside(body.inputs[i], inputs[i]);
  }
  inner.lower_nodes();
  into.set_origin(origin);
  if (failures_.count() > failures_before) throw BodyFailed();
  Exprs outputs;
  for (const auto& output : body.outputs) {
    if (const auto* ref = std::get_if<TensorRef>(&output)) outputs.push_back(inner.value(ref->name));
  }
  return outputs;
}

bool BlockLowering::is_poisoned(const Node& node) const {
  bool poisoned = false;
  for_each_tensor(node, [&](const std::string& name) { poisoned |= poisoned_.contains(name); });
  return poisoned;
}

// The nodes of a body may name no module: then it is that of the operation that holds the body.
CallSite BlockLowering::call_site_of(const Node& node) const {
  if (node.call_site < 0) return call_site_;
  CallSite site = program_.call_sites[static_cast<std::size_t>(node.call_site)];
  if (site.module.empty()) site.module = call_site_.module;
  return site;
}

void BlockLowering::lower_nodes() {
  for (const Node& node : block_.nodes) lower_node(node);
}

void BlockLowering::lower_node(const Node& node) {
  if (needs_no_lowering(node)) return;
  current_ = call_site_of(node);
  const OpTable::Entry* entry = OpTable::all().find(node.target);
  if (entry == nullptr) return fail(node, "no lowering for");
  if (is_poisoned(node)) return poison(node);
  builder_.set_origin({current_.module, current_.source, node.name});
  try {
    for_each_tensor(node, [&](const std::string& name) { require(name); });
    define_results(node, entry->schema, call(node));
  } catch (const BodyFailed&) {
    poison(node);
  } catch (const Unsupported& why) {
    if (const auto* size = dynamic_cast<const NeedsConstant*>(&why)) failures_.add_needed(size->symbols());
    fail(node, fmt::format("cannot be lowered: {}:", why.what()));
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::kInterrupted) throw;
    // A type that no kernel takes, a size that no tensor holds: this call's failure, to be reported with the others.
    fail(node, fmt::format("cannot be lowered: {}:", error.what()));
  }
}

void BlockLowering::fail(const Node& node, const std::string& what) {
  failures_.add(node, current_, what);
  poison(node);
}

void BlockLowering::define_results(const Node& node, const Schema& schema, const Exprs& results) {
  const SchemaArgument* written = schema.written();
  std::size_t i = 0;
  for (const auto& result : node.results) {
    if (!result.sym.empty()) bind_result_symbol(result.sym, results.at(i++));
    for (const auto& name : result.tensors) {
      if (i >= results.size()) internal_error("{} results expected, {} made", i + 1, results.size());
      define_result(node, schema, name, results[i], i);
      ++i;
    }
  }
  if (written != nullptr && node.results.empty() && !results.empty()) write(written_name(node, *written), results[0]);
}

// A data-dependent scalar: its fresh symbol is the value itself.
void BlockLowering::bind_result_symbol(const std::string& sym, Expr value) {
  const auto found = block_.syms.find(sym);
  if (found != block_.syms.end() && found->second.is_symbol()) builder_.bind(found->second.symbol_name(), value);
}

void BlockLowering::define_result(const Node& node, const Schema& schema, const std::string& name, Expr value,
                                  std::size_t i) {
  const auto& type = block_.tensors.at(name);
  if (value.dtype() != type.dtype) {
    internal_error("result `{}` is {}, the program says {}", name, name_of(value.dtype()), name_of(type.dtype));
  }
  if (value.has_dims() && value.dims().size() != type.dims.size()) {
    internal_error("result `{}` has shape {}, the program says {}", name, to_string(value.dims()),
                   to_string(type.dims));
  }
  builder_.set_dims(value, type.dims);
  if (const SchemaArgument* written = schema.written()) {
    // The result is the written tensor itself under another name.
    const std::string target = written_name(node, *written);
    write(target, value);
    views_[name] = {target, nullptr, 0, versions_[target]};
  } else if (const std::string base = viewed_name(node, schema, i); !base.empty()) {
    views_[name] = {base, &node, i, versions_[base]};
  }
  define(name, value);
}

// The value that result `i` shares its memory with; empty when the result is a tensor of its own.
std::string BlockLowering::viewed_name(const Node& node, const Schema& schema, std::size_t i) const {
  const SchemaArgument* viewed = schema.viewed(std::min(i, schema.result_aliases.size() - 1));
  const auto* argument = viewed == nullptr ? nullptr : node.find(viewed->name);
  const auto* ref = argument == nullptr ? nullptr : std::get_if<TensorRef>(argument);
  if (ref == nullptr) return {};
  const auto& tensors = block_.tensors;
  const bool is_converted = tensors.at(ref->name).dtype != tensors.at(node.results.at(0).tensors.at(0)).dtype;
  const auto* copy = schema.find("copy") == nullptr ? nullptr : node.find("copy");
  const bool is_copied = copy != nullptr && std::holds_alternative<bool>(*copy) && std::get<bool>(*copy);
  return is_converted || is_copied ? std::string() : ref->name;
}

void BlockLowering::write(const std::string& name, Expr value) {
  if (values_.at(name).ref() == value.ref()) return;
  if (outside_.contains(name)) {
    throw Unsupported(
        fmt::format("a write to `{}`, which comes from outside the body that it stands in; save the program after "
                    "run_decompositions()",
                    name));
  }
  const auto found = views_.find(name);
  if (found != views_.end()) {
    View& view = found->second;
    if (view.node == nullptr) {
      write(view.base, value);
    } else {
      const OpTable::Entry* entry = OpTable::all().find(view.node->target);
      Call made_by(builder_, entry->schema, *view.node, block_, values_, *this);
      refresh(view.base);
      write(view.base, write_back(made_by, view.index, values_.at(view.base), value));
    }
    view.version = versions_[view.base];
  }
  values_[name] = value;
  ++versions_[name];
}

void BlockLowering::poison(const Node& node) {
  for (const auto& result : node.results) poisoned_.insert(result.tensors.begin(), result.tensors.end());
}

}  // namespace crossload::lower
