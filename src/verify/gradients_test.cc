#include "verify/gradients.h"

#include <doctest/doctest.h>

#include <cmath>

#include "base/error.h"
#include "checkpoint/checkpoint.h"
#include "support/safetensors_file.h"
#include "support/temp_folder.h"
#include "support/tensors.h"

namespace crossload::verify {
namespace {

Tensor longs(Dims dims, const std::vector<int64_t>& values) {
  return Tensor::of<int64_t>(DType::kInt64, std::move(dims), std::span<const int64_t>(values));
}

/// A model of two parameters, `a.w` [2, 2] and `b.bias` [2].
struct TwoParameters {
  TempFolder folder;
  std::map<std::string, Tensor> pt, tf;
  GradientRequest request;

  TwoParameters() {
    request.parameters = {{"a.w", {"tied.w"}, false}, {"b.bias", {}, false}};
    request.variables = {{"a.w", "a.w"}, {"b.bias", "b.bias"}};
    request.pt_file = folder.path / "pt";
    request.tf_file = folder.path / "tf";
    request.order = {{"a", 1}, {"b", 2}};
    give("a.w", {2, 2}, {1, 2, 3, 4}, {5, 6, 7, 8}, {5, 6, 7, 8});
    give("b.bias", {2}, {1, 2}, {3, 4}, {3, 4});
  }

  /// A parameter's value and both gradients by it.
  void give(const std::string& name, const Dims& dims, const std::vector<float>& value, const std::vector<float>& of_pt,
            const std::vector<float>& of_tf) {
    pt["parameter/" + name] = floats(dims, value);
    pt["run/0/" + name] = floats(dims, of_pt);
    pt["truth/" + name] = floats(dims, of_pt);
    tf["variable/" + name] = floats(dims, value);
    tf["gradient/" + name] = floats(dims, of_tf);
  }

