// Orders of axes: axis i of the result is axis perm[i] of the source.
#pragma once

#include <vector>

namespace crossload {

/// Undoes `perm`. REQUIRES: `perm` holds each of 0..n-1 once.
std::vector<int> inverse(const std::vector<int>& perm);
/// `first`, then `second`: one permutation that does both.
std::vector<int> compose(const std::vector<int>& first, const std::vector<int>& second);
bool is_identity(const std::vector<int>& perm);

}  // namespace crossload
