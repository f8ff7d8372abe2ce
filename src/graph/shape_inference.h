// Shapes of an operation's outputs, from the shapes and the known values of its inputs.
#pragma once

#include <map>
#include <optional>
#include <vector>

#include "base/sym.h"
#include "graph/graph.h"

namespace crossload::graph {

/// Integer scalars whose value the caller knows as an expression, such as one element of a tensor's shape.
using KnownScalars = std::map<ValueRef, Sym>;

/// One entry an output; nothing where the operation is unknown or the shape depends on a value that is not known. The
/// node's own `outputs` are not read. Sizes are taken to be what the operation accepts: of two broadcast dimensions
/// that differ and are not known to be 1, the constant one wins, else the first; a constant slice is taken to lie
/// inside a symbolic dimension. Throws `kInternal` where constant sizes contradict each other.
std::vector<std::optional<SymDims>> infer_shapes(const Node& node, const Graph& graph, const KnownScalars& known = {});

/// The elements of an integer scalar or vector, where they follow from constants, known scalars and shapes.
std::optional<std::vector<Sym>> integer_values(ValueRef ref, const Graph& graph, const KnownScalars& known = {});

/// The shape of `a + b`. Throws `kInternal` when two constant dimensions differ and neither is 1.
SymDims broadcast(const SymDims& a, const SymDims& b);

}  // namespace crossload::graph
