#include "base/json_number.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

namespace crossload {
namespace {

TEST_CASE("numbers that JSON has not") {
  const double infinity = std::numeric_limits<double>::infinity();
  CHECK(nlohmann::json{json_number(infinity), json_number(-infinity), json_number(NAN), json_number(0.5)}.dump() ==
        R"(["inf","-inf",null,0.5])");
  CHECK(number_in("inf") == infinity);
  CHECK(number_in("-inf") == -infinity);
  CHECK(std::isnan(number_in(nullptr)));
  CHECK(number_in(3) == 3.0);
  CHECK_THROWS_AS(number_in("infinite"), nlohmann::json::exception);
}

}  // namespace
}  // namespace crossload
