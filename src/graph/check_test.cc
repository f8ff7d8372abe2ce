// Broken graphs that have no text form; the others are tests/graph/bad-*.txt.
#include <doctest/doctest.h>

#include "base/error.h"
#include "graph/graph.h"

namespace crossload::graph {
namespace {

Graph small() {
  return parse(
      "variable 0 w : float32[4] = w\ninput 0 x = %x\n%x = Input() {index=0} : float32[4]\n"
      "%w = Variable() {index=0}  : float32[4]\n%sum = AddV2(%x, %w)\n%three = Const() {value=int32[](3)}\n"
      "%zero = Const() {value=int64[](0)}\n%g = GatherV2(%sum, %three, %zero)\noutput y = %sum\n");
}

std::string problem(const Graph& graph) {
  try {
    check(graph);
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::kInternal);
    CHECK(!error.details().empty());
    return error.what();
  }
  return "none";
}

TEST_CASE("a sound graph passes") { CHECK(problem(small()) == "none"); }

TEST_CASE("attributes that follow from the inputs must be written") {
  Graph graph = small();
  graph.nodes[2].attrs.erase("T");
  CHECK(problem(graph) == "graph: sum: AddV2: attribute `T` is missing");
  graph = small();
  graph.nodes[5].attrs.erase("Taxis");  // an int64 axis
  CHECK(problem(graph) == "graph: g: GatherV2: attribute `Taxis` is missing");
}

TEST_CASE("a node stands behind its inputs") {
  Graph graph = small();
  std::swap(graph.nodes[1], graph.nodes[2]);
  CHECK(problem(graph).starts_with(
      "graph: sum: input 1 is output 0 of node 1, which does not exist or does not precede"));
  graph = small();
  graph.nodes[2].inputs[0] = {-1, 0};
  CHECK(problem(graph).starts_with("graph: sum: input 0 is output 0 of node -1"));
}

TEST_CASE("dead nodes are passed over, but not read") {
  Graph graph = small();
  graph.nodes[5] = Node{"Dead", "", {{99, 0}}, {}, {}, {}};
  CHECK(problem(graph) == "none");
  graph.nodes[2].op = "Dead";
  CHECK(problem(graph) == "graph: y: output 0 of node 2, this output of the graph, does not exist");
  CHECK(print(graph).find("Dead") == std::string::npos);
}

TEST_CASE("variables and constants have the shape that they are declared with") {
  Graph graph = small();
  graph.nodes[1].outputs[0].shape = SymDims{5};
  CHECK(problem(graph) == "graph: w: has shape [5]; variable `w` has [4]");
  graph = small();
  graph.variables[0].dtype = DType::kFloat16;
  CHECK(problem(graph) == "graph: w: is float32; variable `w` is float16");
  graph = small();
  graph.nodes[3].outputs[0].shape = SymDims{1};
  CHECK(problem(graph) == "graph: three: has shape [1]; its value has []");
}

TEST_CASE("attributes of the wrong kind are told even where a lowering may write them") {
  Graph graph = parse("input 0 x = %x\n%x = Input() {index=0} : float32[4]\n%y = LeakyRelu(%x) {alpha=0.5}\n");
  graph.nodes[1].attrs["alpha"] = int64_t{1};
  CHECK(problem(graph) == "graph: y: LeakyRelu: attribute `alpha` is a int; it must be a float");
}

}  // namespace
}  // namespace crossload::graph
