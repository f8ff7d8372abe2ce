// The difference of two arrays, over the positions that matter.
#pragma once

#include <cstdint>
#include <string>

#include "base/tensor.h"
#include "verify/visibility.h"

namespace crossload::verify {

struct Difference {
  double max = 0;      // over visible positions; infinite where NaN or infinity stand on one side only
  double padded = 0;   // over the others
  double mean = 0;     // over visible positions
  double cosine = 1;   // of the finite visible positions
  int64_t worst = -1;  // the visible position of `max`, row-major; -1 when all is equal
  std::string note;    // why `max` is infinite
};

/// Element by element in row-major order, absolute. Integers and booleans must be equal: one that differs makes the
/// error infinite. NaN equals NaN and infinity itself.
/// REQUIRES: equal dtype and element count; `visible` was made for this shape.
Difference compare(const Tensor& pt, const Tensor& tf, const Visibility& visible);

/// Max |value - truth| over visible positions. Where the truth is no finite float32 number (masks are filled with the
/// lowest number of their dtype, which differs by dtype), `fallback` stands for it.
/// REQUIRES: equal element counts.
double distance(const Tensor& value, const Tensor& truth, const Tensor& fallback, const Visibility& visible);

/// The largest magnitude in an array of noise over visible positions; 1e30 and more, which is no noise, is left out.
double largest_noise(const Tensor& noise, const Visibility& visible);

}  // namespace crossload::verify
