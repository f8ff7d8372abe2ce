// How expressions are written.
#pragma once

#include <string>
#include <vector>

#include "base/sym.h"

namespace crossload {

/// The text of an operation on operands, with parentheses where they are needed; REQUIRES: op is no leaf.
std::string text_of(Sym::Op op, const std::vector<Sym>& operands);
/// A number that does not read as an integer: `2.0`.
std::string text_of_real(double value);

}  // namespace crossload
