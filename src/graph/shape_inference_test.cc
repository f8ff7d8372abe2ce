// What text cases cannot say: known scalars, and what stays open. Shapes of operations are in tests/graph/.
#include "graph/shape_inference.h"

#include <doctest/doctest.h>

#include "support/errors.h"

namespace crossload::graph {
namespace {

const Sym s = Sym::symbol("s");
const Sym t = Sym::symbol("t");

/// A graph with one line more than the inputs x: float32[s, t, 8] and n: int32[].
Graph with(const std::string& lines) {
  return parse(
      "input 0 x = %x\ninput 1 n = %n\n%x = Input() {index=0} : float32[s, t, 8]\n"
      "%n = Input() {index=1} : int32[]\n" +
      lines);
}
constexpr ValueRef kN{1, 0};

/// The shapes of the last node, with `n` known.
std::vector<std::optional<SymDims>> shapes(const std::string& lines, const Sym& n) {
  Graph graph = with(lines);
  Node node = graph.nodes.back();
  node.outputs.clear();
  return infer_shapes(node, graph, {{kN, n}});
}
using One = std::vector<std::optional<SymDims>>;

TEST_CASE("a known scalar gives sizes") {
  const std::string fill =
      "%c = Const() {value=int32[](3)}\n%d = Pack(%n, %c)\n%v = Const() {value=float32[](0.0)}\n"
      "%y = Fill(%d, %v)\n";
  CHECK(shapes(fill, s + 1) == One{SymDims{s + 1, 3}});
  CHECK(shapes("%d = Pack(%n, %n)\n%y = Reshape(%x, %d)\n", t) == One{SymDims{t, t}});
  const std::string computed =
      "%c = Const() {value=int32[](2)}\n%m = Mul(%n, %c)\n%less = Sub(%m, %n)\n%o = Const() {value=int32[](-1)}\n"
      "%d = Pack(%less, %o)\n%y = Reshape(%x, %d)\n";
  CHECK(shapes(computed, s) == One{SymDims{s, Sym(8) * t}});
  CHECK(shapes("%m = Mean(%x, %n)\n", 1) == One{SymDims{s, 8}});
  CHECK(shapes("%k = TopKV2(%x, %n)\n", 5) == One(2, SymDims{s, t, 5}));
}

TEST_CASE("what is not known stays open") {
  const Graph graph = with("%d = Pack(%n, %n)\n%y = Reshape(%x, %d)\n%z = Relu(%y)\n");
  CHECK(graph.nodes.back().outputs[0].shape == std::nullopt);
  CHECK(shapes("%w = Where(%x)\n", 1) == One{std::nullopt});
  CHECK(shapes("%m = Mean(%x, %n)\n", s) == One{std::nullopt});
  CHECK(shapes("%u = Qr(%x)\n", 1) == One(2, std::nullopt));
}

TEST_CASE("constant sizes that contradict each other are told") {
  const auto message = [](const std::string& lines) { return message_of(ErrorKind::kInternal, [&] { with(lines); }); };
  CHECK(message("%c = Const() {value=int32[2](-1, 3)}\n%f = Const() {value=float32[2, 4](1, 2, 3, 4, 5, 6, 7, 8)}\n"
                "%y = Reshape(%f, %c)\n") == "Reshape `y`: 8 elements do not fill a shape of 3 times anything");
  CHECK(message("%f = Const() {value=float32[3, 1](1, 2, 3)}\n%y = BatchMatMulV2(%x, %f)\n") ==
        "BatchMatMulV2 `y`: inner sizes are 8 and 3; they must be equal");
  CHECK(message("%p = Const() {value=int32[2](1, 0)}\n%y = Transpose(%x, %p)\n") == "Transpose `y`: 2 axes for rank 3");
  CHECK(message("%a = Const() {value=int32[](3)}\n%y = Sum(%x, %a)\n") == "Sum `y`: axis 3 is out of range for rank 3");
  CHECK(message("%y = Squeeze(%x) {squeeze_dims=[2]}\n") == "Squeeze `y`: axis 2 has size 8; only 1 can be squeezed");
}

TEST_CASE("broadcast follows the constant, then the first") {
  CHECK(broadcast({s, 1}, {t}) == SymDims{s, t});
  CHECK(broadcast({s}, {t}) == SymDims{s});
  CHECK(broadcast({s}, {5}) == SymDims{5});
  CHECK(broadcast({5}, {s}) == SymDims{5});
  CHECK(broadcast({}, {s, 2}) == SymDims{s, 2});
  CHECK_THROWS_AS(broadcast({2}, {3}), Error);
}

TEST_CASE("integer values of shapes") {
  Graph graph = with("%shape = Shape(%x)\n%wide = Cast(%shape) {DstT=int64}\n%size = Size(%x)\n");
  CHECK(integer_values({3, 0}, graph) == std::vector<Sym>{s, t, 8});
  CHECK(integer_values({4, 0}, graph) == std::vector<Sym>{Sym(8) * s * t});
  CHECK(integer_values(kN, graph) == std::nullopt);
  CHECK(integer_values({0, 0}, graph) == std::nullopt);
  CHECK(integer_values(kN, graph, {{kN, t}}) == std::vector<Sym>{t});
}

}  // namespace
}  // namespace crossload::graph
