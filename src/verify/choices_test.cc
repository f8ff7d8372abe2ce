// A model that branches on its scores, as a SavedModel, against values worked out by hand:
//   mul = x * 2 ; gt = mul > 1 ; y = where(gt, mul, -mul)
// At x = 0.5 the score lies on the boundary: PyTorch's, off by a rounding, is above it, TensorFlow's is not.
#include "verify/choices.h"

#include <doctest/doctest.h>

#include "savedmodel/saved_model.h"
#include "support/safetensors_file.h"
#include "support/temp_folder.h"
#include "support/tensorflow_package.h"
#include "support/tensors.h"

namespace crossload::verify {
namespace {

namespace fs = std::filesystem;
using graph::ValueRef;

class NoWeights : public savedmodel::WeightSource {
 public:
  Tensor tensor(const std::string&) const override { return {}; }
};

Tensor truths(const std::vector<int>& values) {
  std::vector<std::byte> bytes;
  for (const int v : values) bytes.push_back(static_cast<std::byte>(v));
  return Tensor::copy_of(DType::kBool, {static_cast<int64_t>(values.size())}, bytes);
}

const SymDims kDims = {Sym::symbol("s0")};

program::Program make_program() {
  program::Program p;
  p.inputs = {{program::InputKind::kUser, "x", "x", true, {}}};
  p.call_sites = {{"router", "Router", "router", "model.py:7"}};
  const auto node = [](const char* target, const char* name, std::vector<program::NamedArgument> arguments) {
    return program::Node{target, name, std::move(arguments), {{{std::string(name)}, "", false}}, 0};
  };
  const program::TensorRef x{"x"}, mul{"mul"}, gt{"gt"}, neg{"neg"};
  p.main.nodes = {node("aten.mul.Tensor", "mul", {{"self", x}, {"other", 2.0}}),
                  node("aten.gt.Scalar", "gt", {{"self", mul}, {"other", 1.0}}),
                  node("aten.neg.default", "neg", {{"self", mul}}),
                  node("aten.where.self", "where", {{"condition", gt}, {"self", mul}, {"other", neg}})};
  for (const char* name : {"x", "mul", "neg", "where"}) p.main.tensors[name] = {DType::kFloat32, kDims};
  p.main.tensors["gt"] = {DType::kBool, kDims};
  p.outputs = {{"y", program::TensorRef{"where"}, false}};
  return p;
}

graph::Graph make_graph(const std::string& comparison, float factor, const std::string& otherwise) {
  graph::Graph g;
  const auto push = [&](graph::Node node, DType dtype, SymDims dims, const char* pt_value) {
    node.outputs = {{dtype, std::move(dims), {}}};
    if (pt_value != nullptr) node.outputs[0].pt_values = {{pt_value, {}}};
    g.nodes.push_back(std::move(node));
    return ValueRef{static_cast<int>(g.nodes.size()) - 1, 0};
  };
  const auto constant = [&](const char* name, double value) {
    return push(
        {"Const", name, {}, {{"value", scalar_tensor(DType::kFloat32, value)}, {"dtype", DType::kFloat32}}, {}, {}},
        DType::kFloat32, {}, nullptr);
  };
  const ValueRef x = push({"Input", "x", {}, {{"index", int64_t{0}}}, {}, {}}, DType::kFloat32, kDims, nullptr);
  const ValueRef two = constant("two", factor), one = constant("one", 1);
  const ValueRef mul = push({"Mul", "Mul", {x, two}, {{"T", DType::kFloat32}}, {}, {}}, DType::kFloat32, kDims, "mul");
  const ValueRef gt =
      push({comparison, "Compare", {mul, one}, {{"T", DType::kFloat32}}, {}, {}}, DType::kBool, kDims, "gt");
  const ValueRef neg = push({otherwise, "Neg", {mul}, {{"T", DType::kFloat32}}, {}, {}}, DType::kFloat32, kDims, "neg");
  const ValueRef y =
      push({"SelectV2", "Select", {gt, mul, neg}, {{"T", DType::kFloat32}}, {}, {}}, DType::kFloat32, kDims, "where");
  g.inputs = {{"x", x}};
  g.outputs = {{"y", y}};
  return g;
}

Result run(const std::string& comparison, float factor = 2, float noise = 1e-7f, bool with_choices = true,
           const std::string& otherwise = "Neg") {
  const TempFolder folder;
  savedmodel::write(make_graph(comparison, factor, otherwise), NoWeights(), folder.path / "1", {}, [](std::size_t) {});
  const float above = 1 + 1.1920929e-7f;
  const std::vector<float> mul = {4, above, 0.5f}, y = {4, above, -0.5f};
  const Tensor x = floats({3}, {2, 0.5f, 0.25f}), distances = floats({3}, {noise, noise, noise});
  write_safetensors(folder.path / "case.safetensors",
                    {{"input/x", x}, {"run/0/y", floats({3}, y)}, {"truth/y", doubles({3}, {4, 1.00000006, -0.5})}});
  write_safetensors(folder.path / "choices.safetensors", {{"value/x", x},
                                                          {"value/mul", floats({3}, mul)},
                                                          {"offset/mul", distances},
                                                          {"noise/mul", distances},
                                                          {"value/gt", truths({1, 1, 0})},
                                                          {"value/where", floats({3}, y)},
                                                          {"offset/where", floats({3}, {0, -6e-8f, 0})},
                                                          {"noise/where", distances}});
  const program::Program program = make_program();
  Request request;
  request.saved_model = folder.path / "1";
  request.program = &program;
  Case one{folder.path / "case.safetensors", "3", true, {}, {}};
  if (with_choices) one.choices = folder.path / "choices.safetensors";
  request.reference.cases = {one};
  return verify(request, *runtime::Runtime::load(tensorflow_package()));
}

TEST_CASE("choices: the operations that make them") {
  const program::Program program = make_program();
  CHECK(has_choices(program));
  CHECK(is_choice(program, program.main.nodes[1]));
  for (const std::size_t i : {0, 2, 3}) CHECK_FALSE(is_choice(program, program.main.nodes[i]));
}

TEST_CASE("choices: a tie that falls otherwise is no mismatch once the choice is given") {
  CHECK(run("Greater", 2, 1e-7f, false).verdict == Verdict::kMismatch);
  const Result result = run("Greater");
  CHECK(result.verdict == Verdict::kWithinNoise);
  CHECK(result.max_error > 1.9);  // what is computed stays told
  REQUIRE(result.choices.size() == 1);
  const ChoiceResult& choice = result.choices[0];
  CHECK(choice.op == "aten.gt.Scalar");
  CHECK(choice.module == "router");
  CHECK(choice.source == "model.py:7");
  CHECK(choice.count == 1);
  CHECK(choice.pt_scores[0] > 1);
  CHECK(choice.pt_scores[1] == 1);
  CHECK(choice.tf_scores[0] == 1);
  CHECK(choice.margin > 1.1e-7);
  CHECK(choice.margin < 1.2e-7);
  CHECK(choice.noise > 1.9e-7);
  CHECK(choice.noise < 2.1e-7);
  CHECK(choice.is_tie);
  CHECK(result.verdict_note.find("equal given the same choices") != std::string::npos);
}

TEST_CASE("choices: a clear margin stays a mismatch") {
  const Result other = run("Less");  // a wrong comparison: 4 and 0.5 against 1
  CHECK(other.verdict == Verdict::kMismatch);
  REQUIRE(other.choices.size() == 1);
  CHECK_FALSE(other.choices[0].is_tie);
  CHECK(other.choices[0].margin == 3);
  const Result exact = run("Greater", 2, 1e-8f);  // the margin is six times the noise
  CHECK(exact.verdict == Verdict::kMismatch);
  REQUIRE(exact.choices.size() == 1);
  CHECK_FALSE(exact.choices[0].is_tie);
}

TEST_CASE("choices: what differs once the choices are given stays a mismatch") {
  const Result result = run("Greater", 2, 1e-7f, true, "Abs");
  CHECK(result.verdict == Verdict::kMismatch);
  REQUIRE(result.choices.size() == 1);
  CHECK(result.choices[0].is_tie);
}

TEST_CASE("choices: wrong scores are no ties") {
  const Result result = run("Greater", 1.999f);  // PyTorch's scores are near the boundary, TensorFlow's are off
  CHECK(result.verdict == Verdict::kMismatch);
  REQUIRE(result.choices.size() == 1);
  CHECK_FALSE(result.choices[0].is_tie);
}

}  // namespace
}  // namespace crossload::verify
