#include "report/report.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <filesystem>
#include <limits>
#include <set>
#include <sstream>

#include "support/temp_folder.h"

namespace crossload::report {
namespace {

using verify::Verdict;

Report small_report() {
  Report report;
  report.model = "models/tiny";
  report.model_class = "TinyModel";
  report.model_type = "tiny";
  report.weights = {4, 1'234'567, {"cls.bias"}, {}};
  report.timings = {3.14, 0.05, 0.2, 1.5, 4.9};
  report.peak_rss_mib = 512.4;
  report.trace_cache = "hit";
  report.versions = {{"torch", "2.13.0"}, {"tensorflow", "2.21.0"}};
  verify::Result& result = report.result;
  result.verdict = Verdict::kMismatch;
  result.max_error = 0.25;
  result.limit = 1e-5;
  result.shapes = {
      {"as traced", true, "int64_serving", {{"input_ids", {2, 17}}, {"attention_mask", {2, 17}}}, 0.125, 0, {}},
      {"as traced", true, "serving_default", {{"input_ids", {2, 17}}, {"attention_mask", {2, 17}}}, 0.25, 3, {}},
      {"batch 1", false, "int64_serving", {{"input_ids", {1, 5}}, {"attention_mask", {1, 5}}}, 0, 0, {}},
      {"length 1", false, "", {}, verify::kUnknown, verify::kUnknown, "index out of range"}};
  verify::OutputResult output;
  output.name = "last_hidden_state";
  output.shape = {2, 17, 8};
  output.max_error = 0.25;
  output.mean_error = 1.9e-6;
  output.cosine = 0.99999;
  output.noise = 2e-6;
  output.tf_truth = 0.25;
  output.pt_truth = 2e-6;
  output.verdict = Verdict::kMismatch;
  result.outputs = {output};
  const auto stage = [](std::string module, std::string type, int depth, double accumulated, double isolated) {
    verify::StageResult one;
    one.module = std::move(module);
    one.module_class = std::move(type);
    one.depth = depth;
    one.accumulated = accumulated;
    one.isolated = isolated;
    one.noise = 1e-7;
    return one;
  };
  result.stages = {stage("", "TinyModel", 0, 0.25, 0.25), stage("embed", "Embedding", 1, 0, 0),
                   stage("drop", "Dropout", 1, 0, 0)};
  for (int i = 0; i < 4; ++i) {
    const std::string layer = fmt::format("encoder.layer.{}", i);
    result.stages.push_back(stage(layer, "TinyLayer", 1, i < 2 ? 1e-7 : 0.25, i == 2 ? 0.25 : 1e-7));
    result.stages.push_back(stage(layer + ".act", "GELUActivation", 2, i < 2 ? 1e-7 : 0.25, i == 2 ? 0.25 : 1e-7));
  }
  result.stages[8].first_over_limit = true;
  result.stages[8].ops = {{"aten.gelu.default", 0.25, "modeling_tiny.py:12", "gelu_2"}};
  result.stages.push_back(stage("head", "Linear", 1, verify::kUnknown, std::numeric_limits<double>::infinity()));
  report.notes = {"no tokenizer; inputs from the config"};
  return report;
}

TEST_CASE("terminal: the whole of a small report") {
  // Written by hand, column by column.
  const char* expected = R"(✗ mismatch   max |pt - tf| 2.5e-01, limit 1.0e-05

  model    models/tiny
  class    TinyModel, tiny
  axes     dynamic
  weights  4 tensors, 1.2 MB; unused: 1 (cls.bias)

Shapes
  shape      inputs                             max error  at padding
  as traced  input_ids, attention_mask [2, 17]    2.5e-01     3.0e+00
  batch 1    input_ids, attention_mask [1, 5]           0           0

Outputs
  output             shape       max error     mean    cosine    noise  verdict
  last_hidden_state  [2, 17, 8]    2.5e-01  1.9e-06  0.999990  2.0e-06  mismatch

Stages
  accumulated: from the model's inputs on; isolated: with PyTorch's values as the module's inputs
  module                     class                accumulated  isolated    noise
  (model)                    TinyModel                2.5e-01   2.5e-01  1.0e-07
    embed                    Embedding                      0         0  1.0e-07
    encoder.layer.2          TinyLayer                2.5e-01   2.5e-01  1.0e-07
      act                    GELUActivation           2.5e-01   2.5e-01  1.0e-07  ◄ first over
        · aten.gelu.default  modeling_tiny.py:12                2.5e-01           gelu_2
    … 3 more like it, none worse
    head                     Linear                         -       inf  1.0e-07

Notes
  - no tokenizer; inputs from the config
  - length 1: not tried, PyTorch fails there: index out of range

trace 3.1 s (cached) · lower 0.1 s · write 0.2 s · verify 1.5 s · total 4.9 s · peak 512 MiB
)";
  CHECK(to_terminal(small_report(), {false, 120, false}) == expected);
}

TEST_CASE("terminal: gradients, the worst first") {
  Report report;
  verify::GradientReport& gradients = report.result.gradients.emplace();
  for (const auto& [name, error] : {std::pair("a.weight", 1e-7), std::pair("b.weight", 0.5), std::pair("c", 2e-7)}) {
    verify::GradientResult& one = gradients.parameters.emplace_back();
    one.of.name = name;
    one.of.shape = {3};
    one.of.max_error = error;
    one.of.verdict = error > 0.1 ? Verdict::kMismatch : Verdict::kVerified;
    one.largest = 2;
    one.is_first = error > 0.1;
  }
  gradients.only_pytorch = {"d.bias"};
  const std::string text = to_terminal(report, {false, 100, false});
  const char* expected = R"(Gradients
  of a fixed sum of the outputs, by each parameter; the worst ones
  parameter  shape  max error  largest  noise  verdict
  b.weight   [3]      5.0e-01  2.0e+00      -  mismatch ◄ first
  c          [3]      2.0e-07  2.0e+00      -  verified
  a.weight   [3]      1.0e-07  2.0e+00      -  verified
  on the way back from the outputs, `b.weight` is the first that differs
  - gradient in PyTorch only: 1 (d.bias)
)";
  CHECK(text.find(expected) != std::string::npos);
  CAPTURE(text);
}

