// The tree as Python source, in the layout that `ruff format` gives it with lines of 119 columns.
#pragma once

#include <string>

#include "port/node.h"

namespace crossload::port {

/// A `Module` as a file. The same tree always gives the same bytes.
std::string print_module(const Node& module);

/// An expression on one line.
std::string print_expression(const Node& node);

}  // namespace crossload::port
