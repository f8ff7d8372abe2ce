#include "lower/schema.h"

#include <doctest/doctest.h>

#include "base/error.h"
#include "lower/op_table.h"

namespace crossload::lower {
namespace {

TEST_CASE("names, overloads and types") {
  const Schema plain = parse_schema("aten::relu(Tensor self) -> Tensor");
  CHECK(plain.target == "aten.relu.default");
  CHECK(plain.arguments.size() == 1);
  CHECK(parse_schema("aten::add.Tensor(Tensor self, Tensor other, *, Scalar alpha=1) -> Tensor").target ==
        "aten.add.Tensor");
  // A leading dot or underscores belong to the name.
  CHECK(parse_schema("aten::__and__.Tensor(Tensor self, Tensor other) -> Tensor").target == "aten.__and__.Tensor");
  const Schema lists =
      parse_schema("aten::x(Tensor?[] indices, SymInt[2] stride, int[1]? dim=None, bool[4] mask) -> ()");
  CHECK(lists.find("indices")->type == "Tensor?[]");
  CHECK(lists.find("stride")->type == "SymInt[]");
  CHECK(lists.find("dim")->type == "int[]?");
  CHECK(lists.find("mask")->type == "bool[]");
  CHECK(lists.find("nothing") == nullptr);
  CHECK(lists.result_aliases.empty());
}

TEST_CASE("defaults") {
  const Schema s = parse_schema(
      "aten::x(int a=-1, float b=1, float c=1e-05, bool d=True, str e='none', str f=\"a, b\", int[2] g=[], "
      "int[2] h=[1, -2], float[] i=[1, 0.5], Tensor? j=None, float k=inf, ScalarType l=long, int m=Mean, "
      "MemoryFormat n=contiguous_format, Scalar o=0.5, Scalar p=2, int q) -> Tensor");
  const auto value = [&](const char* name) { return s.find(name)->default_value; };
  CHECK(std::get<Sym>(value("a")) == Sym(-1));
  CHECK(std::get<double>(value("b")) == 1.0);
  CHECK(std::get<double>(value("c")) == 1e-5);
  CHECK(std::get<bool>(value("d")));
  CHECK(std::get<std::string>(value("e")) == "none");
  CHECK(std::get<std::string>(value("f")) == "a, b");
  CHECK(std::get<std::vector<Sym>>(value("g")).empty());
  CHECK(std::get<std::vector<Sym>>(value("h")).at(1) == Sym(-2));
  CHECK(std::get<std::vector<double>>(value("i")).at(1) == 0.5);
  CHECK(std::holds_alternative<program::None>(value("j")));
  CHECK(std::get<double>(value("k")) > 1e300);
  CHECK(std::get<program::ScalarType>(value("l")).dtype == DType::kInt64);
  CHECK(std::get<Sym>(value("m")) == Sym(1));
  CHECK(std::get<program::MemoryFormat>(value("n")).code == 1);
  CHECK(std::get<double>(value("o")) == 0.5);
  CHECK(std::get<Sym>(value("p")) == Sym(2));
  CHECK(!s.find("q")->has_default);
}

TEST_CASE("aliases: what is viewed and what is written") {
  const Schema view =
      parse_schema("aten::split.Tensor(Tensor(a -> *) self, SymInt split_size, int dim=0) -> Tensor(a)[]");
  REQUIRE(view.viewed(0) != nullptr);
  CHECK(view.viewed(0)->name == "self");
  CHECK(view.written() == nullptr);
  const Schema write =
      parse_schema("aten::add_.Tensor(Tensor(a!) self, Tensor other, *, Scalar alpha=1) -> Tensor(a!)");
  REQUIRE(write.written() != nullptr);
  CHECK(write.written()->name == "self");
  CHECK(write.viewed(0) == nullptr);
  const Schema two =
      parse_schema("aten::max.dim(Tensor self, int dim, bool keepdim=False) -> (Tensor values, Tensor indices)");
  CHECK(two.result_aliases.size() == 2);
  CHECK(two.viewed(1) == nullptr);
  CHECK(two.viewed(7) == nullptr);
}

TEST_CASE("bad-schema") {
  for (const char* text : {"relu(Tensor self) -> Tensor", "aten::relu(Tensor self)", "aten::relu(Tensor) -> Tensor",
                           "aten::relu(Tensor self", "aten::relu(int a=x) -> Tensor"}) {
    CAPTURE(text);
    CHECK_THROWS_AS(parse_schema(text), Error);
  }
}

TEST_CASE("the op table: a schema twice fails, rows are found by target") {
  OpTable table;
  const OpRow rows[] = {{"aten::relu(Tensor self) -> Tensor", same_value},
                        {"aten::tanh(Tensor self) -> Tensor", same_value}};
  table.add("test", rows);
  CHECK(table.find("aten.relu.default") != nullptr);
  CHECK(table.find("aten.relu.out") == nullptr);
  CHECK(table.sorted().front()->schema.target == "aten.relu.default");
  CHECK_THROWS_AS(table.add("test", rows), Error);
  CHECK(OpTable::all().sorted().size() > 250);
}

}  // namespace
}  // namespace crossload::lower
