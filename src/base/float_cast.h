// Floating-point numbers from one width to another.
#pragma once

#include <cstddef>
#include <span>

#include "base/dtype.h"

namespace crossload {

/// Whether `cast_floats` knows the type: float16, bfloat16, float32 and float64.
bool can_cast(DType dtype);

/// Writes the numbers of `bytes` as `to`, rounded to nearest even as PyTorch rounds (through float32 unless both are
/// float64); what is too large becomes infinite, NaN stays NaN. REQUIRES: `can_cast` both; `out` has room for as many.
void cast_floats(DType from, std::span<const std::byte> bytes, DType to, std::byte* out);

}  // namespace crossload
