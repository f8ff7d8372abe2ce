// Position p, column k of the first half: sin(p · f(k)); of the second half cos(p · f(k)), where f(k) is
//   10000^(-2k / width) in the form of XLM, and as a plain list of frequencies,
//   10000^(-k / (width / 2 - 1)) in that of tensor2tensor, whose row of padding is zero, as is the last column of an
//   odd width.
#include "names/sines.h"

#include <cmath>

namespace crossload::names {

std::vector<float> sines(SinesForm form, int64_t rows, int64_t width, int64_t padding_row) {
  if (form == SinesForm::kFrequencies) {
    std::vector<float> frequencies;
    for (int64_t k = 0; 2 * k < width; ++k) {
      frequencies.push_back(
          static_cast<float>(std::pow(10000.0, -2.0 * static_cast<double>(k) / static_cast<double>(width))));
    }
    return frequencies;
  }
  const bool is_xlm = form == SinesForm::kXlm;
  const int64_t half = is_xlm ? (width + 1) / 2 : width / 2;
  std::vector<float> values(static_cast<std::size_t>(rows * width));
  for (int64_t p = 0; p < rows; ++p) {
    if (p == padding_row && !is_xlm) continue;
    float* row = values.data() + p * width;
    for (int64_t k = 0; k < half; ++k) {
      const double exponent = is_xlm ? 2.0 * static_cast<double>(k) / static_cast<double>(width)
                                     : static_cast<double>(k) / static_cast<double>(half > 1 ? half - 1 : 1);
      const double angle = static_cast<double>(p) * std::pow(10000.0, -exponent);
      row[k] = static_cast<float>(std::sin(angle));
      if (half + k < width) row[half + k] = static_cast<float>(std::cos(angle));
    }
  }
  return values;
}

}  // namespace crossload::names
