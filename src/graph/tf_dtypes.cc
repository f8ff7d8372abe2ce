#include "graph/tf_dtypes.h"

#include <algorithm>
#include <iterator>

namespace crossload::graph {
namespace {

// In the order of DType's enumeration, from tensorflow/core/framework/types.proto.
constexpr int kTfNumbers[kDTypeCount] = {10, 4, 6, 5, 3, 9, 17, 22, 23, 19, 14, 1, 2, 8, 18, 25, 24};

}  // namespace

int tf_number_of(DType dtype) { return kTfNumbers[static_cast<int>(dtype)]; }

std::optional<DType> dtype_from_tf_number(int number) {
  const auto* found = std::find(std::begin(kTfNumbers), std::end(kTfNumbers), number);
  if (found == std::end(kTfNumbers)) return std::nullopt;
  return static_cast<DType>(found - std::begin(kTfNumbers));
}

}  // namespace crossload::graph
