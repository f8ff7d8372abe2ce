#include "names/names.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <random>
#include <set>
#include <sstream>

#include "base/error.h"
#include "names/pattern.h"
#include "names/sines.h"
#include "support/text_cases.h"

namespace crossload::names {
namespace {

/// `float32 [2, 3]`
std::string print(DType dtype, const Dims& dims) {
  return fmt::format("{} [{}]", name_of(dtype), fmt::join(dims, ", "));
}

std::string print(const Layout& layout) {
  const std::string turned =
      layout.permutation.empty() ? std::string() : fmt::format("axes {} → ", fmt::join(layout.permutation, " "));
  return turned + print(layout.dtype, layout.dims);
}

std::string print(std::string_view kind, const std::vector<Note>& notes) {
  constexpr const char* kReasons[] = {"no place", "tied to",      "computed",        "absent",
                                      "left out", "differs from", "PyTorch has none"};
  std::string text;
  for (const auto& note : notes) {
    text += fmt::format("{} {}: {}{}{}\n", kind, note.name, kReasons[static_cast<int>(note.reason)],
                        note.other.empty() ? "" : " ", note.other);
  }
  return text;
}

std::string source_of(const auto& weight) {
  return !weight.source.empty() ? weight.source : weight.values.empty() ? "zeros" : "sines";
}

std::string print(const TfPlan& plan) {
  std::string text = fmt::format("{}: {}\n", plan.class_name, fmt::join(plan.layer_names, " "));
  for (const auto& w : plan.weights) {
    text += fmt::format("{}\n  {}; {} in {}\n", source_of(w), w.name, print(w.layout), fmt::join(w.groups, ", "));
  }
  return text + print("unused", plan.unused) + print("missing", plan.missing);
}

std::string print(const PtPlan& plan) {
  std::string text = plan.class_name + "\n";
  for (const auto& w : plan.weights) {
    text += fmt::format("{}\n  {}; {}\n", source_of(w), w.name, print(w.layout));
  }
  return text + print("unused", plan.unused) + print("missing", plan.missing);
}

std::vector<std::string> words(const std::string& line) {
  std::vector<std::string> found;
  std::istringstream in(line);
  for (std::string word; in >> word;) found.push_back(word);
  return found;
}

/// `2x3`, `-` for no axes.
Dims parse_dims(const std::string& text) {
  Dims dims;
  if (text == "-") return dims;
  for (const auto& size : split(text, 'x')) dims.push_back(std::stoll(size));
  return dims;
}

/// An input: `to tf` or `to pt`, then `TYPE CLASS [untied] [PART=TYPE] [FIELD=NUMBER]…`, then a weight a line,
/// `NAME DTYPE DIMS`, towards PyTorch `GROUP NAME DTYPE DIMS` with `-` for no group.
struct Case {
  std::string direction;
  Model model;
  std::vector<PtTensor> pt;
  std::vector<TfTensor> tf;
};

Case parse_case(const std::string& input) {
  Case result;
  std::istringstream in(input);
  std::string line;
  std::getline(in, result.direction);
  std::getline(in, line);
  const auto model_words = words(line);
  result.model = {model_words.at(0), model_words.at(1), true, {}, {}};
  for (std::size_t i = 2; i < model_words.size(); ++i) {
    const Path field = split(model_words[i], '=');
    if (field[0] == "untied") {
      result.model.tie_word_embeddings = false;
    } else if (field.at(1).find_first_not_of("0123456789") == std::string::npos) {
      result.model.numbers[field[0]] = std::stoll(field[1]);
    } else {
      result.model.parts[field[0]] = field[1];
    }
  }
  while (std::getline(in, line)) {
    const auto w = words(line);
    if (result.direction == "to tf") {
      result.pt.push_back({w.at(0), dtype_from_name(w.at(1)).value(), parse_dims(w.at(2))});
    } else {
      result.tf.push_back(
          {w.at(0) == "-" ? "" : w.at(0), w.at(1), dtype_from_name(w.at(2)).value(), parse_dims(w.at(3))});
    }
  }
  return result;
}

/// What is planned for the variables of a plan, named as in one file, and as in shards.
void check_way_back(const Model& model, const TfPlan& plan) {
  std::vector<TfTensor> whole, flat;
  for (const auto& w : plan.weights) {
    whole.push_back({w.groups.at(0), w.name, w.layout.dtype, w.layout.dims});
    flat.push_back({"", flat_name(w.name), w.layout.dtype, w.layout.dims});
  }
  const PtPlan back = to_pt(model, whole), of_shards = to_pt(model, flat);
  REQUIRE(back.weights.size() == of_shards.weights.size());
  for (std::size_t i = 0; i < back.weights.size(); ++i) {
    const PtWeight& weight = back.weights[i];
    CHECK(weight.name == of_shards.weights[i].name);
    const auto made_of = std::ranges::find(plan.weights, weight.source, &TfWeight::name);
    if (made_of == plan.weights.end() || made_of->source.empty()) continue;
    // Sources may lack the main layer, or have the names of BERT's first checkpoints.
    const std::string& source = made_of->source;
    CAPTURE(source);
    CAPTURE(weight.name);
    if (!source.ends_with("gamma") && !source.ends_with("beta") && !weight.name.ends_with("decoder.bias")) {
      CHECK((weight.name.ends_with(source) || source.ends_with(weight.name)));
    }
    const auto& there = made_of->layout.permutation;
    const auto& again = weight.layout.permutation;
    REQUIRE(there.size() == again.size());
    for (std::size_t axis = 0; axis < there.size(); ++axis) {
      CHECK(again[static_cast<std::size_t>(there[axis])] == static_cast<int>(axis));
    }
  }
}

std::string plan_of(const std::string& input) {
  const Case c = parse_case(input);
  if (c.direction == "to pt") return print(to_pt(c.model, c.tf));
  const TfPlan plan = to_tf(c.model, c.pt);
  check_way_back(c.model, plan);
  return print(plan);
}

const Model kBert{"bert", "BertModel", true, {}, {}};

PtTensor weight(std::string name, Dims dims = {4, 3}) { return {std::move(name), DType::kFloat32, std::move(dims)}; }
TfTensor variable(std::string name, Dims dims = {4, 3}) {
  return {"bert", std::move(name), DType::kFloat32, std::move(dims)};
}

std::string error_to_tf(const Model& model, const std::vector<PtTensor>& tensors,
                        ErrorKind kind = ErrorKind::kBadInput) {
  return message_of(kind, [&] { to_tf(model, tensors); });
}

std::string error_to_pt(const Model& model, const std::vector<TfTensor>& tensors) {
  return message_of(ErrorKind::kBadInput, [&] { to_pt(model, tensors); });
}

TEST_CASE("plans of representative classes are those of tests/names") {
  run_text_cases("tests/names", [](const TextCaseFile&, const TextCase& c) { return plan_of(c.input); });
}

TEST_CASE("flat names are those of Transformers' shards") {
  // From `strip_model_name_and_prefix` of Transformers 4.46 and what its shards hold.
  CHECK(flat_name("tf_bert_model/bert/pooler/dense/kernel:0") == "bert/pooler/dense/kernel:0");
  CHECK(flat_name("model.shared/model.shared/embeddings:0") == "model.shared/model.shared/embeddings:0");
  CHECK(flat_name("final_logits_bias:0") == "final_logits_bias:0");
}

TEST_CASE("a name that stands twice is refused") {
  CHECK(error_to_tf(kBert, {weight("pooler.dense.weight"), weight("pooler.dense.weight")}) ==
        "`pooler.dense.weight` and `pooler.dense.weight` are one parameter; the checkpoint must hold it once");
  // The old name of a normalization's weight and today's.
  CHECK(error_to_tf(kBert, {weight("embeddings.LayerNorm.gamma", {4}), weight("embeddings.LayerNorm.weight", {4})}) ==
        "`embeddings.LayerNorm.gamma` and `embeddings.LayerNorm.weight` are one parameter; the checkpoint must hold it "
        "once");
  // TensorFlow's way to write a list in PyTorch's name.
  CHECK(error_to_tf(kBert,
                    {weight("encoder.layer.0.output.dense.weight"), weight("encoder.layer.0.output/dense.weight")}) ==
        "`encoder.layer.0.output.dense.weight` and `encoder.layer.0.output/dense.weight` both become TensorFlow's "
        "`tf_bert_model/bert/encoder/layer_._0/output/dense/kernel:0`; the checkpoint must hold one of them");
}

TEST_CASE("variables of two names that become one weight are refused, those shared by groups are not") {
  CHECK(error_to_pt(kBert, {variable("a/bert/pooler/dense/kernel:0"), variable("b/bert/pooler/dense/kernel:0")}) ==
        "`b/bert/pooler/dense/kernel:0` becomes PyTorch's `pooler.dense.weight` as another weight does; the file must "
        "hold one "
        "of them");
  const std::vector<TfTensor> shared{{"bert", "x/bert/embeddings/weight:0", DType::kFloat32, {4, 3}},
                                     {"mlm___cls", "x/bert/embeddings/weight:0", DType::kFloat32, {4, 3}}};
  CHECK(to_pt(kBert, shared).weights.size() == 1);
}

TEST_CASE("weights of another architecture are refused") {
  CHECK(error_to_tf({"gpt2", "GPT2LMHeadModel", true, {}, {}},
                    {weight("bert.pooler.dense.weight"), weight("cls.bias", {4})})
            .starts_with("none of 2 weights, such as `bert.pooler.dense.weight`, belongs to GPT2LMHeadModel; "));
  CHECK(error_to_pt({"gpt2", "GPT2LMHeadModel", true, {}, {}}, {variable("x/bert/pooler/dense/kernel:0")})
            .starts_with("none of 1 weights, such as `x/bert/pooler/dense/kernel:0`, belongs to TFGPT2LMHeadModel; "));
  CHECK(error_to_tf({"bert", "BertForMaskedLM", true, {}, {}},
                    {weight("module.bert.pooler.dense.weight"), weight("module.cls.predictions.bias", {4})})
            .find("belongs to BertForMaskedLM; all have the prefix `module.`, and without it they do") !=
        std::string::npos);
  // With one of its own among them, the others are reported as unused.
  const auto plan =
      to_tf({"gpt2", "GPT2LMHeadModel", true, {}, {}}, std::vector{weight("transformer.wte.weight"), weight("cls.x")});
  REQUIRE(plan.unused.size() == 1);
  CHECK(plan.unused[0].name == "cls.x");
  CHECK(plan.unused[0].is_reported());
}

TEST_CASE("nothing is no model") {
  CHECK(error_to_tf(kBert, {}) == "the checkpoint holds no weights; BertModel needs some");
  CHECK(error_to_pt(kBert, {}) == "the file holds no weights; BertModel needs some");
}

TEST_CASE("names without sense are unused or refused") {
  for (const std::string name : {".", "..", "weight", "0", "0.0.weight", "___", "a..b"}) {
    CAPTURE(name);
    const std::vector tensors{weight("bert.pooler.dense.bias", {3}), weight(name)};
    CHECK(to_tf(kBert, tensors).class_name == "TFBertModel");
  }
  for (const std::string name : {"/", "//", ":0", "___", "x/___", "_._"}) {
    CAPTURE(name);
    CHECK(error_to_pt(kBert, {variable("x/bert/pooler/dense/bias:0", {3}), variable(name)}).find("which is no name") !=
          std::string::npos);
  }
  CHECK(error_to_tf(kBert, {weight("")}) == "a weight's name is empty; the file must name all its weights");
  CHECK(error_to_pt(kBert, {variable("")}) == "a weight's name is empty; the file must name all its weights");
  CHECK(error_to_tf(kBert, {weight(std::string(100000, 'a'))}) ==
        "a weight's name has 100000 bytes; crossload reads names of up to 4096");
  CHECK(error_to_pt(kBert, {variable(std::string(100000, '/'))}) ==
        "a weight's name has 100000 bytes; crossload reads names of up to 4096");
}

TEST_CASE("names changed at random give a plan without collisions, or an error") {
  constexpr std::string_view kMarks[] = {".", "/", "_._", "___", ":0", "0", "#", "*", "^", "$", "model.", "weight", ""};
  const TextCaseFile file = TextCaseFile::read(std::filesystem::path(CROSSLOAD_SOURCE_DIR) / "tests/names/text.txt");
  std::mt19937 random(1);
  const auto below = [&](std::size_t n) { return static_cast<std::size_t>(random()) % n; };
  const auto change = [&](std::string& name) {
    const std::size_t at = below(name.size() + 1);
    name.replace(at, below(4), kMarks[below(std::size(kMarks))]);
  };
  std::size_t plans = 0, errors = 0;
  for (int round = 0; round < 3000; ++round) {
    Case c = parse_case(file.cases[below(file.cases.size())].input);
    for (std::size_t i = 0; i <= below(3); ++i) {
      if (!c.pt.empty()) change(c.pt[below(c.pt.size())].name);
      if (!c.tf.empty()) change(c.tf[below(c.tf.size())].name);
    }
    std::set<std::string> names;
    try {
      if (c.direction == "to tf") {
        for (const auto& w : to_tf(c.model, c.pt).weights) CHECK(names.insert(w.name).second);
      } else {
        for (const auto& w : to_pt(c.model, c.tf).weights) CHECK(names.insert(w.name).second);
      }
      ++plans;
    } catch (const Error& error) {
      CHECK(error.kind() == ErrorKind::kBadInput);
      ++errors;
    }
  }
  CHECK(plans > 100);
  CHECK(errors > 100);
}

TEST_CASE("weights of unusual ranks keep their elements") {
  for (const Dims& dims : {Dims{}, Dims{0}, Dims{1, 1}, Dims{2, 0, 3}, Dims{1, 2, 3, 4, 5, 6}}) {
    const auto plan = to_tf(kBert, std::vector{weight("pooler.dense.weight", dims)});
    REQUIRE(plan.weights.size() == 1);
    const Layout& layout = plan.weights[0].layout;
    Dims sorted_before = dims, sorted_after = layout.dims;
    std::ranges::sort(sorted_before);
    std::ranges::sort(sorted_after);
    CHECK(sorted_before == sorted_after);
    CHECK((layout.permutation.empty() || layout.permutation.size() == dims.size()));
  }
}

TEST_CASE("classes and types without a TensorFlow class are named") {
  const std::vector one{weight("x")};
  CHECK(error_to_tf({"llama", "LlamaModel", true, {}, {}}, one, ErrorKind::kUnsupported) ==
        "config.json: model type `llama` has no TensorFlow class in Transformers 4.46; convert it to a SavedModel with "
        "`crossload convert`");
  CHECK(error_to_tf({"bert", "BertForNothing", true, {}, {}}, one, ErrorKind::kUnsupported) ==
        "config.json: class `BertForNothing` has no TensorFlow class in Transformers 4.46; 9 of model type `bert` have "
        "one, "
        "choose one with `--class`");
  CHECK(error_to_tf({"encoder-decoder", "EncoderDecoderModel", true, {}, {}}, one) ==
        "config.json: `encoder` has no `model_type`; a model of type `encoder-decoder` is made of others");
  CHECK(error_to_tf({"encoder-decoder", "EncoderDecoderModel", true, {{"encoder", "bert"}, {"decoder", "llama"}}, {}},
                    one, ErrorKind::kUnsupported)
            .starts_with("config.json: `decoder` is of model type `llama`, which has no TensorFlow class"));
  CHECK(has_tf_class("gpt-sw3"));
  CHECK(!has_tf_class("llama"));
  CHECK(has_tf_class("rag"));  // modeling_tf_rag.py
  CHECK(!maps_weights_of("rag"));
  CHECK(maps_weights_of("bert"));
  CHECK(!has_tf_class("speech-encoder-decoder"));  // there is no such file
}

TEST_CASE("models in models in models come to an end") {
  // A part that is itself made of parts, whose types the configuration of the whole does not tell.
  const Model model{
      "encoder-decoder", "EncoderDecoderModel", true, {{"encoder", "encoder-decoder"}, {"decoder", "bert"}}, {}};
  CHECK(error_to_tf(model, {weight("x")}).starts_with("config.json: `encoder` has no `model_type`"));
}

TEST_CASE("sines are those that Transformers computes") {
  // From MarianSinusoidalPositionalEmbedding(3, 5) and Speech2TextSinusoidalPositionalEmbedding.get_embedding(3, 5, 1).
  const std::vector<float> xlm{0,
                               0,
                               0,
                               1,
                               1,
                               0.8414710F,
                               0.02511622F,
                               0.0006309573F,
                               0.5403023F,
                               0.9996845F,
                               0.9092974F,
                               0.05021660F,
                               0.001261914F,
                               -0.4161468F,
                               0.9987384F};
  const auto found = sines(SinesForm::kXlm, 3, 5, 1);
  REQUIRE(found.size() == xlm.size());
  for (std::size_t i = 0; i < xlm.size(); ++i) CHECK(found[i] == doctest::Approx(xlm[i]).epsilon(1e-5));
  const std::vector<float> padded{0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0.9092974F, 0.0002F, -0.4161468F, 1, 0};
  const auto other = sines(SinesForm::kTensor2Tensor, 3, 5, 1);
  REQUIRE(other.size() == padded.size());
  for (std::size_t i = 0; i < padded.size(); ++i) CHECK(other[i] == doctest::Approx(padded[i]).epsilon(1e-5));
}

TEST_CASE("frequencies of sines are powers of 10000") {
  CHECK(sines(SinesForm::kFrequencies, 7, 4, -1) == std::vector<float>{1, 0.01F});
  CHECK(sines(SinesForm::kFrequencies, 7, 5, -1).size() == 3);
}

TEST_CASE("absurd numbers in a configuration are refused before memory is taken") {
  const Model model{
      "marian", "MarianMTModel", true, {}, {{"max_position_embeddings", int64_t{1} << 62}, {"d_model", 512}}};
  CHECK(error_to_tf(model, {weight("model.shared.weight")}) ==
        "config.json: `max_position_embeddings` is 4611686018427387904 and `d_model` is 512; both must be positive and "
        "their "
        "product at most 67108864");
}

TEST_CASE("patterns capture numbers and text, and fill them in again") {
  const Pattern pattern("layer.#.*_embed", '.');
  const Path path = split("encoder.layer.12.position_embed", '.');
  const auto match = pattern.match_end(path);
  REQUIRE(match);
  CHECK(match->begin == 1);
  CHECK(match->captured == std::vector<std::string>{"12", "position"});
  CHECK(filled("layer_._#/*", match->captured) == "layer_._12/position");
  CHECK(!Pattern("layer.#", '.').match_end(split("layer.x", '.')));
  CHECK(!Pattern("^layer.#", '.').match_at(path, 1));
  CHECK(!Pattern("layer.#$", '.').match_at(path, 1));
}

}  // namespace
}  // namespace crossload::names
