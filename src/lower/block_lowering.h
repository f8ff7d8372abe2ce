// Lowers the nodes of one block in execution order: the program itself, or the body of a higher-order operation.
#pragma once

#include <functional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "lower/op_table.h"

namespace crossload::lower {

/// What could not be lowered, of all blocks of a program.
class Failures {
 public:
  void add(const program::Node& node, const program::CallSite& site, const std::string& what);
  std::size_t count() const { return details_.size(); }
  const std::set<std::string>& targets() const { return targets_; }
  /// Symbols of sizes that would have to be constants.
  void add_needed(const std::set<std::string>& symbols) { needed_.insert(symbols.begin(), symbols.end()); }
  const std::set<std::string>& needed() const { return needed_; }
  /// Throws `kUnsupported` with all of them, if there are any.
  void throw_all() const;

 private:
  std::set<std::string> targets_, needed_;
  std::vector<std::string> details_;
};

/// Whether a node computes nothing that the graph needs: sizes are expressions, and what the exporter assumed holds.
bool needs_no_lowering(const program::Node& node);

class BlockLowering : public Bodies {
 public:
  /// Whether the graph's values get `pt_values` with the block's names: only those of the program's main block do.
  enum class PtValues { kNone, kProgram };

  /// `site` is where the block stands in the model, for nodes without a call site of their own. Failures are collected;
  /// calls that read the result of a failed call are skipped.
  BlockLowering(Builder& builder, const program::Program& program, const program::Block& block, program::CallSite site,
                Failures& failures, PtValues pt_values)
      : builder_(builder),
        program_(program),
        block_(block),
        call_site_(std::move(site)),
        failures_(failures),
        pt_values_(pt_values) {}

  /// Called at the first read of a value of the block that no node computes; returns it.
  using Source = std::function<Expr(const std::string& name)>;
  void set_source(Source source) { source_ = std::move(source); }
  void define(const std::string& name, Expr value);
  /// The same for a value from outside the block, which the block must not write to.
  void define_outside(const std::string& name, Expr value);
  void lower_nodes();
  /// The value that the name has after all writes so far.
  Expr value(const std::string& name);

  Exprs lower_body(const program::Block& body, const Exprs& inputs, Builder& into) override;

 private:
  struct View {
    std::string base;
    const program::Node* node;  // null: the whole base under another name
    std::size_t index;          // which result of the node
    int version;                // the base's version that it was made from
  };

  void require(const std::string& name);
  void refresh(const std::string& name);
  void bind_symbols(Expr value);
  program::CallSite call_site_of(const program::Node& node) const;
  void fail(const program::Node& node, const std::string& what);
  bool is_poisoned(const program::Node& node) const;
  void lower_node(const program::Node& node);
  Exprs call(const program::Node& node);
  void define_results(const program::Node& node, const Schema& schema, const Exprs& results);
  void define_result(const program::Node& node, const Schema& schema, const std::string& name, Expr value,
                     std::size_t i);
  void bind_result_symbol(const std::string& sym, Expr value);
  std::string viewed_name(const program::Node& node, const Schema& schema, std::size_t i) const;
  void write(const std::string& name, Expr value);
  void poison(const program::Node& node);

  Builder& builder_;
  const program::Program& program_;
  const program::Block& block_;
  const program::CallSite call_site_;
  Failures& failures_;
  const PtValues pt_values_;
  Source source_;
  program::CallSite current_;  // of the node that is being lowered
  std::unordered_map<std::string, Expr> values_;
  std::unordered_map<std::string, View> views_;
  std::unordered_map<std::string, int> versions_;
  std::set<std::string> outside_, poisoned_;
};

}  // namespace crossload::lower