int longest_line(const std::string& text) {
  int longest = 0, current = 0;
  for (const char c : text) {
    if (c == '\n') {
      longest = std::max(longest, current);
      current = 0;
    } else if ((static_cast<unsigned char>(c) & 0xc0) != 0x80) {
      ++current;
    }
  }
  return longest;
}

TEST_CASE("terminal: no line is wider than the width") {
  Report report = small_report();
  report.model = std::string(300, 'm');
  report.result.outputs[0].name = std::string(100, 'o');
  report.result.stages[4].module_class = std::string(100, 'c');
  report.notes.push_back(
      fmt::format("{:n>200} and more words than fit into one line of this width, several times over", ""));
  for (const int width : {60, 72, 80, 100, 140}) {
    for (const bool verbose : {false, true}) CHECK(longest_line(to_terminal(report, {false, width, verbose})) <= width);
  }
}

TEST_CASE("terminal: verbose shows every stage, colour only when asked for") {
  const std::string verbose = to_terminal(small_report(), {false, 120, true});
  CHECK(verbose.find("more like it") == std::string::npos);
  CHECK(verbose.find("encoder.layer.3") != std::string::npos);
  CHECK(verbose.find("drop ") != std::string::npos);
  CHECK(verbose.find('\x1b') == std::string::npos);
  CHECK(to_terminal(small_report(), {true, 120, false}).starts_with("\x1b[1;31m✗ mismatch\x1b[0m"));
}

TEST_CASE("terminal: control characters of a model do not reach the terminal") {
  Report report = small_report();
  report.model =
      "a\x1b[31mb\nc\xc2\x9b"
      "d\xff";
  report.result.stages[1].module = "embed\x1b]0;title\x07";
  const std::string text = to_terminal(report, {false, 100, false});
  CHECK(text.find('\x1b') == std::string::npos);
  CHECK(text.find("a?[31mb?c?d?") != std::string::npos);
}

void collect_keys(const nlohmann::ordered_json& json, std::set<std::string>& keys) {
  if (json.is_object()) {
    for (const auto& [key, value] : json.items()) {
      keys.insert(key);
      // What these two hold is named by the model and by the machine.
      if (key != "inputs" && key != "versions") collect_keys(value, keys);
    }
  } else if (json.is_array()) {
    for (const auto& item : json) collect_keys(item, keys);
  }
}

TEST_CASE("terminal: what the verdict does not cover, and axes that are fixed") {
  Report report = small_report();
  report.result.verdict_note = "compared at one shape, 2 x 16; another one: breaks the program's guard `s0 % 4 == 0`";
  report.fixed_axes = {{"pixels", 1, 3, "the model fixes it"}, {"pixels", 2, 16, ""}, {"mask", 0, 1, ""}};
  const std::string text = to_terminal(report, {false, 100, false});
  CHECK(
      text.starts_with("✗ mismatch   max |pt - tf| 2.5e-01, limit 1.0e-05\n"
                       "  compared at one shape, 2 x 16; another one: breaks the program's guard `s0 % 4 == 0`\n\n"));
  CHECK(text.find("axes     dynamic; fixed: pixels axis 1 (3), 2 (16), mask axis 0 (1)\n") != std::string::npos);
  report.dynamic = false;
  CHECK(to_terminal(report, {false, 100, false}).find("axes     static: only the traced shape\n") != std::string::npos);
}

