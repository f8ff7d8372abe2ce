#include "verify/outputs.h"

#include <doctest/doctest.h>

#include <limits>

#include "base/error.h"
#include "support/tensors.h"

namespace crossload::verify {
namespace {

constexpr double kInfinite = std::numeric_limits<double>::infinity();

OutputResult output(double error, double noise, double tf_truth) {
  OutputResult result;
  result.name = "logits";
  result.max_error = error;
  result.noise = noise;
  result.tf_truth = tf_truth;
  result.pt_truth = noise;
  return result;
}

TEST_CASE("verdict: the limit, then PyTorch's own noise") {
  CHECK(judge(output(1e-5, 0, 1), 1e-5) == Verdict::kVerified);
  CHECK(judge(output(2e-5, 3e-5, 3e-5), 1e-5) == Verdict::kWithinNoise);
  CHECK(judge(output(2e-5, 3e-5, 3.1e-5), 1e-5) == Verdict::kMismatch);
  CHECK(judge(output(2e-5, kUnknown, kUnknown), 1e-5) == Verdict::kMismatch);
  CHECK(judge(output(kInfinite, kInfinite, 0), 1e-5) == Verdict::kMismatch);
}

TEST_CASE("verdict: the worse of two") {
  using enum Verdict;
  CHECK(worse(kVerified, kWithinNoise) == kWithinNoise);
  CHECK(worse(kMismatch, kWithinNoise) == kMismatch);
  CHECK(worse(kUnverified, kVerified) == kVerified);
}

TEST_CASE("outputs: figures of the worse shape, the worse verdict, the traced shape") {
  std::vector<OutputResult> all = {output(1e-6, 0, 0)};
  all[0].verdict = Verdict::kVerified;
  all[0].shape = {2, 3};
  OutputResult next = output(2e-5, 3e-5, 1e-5);
  next.verdict = Verdict::kWithinNoise;
  next.shape = {1, 8};
  merge(all, {next});
  CHECK(all.size() == 1);
  CHECK(all[0].max_error == 2e-5);
  CHECK(all[0].noise == 3e-5);
  CHECK(all[0].shape == Dims{2, 3});
  CHECK(all[0].verdict == Verdict::kWithinNoise);
}

TEST_CASE("outputs: noise is the worst run's distance from the truth") {
  CaseValues pytorch;
  pytorch.runs["y"] = {floats({2}, {1, 2}), floats({2}, {1, 2.5f})};
  pytorch.truth["y"] = doubles({2}, {1, 2.25});
  std::vector<std::string> notes;
  const auto results = compare_outputs({}, pytorch, {{"y", floats({2}, {1, 3})}}, notes);
  REQUIRE(results.size() == 1);
  CHECK(results[0].max_error == 1);
  CHECK(results[0].pt_truth == 0.25);
  CHECK(results[0].noise == 0.25);
  CHECK(results[0].tf_truth == 0.75);
  CHECK(notes.empty());
}

TEST_CASE("outputs: a run that is far off is no noise, and says so where it is the model itself") {
  CaseValues pytorch;
  pytorch.runs["y"] = {floats({1}, {2}), floats({1}, {1.0000001f})};
  pytorch.truth["y"] = doubles({1}, {1});
  std::vector<std::string> notes;
  const auto results = compare_outputs({}, pytorch, {{"y", floats({1}, {1})}}, notes);
  CHECK(results[0].noise < 1e-6);
  CHECK(judge(results[0], 1e-5) == Verdict::kMismatch);
  REQUIRE(notes.size() == 1);
  CHECK(notes[0] == "output `y` [1]: the program that PyTorch exported is 1.0e+00 away from the model itself");
}

TEST_CASE("outputs: another shape, another dtype or none is a mismatch") {
  CaseValues pytorch;
  pytorch.runs["a"] = {floats({2}, {1, 2})};
  pytorch.runs["b"] = {floats({2}, {1, 2})};
  pytorch.runs["c"] = {floats({2}, {1, 2})};
  std::vector<std::string> notes;
  const auto results = compare_outputs(
      {}, pytorch, {{"a", floats({1, 2}, {1, 2})}, {"b", doubles({2}, {1, 2})}, {"d", floats({}, {1})}}, notes);
  for (const OutputResult& result : results) CHECK(result.max_error == kInfinite);
  REQUIRE(notes.size() == 4);
  CHECK(notes[0] == "output `a`: PyTorch gives float32[2], TensorFlow float32[1, 2]");
  CHECK(notes[1] == "output `b`: PyTorch gives float32[2], TensorFlow float64[2]");
  CHECK(notes[2] == "output `c`: TensorFlow does not give it");
  CHECK(notes[3] == "output `d`: PyTorch does not give it");
}

TEST_CASE("inputs: int64 as int32, and no further") {
  const std::vector<int64_t> good = {1, -2}, large = {1, int64_t{1} << 40};
  const Tensor narrow =
      converted(Tensor::of<int64_t>(DType::kInt64, {2}, std::span<const int64_t>(good)), DType::kInt32, "ids");
  CHECK(narrow.dtype() == DType::kInt32);
  CHECK(narrow.at<int32_t>(1) == -2);
  CHECK_THROWS_WITH_AS(
      converted(Tensor::of<int64_t>(DType::kInt64, {2}, std::span<const int64_t>(large)), DType::kInt32, "ids"),
      "input `ids`: value 1099511627776 at element 1 does not fit int32", Error);
  CHECK_THROWS_AS(converted(floats({1}, {1}), DType::kInt32, "x"), Error);
}

}  // namespace
}  // namespace crossload::verify
