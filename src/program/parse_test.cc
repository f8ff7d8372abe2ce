// What print.cc writes reads back as it was; what is no program says so with its line.
#include <doctest/doctest.h>

#include <algorithm>

#include "program/program.h"
#include "support/text_cases.h"

namespace crossload::program {
namespace {

TEST_CASE("the text of every case of tests/program reads back as it was") {
  int read = 0;
  for (const auto& path : text_case_files("tests/program")) {
    CAPTURE(path.filename().string());
    const std::string printed = read_single_case(path).expected;
    CHECK(print(parse_text(printed)) == printed);
    ++read;
  }
  CHECK(read >= 4);
}

TEST_CASE("every kind of argument") {
  const std::string text =
      "symbol s0: 2..9, traced with 4\n"
      "symbol u1: ..\n"
      "input x = %x : float32[s0, 3]\n"
      "input n = %n : s0\n"
      "frozen flag = True\n"
      "[%a, _], %b, %c = test.all.kinds(%x, i=-3, f=-0.5, e=1e-05, h=inf, l=-inf, s=\"a\\\"b\\\\\\n\", none=None, "
      "t=True, "
      "d=float16, m=channels_last, y=strided, z=layout(3), v=cpu, c=(1.0+-2.0j), list=[1, s0, -1], reals=[1.0, 2.5], "
      "flags=[True, False], names=[\"a\", \"b\"], tensors=[%x, None], empty=[], size=(s0 + 1)//2*s0, "
      "q=s0 % 2 == 0 or not s0 < 3 and s0**2 != Max(4, s0)) : [bool[], None], int64[2*s0 - 1], s0 + 7  # a.b@1 Klass "
      "f.py:3\n"
      "output y = %a\n"
      "mutation x = %b\n"
      "output none = None\n";
  const Program program = parse_text(text);
  const Node& node = program.main.nodes.at(0);
  CHECK(std::get<double>(*node.find("f")) == -0.5);
  CHECK(std::get<std::string>(*node.find("s")) == "a\"b\\\n");
  CHECK(std::get<Complex>(*node.find("c")).imag == -2);
  CHECK(std::get<std::vector<double>>(*node.find("reals")).size() == 2);
  CHECK(std::get<std::vector<Sym>>(*node.find("list")).at(1) == Sym::symbol("s0"));
  CHECK(!std::get<TensorList>(*node.find("tensors")).names.at(1));
  CHECK(node.results.at(2).sym == "c");
  CHECK(program.call_sites.at(0).module == "a.b");
  CHECK(program.hints.at("s0") == 4);
  CHECK(!program.ranges.at("u1").min);
  const std::string printed = print(program);
  CHECK(print(parse_text(printed)) == printed);
}

std::string message(const std::string& text) {
  return message_of(ErrorKind::kBadInput, [&] { parse_text(text); });
}

TEST_CASE("bad-text") {
  const std::string head = "input x = %x : float32[2]\n";
  CHECK(message(head + "%y = aten.relu.default(self=%z) : float32[2]\n").find("line 2: ") != std::string::npos);
  CHECK(message(head + "%y = aten.relu.default(self=%z) : float32[2]\n").find("instead of `%z` is wanted") !=
        std::string::npos);
  CHECK(message(head + "%x = aten.relu.default(self=%x) : float32[2]\n").find("other than `%x`") != std::string::npos);
  CHECK(message(head + "%y = relu(self=%x) : float32[2]\n").find("such as `aten.add.Tensor`") != std::string::npos);
  CHECK(
      message(head + "%y = aten.relu.default(self=%x) : float32[2] more\n").find("found `more`; the end of the line") !=
      std::string::npos);
  CHECK(message(head + "%y = aten.relu.default(self=%x : float32[2]\n").find("found `: float32[2]`; `)` is wanted") !=
        std::string::npos);
  CHECK(message(head + "%y = aten.relu.default(self=%x)\n").find("`:` is wanted") != std::string::npos);
  CHECK(message("input x = %x : float33[2]\n").find("line 1: ") != std::string::npos);
  CHECK(message("output y = %y\n").find("line 1: ") != std::string::npos);
  CHECK(message(head + "%y = aten.cat.default(tensors=[%x, 1]) : float32[2]\n").find("of one kind") !=
        std::string::npos);
  CHECK(message("symbol batch: 2..\n").find("such as `s77`") != std::string::npos);
}

}  // namespace
}  // namespace crossload::program
