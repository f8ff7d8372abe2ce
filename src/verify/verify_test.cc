// A model of two modules, written as a SavedModel by crossload and run by TensorFlow, against values worked out by
// hand:
//   linear = x @ weight ; relu = max(linear, 0) ; view = transpose(relu) ; y = view + 1
// with weight = identity * 10. Wrong artefacts are made by changing one operation.
#include "verify/verify.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <fstream>
#include <limits>

#include "base/error.h"
#include "savedmodel/artefact.h"
#include "savedmodel/saved_model.h"
#include "support/safetensors_file.h"
#include "support/temp_folder.h"
#include "support/tensorflow_package.h"
#include "support/tensors.h"
#include "verify/further.h"
#include "verify/outputs.h"
#include "verify/stages.h"
#include "verify/variables.h"

namespace crossload::verify {
namespace {

using savedmodel::Artefact;

namespace fs = std::filesystem;
using graph::ValueRef;

class Weights : public savedmodel::WeightSource {
 public:
  Tensor tensor(const std::string&) const override { return floats({2, 2}, {10, 0, 0, 10}); }
};

const Sym b = Sym::symbol("s0");

program::Program make_program() {
  program::Program p;
  p.inputs = {{program::InputKind::kParameter, "p_weight", "first.weight", true, {}},
              {program::InputKind::kUser, "x", "x", true, {}}};
  p.call_sites = {{"first", "Linear", "first", "model.py:1"},
                  {"second", "Activation", "second", "model.py:2"},
                  {"", "Model", "", "model.py:3"}};
  const auto node = [](const char* target, const char* name, const char* input, int site) {
    return program::Node{target, name, {{"self", program::TensorRef{input}}}, {{{std::string(name)}, "", false}}, site};
  };
  p.main.nodes = {node("aten.linear.default", "linear", "x", 0), node("aten.relu.default", "relu", "linear", 1),
                  node("aten.transpose.int", "view", "relu", 2), node("aten.add.Tensor", "add", "view", 2)};
  for (const char* name : {"x", "linear", "relu"}) p.main.tensors[name] = {DType::kFloat32, {b, Sym(2)}};
  for (const char* name : {"view", "add"}) p.main.tensors[name] = {DType::kFloat32, {Sym(2), b}};
  p.outputs = {{"y", program::TensorRef{"add"}, false}};
  return p;
}

struct Options {
  std::string activation = "Relu";
  float bias = 1;
  std::vector<int> view_perm = {1, 0};  // relu's TensorFlow value as `view`
  std::string relu_tag = "relu";
};

graph::Graph make_graph(const Options& options) {
  graph::Graph g;
  const auto push = [&](graph::Node node, SymDims dims) {
    node.outputs = {{DType::kFloat32, std::move(dims), {}}};
    g.nodes.push_back(std::move(node));
    return ValueRef{static_cast<int>(g.nodes.size()) - 1, 0};
  };
  const ValueRef x = push({"Input", "x", {}, {{"index", int64_t{0}}}, {}, {}}, {b, Sym(2)});
  const ValueRef w = push({"Variable", "weight", {}, {{"index", int64_t{0}}}, {}, {}}, {Sym(2), Sym(2)});
  const ValueRef linear = push({"MatMul", "first/MatMul", {x, w}, {{"T", DType::kFloat32}}, {}, {}}, {b, Sym(2)});
  const ValueRef relu =
      push({options.activation, "second/Act", {linear}, {{"T", DType::kFloat32}}, {}, {}}, {b, Sym(2)});
  const Tensor one = scalar_tensor(DType::kFloat32, double{options.bias});
  const ValueRef bias = push({"Const", "one", {}, {{"value", one}, {"dtype", DType::kFloat32}}, {}, {}}, {});
  const ValueRef add = push({"AddV2", "Add", {relu, bias}, {{"T", DType::kFloat32}}, {}, {}}, {b, Sym(2)});
  const Tensor axes = Tensor::vector_int32({1, 0});
  const ValueRef perm = push({"Const", "perm", {}, {{"value", axes}, {"dtype", DType::kInt32}}, {}, {}}, {Sym(2)});
  g.value(perm).dtype = DType::kInt32;
  const ValueRef y = push(
      {"Transpose", "Transpose", {add, perm}, {{"T", DType::kFloat32}, {"Tperm", DType::kInt32}}, {}, {}}, {Sym(2), b});
  g.value(linear).pt_values = {{"linear", {}}};
  g.value(relu).pt_values = {{options.relu_tag, {}}, {"view", options.view_perm}};
  g.value(add).pt_values = {{"add", {1, 0}}};
  g.value(y).pt_values = {{"add", {}}};
  g.inputs = {{"x", x}};
  g.outputs = {{"y", y}};
  g.variables = {{"first.weight", "first.weight", {}, DType::kFloat32, {2, 2}, true}};
  return g;
}

Result run(const Options& options, const std::function<void(Request&)>& change = {}) {
  const TempFolder folder;
  savedmodel::write(make_graph(options), Weights(), folder.path / "1", {}, [](std::size_t) {});
  const Tensor x = floats({3, 2}, {1, -1, 0.5f, 2, -3, 0});
  const std::vector<float> relu = {10, 0, 5, 20, 0, 0}, view = {10, 5, 0, 0, 20, 0}, y = {11, 6, 1, 1, 21, 1};
  write_safetensors(folder.path / "case_0.safetensors", {{"input/x", x},
                                                         {"run/0/y", floats({2, 3}, y)},
                                                         {"run/1/y", floats({2, 3}, {11, 6, 1, 1, 21.5f, 1})},
                                                         {"truth/y", doubles({2, 3}, {11, 6, 1, 1, 21.001953125, 1})}});
  write_safetensors(folder.path / "case_1.safetensors", {{"input/x", floats({1, 2}, {2, 3})},
                                                         {"run/0/y", floats({2, 1}, {21, 31})},
                                                         {"truth/y", doubles({2, 1}, {21.5, 31})}});
  write_safetensors(folder.path / "stages.safetensors", {{"value/x", x},
                                                         {"value/linear", floats({3, 2}, {10, -10, 5, 20, -30, 0})},
                                                         {"offset/linear", floats({3, 2}, {0, 0, -5e-8f, 0, 0, 0})},
                                                         {"noise/linear", floats({3, 2}, {0, 0, 5e-8f, 1e-7f, 0, 0})},
                                                         {"value/relu", floats({3, 2}, relu)},
                                                         {"value/view", floats({2, 3}, view)},
                                                         {"value/add", floats({2, 3}, y)}});
  const program::Program program = make_program();
  Request request;
  request.saved_model = folder.path / "1";
  request.program = &program;
  request.reference.cases = {{folder.path / "case_0.safetensors", "as traced", true, {}},
                             {folder.path / "case_1.safetensors", "batch 1", false, {}},
                             {"", "no rows", false, "PyTorch divides by zero"}};
  request.reference.stages = folder.path / "stages.safetensors";
  if (change) change(request);
  return verify(request, *runtime::Runtime::load(tensorflow_package()));
}

const StageResult& stage(const Result& result, const std::string& module) {
  const auto found = std::ranges::find(result.stages, module, &StageResult::module);
  REQUIRE(found != result.stages.end());
  return *found;
}

double isolated(const Result& result, const std::string& node) {
  for (const StageResult& one : result.stages) {
    for (const OpResult& op : one.ops) {
      if (op.node == node) return op.isolated;
    }
  }
  return -1;
}

TEST_CASE("verify: a right model") {
  const Result result = run({});
  CHECK(result.verdict == Verdict::kVerified);
  CHECK(result.max_error == 0);
  CHECK(result.notes.empty());
  REQUIRE(result.shapes.size() == 4);  // the traced one through both signatures
  CHECK(result.shapes[0].signature == "int64_serving");
  CHECK(result.shapes[1].signature == "serving_default");
  CHECK(result.shapes[2].inputs[0] == std::pair<std::string, Dims>{"x", {1, 2}});
  CHECK(result.shapes[3].skipped == "PyTorch divides by zero");
  REQUIRE(result.outputs.size() == 1);
  CHECK(result.outputs[0].shape == Dims{2, 3});
  CHECK(result.outputs[0].noise == 0.498046875);
  REQUIRE(result.stages.size() == 3);
  CHECK(stage(result, "").accumulated == 0);
  CHECK(stage(result, "first").isolated == 0);
  CHECK(stage(result, "first").noise == doctest::Approx(1.5e-7).scale(0).epsilon(1e-5));
  CHECK(stage(result, "second").ops.size() == 1);
  CHECK(stage(result, "second").ops[0].op == "aten.relu.default");
  CHECK(stage(result, "second").ops[0].source == "model.py:2");
  CHECK(isolated(result, "add") == 0);
  CHECK_FALSE(stage(result, "second").first_over_limit);
}

TEST_CASE("verify: a wrong operation is found in its module, and only there") {
  const Result result = run({"Relu6"});
  CHECK(result.verdict == Verdict::kMismatch);
  CHECK(result.max_error == 24);  // batch 1: 31 - 7
  CHECK(stage(result, "first").accumulated == 0);
  CHECK(stage(result, "second").accumulated == 14);  // 20 - 6
  CHECK(stage(result, "second").isolated == 14);
  CHECK(stage(result, "second").first_over_limit);
  CHECK(stage(result, "").accumulated == 14);
  CHECK_FALSE(stage(result, "").first_over_limit);
  CHECK(isolated(result, "relu") == 14);
  CHECK(isolated(result, "add") == 0);
}

TEST_CASE("verify: an error later in the same module does not reach back") {
  const Result result = run({"Relu", 1.25f});
  CHECK(result.verdict == Verdict::kWithinNoise);  // 0.25 from the truth, a PyTorch run is 0.5 away
  CHECK(stage(result, "second").accumulated == 0);
  CHECK(stage(result, "").first_over_limit);
  CHECK(isolated(result, "add") == 0.25);
  CHECK(isolated(result, "view") == 0);
  CHECK(run({"Relu", 1.25f}, [](Request& r) { r.strict = true; }).verdict == Verdict::kMismatch);
}

TEST_CASE("verify: TensorFlow failing at a shape at which PyTorch does not is a mismatch") {
  const Result result = run({}, [](Request& r) {
    write_safetensors(r.reference.cases[1].file, {{"input/x", floats({1, 3}, {2, 3, 4})},  // the weight is [2, 2]
                                                  {"run/0/y", floats({3, 1}, {21, 31, 41})}});
  });
  CHECK(result.verdict == Verdict::kMismatch);
  CHECK(std::isinf(result.max_error));
  CHECK(std::ranges::any_of(result.notes, [](const std::string& n) { return n.find("MatMul") != n.npos; }));
}

TEST_CASE("verify: a comparison at one shape says so beside its verdict") {
  const auto alone = [](Request& r) {
    r.reference.cases.resize(1);
    r.reference.dropped = {{"2 x 9", {{"x", {2, 9}}}, "breaks the program's guard `s1 % 2 == 0`"}};
  };
  const Result result = run({}, alone);
  CHECK(result.verdict == Verdict::kVerified);
  CHECK(result.verdict_note ==
        "compared at one shape, as traced; another one: breaks the program's guard `s1 % 2 == 0`");
  CHECK(result.dropped.size() == 1);
  CHECK(run({}).verdict_note.empty());
  const Result failing = run({}, [](Request& r) { r.reference.cases.erase(r.reference.cases.begin() + 1); });
  CHECK(failing.verdict_note == "compared at one shape, as traced; another one: PyTorch divides by zero");
}

TEST_CASE("verify: agreement in NaN is no verdict") {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const Result result = run({}, [&](Request& r) {
    r.reference.cases.resize(1);
    r.reference.stages.reset();
    write_safetensors(r.reference.cases[0].file,
                      {{"input/x", floats({1, 2}, {nan, nan})}, {"run/0/y", floats({2, 1}, {nan, nan})}});
  });
  CHECK(result.verdict == Verdict::kUnverified);
  CHECK(result.verdict_note ==
        "1 of 1 outputs shows nothing to compare: `y`: NaN or infinity at every position, in PyTorch as well");
}

TEST_CASE("verify: claims that do not fit are not trusted") {
  const Result no_permutation = run({"Relu", 1, {0, 0}});
  CHECK(no_permutation.verdict == Verdict::kVerified);
  CHECK(no_permutation.notes == std::vector<std::string>{"values claimed to be PyTorch's that do not fit: 1"});
  const Result other_shape = run({"Relu", 1, {0, 1}});
  CHECK(other_shape.notes == std::vector<std::string>{"values claimed to be PyTorch's that do not fit: 1"});
  const Result unknown = run({"Relu", 1, {1, 0}, "nothing"});
  CHECK(unknown.notes == std::vector<std::string>{"values claimed to be PyTorch's that do not fit: 1",
                                                  "modules whose outputs TensorFlow does not hold: 1"});
  CHECK(std::isnan(stage(unknown, "second").accumulated));
  CHECK(stage(unknown, "").accumulated == 0);
}

TEST_CASE("verify: an origin that claims a view which moves values is seen") {
  // relu's elements in the order of memory are not those of its transpose.
  const Result result = run({"Relu", 1, {}});
  CHECK(result.verdict == Verdict::kVerified);
  CHECK(isolated(result, "view") == 20);
  CHECK(isolated(result, "relu") == 0);
}

TEST_CASE("stages: a run for each value gives what one run for all gives") {
  std::vector<StageResult> one_by_one;
  const Result whole = run({"Relu6"}, [&](Request& r) {
    const CaseValues pytorch = read_case(r.reference.cases[0].file);
    const Masks masks(*r.program, pytorch.inputs);
    StageRequest request{*r.program, r.module_classes, *r.reference.stages, pytorch.inputs, masks, r.limit, 1};
    std::vector<double> fractions;
    request.progress = [&](double fraction) { fractions.push_back(fraction); };
    std::vector<std::string> notes;
    const savedmodel::Flow flow = Artefact(r.saved_model).flow("int64_serving");
    one_by_one = Stages(request, flow, *runtime::Runtime::load(tensorflow_package()), notes).results();
    CHECK(notes.empty());
    CHECK(std::ranges::is_sorted(fractions));
    CHECK(fractions.size() > 5);
    CHECK(fractions.back() == doctest::Approx(1));
  });
  REQUIRE(one_by_one.size() == whole.stages.size());
  for (std::size_t i = 0; i < one_by_one.size(); ++i) {
    CHECK(one_by_one[i].accumulated == whole.stages[i].accumulated);
    CHECK(one_by_one[i].isolated == whole.stages[i].isolated);
  }
}

TEST_CASE("verify: further runs are asked for where an output is over the limit, until it is not") {
  const TempFolder folder;
  std::vector<std::pair<Effort, std::vector<std::string>>> asked;
  const auto compared = [&](float bias, double truth, bool strict) {
    asked.clear();
    Result result;
    run({"Relu", bias}, [&](Request& r) {
      r.strict = strict;
      r.reference.stages.reset();
      write_safetensors(r.reference.cases[0].file,
                        {{"input/x", floats({1, 2}, {2, 3})}, {"run/0/y", floats({2, 1}, {21, 31})}});
      write_safetensors(r.reference.cases[1].file,
                        {{"input/x", floats({1, 2}, {-2, -3})}, {"run/0/y", floats({2, 1}, {bias, bias})}});
      const auto further = [&](Effort effort, const std::vector<OpenCase*>& cases) {
        std::vector<std::string> labels;
        for (const OpenCase* one : cases) labels.push_back(one->of.label);
        asked.emplace_back(effort, labels);
        const fs::path file = folder.path / fmt::format("{}.safetensors", asked.size());
        if (effort == Effort::kUsual) {
          write_safetensors(file, {{"truth/y", doubles({2, 1}, {truth, 31})}});
        } else {
          write_safetensors(file, {{"run/0/y", floats({2, 1}, {20.5f, 31.5f})}});
        }
        for (OpenCase* one : cases) one->further.push_back(file);
        return true;
      };
      result = verify(r, *runtime::Runtime::load(tensorflow_package()), further);
    });
    return result;
  };
  const std::vector<std::string> traced = {"as traced"};
  using Asked = std::vector<std::pair<Effort, std::vector<std::string>>>;
  // PyTorch is 0.0625 from the truth and TensorFlow 0.25 or more; another run of PyTorch 0.5.
  const Result noise = compared(1.25f, 21.0625, false);
  CHECK(asked == Asked{{Effort::kUsual, traced}, {Effort::kMore, traced}});
  CHECK(noise.verdict == Verdict::kWithinNoise);
  CHECK(noise.outputs[0].noise == 0.5625);
  CHECK(noise.max_error == 0.25);
  // Twice the noise is not enough.
  CHECK(compared(3, 21.0625, false).verdict == Verdict::kMismatch);
  CHECK(asked == Asked{{Effort::kUsual, traced}, {Effort::kMore, traced}, {Effort::kMost, traced}});
  // No run could be as far off.
  CHECK(compared(1.25f, 21.001953125, false).verdict == Verdict::kMismatch);
  CHECK(asked == Asked{{Effort::kUsual, traced}});
}

TEST_CASE("variables: TensorFlow computes with the mapped file") {
  const TempFolder folder;
  savedmodel::write(make_graph({}), Weights(), folder.path / "1", {}, [](std::size_t) {});
  const auto runtime = runtime::Runtime::load(tensorflow_package());
  const Artefact artefact(folder.path / "1");
  const Variables variables(artefact, *runtime);
  REQUIRE(variables.fed().size() == 1);
  CHECK(variables.fed()[0].first == "save/RestoreV2:0");
  const Tensor& fed = variables.fed()[0].second;
  CHECK(have_same_value(fed, floats({2, 2}, {10, 0, 0, 10})));
  const runtime::Session session = variables.load();
  const auto port = artefact.signature("serving_default").outputs.at("y").tensor;
  const std::string input = artefact.signature("serving_default").inputs.at("x").tensor;
  const auto values = session.run({{input, floats({1, 2}, {2, 3})}}, {port});
  CHECK(have_same_value(values.at(port), floats({2, 1}, {21, 31})));
}

TEST_CASE("variables: a file that TensorFlow refuses") {
  const TempFolder folder;
  savedmodel::write(make_graph({}), Weights(), folder.path / "1", {}, [](std::size_t) {});
  std::fstream(folder.path / "1/variables/variables.data-00000-of-00001",
               std::ios::in | std::ios::out | std::ios::binary)
      .write("\1", 1);
  const auto runtime = runtime::Runtime::load(tensorflow_package());
  const Artefact artefact(folder.path / "1");
  CHECK_THROWS_WITH_AS(Variables(artefact, *runtime), doctest::Contains("hecksum does not match"), Error);
}

TEST_CASE("verify: no case, no verdict") {
  const Result result = run({}, [](Request& r) {
    r.reference.cases.resize(1);
    r.reference.cases[0].skipped = "too large";
  });
  CHECK(result.verdict == Verdict::kUnverified);
  CHECK(result.notes ==
        std::vector<std::string>{"no shape could be compared", "no stages: the traced case was skipped"});
}

TEST_CASE("verify: files that are no SavedModel") {
  CHECK_THROWS_AS(run({}, [](Request& r) { r.saved_model = "/nowhere"; }), Error);
  const TempFolder folder;
  std::ofstream(folder.path / "saved_model.pb") << "\xff\xff\xff\xff";
  CHECK_THROWS_AS(run({}, [&](Request& r) { r.saved_model = folder.path; }), Error);
}

}  // namespace
}  // namespace crossload::verify
