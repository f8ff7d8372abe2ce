// Writes through views: PyTorch lets a program write into a slice of a tensor; TensorFlow's values never change.
#pragma once

#include <string_view>
#include <vector>

#include "lower/op_table.h"

namespace crossload::lower {

/// The base with the elements that result `index` of the view call `call` shows replaced by `value`. `call` is the node
/// that made the view, over the base as it is now. Throws Unsupported for a kind of view that has no inverse here.
Expr write_back(Call& call, std::size_t index, Expr base, Expr value);

/// The targets of the calls that `write_back` takes.
std::vector<std::string_view> views_with_way_back();

}  // namespace crossload::lower
