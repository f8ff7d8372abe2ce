// Runs tests/program/*.txt (see test_archive.h for their form); CROSSLOAD_BLESS=1 rewrites what they expect. Then the
// same archives with one thing wrong in each.
#include <algorithm>

#include "program/program.h"
#include "support/test_archive.h"

namespace crossload::program {
namespace {

namespace fs = std::filesystem;

const fs::path kCases = fs::path(CROSSLOAD_SOURCE_DIR) / "tests/program";

TEST_CASE("text cases of programs") {
  const std::vector<fs::path> files = text_case_files("tests/program");
  REQUIRE(files.size() >= 4);
  for (const fs::path& file : files) {
    CAPTURE(file.filename().string());
    const TextCase text = read_single_case(file);
    const TestFile archive;
    archive.write_zip(archive_entries(text.input));
    compare_single_case(file, text, print(read_pt2(archive.path())));
  }
}

// The archive of a text case, to be damaged.
class Sample {
 public:
  explicit Sample(std::string_view name = "modules.txt")
      : name_(name), entries_(archive_entries(read_single_case(kCases / name).input)) {}

  Program read(bool compressed = false) const {
    file_.write_zip(entries_, compressed);
    return read_pt2(file_.path());
  }
  std::string error(ErrorKind kind = ErrorKind::kBadInput) const {
    return error_from(
        file_.path(), [&] { read(); }, kind);
  }
  std::string& entry(const std::string& name) {
    for (auto& [n, bytes] : entries_) {
      if (n == "x/" + name) return bytes;
    }
    FAIL("no such entry");
    return entries_[0].second;
  }
  // The error when `from` is replaced in the graph.
  std::string error_with(std::string_view from, std::string_view to, ErrorKind kind = ErrorKind::kBadInput) const {
    Sample changed(name_);
    changed.entry("models/model.json") = replaced(changed.entry("models/model.json"), from, to);
    return changed.error(kind);
  }
  Entries& entries() { return entries_; }

