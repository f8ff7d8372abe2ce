#include "lower/builder.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "base/error.h"

namespace crossload::lower {
namespace {

const Sym kBatch = Sym::symbol("s0"), kLength = Sym::symbol("s1");

std::string ops(const Builder& b) {
  std::string text;
  for (const auto& node : b.graph().nodes) text += (text.empty() ? "" : " ") + node.op;
  return text;
}

TEST_CASE("equal nodes are made once, also through constants; stateful ones are not shared") {
  Builder b;
  const Expr x = b.input("x", DType::kFloat32, {kBatch, Sym(8)});
  const Expr one = x * 2.0, two = x * 2.0;
  CHECK(one.ref() == two.ref());
  CHECK((x * 3.0).ref() != one.ref());
  CHECK(ops(b) == "Input Const Mul Const Mul");
  CHECK(b.tf("ArgMax", {x, b.scalar(DType::kInt32, 1)}, {{"output_type", DType::kInt32}}).ref() !=
        b.tf("ArgMax", {x, b.scalar(DType::kInt32, 1)}, {{"output_type", DType::kInt64}}).ref());
}

TEST_CASE("constants of one value and different dtypes or shapes are different") {
  Builder b;
  CHECK(b.scalar(DType::kInt32, 0).ref() != b.scalar(DType::kInt64, 0).ref());
  CHECK(b.scalar(DType::kFloat32, 0.0).ref() != b.int32s({0}).ref());
  CHECK(b.int32s({1, 2}).ref() == b.int32s({1, 2}).ref());
  CHECK(b.scalar(DType::kFloat32, 0.0).ref() != b.scalar(DType::kFloat32, -0.0).ref());
}

TEST_CASE("names follow the module tree and are unique") {
  Builder b;
  const Expr x = b.input("x", DType::kFloat32, {Sym(2)});
  b.set_origin({"encoder.layer.0", "m.py:3", "relu_1"});
  const Expr y = b.tf("Relu", {x}), z = b.tf("Relu", {y});
  CHECK(b.graph().nodes[static_cast<std::size_t>(y.ref().node)].name == "encoder/layer/0/relu_1/Relu");
  CHECK(b.graph().nodes[static_cast<std::size_t>(z.ref().node)].name == "encoder/layer/0/relu_1/Relu_1");
  CHECK(b.graph().nodes[static_cast<std::size_t>(z.ref().node)].origin.source == "m.py:3");
  b.set_origin({"_m.a b", "", ""});
  const Expr odd = b.tf("Tanh", {x});
  CHECK(b.graph().nodes[static_cast<std::size_t>(odd.ref().node)].name == "._m/a_b/Tanh");
}

TEST_CASE("reshape leaves one unknown size to TensorFlow, unless another size is zero") {
  Builder b;
  const Expr x = b.input("x", DType::kFloat32, {kBatch, kLength, Sym(8)});
  for (int axis = 0; axis < 2; ++axis) b.bind(axis == 0 ? "s0" : "s1", x, axis);
  CHECK(b.reshape(x, {kBatch, kLength, Sym(8)}).ref() == x.ref());
  const Expr rows = b.reshape(x, {kBatch * kLength, Sym(8)});
  CHECK(to_string(rows.dims()) == "[s0*s1, 8]");
  CHECK(ops(b) == "Input Const Reshape");
  const auto& shape = std::get<Tensor>(b.graph().nodes[1].attrs.at("value"));
  CHECK(shape.at<int32_t>(0) == -1);
  CHECK(shape.at<int32_t>(1) == 8);
  const Expr heads = b.reshape(rows, {kBatch, kLength, Sym(2), Sym(4)});  // one of two is asked for
  CHECK(ops(b).find("Pack") != std::string::npos);
  CHECK(heads.rank() == 4);
  const std::size_t before = b.graph().nodes.size();
  const Expr empty = b.input("e", DType::kFloat32, {kBatch, Sym(0)});
  b.reshape(empty, {Sym(0), kBatch});
  CHECK(b.graph().nodes.size() > before + 2);
  // How many rows a mask selects, maybe none: TensorFlow can tell it from the rest, and not the rest from it.
  const Sym selected = Sym::symbol("u0");
  const Expr chosen = b.input("c", DType::kFloat32, {selected * kLength, Sym(8)});
  b.bind("u0", b.input("n", DType::kInt32, {}));
  b.reshape(chosen, {selected, kLength, Sym(8)});
  const auto& sizes = b.graph().nodes[b.graph().nodes.size() - 2];
  CHECK(sizes.op == "Pack");
  const auto& first = b.graph().nodes[static_cast<std::size_t>(sizes.inputs[0].node)];
  CHECK(first.op == "Const");
  CHECK(std::get<Tensor>(first.attrs.at("value")).at<int32_t>(0) == -1);
}

TEST_CASE("sizes: constants, symbols by their axis, expressions, double precision where Python has it") {
  Builder b;
  const Expr x = b.input("x", DType::kFloat32, {kBatch, kLength});
  b.bind("s0", x, 0);
  CHECK(b.is_bound("s0"));
  CHECK(!b.is_bound("s1"));
  CHECK_THROWS_AS(b.size(kLength), Error);
  CHECK(ops(b) == "Input");
  CHECK(b.sizes({Sym(2), Sym(3)}).ref() == b.int32s({2, 3}).ref());
  const Expr half = b.size(floor_div(kBatch + Sym(1), Sym(2)));
  CHECK(half.dtype() == DType::kInt32);
  CHECK(ops(b).find("StridedSlice") != std::string::npos);
  CHECK(ops(b).find("FloorDiv") != std::string::npos);
  // The size of an axis is read once, whatever is computed from it.
  b.size(kBatch * Sym(3));
  b.sizes({kBatch, Sym(4)});
  const std::string all = ops(b);
  CHECK(all.find("Shape") == all.rfind("Shape"));
  const Sym root = Sym::make(Sym::Op::kTruncToInt, {Sym::make(Sym::Op::kSqrt, {kBatch})});
  CHECK(b.size(root).dtype() == DType::kInt32);
  const auto& nodes = b.graph().nodes;
  const auto sqrt = std::find_if(nodes.begin(), nodes.end(), [](const graph::Node& n) { return n.op == "Sqrt"; });
  REQUIRE(sqrt != nodes.end());
  CHECK(sqrt->outputs[0].dtype == DType::kFloat64);
  CHECK(b.size(Sym::make(Sym::Op::kGe, {kBatch, Sym(2)}), DType::kBool).dtype() == DType::kBool);
  // A scalar may hold a symbol as well.
  b.bind("u0", b.input("count", DType::kInt64, {}));
  const Sym count = Sym::symbol("u0");
  CHECK(b.size(count).dtype() == DType::kInt32);
  // What is computed from it has a known shape.
  const Expr zeros = b.broadcast(b.scalar(DType::kFloat32, 0), {kBatch, count * Sym(8)});
  CHECK(b.slice(zeros, 1, Sym(4), count * Sym(8) - Sym(4)).dim(1) == count * Sym(8) - Sym(8));
}

TEST_CASE("operations without a kernel for the dtype are computed in a wider one") {
  Builder b;
  const Expr x = b.input("x", DType::kFloat16, {Sym(3)}), n = b.input("n", DType::kUInt8, {Sym(3)});
  CHECK(b.tf_widened("TruncateMod", {x, x}).dtype() == DType::kFloat16);
  CHECK(ops(b) == "Input Input Cast TruncateMod Cast");
  CHECK(b.tf_widened("Greater", {x, x}).dtype() == DType::kBool);
  CHECK(b.tf_widened("Sign", {n}).dtype() == DType::kUInt8);
  CHECK_THROWS_AS(b.tf("TruncateMod", {x, x}), Error);
}

TEST_CASE("shape changes that change nothing add no node") {
  Builder b;
  const Expr x = b.input("x", DType::kFloat32, {kBatch, Sym(8)});
  CHECK(b.transpose(x, {0, 1}).ref() == x.ref());
  CHECK(b.cast(x, DType::kFloat32).ref() == x.ref());
  CHECK(b.squeeze(x, {}).ref() == x.ref());
  CHECK(b.broadcast(x, {kBatch, Sym(8)}).ref() == x.ref());
  CHECK(b.slice(x, 1, Sym(0), Sym(8)).ref() == x.ref());
  CHECK(b.concat({x}, 0).ref() == x.ref());
  CHECK(ops(b) == "Input");
  CHECK(b.swap_axes(x, 0, -1).rank() == 2);
  CHECK(to_string(b.unsqueeze(x, -1).dims()) == "[s0, 8, 1]");
  CHECK_THROWS_AS(x.dim(2), Error);
}

TEST_CASE("bad-values: unknown operations, missing values, unknown shapes") {
  Builder b;
  const Expr x = b.input("x", DType::kFloat32, {Sym(3)});
  CHECK_THROWS_AS(b.tf("NoSuchOp", {x}), Error);
  CHECK_THROWS_AS(b.tf("Relu", {Expr()}), Error);
  CHECK_THROWS_AS(b.tf("Relu", {x}, {{"nothing", int64_t{1}}}), Error);
  CHECK_THROWS_AS(b.size(Sym::symbol("s9")), Error);
}

}  // namespace
}  // namespace crossload::lower
