// Where in the model a node was written, from the metadata that torch.export keeps with each node.
#pragma once

#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "program/program.h"

namespace crossload::program {

/// Collects distinct call sites.
class CallSites {
 public:
  /// The index of the call site that `nn_module_stack` and `stack_trace` tell of; -1 for nodes that the compiler made.
  int index_of(std::string_view module_stack, std::string_view stack_trace);
  std::vector<CallSite> take() { return std::move(call_sites_); }

 private:
  std::vector<CallSite> call_sites_;
  std::unordered_map<std::string, int> indices_;
};

/// The innermost module of an `nn_module_stack`: entries `key,path,class` joined by `;`.
CallSite module_of(std::string_view module_stack);
/// `modeling_bert.py:287`: the innermost frame of a Python stack trace outside PyTorch itself, else the innermost one.
/// Never a folder. Empty when the trace holds no frame.
std::string source_of(std::string_view stack_trace);

}  // namespace crossload::program
