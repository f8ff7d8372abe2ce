#include "verify/outputs.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <limits>
#include <tuple>

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
  result.noise_rms = noise / 2;
  result.tf_truth_rms = tf_truth / 2;
  result.content = {Content::Kind::kVaried, 0, 4};
  return result;
}

TEST_CASE("verdict: the limit, then PyTorch's own noise") {
  CHECK(judge(output(1e-5, 0, 1), 1e-5) == Verdict::kVerified);
  CHECK(judge(output(2e-5, 3e-5, 3e-5), 1e-5) == Verdict::kWithinNoise);
  CHECK(judge(output(2e-5, 3e-5, 4.4e-5), 1e-5) == Verdict::kWithinNoise);
  CHECK(judge(output(2e-5, 3e-5, 4.6e-5), 1e-5) == Verdict::kMismatch);  // everywhere more than 1.5 times as far
  OutputResult one_place = output(2e-5, 3e-5, 5.9e-5);
  one_place.tf_truth_rms = one_place.noise_rms;
  CHECK(judge(one_place, 1e-5) == Verdict::kWithinNoise);
  one_place.tf_truth = 6.1e-5;  // at one position more than twice as far
  CHECK(judge(one_place, 1e-5) == Verdict::kMismatch);
  CHECK(judge(output(2e-5, kUnknown, kUnknown), 1e-5) == Verdict::kMismatch);
  CHECK(judge(output(kInfinite, kInfinite, 0), 1e-5) == Verdict::kMismatch);
}

TEST_CASE("verdict: one unit in the last place of half precision is none") {
  OutputResult half = output(4.9e-4, 0, 1);
  half.dtype = DType::kFloat16;
  half.units = 1;
  CHECK(judge(half, 1e-5) == Verdict::kVerified);
  half.units = 1.5;
  CHECK(judge(half, 1e-5) == Verdict::kMismatch);
}

TEST_CASE("verdict: agreement about nothing says nothing") {
  using Kind = Content::Kind;
  for (const auto& [kind, count, reason] :
       {std::tuple(Kind::kEmpty, 0, "no position of it is visible"),
        std::tuple(Kind::kNotFinite, 3, "NaN or infinity at every position, in PyTorch as well"),
        std::tuple(Kind::kOneValue, 3, "0.5 at every position and shape"), std::tuple(Kind::kOneValue, 1, ""),
        std::tuple(Kind::kVaried, 3, "")}) {
    OutputResult same = output(0, 0, 0);
    same.content = {kind, 0.5, count};
    CHECK(reason_for_nothing(same) == reason);
    CHECK(judge(same, 1e-5) == (std::string(reason).empty() ? Verdict::kVerified : Verdict::kUnverified));
    same.max_error = same.tf_truth = 1;
    CHECK(judge(same, 1e-5) == Verdict::kMismatch);
  }
}

TEST_CASE("outputs: what shows nothing at one shape may show something at another") {
  OutputResult zeros = output(0, 0, 0), ones = output(0, 0, 0);
  zeros.content = {Content::Kind::kOneValue, 0, 4};
  ones.content = {Content::Kind::kOneValue, 1, 4};
  std::vector<OutputResult> all = {zeros};
  merge(all, {zeros});
  CHECK(all[0].content.kind == Content::Kind::kOneValue);
  merge(all, {ones});
  CHECK(all[0].content.kind == Content::Kind::kVaried);
}

program::Program with_mask(const char* name) {
  program::Program p;
  p.inputs = {{program::InputKind::kUser, name, name, true, {}}};
  p.main.tensors[name] = {DType::kBool, {Sym::symbol("b"), Sym::symbol("s")}};
  p.main.tensors["y"] = {DType::kFloat32, {Sym::symbol("b"), Sym::symbol("s"), Sym(1)}};
  p.outputs = {{"y", program::TensorRef{"y"}, false}};
  return p;
}

TEST_CASE("masks: which reading is right PyTorch's own runs say") {
  const std::vector<uint8_t> padding = {0, 0, 0, 1};
  for (const char* name : {"padding_mask", "whatever"}) {  // the first is read the other way round by its name
    CaseValues pytorch;
    pytorch.inputs[name] = Tensor::of<uint8_t>(DType::kBool, {2, 2}, std::span<const uint8_t>(padding));
    pytorch.runs["y"] = {floats({2, 2, 1}, {1, 2, 3, 0}), floats({2, 2, 1}, {1, 2, 3, 7})};
    std::vector<std::string> notes;
    const program::Program program = with_mask(name);
    const Masks masks = masks_of(program, pytorch, notes);
    CHECK(masks.of(program.main.tensors.at("y").dims, {2, 2, 1}).rows == std::vector<uint8_t>{1, 1, 1, 0});
    REQUIRE(notes.size() == 1);
    CHECK(notes[0] == fmt::format("input `{}`: positions where it is 1 are taken for padding, since PyTorch's own runs "
                                  "differ there by 7.0e+00 and elsewhere by 0.0e+00",
                                  name));
    // Runs that differ at other positions as well are not explained by any reading.
    pytorch.runs["y"][1] = floats({2, 2, 1}, {1, 9, 3, 7});
    notes.clear();
    static_cast<void>(masks_of(program, pytorch, notes));
    CHECK(notes.empty());
  }
}

TEST_CASE("verdict: the worse of two") {
  using enum Verdict;
  CHECK(worse(kVerified, kWithinNoise) == kWithinNoise);
  CHECK(worse(kMismatch, kWithinNoise) == kMismatch);
  CHECK(worse(kUnverified, kVerified) == kVerified);
}

TEST_CASE("outputs: figures of the worse shape and the shape itself, the worse verdict") {
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
  CHECK(all[0].shape == Dims{1, 8});
  CHECK(all[0].verdict == Verdict::kWithinNoise);
}

TEST_CASE("outputs: noise is the worst run's distance from the truth") {
  CaseValues pytorch;
  pytorch.runs["y"] = {floats({2}, {1, 2}), floats({2}, {1, 2.5f})};
  pytorch.truth["y"] = doubles({2}, {1, 2.25});
  std::vector<std::string> notes;
  const auto results = compare_outputs({}, pytorch, Masks({}, {}), {{"y", floats({2}, {1, 3})}}, notes);
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
  const auto results = compare_outputs({}, pytorch, Masks({}, {}), {{"y", floats({1}, {1})}}, notes);
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
  const auto results =
      compare_outputs({}, pytorch, Masks({}, {}),
                      {{"a", floats({1, 2}, {1, 2})}, {"b", doubles({2}, {1, 2})}, {"d", floats({}, {1})}}, notes);
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
