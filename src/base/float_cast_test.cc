#include "base/float_cast.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <vector>

namespace crossload {
namespace {

template <typename From, typename To>
std::vector<To> cast(DType from, const std::vector<From>& values, DType to) {
  std::vector<To> result(values.size());
  cast_floats(from, std::as_bytes(std::span(values)), to, reinterpret_cast<std::byte*>(result.data()));
  return result;
}

const float kInf = std::numeric_limits<float>::infinity();

// Bits as PyTorch 2.13 gives them for `torch.tensor(values).half().view(torch.int16)`.
TEST_CASE("float32 to float16") {
  const std::vector<float> values = {0.0f,     -0.0f,          1.0f,         -2.5f,        65504.0f, 65519.0f,
                                     65520.0f, 0x1p-14f,       0x1p-24f,     0x1p-25f,     0x3p-25f, kInf,
                                     -kInf,    1.00048828125f, 0x1.ff8p-15f, 1.0014648438f};
  const std::vector<uint16_t> expected = {0x0000, 0x8000, 0x3c00, 0xc100, 0x7bff, 0x7bff, 0x7c00, 0x0400,
                                          0x0001, 0x0000, 0x0002, 0x7c00, 0xfc00, 0x3c00, 0x03ff, 0x3c02};
  CHECK(cast<float, uint16_t>(DType::kFloat32, values, DType::kFloat16) == expected);
  const auto nan = cast<float, uint16_t>(DType::kFloat32, {NAN}, DType::kFloat16);
  CHECK((nan[0] & 0x7fff) > 0x7c00);
}

TEST_CASE("float32 to bfloat16: nearest, ties to even") {
  const std::vector<float> values = {1.0f, -3.140625f, 0x1.01p0f, 0x1.03p0f, 3.4e38f, kInf, 0x1p-133f};
  const std::vector<uint16_t> expected = {0x3f80, 0xc049, 0x3f80, 0x3f82, 0x7f80, 0x7f80, 0x0001};
  CHECK(cast<float, uint16_t>(DType::kFloat32, values, DType::kBFloat16) == expected);
}

TEST_CASE("every number of 16 bits comes back from float32 and float64") {
  std::vector<uint16_t> all;
  for (uint32_t bits = 0; bits < 0x10000; ++bits) all.push_back(static_cast<uint16_t>(bits));
  for (const DType narrow : {DType::kFloat16, DType::kBFloat16}) {
    const auto wide = cast<uint16_t, float>(narrow, all, DType::kFloat32);
    const auto back = cast<float, uint16_t>(DType::kFloat32, wide, narrow);
    const auto wider = cast<uint16_t, double>(narrow, all, DType::kFloat64);
    std::size_t wrong = 0;
    for (std::size_t i = 0; i < all.size(); ++i) {
      if (std::isnan(wide[i])) {
        wrong += !std::isnan(wider[i]);
      } else {
        wrong += back[i] != all[i] || wider[i] != static_cast<double>(wide[i]);
      }
    }
    CHECK(wrong == 0);
  }
  CHECK(cast<uint16_t, float>(DType::kFloat16, {0x0001, 0x03ff, 0x3555, 0xfbff}, DType::kFloat32) ==
        std::vector<float>{0x1p-24f, 0x1.ff8p-15f, 0.333251953125f, -65504.0f});
}

TEST_CASE("float64 goes through float32, and the other way is exact") {
  CHECK(cast<double, float>(DType::kFloat64, {0.1, 1e300}, DType::kFloat32) == std::vector<float>{0.1f, kInf});
  CHECK(cast<float, double>(DType::kFloat32, {0.1f}, DType::kFloat64)[0] == static_cast<double>(0.1f));
  CHECK(cast<double, double>(DType::kFloat64, {0.1}, DType::kFloat64)[0] == 0.1);
}

}  // namespace
}  // namespace crossload
