// Elements are widened to double a block at a time, so that one loop serves all dtypes; complex numbers are pairs.
#include "verify/compare.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

namespace crossload::verify {
namespace {

constexpr int64_t kBlock = 1024;
constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kLargestFloat = std::numeric_limits<float>::max() / 2;
constexpr double kNoNoise = 1e30;

using Buffer = std::array<double, kBlock>;

/// A tensor's numbers: its elements, or the two parts of each.
class Numbers {
 public:
  explicit Numbers(const Tensor& tensor)
      : tensor_(tensor),
        dtype_(tensor.dtype() == DType::kComplex64    ? DType::kFloat32
               : tensor.dtype() == DType::kComplex128 ? DType::kFloat64
                                                      : tensor.dtype()) {}

  static int64_t per_element(DType dtype) { return is_complex(dtype) ? 2 : 1; }

  void read(int64_t begin, int64_t count, Buffer& out) const {
    if (dtype_ == DType::kFloat32) return read_as<float>(begin, count, out);
    if (dtype_ == DType::kFloat64) return read_as<double>(begin, count, out);
    for (int64_t i = 0; i < count; ++i) out[static_cast<std::size_t>(i)] = element_as_double(tensor_, begin + i);
  }

 private:
  template <typename T>
  void read_as(int64_t begin, int64_t count, Buffer& out) const {
    const std::byte* from = tensor_.bytes().data() + static_cast<std::size_t>(begin) * sizeof(T);
    for (int64_t i = 0; i < count; ++i) {
      T value;
      std::memcpy(&value, from + static_cast<std::size_t>(i) * sizeof(T), sizeof(T));
      out[static_cast<std::size_t>(i)] = static_cast<double>(value);
    }
  }

  const Tensor& tensor_;
  DType dtype_;
};

/// Calls f(begin, count, is_visible) for runs of at most kBlock numbers that are all visible or all hidden.
template <typename F>
void for_each_run(int64_t numbers, int64_t per_element, const Visibility& visible, F f) {
  const auto split = [&](int64_t begin, int64_t end, bool is_visible) {
    for (; begin < end; begin += kBlock) f(begin, std::min(kBlock, end - begin), is_visible);
  };
  if (visible.rows.empty()) return split(0, numbers, true);
  const int64_t row_size = visible.inner * per_element;
  const auto row_count = static_cast<int64_t>(visible.rows.size());
  for (int64_t begin = 0; begin < row_count;) {
    int64_t end = begin + 1;
    while (end < row_count && visible.rows[end] == visible.rows[begin]) ++end;
    split(begin * row_size, end * row_size, visible.rows[begin] != 0);
    begin = end;
  }
}

bool same(double a, double b) { return a == b || (std::isnan(a) && std::isnan(b)); }

/// Sums and maxima over numbers of a floating dtype.
class Sums {
 public:
  void add(const Buffer& a, const Buffer& b, int64_t count, int64_t begin) {
    double largest = 0, sum = 0, dot = 0, aa = 0, bb = 0;
    bool is_finite = true;
    for (int64_t k = 0; k < count; ++k) {
      const auto i = static_cast<std::size_t>(k);
      const double difference = std::fabs(a[i] - b[i]);
      largest = difference > largest ? difference : largest;
      is_finite = is_finite && difference < kInfinity;
      sum += difference;
      dot += a[i] * b[i];
      aa += a[i] * a[i];
      bb += b[i] * b[i];
    }
    if (!is_finite) return add_with_infinities(a, b, count, begin);
    count_ += count;
    sum_ += sum;
    dot_ += dot, aa_ += aa, bb_ += bb;
    if (largest > max) {
      max = largest;
      worst = begin;
      while (std::fabs(a[static_cast<std::size_t>(worst - begin)] - b[static_cast<std::size_t>(worst - begin)]) !=
             largest) {
        ++worst;
      }
    }
  }

