#include "verify/against.h"

#include <doctest/doctest.h>

#include <limits>
#include <nlohmann/json.hpp>

#include "support/temp_folder.h"
#include "support/tensors.h"

namespace crossload::verify {
namespace {

using Tensors = std::map<std::string, Tensor>;
using Names = std::vector<std::string>;
using Leaves = std::vector<std::pair<std::string, std::string>>;

constexpr float kMinimum = std::numeric_limits<float>::lowest();

/// One case of a model that gives `y`, and the two modules in it.
struct TwoModules {
  TempFolder folder;
  Tensors pt_stages, tf_stages;
  AgainstRequest request;

  TwoModules() {
    write("case", {{"input/x", floats({2, 2}, {1, 2, 3, 4})}, {"run/0/y", floats({2, 2}, {1, 2, 3, 4})}});
    write("tf_case", {{"output/y", floats({2, 2}, {1, 2, 3, 4})}});
    request.cases.push_back({folder.path / "case", "sample", true, {}});
    request.tf_cases.push_back({folder.path / "tf_case", {}, false, ""});
    request.inputs["x"] = {Sym::symbol("batch"), Sym(2)};
    request.outputs["y"] = {Sym::symbol("batch"), Sym(2)};
    request.output_names = {"y"};
    request.layers = {{0, -1, {}, "", "M"}, {1, 0, {"a"}, "a", "A"}, {2, 0, {"b"}, "b", "B"}};
    request.pairing = {{{0, ""}, {1, "a"}, {2, "b"}}, {}};
  }

  void write(const std::string& name, const Tensors& tensors) const {
    nlohmann::json header = nlohmann::json::object();
    std::string bytes;
    for (const auto& [key, tensor] : tensors) {
      const std::size_t begin = bytes.size();
      bytes.append(reinterpret_cast<const char*>(tensor.bytes().data()), tensor.bytes().size());
      header[key] = {{"dtype", "F32"}, {"shape", tensor.dims()}, {"data_offsets", {begin, bytes.size()}}};
    }
    const std::string text = header.dump();
    const uint64_t size = text.size();
    write_bytes((folder.path / name).string(), std::string(reinterpret_cast<const char*>(&size), 8) + text + bytes);
  }

  /// A module that ends as the `end`-th, what it gives, and what TensorFlow's layer gives in the model and alone.
  void add(const std::string& module, int layer, int end, const Tensor& pt, const Tensor& tf, const Tensor& alone) {
    const std::string index = std::to_string(request.runs.size());
    request.modules.push_back({module, "Module", 0, module.empty() ? 0 : 1, end, {{"", module + "v"}}});
    request.runs.push_back({layer, module, 0, {""}, Names{""}, ""});
    pt_stages["value/" + module + "v"] = pt;
    tf_stages["accumulated/" + index + "/"] = tf;
    tf_stages["isolated/" + index + "/"] = alone;
  }

  Result run() {
    write("stages", pt_stages);
    write("tf_stages", tf_stages);
    request.pt_stages = folder.path / "stages";
    request.tf_stages = folder.path / "tf_stages";
    return compare_against(request);
  }
};

TEST_CASE("first over the limit is the stage that is wrong by itself, not the one that is given wrong values before") {
  TwoModules two;
  const Tensor good = floats({1}), bad = floats({2});
  two.add("", 0, 2, good, bad, bad);
  two.add("a", 1, 0, good, bad, good);  // given something wrong by the model around it
  two.add("b", 2, 1, good, bad, good);
  Result result = two.run();
  CHECK(result.verdict == Verdict::kVerified);
  CHECK(result.stages[0].first_over_limit);
  CHECK(!result.stages[1].first_over_limit);
  CHECK(result.stages[1].accumulated == 1);
  CHECK(result.stages[1].isolated == 0);

  two.tf_stages["isolated/2/"] = bad;
  result = two.run();
  CHECK(result.stages[2].first_over_limit);
  CHECK(!result.stages[0].first_over_limit);

  two.tf_stages["isolated/0/"] = two.tf_stages["isolated/2/"] = good;  // nothing is wrong by itself
  CHECK(two.run().stages[1].first_over_limit);
}

TEST_CASE("a stage within its noise is not over") {
  TwoModules two;
  two.add("", 0, 0, floats({1}), floats({1.5F}), floats({1.5F}));
  two.pt_stages["offset/v"] = floats({0.25F});
  two.pt_stages["noise/v"] = floats({0.25F});
  Result result = two.run();
  CHECK(result.stages[0].noise == 0.5);
  CHECK(!result.stages[0].first_over_limit);
  two.pt_stages["noise/v"] = floats({0.125F});
  CHECK(two.run().stages[0].first_over_limit);
}

TEST_CASE("values are compared in PyTorch's layout") {
  const Tensor pt = counting_floats({1, 2, 2, 3});
  for (const Tensor& tf :
       {pt, transposed(pt, std::vector<int>{0, 2, 3, 1}), transposed(pt, std::vector<int>{3, 0, 2, 1}),
        Tensor(pt.dtype(), {2, 6}, pt.bytes(), pt.owner())}) {
    TwoModules two;
    two.add("", 0, 0, pt, tf, tf);
    const Result result = two.run();
    CHECK(result.stages[0].accumulated == 0);
    CHECK(result.layers->other_structure.empty());
  }
}

TEST_CASE("what a mask adds may be another large number") {
  TwoModules two;
  two.add("", 0, 0, floats({1, kMinimum, -1e9F}), floats({1, -1e4F, kMinimum}), floats({1, -9e3F, kMinimum}));
  const Result result = two.run();
  CHECK(result.stages[0].accumulated == 0);
  CHECK(result.stages[0].isolated > 1e38);
}

TEST_CASE("leaves go together by their place, else by their shape; what has no partner is listed") {
  TwoModules two;
  two.add("", 0, 0, floats({1, 2}), floats({1, 2}), floats({1, 2}));
  two.request.modules[0].outputs = Leaves{{"0", "v"}, {"1", "w"}};
  two.pt_stages["value/w"] = floats({3, 4, 5});
  two.request.runs[0].accumulated = {"0", "2"};
  two.request.runs[0].isolated.reset();
  two.request.runs[0].reason = "it takes no tensor";
  two.tf_stages["accumulated/0/0"] = floats({1, 2});
  two.tf_stages["accumulated/0/2"] = floats({3, 4, 6});
  Result result = two.run();
  CHECK(result.stages[0].accumulated == 1);
  CHECK(result.layers->other_structure.empty());
  REQUIRE(result.layers->not_isolated.size() == 1);
  CHECK(result.layers->not_isolated[0].reason == "it takes no tensor");

  two.tf_stages["accumulated/0/2"] = floats({3, 4});
  result = two.run();
  CHECK(result.stages[0].accumulated == 0);
  REQUIRE(result.layers->other_structure.size() == 1);
  CHECK(result.layers->other_structure[0].reason == "PyTorch gives [2], [3], TensorFlow [2], [2]");
}

TEST_CASE("modules without a layer are listed, those around a paired one are not") {
  TwoModules two;
  two.add("", 0, 1, floats({1}), floats({1}), floats({1}));
  two.request.modules.push_back({"a.act", "GELU", 0, 1, 0, {}});
  two.request.modules.push_back({"list", "Sequential", 0, 1, 0, {}});
  two.request.pairing.module_of[2] = "list.0";
  CHECK(two.run().layers->without_layer == Names{"a.act"});
}

}  // namespace
}  // namespace crossload::verify
