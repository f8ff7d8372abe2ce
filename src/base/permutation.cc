#include "base/permutation.h"

#include <cstddef>

namespace crossload {

std::vector<int> inverse(const std::vector<int>& perm) {
  std::vector<int> result(perm.size());
  for (std::size_t i = 0; i < perm.size(); ++i) result[static_cast<std::size_t>(perm[i])] = static_cast<int>(i);
  return result;
}

std::vector<int> compose(const std::vector<int>& first, const std::vector<int>& second) {
  std::vector<int> result;
  for (const int axis : second) result.push_back(first[static_cast<std::size_t>(axis)]);
  return result;
}

bool is_identity(const std::vector<int>& perm) {
  for (std::size_t i = 0; i < perm.size(); ++i) {
    if (perm[i] != static_cast<int>(i)) return false;
  }
  return true;
}

}  // namespace crossload
