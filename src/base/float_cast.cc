#include "base/float_cast.h"

#include <cstring>

#include "base/error.h"
#include "base/half.h"

namespace crossload {
namespace {

float from_float(float value) { return value; }
float from_double(double value) { return static_cast<float>(value); }
double to_double(float value) { return value; }

template <typename From, float (*Widen)(From), typename To, To (*Narrow)(float)>
void convert(std::span<const std::byte> bytes, std::byte* out) {
  const std::size_t count = bytes.size() / sizeof(From);
  for (std::size_t i = 0; i < count; ++i) {
    From from;
    std::memcpy(&from, bytes.data() + i * sizeof(From), sizeof(From));
    const To to = Narrow(Widen(from));
    std::memcpy(out + i * sizeof(To), &to, sizeof(To));
  }
}

template <typename From, float (*Widen)(From)>
void convert_from(std::span<const std::byte> bytes, DType to, std::byte* out) {
  switch (to) {
    case DType::kFloat16: return convert<From, Widen, uint16_t, narrow_half>(bytes, out);
    case DType::kBFloat16: return convert<From, Widen, uint16_t, narrow_bfloat>(bytes, out);
    case DType::kFloat32: return convert<From, Widen, float, from_float>(bytes, out);
    default: return convert<From, Widen, double, to_double>(bytes, out);
  }
}

}  // namespace

bool can_cast(DType dtype) {
  return dtype == DType::kFloat16 || dtype == DType::kBFloat16 || dtype == DType::kFloat32 || dtype == DType::kFloat64;
}

void cast_floats(DType from, std::span<const std::byte> bytes, DType to, std::byte* out) {
  if (!can_cast(from) || !can_cast(to)) internal_error("cast: {} to {} is not known", name_of(from), name_of(to));
  if (from == to) {
    std::memcpy(out, bytes.data(), bytes.size());
    return;
  }
  switch (from) {
    case DType::kFloat16: return convert_from<uint16_t, widen_half>(bytes, to, out);
    case DType::kBFloat16: return convert_from<uint16_t, widen_bfloat>(bytes, to, out);
    case DType::kFloat32: return convert_from<float, from_float>(bytes, to, out);
    default: return convert_from<double, from_double>(bytes, to, out);
  }
}

}  // namespace crossload