TEST_CASE("json: shapes that were dropped, and those at which PyTorch fails") {
  Report report = small_report();
  report.result.dropped = {{"2 x 9", {{"input_ids", {2, 9}}}, "breaks the program's guard `s1 % 2 == 0`"}};
  const nlohmann::ordered_json json = to_json(report);
  REQUIRE(json["dropped_shapes"].size() == 2);
  CHECK(json["dropped_shapes"][0].dump() ==
        R"({"shape":"2 x 9","inputs":{"input_ids":[2,9]},"reason":"breaks the program's guard `s1 % 2 == 0`"})");
  CHECK(json["dropped_shapes"][1]["reason"] == "index out of range");
  CHECK(json["notes"].size() == 3);
}

TEST_CASE("docs/report.md describes every key") {
  const std::string page = read_bytes(std::filesystem::path(CROSSLOAD_SOURCE_DIR) / "docs/report.md");
  Report report = small_report();
  report.files.push_back({"config.json", 2, 0});
  report.fixed_axes = {{"pixels", 1, 3, "the model fixes it"}};
  report.result.diagnosis.push_back({"encoder", "epsilon", "1e-5 and 1e-12", 1e-7});
  report.result.gradients.emplace().parameters.resize(1);
  report.result.pictures.resize(1);
  std::set<std::string> keys;
  collect_keys(to_json(report), keys);
  REQUIRE(keys.count("counterfactual_error") == 1);
  REQUIRE(keys.count("crc32c") == 1);
  for (const std::string& key : keys) {
    CAPTURE(key);
    CHECK(page.find("`" + key + "`") != std::string::npos);
  }
}

TEST_CASE("json: the keys in the order of docs/report.md") {
  const nlohmann::ordered_json json = to_json(small_report());
  std::string keys;
  for (const auto& [key, value] : json.items()) keys.append(key).append(" ");
  CHECK(keys ==
        "model commit class against model_type verdict verdict_note max_error limit dynamic shapes dropped_shapes "
        "fixed_axes "
        "outputs stages choices layers spread pictures diagnosis gradients "
        "weights files "
        "timings_s "
        "peak_rss_mib trace_cache versions notes ");
  CHECK(json["verdict"] == "mismatch");
  CHECK(json["max_error"] == 0.25);
  REQUIRE(json["shapes"].size() == 2);
  CHECK(json["shapes"][0].dump() ==
        R"({"inputs":{"input_ids":[2,17],"attention_mask":[2,17]},"max_error":0.25,"padded_error":3.0})");
  CHECK(json["outputs"][0]["dtype"] == "float32");
  CHECK(json["stages"][8]["first_over_limit"] == true);
  CHECK(json["stages"][8]["ops"][0].dump() ==
        R"({"op":"aten.gelu.default","isolated":0.25,"noise":null,"source":"modeling_tiny.py:12","node":"gelu_2",)"
        R"("tf_node":"","first_over_limit":false})");
  CHECK(json["trace_cache"] == "hit");
  CHECK(json["notes"].size() == 2);
}

TEST_CASE("json: numbers that are none") {
  Report report = small_report();
  report.timings.trace = verify::kUnknown;
  report.trace_cache.clear();
  report.model = std::string("\xff");
  const nlohmann::ordered_json json = to_json(report);
  CHECK(json["stages"].back()["accumulated"].is_null());
  CHECK(json["stages"].back()["isolated"] == "inf");
  CHECK(json["timings_s"]["trace"].is_null());
  CHECK(json["trace_cache"].is_null());
  CHECK(json["model"] == "\xef\xbf\xbd");
  CHECK_NOTHROW(static_cast<void>(json.dump()));
}

TEST_CASE("html: nothing of a model is read as markup") {
  Report report = small_report();
  report.model = "</title></script><script>alert(1)</script><!--{{data}}";
  report.result.stages[1].module = "</script><img src=x onerror=alert(2)>";
  const std::string page = to_html(report);
  CHECK(page.find("<script>alert") == std::string::npos);
  CHECK(page.find("<img") == std::string::npos);
  CHECK(page.find("<title>&lt;/title&gt;&lt;/script&gt;") != std::string::npos);
  CHECK(page.find("\\u003c/script>") != std::string::npos);
  // Two script elements and no more, and the data is JSON again when it is read back.
  std::size_t ends = 0;
  for (std::size_t at = 0; (at = page.find("</script>", at)) != std::string::npos; ++at) ++ends;
  CHECK(ends == 2);
  const std::string open = "<script id=\"data\" type=\"application/json\">";
  const std::size_t begin = page.find(open) + open.size();
  const auto data = nlohmann::json::parse(page.substr(begin, page.find("</script>", begin) - begin));
  CHECK(data["model"] == report.model);
  CHECK(data["stages"][1]["module"] == report.result.stages[1].module);
  CHECK(data["stages"][1]["depth"] == 1);
}

TEST_CASE("html: fetches nothing") {
  const std::string page = to_html(small_report());
  CHECK(page.find("src=") == std::string::npos);
  CHECK(page.find("href=") == std::string::npos);
  CHECK(page.find("url(") == std::string::npos);
  CHECK(page.find("default-src 'none'") != std::string::npos);
}

}  // namespace
}  // namespace crossload::report
