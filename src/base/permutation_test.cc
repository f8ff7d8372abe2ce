#include "base/permutation.h"

#include <doctest/doctest.h>

namespace crossload {
namespace {

using Perm = std::vector<int>;

TEST_CASE("NHWC from NCHW and back") {
  const Perm to_nhwc = {0, 2, 3, 1}, to_nchw = {0, 3, 1, 2};
  CHECK(inverse(to_nhwc) == to_nchw);
  CHECK(inverse(to_nchw) == to_nhwc);
  CHECK(inverse({}) == Perm{});
}

TEST_CASE("two transpositions as one") {
  // [a, b, c] → [b, c, a] → [a, b, c]; and once more → [c, a, b].
  CHECK(compose({1, 2, 0}, {2, 0, 1}) == Perm{0, 1, 2});
  CHECK(compose({1, 2, 0}, {1, 2, 0}) == Perm{2, 0, 1});
  CHECK(compose({1, 0, 2}, {0, 2, 1}) == Perm{1, 2, 0});  // [a, b, c] → [b, a, c] → [b, c, a]
}

TEST_CASE("the identity") {
  CHECK(is_identity({}));
  CHECK(is_identity({0, 1, 2}));
  CHECK_FALSE(is_identity({0, 2, 1}));
}

}  // namespace
}  // namespace crossload
