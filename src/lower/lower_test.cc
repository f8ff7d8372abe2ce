// Runs tests/lower/*.txt: a program, and the graph that it is lowered to before the passes. Every row of the op table
// has a case in its family's file.
#include "lower/lower.h"

#include <set>

#include "lower/op_table.h"
#include "support/text_cases.h"

namespace crossload::lower {
namespace {

TEST_CASE("text cases of lowerings") {
  std::set<std::string> covered;
  run_text_cases("tests/lower", [&](const TextCaseFile& file, const TextCase& c) {
    const program::Program program = program::parse_text(c.input);
    CHECK(program::print(program) == c.input);
    for (const auto& node : program.main.nodes) {
      const auto* entry = OpTable::all().find(node.target);
      if (entry != nullptr && entry->family == file.path.stem().string()) covered.insert(node.target);
    }
    const graph::Graph graph = lower(program);
    graph::check(graph);
    return graph::print(graph);
  });
  for (const auto* entry : OpTable::all().sorted()) {
    CAPTURE(entry->schema.target);
    CAPTURE(entry->family);
    CHECK(covered.contains(entry->schema.target));
  }
}

program::Program relu_of(const std::string& target) {
  return program::parse_text(
      "input x = %x : float32[2, 3]\n%y = aten.no_such_op.default(self=%x) : float32[2, 3]  # a.b Klass m.py:7\n"
      "%z = " +
      target +
      "(self=%y) : float32[2, 3]\n%w = aten.cummax_typo.default(self=%x) : float32[2, 3]\n"
      "output w = %z\n");
}

std::vector<std::string> failures_of(const program::Program& program) {
  try {
    lower(program);
    FAIL("it was lowered");
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::kUnsupported);
    return error.details();
  }
  return {};
}

TEST_CASE("every call without a lowering is reported, but none that only reads such a call's result") {
  const auto found = failures_of(relu_of("aten.relu.default"));
  REQUIRE(found.size() == 2);
  CHECK(found[0] == "a.b (m.py:7): no lowering for `aten.no_such_op.default`");
  CHECK(found[1].find("`aten.cummax_typo.default`") != std::string::npos);
  const auto missing = missing_ops(relu_of("aten.relu.default"));
  CHECK(missing.size() == 2);
}

TEST_CASE("a call that its lowering refuses is among what cannot be lowered, though its operation has a lowering") {
  const auto program = program::parse_text(
      "input x = %x : float32[2]\n"
      "%y = aten.__lshift__.Scalar(self=%x, other=2) : float32[2]\noutput y = %y\n");
  CHECK(missing_ops(program).empty());
  CHECK(unlowered_ops(program) == std::set<std::string>{"aten.__lshift__.Scalar"});
}

program::Program branches_of(const std::string& node) {
  return program::parse_text(
      "input p = %p : bool[]\ninput x = %x : float32[2, 3]\n%y = higher_order.cond(%p, {(%a : "
      "float32[2, 3])\n" +
      node +
      "  return [%b]}, {(%a : float32[2, 3])\n  %b = aten.sin.default(self=%a) : float32[2, 3]\n"
      "  return [%b]}, [%x]) : float32[2, 3]  # a.b Klass m.py:7\n"
      "%z = aten.relu.default(self=%y) : float32[2, 3]\noutput z = %z\n");
}

TEST_CASE("a call without a lowering is found inside a body, and placed in the module that the body stands in") {
  const auto program = branches_of("  %b = aten.no_such_op.default(self=%a) : float32[2, 3]  # m.py:8\n");
  CHECK(failures_of(program) == std::vector<std::string>{"a.b (m.py:8): no lowering for `aten.no_such_op.default`"});
  const auto missing = missing_ops(program);
  REQUIRE(missing.size() == 1);
  CHECK(missing[0] == std::pair<std::string, int>("aten.no_such_op.default", 1));
}

TEST_CASE("operations that draw random numbers are found, inside a body as well") {
  const auto found = random_ops(branches_of("  %b = aten.rand_like.default(self=%a) : float32[2, 3]\n"));
  CHECK(found == std::vector<std::pair<std::string, int>>{{"aten.rand_like.default", 1}});
  CHECK(random_ops(branches_of("  %b = aten.sin.default(self=%a) : float32[2, 3]\n")).empty());
}

TEST_CASE("a body that writes to what comes from outside is refused") {
  const auto found = failures_of(branches_of("  %b = aten.relu_.default(self=%a) : float32[2, 3]\n"));
  REQUIRE(found.size() == 1);
  CHECK(found[0].find("a write to `a`, which comes from outside") != std::string::npos);
}

}  // namespace
}  // namespace crossload::lower