  GradientReport report() {
    write_safetensors(request.pt_file, pt);
    write_safetensors(request.tf_file, tf);
    std::vector<std::string> notes;
    return compare_gradients(request, notes);
  }
};

TEST_CASE("equal gradients are verified") {
  const GradientReport report = TwoParameters().report();
  CHECK(report.verdict == Verdict::kVerified);
  REQUIRE(report.parameters.size() == 2);
  CHECK(report.parameters[0].of.name == "a.w");
  CHECK(report.parameters[0].largest == 8);
  CHECK(report.max_error == 0);
}

TEST_CASE("a variable's values tell its layout") {
  TwoParameters model;
  model.tf["variable/a.w"] = floats({2, 2}, {1, 3, 2, 4});
  model.tf["gradient/a.w"] = floats({2, 2}, {5, 7, 6, 8});
  CHECK(model.report().verdict == Verdict::kVerified);
  model.tf["variable/a.w"] = floats({2, 2}, {1, 2, 3, 4});
  CHECK(model.report().verdict == Verdict::kMismatch);
}

TEST_CASE("the first that differs is the last to be used") {
  TwoParameters model;
  model.give("a.w", {2, 2}, {1, 2, 3, 4}, {5, 6, 7, 8}, {5, 6, 7, 9});
  GradientReport report = model.report();
  CHECK(report.parameters[0].is_first);
  model.give("b.bias", {2}, {1, 2}, {3, 4}, {3, 5});
  report = model.report();
  CHECK(report.verdict == Verdict::kMismatch);
  CHECK_FALSE(report.parameters[0].is_first);
  CHECK(report.parameters[1].is_first);
  CHECK(report.max_error == 1);
}

TEST_CASE("a gradient within the limit shows nothing") {
  TwoParameters model;
  model.give("b.bias", {2}, {1, 2}, {3e-7F, 0}, {-3e-7F, 0});
  GradientReport report = model.report();
  CHECK(report.parameters[1].of.verdict == Verdict::kUnverified);
  CHECK(report.verdict == Verdict::kVerified);
  Result result;
  result.verdict = Verdict::kVerified;
  add_gradients(report, result);
  CHECK(result.verdict_note == "1 of 2 gradients are nowhere larger than the limit, which shows nothing");
  // It is not excused for being small where TensorFlow's is not.
  model.give("b.bias", {2}, {1, 2}, {3e-7F, 0}, {1, 0});
  report = model.report();
  CHECK(report.verdict == Verdict::kMismatch);
}

TEST_CASE("no gradient and zeros are the same, no gradient and numbers are not") {
  TwoParameters model;
  model.request.tf_without = {"b.bias"};
  GradientReport report = model.report();
  CHECK(report.only_pytorch == std::vector<std::string>{"b.bias"});
  CHECK(report.verdict == Verdict::kMismatch);
  model.give("b.bias", {2}, {1, 2}, {0, 0}, {0, 0});
  report = model.report();
  CHECK(report.without == std::vector<std::string>{"b.bias"});
  CHECK(report.verdict == Verdict::kVerified);
  model.request.tf_without = {};
  model.request.pt_without = {"a.w"};
  report = model.report();
  CHECK(report.only_tensorflow == std::vector<std::string>{"a.w"});
  CHECK(report.without == std::vector<std::string>{"b.bias"});
}

TEST_CASE("one parameter as two variables is a mismatch") {
  TwoParameters model;
  model.request.variables.emplace_back("tied.w", "tied.w");
  model.tf["gradient/tied.w"] = floats({2, 2}, {0, 0, 0, 0});
  const GradientReport report = model.report();
  CHECK(report.untied == std::vector<std::string>{"a.w"});
  CHECK(report.verdict == Verdict::kMismatch);
}

TEST_CASE("noise of PyTorch's own gradients excuses as much") {
  TwoParameters model;
  model.give("b.bias", {2}, {1, 2}, {3, 4}, {3, 4.0001F});
  CHECK(model.report().verdict == Verdict::kMismatch);
  model.pt["run/0/b.bias"] = floats({2}, {3, 4.00002F});
  model.pt["run/1/b.bias"] = floats({2}, {3, 3.9999F});
  CHECK(model.report().verdict == Verdict::kWithinNoise);
  model.request.strict = true;
  CHECK(model.report().verdict == Verdict::kMismatch);
}

TEST_CASE("coefficients are one over the root of the visible count") {
  const TempFolder folder;
  program::Program program;
  const SymDims dims = {Sym::symbol("b"), Sym::symbol("s")};
  program.inputs.push_back({program::InputKind::kUser, "attention_mask", "attention_mask", true, {}});
  program.main.tensors["attention_mask"] = {DType::kInt64, dims};
  program.outputs.push_back({"y", program::TensorRef{"y"}, false});
  program.main.tensors["y"] = {DType::kFloat32, dims};
  const float infinity = std::numeric_limits<float>::infinity();
  write_safetensors(folder.path / "case", {{"input/attention_mask", longs({2, 3}, {1, 1, 0, 1, 1, 1})},
                                           {"run/0/y", floats({2, 3}, {1, 2, 3, 4, infinity, 6})}});
  const Case one{folder.path / "case", "2 x 3", true, {}, {}};
  const Checkpoint written = open_safetensors(write_coefficients(program, one, folder.path));
  const Tensor found = written.tensor("coefficient/y");
  REQUIRE(found.dims() == Dims{2, 3});
  for (int64_t i = 0; i < 6; ++i) {
    CHECK(std::abs(found.at<float>(i)) == (i == 2 || i == 4 ? 0.0F : 0.5F));
  }
}

TEST_CASE("outputs without a number have no gradient") {
  const TempFolder folder;
  write_safetensors(folder.path / "case", {{"run/0/y", longs({2}, {1, 2})}});
  const Case one{folder.path / "case", "2", true, {}, {}};
  CHECK_THROWS_WITH_AS(write_coefficients({}, one, folder.path), doctest::Contains("no output"), Error);
}

}  // namespace
}  // namespace crossload::verify
