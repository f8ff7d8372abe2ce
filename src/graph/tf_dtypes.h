// How TensorFlow numbers element types, in its files and in its C API.
#pragma once

#include <optional>

#include "base/dtype.h"

namespace crossload::graph {

/// TensorFlow's number of an element type (`DataType` in its files), and back; nothing for types that Tensor has not.
int tf_number_of(DType dtype);
std::optional<DType> dtype_from_tf_number(int number);

}  // namespace crossload::graph
