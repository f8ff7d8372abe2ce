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

/// The distance between two arrays over the visible positions.
struct Distance {
  double max = 0;
  double rms = 0;  // root of the mean square
};

/// Of |value - truth|. Where the truth is no finite float32 number (masks are filled with the
/// lowest number of their dtype, which differs by dtype), `fallback` stands for it.
/// REQUIRES: equal element counts.
Distance distance(const Tensor& value, const Tensor& truth, const Tensor& fallback, const Visibility& visible);

/// The largest difference in units in the last place of the larger of the two, for float16 and bfloat16.
/// REQUIRES: as for `compare`, and such a dtype.
double units_apart(const Tensor& pt, const Tensor& tf, const Visibility& visible);

/// What an output offers to compare: nothing visible, nothing finite, one value at every position, or more.
struct Content {
  enum class Kind { kEmpty, kNotFinite, kOneValue, kVaried } kind = Kind::kEmpty;
  double value = 0;   // of kOneValue
  int64_t count = 0;  // of visible numbers
};
Content content_of(const Tensor& tensor, const Visibility& visible);
/// Of the two together.
Content joined(const Content& a, const Content& b);

/// The largest magnitude in an array of noise over visible positions; 1e30 and more, which is no noise, is left out.
double largest_noise(const Tensor& noise, const Visibility& visible);

}  // namespace crossload::verify