 private:
  std::string name_;
  Entries entries_;
  TestFile file_;
};

TEST_CASE("what a program holds") {
  const Program program = Sample().read();
  CHECK(program.data.size() == 9);
  CHECK(program.data.at("again.dense.weight").at<float>(5) == 25);
  const ProgramInput* const weight = program.find_input(InputKind::kParameter, "layer.dense.weight");
  REQUIRE(weight != nullptr);
  CHECK(to_string(program.type_of(weight->value).dims) == "[2, 3]");
  const ProgramInput* const scale = program.find_input(InputKind::kBuffer, "layer.scale");
  REQUIRE(scale != nullptr);
  CHECK(!scale->persistent);
  const ProgramInput* const factor = program.find_input(InputKind::kFrozen, "factor");
  REQUIRE(factor != nullptr);
  CHECK(std::get<double>(factor->frozen) == 2.0);
  CHECK(program.main.inputs.size() == program.inputs.size() - 1);
  const Node& linear = program.main.nodes.at(0);
  CHECK(std::get<TensorRef>(*linear.find("weight")).name == weight->value);
  CHECK(linear.find("nothing") == nullptr);
  CHECK_THROWS_AS(program.type_of("nothing"), Error);
}

TEST_CASE("the folder inside the archive may have any name or none, and entries may be compressed") {
  const std::string expected = print(Sample().read());
  CHECK(print(Sample().read(true)) == expected);
  Sample flat;
  for (auto& entry : flat.entries()) entry.first = entry.first.substr(2);
  CHECK(print(flat.read()) == expected);
}

TEST_CASE("bad-program: entries and versions") {
  Sample none;
  none.entries().erase(std::find_if(none.entries().begin(), none.entries().end(),
                                    [](const auto& entry) { return entry.first == "x/models/model.json"; }));
  CHECK(has(none.error(), "x.pt2: no entry `models/model.json` among "));
  Sample twice;
  twice.entries().emplace_back("y/models/model.json", "{}");
  CHECK(has(twice.error(), "x.pt2 @ y/models/model.json: a second `models/model.json` beside `x/models/model.json`"));
  Sample version;
  version.entry("archive_version") = "1";
  CHECK(version.error() == "x.pt2 @ x/archive_version: `1` found, `0` is known; export again, or update crossload");
  Sample order;
  order.entry("byteorder") = "big";
  CHECK(has(order.error(), "x.pt2 @ x/byteorder: `big` found, `little` is known"));
  CHECK(has(Sample().error_with("\"major\": 8", "\"major\": 9"),
            "x.pt2 @ x/models/model.json: schema version 9.20, 8.x is known"));
  Sample weight;
  weight.entry("data/weights/weight_0").resize(20);
  CHECK(has(weight.error(), "x.pt2 @ x/data/weights/weight_0: 20 bytes for tensor `layer.dense.weight`, too few"));
  Sample shape;
  shape.entry("data/weights/model_weights_config.json") =
      replaced(shape.entry("data/weights/model_weights_config.json"), "{\"as_int\": 2}, {\"as_int\": 3}",
               "{\"as_int\": 1}, {\"as_int\": 3}");
  CHECK(has(shape.error(), "is float32 [2, 3] in the graph, float32 [1, 3] in the archive"));
}

TEST_CASE("bad-program: graphs that do not hold together") {
  const Sample m;
  CHECK(has(m.error_with("\"self\", \"arg\": {\"as_tensor\": {\"name\": \"linear\"}}",
                         "\"self\", \"arg\": {\"as_tensor\": {\"name\": \"cat\"}}"),
            "node `relu`: `as_tensor` reads `cat`, which no earlier node computes"));
  CHECK(has(m.error_with("\"outputs\": [{\"as_tensor\": {\"name\": \"relu\"}}]",
                         "\"outputs\": [{\"as_tensor\": {\"name\": \"linear\"}}]"),
            "node `relu`: `as_tensor` computes `linear`, which exists already"));
  CHECK(has(m.error_with("\"outputs\": [{\"as_tensor\": {\"name\": \"relu\"}}]",
                         "\"outputs\": [{\"as_tensor\": {\"name\": \"new\"}}]"),
            "computes `new`, which has no entry in tensor_values"));
  CHECK(has(m.error_with(
                "{\"user_output\": {\"arg\": {\"as_none\": true}}}",
                "{\"user_output\": {\"arg\": {\"as_none\": true}}}, {\"user_output\": {\"arg\": {\"as_none\": true}}}"),
            "user outputs, out_spec has"));
  CHECK(has(m.error_with("{\"parameter\": {\"arg\": {\"name\": \"p_layer_dense_weight\"}",
                         "{\"parameter\": {\"arg\": {\"name\": \"p_layer_dense_bias\"}"),
            "of input 0 is not `p_layer_dense_bias`, which the signature names"));
  CHECK(has(Sample("symbols.txt")
                .error_with("\"arg\": {\"as_sym_int\": {\"as_name\": \"item\"}}",
                            "\"arg\": {\"as_sym_int\": {\"as_name\": \"sym\"}}"),
            "which is no symbolic value"));
}

TEST_CASE("bad-program: values of another type") {
  const Sample m;
  CHECK(has(m.error_with("\"dtype\": 7", "\"dtype\": \"float\""),
            "tensor value `p_layer_dense_weight`: `dtype` is a string, a 64-bit integer expected"));
  CHECK(has(m.error_with("\"sizes\": [{\"as_int\": 2}, {\"as_int\": 3}]", "\"sizes\": [{\"as_int\": -2}]"),
            "has size -2, sizes are not negative"));
  CHECK(has(m.error_with("\"sizes\": [{\"as_int\": 2}, {\"as_int\": 3}]", "\"sizes\": 3"), "an array expected"));
  CHECK(has(m.error_with("\"sizes\": [{\"as_int\": 2}, {\"as_int\": 3}]", "\"sizes\": [{}]"), "is an empty object"));
  CHECK(has(m.error_with("Symbol('", "Simbol('"), "symbolic expression @ 7: function `Simbol` is not known"));
  CHECK(has(m.error_with("\"as_tensors\"", "\"as_magic\""), "holds `as_magic`, which is no argument kind of schema 8"));
  CHECK(has(m.error_with("\"nodes\"", "\"knots\""), "`graph` has no field `nodes`"));
  CHECK(has(m.error_with("\"target\": \"torch.ops.aten.relu.default\"", "\"target\": null"), "`target` is null"));
  CHECK(has(m.error_with("\"metadata\": {", "\"metadata\": [], \"was\": {"), "`metadata` is an array"));
  Sample truncated;
  truncated.entry("models/model.json").resize(1000);
  CHECK(has(truncated.error(), "1000 bytes are no JSON"));
}

TEST_CASE("bad-program: nesting") {
  std::string symbol = "Symbol('s1')";
  for (int i = 0; i < 300; ++i) symbol = "ToFloat(" + symbol + ")";
  CHECK(has(Sample().error_with("\"expr_str\": \"", "\"expr_str\": \"" + symbol + "\", \"was\": \""),
            "nested deeper than 200"));
  std::string graph = R"({"inputs": [], "outputs": [], "nodes": [], "tensor_values": {}})";
  for (int i = 0; i < 40; ++i) {
    graph =
        R"({"inputs": [], "outputs": [], "tensor_values": {}, "nodes": [{"target": "t", "name": "n", "metadata": {},)"
        R"( "outputs": [], "inputs": [{"name": "", "arg": {"as_graph": {"name": "g", "graph": )" +
        graph + "}}}]}]}";
  }
  const std::string argument = R"({"name": "", "arg": {"as_graph": {"name": "g", "graph": )" + graph + "}}}";
  CHECK(
      has(Sample().error_with("\"inputs\": [{\"name\": \"self\"", "\"inputs\": [" + argument + ", {\"name\": \"self\""),
          "nests graphs deeper than 32"));
}

TEST_CASE("what has no form is reported all at once") {
  Sample m;
  std::string& graph = m.entry("models/model.json");
  graph = replaced(graph, "{\"name\": \"self\", \"arg\": {\"as_tensor\": {\"name\": \"linear\"}}",
                   "{\"name\": \"self\", \"arg\": {\"as_custom_obj\": {\"name\": \"o\", \"class_fqn\": \"c\"}}");
  graph = replaced(graph, "\"dtype\": 5", "\"dtype\": 9");
  CHECK(m.error(ErrorKind::kUnsupported).starts_with("x.pt2 @ x/models/model.json: tensor value `"));
  CHECK(has(m.error(ErrorKind::kUnsupported), "dtype complex32 has no TensorFlow form; 1 more are not supported"));
}

TEST_CASE("bad-program: every changed byte of the graph is survived") {
  Sample m;
  const std::string good = m.entry("models/model.json");
  std::size_t read = 0;
  for (std::size_t at = 0; at < good.size(); at += 7) {
    m.entry("models/model.json")[at] = "0\"{x]-"[at % 6];
    try {
      print(m.read());
      ++read;
    } catch (const Error&) {
    }
    m.entry("models/model.json") = good;
  }
  CHECK(read > 0);
}

}  // namespace
}  // namespace crossload::program
