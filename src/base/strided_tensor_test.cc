#include "base/strided_tensor.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>
#include <span>

namespace crossload {
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

Tensor permuted(const Tensor& source, const std::vector<int>& perm) {
  return StridedTensor(source).permuted(perm).to_tensor();
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

TEST_CASE("parts are those of the whole, wherever they begin and end") {
  const Tensor source = counting(DType::kFloat32, {5, 33, 18});
  const StridedTensor view = StridedTensor(source).permuted(std::vector<int>{0, 2, 1});
  const Tensor whole = transposed(source, std::vector<int>{0, 2, 1});
  for (const int64_t first : {0, 1, 32, 33, 34, 600, 2969}) {
    for (const int64_t length : {0, 1, 31, 33, 66, 70, 1200}) {
      const int64_t last = std::min<int64_t>(first + length, 2970);
      std::vector<std::byte> part(static_cast<std::size_t>(last - first) * 4);
      view.read(first, last, part.data());
      CHECK(std::ranges::equal(part, whole.bytes().subspan(first * 4, part.size())));
    }
  }
}

TEST_CASE("axes that stay in order are no copy at all") {
  const Tensor source = counting(DType::kFloat32, {4, 1, 6});
  CHECK(permuted(source, {}).bytes().data() == source.bytes().data());
  CHECK(permuted(source, {0, 1, 2}).bytes().data() == source.bytes().data());
  CHECK(permuted(source, {1, 0, 2}).bytes().data() == source.bytes().data());  // only an axis of size 1 moves
  CHECK_FALSE(StridedTensor(source).permuted(std::vector<int>{2, 1, 0}).is_contiguous());
}

TEST_CASE("a part along an axis, before and after its axes change places") {
  const std::vector<int32_t> values = {1, 2, 3, 4, 5, 6};
  const StridedTensor whole(Tensor::of<int32_t>(DType::kInt32, {2, 3}, values));
  const auto is = [](const StridedTensor& t, const Dims& dims, const std::vector<int32_t>& expected) {
    const Tensor tensor = t.to_tensor();
    return tensor.dims() == dims && std::ranges::equal(tensor.bytes(), std::as_bytes(std::span(expected)));
  };
  CHECK(is(whole.sliced(0, 1, 2), {1, 3}, {4, 5, 6}));
  CHECK(whole.sliced(0, 1, 2).is_contiguous());
  CHECK(is(whole.sliced(1, 1, 3), {2, 2}, {2, 3, 5, 6}));
  CHECK(is(whole.sliced(1, 1, 3).permuted(std::vector<int>{1, 0}), {2, 2}, {2, 5, 3, 6}));
  CHECK(is(whole.permuted(std::vector<int>{1, 0}).sliced(0, 2, 3), {1, 2}, {3, 6}));
  CHECK(is(whole.sliced(1, 3, 3), {2, 0}, {}));
}

TEST_CASE("strides of every kind, within their bytes and not") {
  const std::vector<int16_t> values = {0, 1, 2, 3, 4, 5, 6, 7};
  const auto bytes = std::as_bytes(std::span(values));
  const auto elements = [&](Dims dims, Dims strides, int64_t offset) -> std::vector<int16_t> {
    const auto view = StridedTensor::within(bytes, nullptr, DType::kInt16, dims, strides, offset);
    if (!view) return {-1};
    const Tensor tensor = view->to_tensor();
    std::vector<int16_t> result;
    for (int64_t i = 0; i < tensor.count(); ++i) result.push_back(tensor.at<int16_t>(i));
    return result;
  };
  using Values = std::vector<int16_t>;
  CHECK(elements({2, 2}, {4, 1}, 1) == Values{1, 2, 5, 6});
  CHECK(elements({4}, {2}, 1) == Values{1, 3, 5, 7});
  CHECK(elements({3}, {0}, 5) == Values{5, 5, 5});                 // expanded
  CHECK(elements({2, 3}, {0, 2}, 0) == Values{0, 2, 4, 0, 2, 4});  // one axis of it
  CHECK(elements({3, 2}, {1, 1}, 0) == Values{0, 1, 1, 2, 2, 3});  // overlapping windows
  CHECK(elements({}, {}, 7) == Values{7});
  CHECK(elements({0, 9}, {1, 1}, 100) == Values{});
  CHECK(elements({1, 1}, {1000, 1000}, 7) == Values{7});
  CHECK(elements({}, {}, 8) == Values{-1});
  CHECK(elements({9}, {1}, 0) == Values{-1});
  CHECK(elements({2, 2}, {7, 1}, 0) == Values{-1});
  CHECK(elements({2}, {-1}, 1) == Values{-1});
  CHECK(elements({2}, {1}, -1) == Values{-1});
  CHECK(elements({-2}, {1}, 0) == Values{-1});
  CHECK(elements({2}, {INT64_MAX}, 1) == Values{-1});
  CHECK(elements({INT64_MAX, 4}, {0, 1}, 0) == Values{-1});
}

}  // namespace
}  // namespace crossload
