// The calls of a model's modules as a tree, and which values cross their boundaries.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "program/program.h"

namespace crossload::verify {

/// One call of one module.
struct ModuleCall {
  std::string module;  // path, empty for the model itself
  std::string module_class;
  int call = 0;
  int depth = 0;
  int parent = -1;
  int end = 0;                        // its submodules' calls are those between itself and `end`
  int first_node = 0, last_node = 0;  // in Program::main, with submodules
  std::vector<int> nodes;             // those directly in it
  std::vector<std::string> outputs;   // values made in it, submodules included, and used outside
};

/// Calls in pre-order, siblings by first execution; call 0 is the model itself.
struct ModuleTree {
  std::vector<ModuleCall> calls;
  std::vector<int> call_of_node;             // for each node of Program::main
  std::map<std::string, int> node_of_value;  // the node that makes a value; -1 for an input of the program

  /// Whether the value is made inside the call.
  bool is_inside(const std::string& value, int call) const;
};

/// `classes`: path → class for modules in which no node lies directly; may be empty. Containers (ModuleList, ...) are
/// never called and are left out.
ModuleTree module_tree(const program::Program& program, const std::map<std::string, std::string>& classes);

}  // namespace crossload::verify
