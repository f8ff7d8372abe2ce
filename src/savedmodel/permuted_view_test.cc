#include "savedmodel/permuted_view.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>

namespace crossload::savedmodel {
namespace {

Tensor counting(DType dtype, Dims dims) {
  const auto size = static_cast<std::size_t>(element_count(dims)) * size_of(dtype);
  std::vector<std::byte> bytes(size);
  uint32_t seed = 7;
  for (auto& b : bytes) {
    seed = seed * 1664525u + 1013904223u;
    b = static_cast<std::byte>(seed >> 24);
  }
  return Tensor::copy_of(dtype, std::move(dims), bytes);
}

bool same(const Tensor& a, const Tensor& b) {
  return a.dtype() == b.dtype() && a.dims() == b.dims() && std::ranges::equal(a.bytes(), b.bytes());
}

TEST_CASE("a matrix is transposed") {
  const std::vector<int32_t> values = {1, 2, 3, 4, 5, 6};
  const Tensor t = permuted(Tensor::of<int32_t>(DType::kInt32, {2, 3}, values), {1, 0});
  CHECK(t.dims() == Dims{3, 2});
  const std::vector<int32_t> expected = {1, 4, 2, 5, 3, 6};
  CHECK(std::memcmp(t.bytes().data(), expected.data(), 24) == 0);
}

TEST_CASE("every permutation and width agrees with the plain loop") {
  struct Case {
    Dims dims;
    std::vector<int> perm;
  };
  const std::vector<Case> cases = {
      {{37, 70}, {1, 0}},
      {{64, 64}, {1, 0}},
      {{1, 5}, {1, 0}},
      {{5, 33, 18}, {0, 2, 1}},
      {{5, 33, 18}, {2, 0, 1}},
      {{5, 33, 18}, {1, 0, 2}},
      {{5, 33, 18}, {2, 1, 0}},
      {{17, 19, 3, 3}, {2, 3, 1, 0}},
      {{17, 19, 3, 3}, {0, 2, 3, 1}},
      {{17, 1, 3, 20}, {3, 1, 0, 2}},
      {{4, 3, 2, 5, 6}, {4, 2, 0, 3, 1}},
      {{0, 4}, {1, 0}},
      {{3, 4}, {0, 1}},
  };
  for (const DType dtype : {DType::kUInt8, DType::kBFloat16, DType::kFloat32, DType::kInt64, DType::kComplex128}) {
    for (const Case& c : cases) {
      CAPTURE(to_string(c.dims));
      const Tensor source = counting(dtype, c.dims);
      CHECK(same(permuted(source, c.perm), transposed(source, c.perm)));
    }
  }
}

TEST_CASE("parts of rows and columns are those of the whole") {
  const Tensor source = counting(DType::kFloat32, {5, 33, 18});
  const PermutedView view(source, {0, 2, 1});
  REQUIRE(view.rows() == 90);
  REQUIRE(view.columns() == 33);
  const Tensor whole = permuted(source, {0, 2, 1});
  std::vector<std::byte> part(50 * 7 * 4);
  view.read(11, 61, 4, 11, part.data());  // crosses three of the five matrices
  for (int64_t j = 0; j < 50; ++j) {
    for (int64_t i = 0; i < 7; ++i) {
      uint32_t value;
      std::memcpy(&value, part.data() + (j * 7 + i) * 4, 4);
      CHECK(value == whole.at<uint32_t>((11 + j) * 33 + 4 + i));
    }
  }
}

TEST_CASE("axes that stay in order are no copy at all") {
  const Tensor source = counting(DType::kFloat32, {4, 1, 6});
  CHECK(PermutedView(source, {}).is_copy());
  CHECK(PermutedView(source, {0, 1, 2}).is_copy());
  CHECK(PermutedView(source, {1, 0, 2}).is_copy());  // only an axis of size 1 moves
  CHECK(permuted(source, {1, 0, 2}).bytes().data() == source.bytes().data());
  CHECK_FALSE(PermutedView(source, {2, 1, 0}).is_copy());
}

}  // namespace
}  // namespace crossload::savedmodel