  double mean() const { return unequal ? kInfinity : count_ == 0 ? 0 : sum_ / static_cast<double>(count_); }
  double cosine() const {
    if (aa_ == 0 && bb_ == 0) return 1;
    if (aa_ == 0 || bb_ == 0) return 0;
    return std::clamp(dot_ / std::sqrt(aa_) / std::sqrt(bb_), -1.0, 1.0);
  }

  double max = 0;
  int64_t worst = -1;
  int64_t unequal = 0;  // NaN or infinity on one side only, or of the other sign

 private:
  void add_with_infinities(const Buffer& a, const Buffer& b, int64_t count, int64_t begin) {
    for (int64_t k = 0; k < count; ++k) {
      const auto i = static_cast<std::size_t>(k);
      ++count_;
      if (std::isfinite(a[i]) && std::isfinite(b[i])) {
        const double difference = std::fabs(a[i] - b[i]);
        sum_ += difference;
        dot_ += a[i] * b[i], aa_ += a[i] * a[i], bb_ += b[i] * b[i];
        if (difference > max) max = difference, worst = begin + k;
      } else if (!same(a[i], b[i])) {
        if (unequal++ == 0) max = kInfinity, worst = begin + k;
      }
    }
  }

  int64_t count_ = 0;
  double sum_ = 0, dot_ = 0, aa_ = 0, bb_ = 0;
};

Difference compare_exactly(const Tensor& pt, const Tensor& tf, const Visibility& visible) {
  Difference result;
  int64_t visible_count = 0, unequal = 0;
  for_each_run(pt.count(), 1, visible, [&](int64_t begin, int64_t count, bool is_visible) {
    if (is_visible) visible_count += count;
    const std::size_t size = size_of(pt.dtype());
    const auto from = static_cast<std::size_t>(begin) * size, bytes = static_cast<std::size_t>(count) * size;
    if (std::memcmp(pt.bytes().data() + from, tf.bytes().data() + from, bytes) == 0) return;
    for (int64_t i = begin; i < begin + count; ++i) {
      if (element_as_int(pt, i) == element_as_int(tf, i)) continue;
      if (!is_visible) {
        result.padded = kInfinity;
      } else if (unequal++ == 0) {
        result.worst = i;
      }
    }
  });
  if (unequal > 0) {
    result.max = result.mean = kInfinity;
    result.cosine = 0;
    result.note = fmt::format("{} of {} values differ", unequal, visible_count);
  }
  return result;
}

}  // namespace

Difference compare(const Tensor& pt, const Tensor& tf, const Visibility& visible) {
  if (!is_floating(pt.dtype()) && !is_complex(pt.dtype())) return compare_exactly(pt, tf, visible);
  const Numbers pt_numbers(pt), tf_numbers(tf);
  const int64_t per_element = Numbers::per_element(pt.dtype());
  Sums shown, hidden;
  Buffer a, b;
  for_each_run(pt.count() * per_element, per_element, visible, [&](int64_t begin, int64_t count, bool is_visible) {
    pt_numbers.read(begin, count, a);
    tf_numbers.read(begin, count, b);
    (is_visible ? shown : hidden).add(a, b, count, begin);
  });
  Difference result;
  result.max = shown.max;
  result.padded = hidden.max;
  result.mean = shown.mean();
  result.cosine = shown.cosine();
  result.worst = shown.worst < 0 ? -1 : shown.worst / per_element;
  if (shown.unequal > 0) result.note = fmt::format("NaN or infinity at {} positions on one side only", shown.unequal);
  return result;
}

Distance distance(const Tensor& value, const Tensor& truth, const Tensor& fallback, const Visibility& visible) {
  const int64_t per_element = Numbers::per_element(value.dtype());
  const Numbers values(value), truths(truth), fallbacks(fallback);
  Distance result;
  double squares = 0;
  int64_t visible_count = 0;
  Buffer v, t, f;
  for_each_run(value.count() * per_element, per_element, visible, [&](int64_t begin, int64_t count, bool is_visible) {
    if (!is_visible) return;
    visible_count += count;
    values.read(begin, count, v);
    truths.read(begin, count, t);
    fallbacks.read(begin, count, f);
    for (int64_t k = 0; k < count; ++k) {
      const auto i = static_cast<std::size_t>(k);
      const double expected = std::fabs(t[i]) < kLargestFloat ? t[i] : f[i];
      if (same(v[i], expected)) continue;
      const double difference = std::fabs(v[i] - expected);
      result.max = difference <= result.max ? result.max : std::isnan(difference) ? kInfinity : difference;
      squares += difference * difference;
    }
  });
  if (visible_count > 0)
    result.rms = std::isfinite(result.max) ? std::sqrt(squares / static_cast<double>(visible_count)) : result.max;
  return result;
}

double units_apart(const Tensor& pt, const Tensor& tf, const Visibility& visible) {
  // Digits behind the leading one, and the exponent of the smallest normal number.
  const int digits = pt.dtype() == DType::kBFloat16 ? 7 : 10, lowest = pt.dtype() == DType::kBFloat16 ? -126 : -14;
  const Numbers pt_numbers(pt), tf_numbers(tf);
  double result = 0;
  Buffer a, b;
  for_each_run(pt.count(), 1, visible, [&](int64_t begin, int64_t count, bool is_visible) {
    if (!is_visible) return;
    pt_numbers.read(begin, count, a);
    tf_numbers.read(begin, count, b);
    for (int64_t k = 0; k < count; ++k) {
      const auto i = static_cast<std::size_t>(k);
      if (same(a[i], b[i])) continue;
      const double difference = std::fabs(a[i] - b[i]), larger = std::max(std::fabs(a[i]), std::fabs(b[i]));
      if (!(difference < kInfinity)) {
        result = kInfinity;
        continue;
      }
      result = std::max(result, std::ldexp(difference, digits - std::max(std::ilogb(larger), lowest)));
    }
  });
  return result;
}

Content content_of(const Tensor& tensor, const Visibility& visible) {
  const int64_t per_element = Numbers::per_element(tensor.dtype());
  const Numbers numbers(tensor);
  Content result;
  Buffer values;
  for_each_run(tensor.count() * per_element, per_element, visible, [&](int64_t begin, int64_t count, bool is_visible) {
    if (!is_visible || result.kind == Content::Kind::kVaried) return;
    numbers.read(begin, count, values);
    for (int64_t k = 0; k < count; ++k) {
      const double value = values[static_cast<std::size_t>(k)];
      const auto kind = std::isfinite(value) ? Content::Kind::kOneValue : Content::Kind::kNotFinite;
      result = joined(result, {kind, value, 1});
    }
  });
  return result;
}

Content joined(const Content& a, const Content& b) {
  using Kind = Content::Kind;
  if (a.count == 0 || b.count == 0) return a.count == 0 ? b : a;
  Content result = a.kind > b.kind ? a : b;
  result.count = a.count + b.count;
  const bool are_both = a.kind == Kind::kOneValue && b.kind == Kind::kOneValue;
  // Where some values are numbers and others NaN there is something to compare.
  if (a.kind != b.kind || (are_both && a.value != b.value)) result.kind = Kind::kVaried;
  return result;
}

double largest_noise(const Tensor& noise, const Visibility& visible) {
  const Numbers numbers(noise);
  double result = 0;
  Buffer values;
  for_each_run(noise.count(), 1, visible, [&](int64_t begin, int64_t count, bool is_visible) {
    if (!is_visible) return;
    numbers.read(begin, count, values);
    for (int64_t k = 0; k < count; ++k) {
      const double value = std::fabs(values[static_cast<std::size_t>(k)]);
      if (value > result && value < kNoNoise) result = value;
    }
  });
  return result;
}

}  // namespace crossload::verify
