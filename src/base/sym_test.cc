#include "base/sym.h"

#include <doctest/doctest.h>

#include <map>

#include "support/errors.h"

namespace crossload {
namespace {

Sym parse(std::string_view text) { return Sym::parse_srepr(text); }

int64_t value(const Sym& s, const std::map<std::string, int64_t>& values = {}) {
  return s.evaluate([&](const std::string& name) -> std::optional<int64_t> {
    const auto found = values.find(name);
    return found == values.end() ? std::nullopt : std::optional(found->second);
  });
}

std::string error_of(std::string_view text) {
  return message_of(ErrorKind::kBadInput, [&] { parse(text); });
}

const Sym s = Sym::symbol("s");
const Sym t = Sym::symbol("t");

TEST_CASE("sums fold constants and combine like terms in one order") {
  CHECK((s + 2 + 3).text() == "s + 5");
  CHECK((Sym(2) * s + s).text() == "3*s");
  CHECK((t + s) == (s + t));
  CHECK((s - s).as_constant() == 0);
  CHECK((s - t - 1).text() == "s - t - 1");
  CHECK((Sym(-1) * s + 1).text() == "-s + 1");
  CHECK((Sym(2) * (s + t + 1) - Sym(2) * t - 2).text() == "2*s");
  CHECK((s * t - t * s).as_constant() == 0);
}

TEST_CASE("products order their factors and pull constants out of sums") {
  CHECK((t * s * 4).text() == "4*s*t");
  CHECK((s * 0).as_constant() == 0);
  CHECK((s * (t + 1)).text() == "s*(t + 1)");
  CHECK((s * (Sym(2) * t + 2)) == (Sym(2) * s * (t + 1)));
  CHECK(Sym::make(Sym::Op::kPow, {s, 2}) == s * s);
  CHECK(product({s, 12, t, 32}).text() == "384*s*t");
  CHECK(product({}).as_constant() == 1);
}

TEST_CASE("floor division folds what is exact for every integer") {
  CHECK(floor_div(s, 1) == s);
  CHECK(floor_div(7, 2).as_constant() == 3);
  CHECK(floor_div(-7, 2).as_constant() == -4);
  CHECK(floor_div(7, -2).as_constant() == -4);
  CHECK(floor_div(Sym(6) * s, 3).text() == "2*s");
  CHECK(floor_div(Sym(2) * s + 3, 2).text() == "s + 1");
  CHECK(floor_div(Sym(2) * s, 4).text() == "s//2");
  CHECK(floor_div(floor_div(s, 2), 3).text() == "s//6");
  CHECK(floor_div(s * t, t) == s);
  CHECK(floor_div(Sym(2) * s * (t + 1), Sym(2) * t + 2) == s);
  CHECK(floor_div(s * t + t, t) == s + 1);
  CHECK(floor_div(s, t).text() == "s//t");
  CHECK(floor_div(s - 8, 3).text() == "(s + 1)//3 - 3");
  CHECK(Sym::make(Sym::Op::kMod, {Sym(4) * s + t + 7, 4}).text() == "(t + 3)%4");
  CHECK(Sym::make(Sym::Op::kMod, {Sym(4) * s, 4}).as_constant() == 0);
  CHECK(Sym::make(Sym::Op::kMod, {-7, 3}).as_constant() == 2);
  CHECK_THROWS_AS(floor_div(s, 0), Error);
}

TEST_CASE("folding never changes a value") {
  for (int64_t x = -9; x <= 9; ++x) {
    for (const int64_t divisor : {-6, -3, -1, 1, 2, 3, 4, 6}) {
      for (int64_t scale = -6; scale <= 6; ++scale) {
        for (int64_t shift = -7; shift <= 7; ++shift) {
          const int64_t a = scale * x + shift;
          const int64_t floor = (a - (((a % divisor) + divisor) % divisor)) / divisor;
          const Sym expression = Sym(scale) * s + shift;
          REQUIRE(value(floor_div(expression, divisor), {{"s", x}}) == floor);
          REQUIRE(value(Sym::make(Sym::Op::kMod, {expression, divisor}), {{"s", x}}) == a - floor * divisor);
        }
      }
    }
  }
}

TEST_CASE("extremes, relations and logic fold when the operands decide") {
  CHECK(max(s, s) == s);
  CHECK(max(s, s + 1) == s + 1);
  CHECK(min(s, s + 1) == s);
  CHECK(max(3, max(s, 5)).text() == "Max(5, s)");
  CHECK(max(t, s) == max(s, t));
  CHECK(Sym::make(Sym::Op::kEq, {s + 1, s + 1}).as_constant() == 1);
  CHECK(Sym::make(Sym::Op::kLt, {s + 1, s}).as_constant() == 0);
  CHECK(Sym::make(Sym::Op::kGe, {s, 2}).text() == "s >= 2");
  CHECK(Sym::make(Sym::Op::kAnd, {1, Sym::make(Sym::Op::kGe, {s, 2})}).text() == "s >= 2");
  CHECK(Sym::make(Sym::Op::kOr, {1, s}).as_constant() == 1);
  CHECK(Sym::make(Sym::Op::kNot, {Sym::make(Sym::Op::kNot, {s})}) == s);
  CHECK(Sym::make(Sym::Op::kWhere, {0, s, t}) == t);
}

TEST_CASE("text groups operands so that equal text means equal expression") {
  CHECK((s * floor_div(t, 2)).text() == "s*(t//2)");
  CHECK(floor_div(s * t, 2).text() == "s*t//2");
  CHECK((Sym(-1) * floor_div(s, 2)).text() == "-(s//2)");
  CHECK(floor_div(Sym(-1) * s, 2).text() == "-s//2");
  CHECK(Sym::make(Sym::Op::kMod, {floor_div(s, 2), t}).text() == "s//2%t");
  CHECK(floor_div(s, t * 2).text() == "s//(2*t)");
  CHECK((s + floor_div(-1, t)).text() == "-1//t + s");
  CHECK((floor_div(Sym(-1) * t, 2) + Sym::symbol("a")).text() == "-t//2 + a");
  CHECK((Sym::make(Sym::Op::kLt, {s, t}) + t).text() == "(s < t) + t");
  CHECK(Sym::real(2).text() == "2.0");
  CHECK(Sym::real(0.1).text() == "0.1");
}

TEST_CASE("srepr of real programs") {
  CHECK(parse("Symbol('s18', positive=True, integer=True)").symbol_name() == "s18");
  CHECK(parse("Integer(-3)").as_constant() == -3);
  CHECK(parse("Mul(Integer(2), Symbol('s0', positive=True, integer=True))").text() == "2*s0");
  CHECK(parse("Add(FloorDiv(Add(Symbol('s77', positive=True, integer=True), Integer(-1)), Integer(4)), Integer(1))") ==
        floor_div(Sym::symbol("s77") + 3, 4));
  CHECK(parse("Pow(Symbol('s1', positive=True, integer=True), Integer(3))").text() == "s1*s1*s1");
  CHECK(parse("GreaterThan(Symbol('u0', integer=True), Integer(0))").text() == "u0 >= 0");
  CHECK(parse("And(StrictLessThan(Symbol('a'), Integer(3)), true)").text() == "a < 3");
  CHECK(parse("Mul(Float('0.5', precision=53), ToFloat(Symbol('s')))").text() == "0.5*ToFloat(s)");
  CHECK(value(parse("TruncToInt(IntTrueDiv(Symbol('s'), Integer(2)))"), {{"s", 7}}) == 3);
  CHECK(parse("CeilToInt(IntTrueDiv(Symbol('s'), Integer(2)))") == Sym(-1) * floor_div(Sym(-1) * s, 2));
  CHECK(parse("CeilToInt(FloatTrueDiv(IntTrueDiv(Symbol('s'), Integer(2)), Float('1.0', precision=53)))") ==
        Sym(-1) * floor_div(Sym(-1) * s, 2));
  CHECK(parse("ModularIndexing(Symbol('s'), Integer(2), Integer(3))").text() == "s//2%3");
  CHECK(parse("Max(Integer(1), Symbol('s'), evaluate=False)").text() == "Max(1, s)");
  CHECK(value(parse("Mul(Rational(1, 2), Symbol('s'))"), {{"s", 8}}) == 4);
  CHECK(value(parse("Piecewise(ExprCondPair(Integer(1), Equality(Symbol('s'), Integer(4))), "
                    "ExprCondPair(Integer(2), true))"),
              {{"s", 4}}) == 1);
}

TEST_CASE("bad-srepr: what cannot be read names the offset") {
  CHECK(error_of("").starts_with("symbolic expression @ 0: a name or a number expected; "));
  CHECK(error_of("Foo(Integer(1))").starts_with("symbolic expression @ 4: function `Foo` is not known; "));
  CHECK(error_of("Integer(99999999999999999999)").starts_with("symbolic expression @ 8: an integer does not fit"));
  CHECK(error_of("Integer(1) Integer(2)").starts_with("symbolic expression @ 11: text goes on"));
  CHECK(error_of("Symbol('a b')").find("not an identifier") != std::string::npos);
  CHECK(error_of("Symbol('a").find("does not end") != std::string::npos);
  CHECK(error_of("FloorDiv(Integer(1))").find("`FloorDiv` has 1 operands, 2 expected") != std::string::npos);
  CHECK(error_of("FloorDiv(Integer(1), Integer(0))").find("divided by zero") != std::string::npos);
  CHECK(error_of("Mul(Integer(9223372036854775807), Integer(2))").find("63 bits") != std::string::npos);
  CHECK(error_of("Add(Integer(1)").starts_with("symbolic expression @ 14: `)` expected"));
  CHECK(error_of("Float('x')").find("a number expected") != std::string::npos);
  CHECK(error_of("Integer(1.5)").find("an integer expected") != std::string::npos);

  std::string deep;
  for (int i = 0; i < 100000; ++i) deep += "Not(";
  CHECK(error_of(deep).find("nested deeper than 200") != std::string::npos);

  // Each level makes the text eight times longer: the limit on the text stops it.
  std::string wide = "Symbol('s')";
  for (int i = 0; i < 20; ++i) wide = "Pow(FloorDiv(" + wide + ", Integer(3)), Integer(8))";
  CHECK(error_of(wide).find("characters, at most") != std::string::npos);
}

TEST_CASE("evaluation follows Python and refuses what does not fit") {
  CHECK(value(floor_div(s, t), {{"s", -7}, {"t", 2}}) == -4);
  CHECK(value(Sym::make(Sym::Op::kMod, {s, t}), {{"s", -7}, {"t", -4}}) == -3);
  CHECK(value(Sym::make(Sym::Op::kPow, {2, s}), {{"s", 10}}) == 1024);
  CHECK(value(Sym::make(Sym::Op::kRound, {Sym::make(Sym::Op::kTrueDiv, {s, 2})}), {{"s", 5}}) == 2);
  CHECK(value(Sym::make(Sym::Op::kSqrt, {s}), {{"s", 9}}) == 3);
  CHECK(value(Sym::make(Sym::Op::kEq, {s, t}), {{"s", 3}, {"t", 3}}) == 1);
  CHECK_THROWS_WITH_AS(value(s + t, {{"s", 1}}), "symbolic expression: symbol `t` has no value", Error);
  CHECK_THROWS_AS(value(floor_div(s, t), {{"s", 1}, {"t", 0}}), Error);
  CHECK_THROWS_AS(value(s * t, {{"s", INT64_MAX}, {"t", 2}}), Error);
  CHECK_THROWS_AS(value(Sym::make(Sym::Op::kPow, {s, t}), {{"s", 10}, {"t", INT64_MAX}}), Error);
  CHECK_THROWS_AS(value(Sym::real(0.5) * s, {{"s", 1}}), Error);
}

TEST_CASE("shapes") {
  CHECK(to_string(SymDims{s, 12, t + 1}) == "[s, 12, t + 1]");
  CHECK(constant_dims({2, 3}) == std::vector<int64_t>{2, 3});
  CHECK(!constant_dims({2, s}).has_value());
  CHECK((s * t + s).symbols() == std::set<std::string>{"s", "t"});
}

}  // namespace
}  // namespace crossload
