#include "verify/picture.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include "support/tensors.h"

namespace crossload::verify {
namespace {

Tensor changed(const Tensor& tensor, const std::map<int64_t, float>& at) {
  std::vector<float> values = elements<float>(tensor);
  for (const auto& [i, value] : at) values[static_cast<std::size_t>(i)] = value;
  return floats(tensor.dims(), values);
}

TEST_CASE("the axes shown are those along which the error is uneven") {
  const Tensor pt = counting_floats({2, 3, 4});
  std::map<int64_t, float> wrong;  // [*, 1, 2]
  wrong[6] = 6.5F;
  wrong[18] = 18.25F;
  const auto picture = picture_of(pt, changed(pt, wrong), {}, {"batch", "position", "channel"});
  REQUIRE(picture.has_value());
  CHECK(picture->axes == std::vector<int>{1, 2});
  CHECK(picture->cells == std::vector<int64_t>{3, 4});
  CHECK(picture->max_error == 0.5);
  CHECK(picture->worst == Dims{0, 1, 2});
  REQUIRE(picture->errors.size() == 12);
  for (std::size_t i = 0; i < 12; ++i) CHECK(picture->errors[i] == (i == 6 ? 0.5 : 0.0));
  CHECK(picture->axis_names == std::vector<std::string>{"batch", "position", "channel"});
  CHECK(std::ranges::find(picture->points, std::pair(6.0F, 6.5F)) != picture->points.end());
  CHECK(std::ranges::find(picture->points, std::pair(0.0F, 0.0F)) != picture->points.end());
}

TEST_CASE("hidden positions are neither points nor cells") {
  const Tensor pt = counting_floats({2, 2});
  const auto picture = picture_of(pt, changed(pt, {{3, 9}}), {{1, 1, 1, 0}, 1}, {});
  REQUIRE(picture.has_value());
  CHECK(picture->max_error == 0);
  CHECK(std::isnan(picture->errors[3]));
  CHECK(std::ranges::find(picture->points, std::pair(3.0F, 9.0F)) == picture->points.end());
  CHECK_FALSE(picture_of(pt, pt, {{0, 0, 0, 0}, 1}, {}).has_value());
}

TEST_CASE("a long axis is shown in parts, and a wide one has few points") {
  const Tensor pt = counting_floats({1, 1000});
  const auto picture = picture_of(pt, changed(pt, {{999, 0}}), {}, {});
  REQUIRE(picture.has_value());
  CHECK(picture->axes == std::vector<int>{1});
  CHECK(picture->cells == std::vector<int64_t>{48});
  CHECK(picture->errors.back() == 999);
  CHECK(picture->points.size() <= 500);
}

TEST_CASE("a single number has a picture, NaN on one side is infinite") {
  const auto picture = picture_of(floats(Dims{}, {1}), floats(Dims{}, {NAN}), {}, {});
  REQUIRE(picture.has_value());
  CHECK(std::isinf(picture->max_error));
  CHECK(picture->axes.empty());
  CHECK(picture->errors.size() == 1);
  CHECK(picture->points.empty());
}

TEST_CASE("names of axes come from their sizes") {
  const Sym b = Sym::symbol("b"), s = Sym::symbol("s");
  const SymDims text = {b, s};
  using Names = std::vector<std::string>;
  CHECK(axis_names({b, s, Sym(32)}, text, b) == Names{"batch", "position", "channel"});
  CHECK(axis_names({b, Sym(4), s, s}, text, b) == Names{"batch", "head", "position", "position"});
  CHECK(axis_names({b, Sym(4), s, Sym(8)}, text, b) == Names{"batch", "head", "position", "channel"});
  CHECK(axis_names({b, Sym(3), Sym(30), Sym(30)}, {}, b) == Names{"batch", "channel", "row", "column"});
  CHECK(axis_names({b, Sym(5)}, {}, b) == Names{"batch", "channel"});
  CHECK(axis_names({Sym(7)}, {}, b) == Names{"axis 0"});
}

}  // namespace
}  // namespace crossload::verify
