// Expected figures are worked out by hand from the numbers in each case.
#include "verify/compare.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "base/float_cast.h"
#include "support/tensors.h"

namespace crossload::verify {
namespace {

constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();
constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr double kInfinite = std::numeric_limits<double>::infinity();

TEST_CASE("compare: largest, mean, position and direction of the difference") {
  const Difference d = compare(floats({1, 2, 3, 4}), floats({1, 2.5f, 3, 3.75f}), {});
  CHECK(d.max == 0.5);
  CHECK(d.worst == 1);
  CHECK(d.mean == 0.1875);  // (0.5 + 0.25) / 4
  CHECK(d.cosine == doctest::Approx(30.0 / std::sqrt(30.0 * (1 + 6.25 + 9 + 14.0625))).epsilon(0.02));
  CHECK(d.padded == 0);
  CHECK(d.note.empty());
}

TEST_CASE("units in the last place") {
  const auto halves = [](const std::vector<float>& values, DType dtype) {
    const Tensor wide = floats(values);
    std::vector<std::byte> bytes(values.size() * 2);
    cast_floats(DType::kFloat32, wide.bytes(), dtype, bytes.data());
    return Tensor::copy_of(dtype, wide.dims(), bytes);
  };
  const auto apart = [&](float a, float b, DType dtype) {
    return units_apart(halves({a}, dtype), halves({b}, dtype), {});
  };
  CHECK(apart(0.5f, 0.5f + 0x1p-11f, DType::kFloat16) == 1);
  CHECK(apart(1.0f, 1.0f - 0x1p-11f, DType::kFloat16) == 0.5);  // the spacing below 1 is half of that above
  CHECK(apart(-0.75f, -0.75f + 3 * 0x1p-11f, DType::kFloat16) == 3);
  CHECK(apart(0, 0x1p-24f, DType::kFloat16) == 1);
  CHECK(apart(1, 1 + 0x1p-7f, DType::kBFloat16) == 1);
  CHECK(apart(1, kInf, DType::kFloat16) == kInfinite);
  CHECK(units_apart(halves({1, 2}, DType::kFloat16), halves({1, 4}, DType::kFloat16), {{1, 0}, 1}) == 0);
}

TEST_CASE("root of the mean square of a distance") {
  const Distance d = distance(floats({1, 2, 3, 100}), doubles({1, 2.5, 3, 4}), floats({0, 0, 0, 0}), {{1, 1, 1, 0}, 1});
  CHECK(d.max == 0.5);
  CHECK(d.rms == std::sqrt(0.25 / 3));
}

TEST_CASE("what there is to compare") {
  using Kind = Content::Kind;
  CHECK(content_of(floats({3, 3, 3, 3}), {}).kind == Kind::kOneValue);
  CHECK(content_of(floats({3, 3, 3, 4}), {}).kind == Kind::kVaried);
  CHECK(content_of(floats({3, 3, 3, 4}), {{1, 1, 1, 0}, 1}).kind == Kind::kOneValue);
  CHECK(content_of(floats({kNaN, kInf}), {}).kind == Kind::kNotFinite);
  CHECK(content_of(floats({kNaN, 1}), {}).kind == Kind::kVaried);
  CHECK(content_of(floats({}), {}).kind == Kind::kEmpty);
  CHECK(content_of(floats({1}), {{0}, 1}).kind == Kind::kEmpty);
}

TEST_CASE("compare: nothing differs") {
  const Difference d = compare(floats({0, 0}), floats({0, -0.0f}), {});
  CHECK(d.max == 0);
  CHECK(d.worst == -1);
  CHECK(d.cosine == 1);
  CHECK(compare(floats({}), floats({}), {}).max == 0);
}

TEST_CASE("compare: hidden positions are told apart") {
  const Visibility visible{{1, 0, 1}, 2};
  const Difference d = compare(floats({1, 1, 1, 1, 1, 1}), floats({1, 1, 9, 2, 1, 1.5f}), visible);
  CHECK(d.max == 0.5);
  CHECK(d.worst == 5);
  CHECK(d.padded == 8);
  CHECK(d.mean == 0.125);  // of the four visible
}

TEST_CASE("compare: NaN and infinity must stand at the same positions") {
  CHECK(compare(floats({kNaN, kInf, -kInf, 1}), floats({kNaN, kInf, -kInf, 1.5f}), {}).max == 0.5);
  for (const auto& [pt, tf] : {std::pair{kNaN, 1.0f}, {1.0f, kNaN}, {kInf, -kInf}, {kInf, 1.0f}, {kNaN, kInf}}) {
    const Difference d = compare(floats({1, pt}), floats({1, tf}), {});
    CHECK(d.max == kInfinite);
    CHECK(d.worst == 1);
    CHECK(d.note == "NaN or infinity at 1 positions on one side only");
  }
  // At hidden positions it is the padded error.
  const Difference hidden = compare(floats({1, kNaN}), floats({1, 1}), {{1, 0}, 1});
  CHECK(hidden.max == 0);
  CHECK(hidden.padded == kInfinite);
}

TEST_CASE("compare: integers and booleans must be equal") {
  const auto ints = [](std::vector<int64_t> v) {
    return Tensor::of<int64_t>(DType::kInt64, {static_cast<int64_t>(v.size())}, std::span<const int64_t>(v));
  };
  CHECK(compare(ints({1, 2, 3}), ints({1, 2, 3}), {}).max == 0);
  const Difference d = compare(ints({1, 2, 3, 1}), ints({1, 5, 4, 1}), {});
  CHECK(d.max == kInfinite);
  CHECK(d.worst == 1);
  CHECK(d.note == "2 of 4 values differ");
  CHECK(compare(ints({1, 2}), ints({1, 7}), {{1, 0}, 1}).max == 0);
  const std::vector<uint8_t> yes = {1, 1}, no = {1, 0};
  CHECK(compare(Tensor::of<uint8_t>(DType::kBool, {2}, std::span<const uint8_t>(yes)),
                Tensor::of<uint8_t>(DType::kBool, {2}, std::span<const uint8_t>(no)), {})
            .max == kInfinite);
}

TEST_CASE("compare: half precision and complex numbers") {
  const std::vector<uint16_t> one_and_two = {0x3c00, 0x4000}, one_and_three = {0x3c00, 0x4200};
  CHECK(compare(Tensor::of<uint16_t>(DType::kFloat16, {2}, std::span<const uint16_t>(one_and_two)),
                Tensor::of<uint16_t>(DType::kFloat16, {2}, std::span<const uint16_t>(one_and_three)), {})
            .max == 1);
  const std::vector<float> a = {1, 2, 3, 4}, b = {1, 2, 3, 4.5f};
  const Difference d = compare(Tensor::of<float>(DType::kComplex64, {2}, std::span<const float>(a)),
                               Tensor::of<float>(DType::kComplex64, {2}, std::span<const float>(b)), {});
  CHECK(d.max == 0.5);
  CHECK(d.worst == 1);
}

TEST_CASE("compare: more than one block") {
  std::vector<float> a(5000, 1), b(5000, 1);
  b[4321] = 1.25f;
  const Difference d = compare(floats(a), floats(b), {});
  CHECK(d.max == 0.25);
  CHECK(d.worst == 4321);
}

TEST_CASE("distance: from the truth, where the truth is a float32 number") {
  const Tensor run = floats({1, 2, -3.4e38f, kInf});
  CHECK(distance(run, doubles({1, 2.25, -1.7e308, kInfinite}), run, {}).max == 0.25);
  // A mask value that is not PyTorch's own counts.
  CHECK(distance(floats({-3e38f}), doubles({-1.7e308}), floats({-3.4e38f}), {}).max == doctest::Approx(4e37));
  CHECK(distance(floats({1, 9}), doubles({1, 2}), floats({1, 2}), {{1, 0}, 1}).max == 0);
  CHECK(distance(floats({kNaN}), doubles({1}), floats({1}), {}).max == kInfinite);
}

TEST_CASE("largest noise: only what can be noise") {
  CHECK(largest_noise(floats({1e-6f, -3e-6f, kInf, 3e38f, kNaN}), {}) == static_cast<double>(3e-6f));
  CHECK(largest_noise(floats({1e-6f, 3e-6f}), {{1, 0}, 1}) == static_cast<double>(1e-6f));
}

}  // namespace
}  // namespace crossload::verify
