// Program → Graph: what PyTorch computes, expressed in TensorFlow's operations.
#pragma once

#include <set>
#include <string>
#include <utility>
#include <vector>

#include "graph/graph.h"
#include "program/program.h"

namespace crossload::lower {

/// Lowers the whole program; the graph has the module tree's names and is not optimised yet. Throws `kUnsupported` with
/// one detail per call that has no lowering (operation, module, source line), all of them at once.
graph::Graph lower(const program::Program& program);

/// The targets of the program that have no lowering, with the number of their uses.
std::vector<std::pair<std::string, int>> missing_ops(const program::Program& program);

/// The targets of the program that cannot be lowered: those without a lowering, and those whose lowering refuses one of
/// the calls.
std::set<std::string> unlowered_ops(const program::Program& program);

/// The symbols of the program whose sizes a lowering says that it must know beforehand.
std::set<std::string> needed_constants(const program::Program& program);

/// The targets of the program that draw random numbers, with the number of their uses.
std::vector<std::pair<std::string, int>> random_ops(const program::Program& program);

}  // namespace crossload::lower
