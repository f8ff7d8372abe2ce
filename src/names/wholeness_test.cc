#include "names/wholeness.h"

#include <doctest/doctest.h>

#include "base/error.h"

namespace crossload::names {
namespace {

using Names = std::vector<std::string>;

/// Layers `list.0` to `list.count - 1` that each hold one matrix and its bias.
std::vector<PtTensor> layers(const std::string& list, int count) {
  std::vector<PtTensor> made;
  for (int i = 0; i < count; ++i) {
    made.push_back({fmt::format("{}.{}.fc.weight", list, i), DType::kFloat32, {4, 4}});
    made.push_back({fmt::format("{}.{}.fc.bias", list, i), DType::kFloat32, {4}});
  }
  return made;
}

TEST_CASE("layers that the configuration counts and the file lacks, or has too many of") {
  Model model;
  model.numbers = {{"encoder_layers", 3}, {"decoder_layers", 2}, {"num_hidden_layers", 3}};
  auto tensors = layers("model.encoder.layers", 2);
  for (auto& tensor : layers("model.decoder.layers", 3)) tensors.push_back(tensor);
  const Wholeness found = wholeness_of(model, tensors);
  CHECK(found.missing == Names{"model.encoder.layers.2"});
  CHECK(found.foreign == Names{"model.decoder.layers.2.fc.bias", "model.decoder.layers.2.fc.weight"});
}

TEST_CASE("what one of three layers lacks, or has alone") {
  auto tensors = layers("transformer.h", 3);
  std::erase_if(tensors, [](const PtTensor& t) { return t.name == "transformer.h.1.fc.bias"; });
  tensors.push_back({"transformer.h.2.extra.weight", DType::kFloat32, {4}});
  const Wholeness found = wholeness_of({}, tensors);
  CHECK(found.missing == Names{"transformer.h.1.fc.bias"});
  CHECK(found.foreign == Names{"transformer.h.2.extra.weight"});
}

TEST_CASE("layers that hold lists of their own differ, as T5's first one does") {
  auto tensors = layers("encoder.block.0.layer", 2);
  for (auto& tensor : layers("encoder.block.1.layer", 2)) tensors.push_back(tensor);
  for (auto& tensor : layers("encoder.block.2.layer", 2)) tensors.push_back(tensor);
  tensors.push_back({"encoder.block.0.layer.0.relative.weight", DType::kFloat32, {4}});
  const Wholeness found = wholeness_of({}, tensors);
  CHECK(found.missing.empty());
  CHECK(found.foreign.empty());
}

TEST_CASE("a bias without its weight; a weight kept in parts is one") {
  auto tensors = layers("h", 2);
  tensors[0].name = "h.0.fc.weight_g";
  for (PtTensor& tensor : tensors) tensor.name = "model." + tensor.name;
  CHECK(wholeness_of({}, tensors).missing.empty());
  tensors.erase(tensors.begin());
  CHECK(wholeness_of({}, tensors).missing == Names{"model.h.0.fc.weight"});
}

TEST_CASE("a vocabulary of another size is refused with both sizes") {
  Model model;
  model.numbers = {{"vocab_size", 11}};
  const std::vector<PtTensor> right = {{"bert.embeddings.word_embeddings.weight", DType::kFloat32, {11, 4}}};
  CHECK_NOTHROW(wholeness_of(model, right));
  const std::vector<PtTensor> wrong = {{"bert.embeddings.word_embeddings.weight", DType::kFloat32, {14, 4}}};
  CHECK_THROWS_WITH_AS(
      wholeness_of(model, wrong),
      "`bert.embeddings.word_embeddings.weight` has 14 rows, config.json says `vocab_size` 11; correct "
      "the number or resize the embeddings",
      Error);
}

TEST_CASE("a classifier of another number of labels is refused with both numbers") {
  Model model;
  model.class_name = "BertForSequenceClassification";
  model.numbers = {{"num_labels", 2}};
  const auto refused = [&](int64_t rows) {
    CHECK_THROWS_WITH_AS(wholeness_of(model, {{"classifier.weight", DType::kFloat32, {rows, 4}}}),
                         "`classifier.weight` has 3 rows, config.json says 2 labels (`id2label`, `num_labels`); "
                         "correct them",
                         Error);
  };
  refused(3);
  CHECK_NOTHROW(wholeness_of(model, {{"classifier.weight", DType::kFloat32, {2, 4}}}));
  model.class_name = "BertForMultipleChoice";  // one number a choice
  CHECK_NOTHROW(wholeness_of(model, {{"classifier.weight", DType::kFloat32, {1, 4}}}));
}

TEST_CASE("the vocabulary of a part is the one that its configuration says") {
  Model model;
  model.parts = {{"text_config", "clip_text_model"}, {"decoder", "gpt2"}};
  model.numbers = {{"vocab_size", 5}, {"text_config.vocab_size", 11}, {"decoder.vocab_size", 7}};
  const auto refusal = [&](const std::string& name, int64_t rows) -> std::string {
    try {
      wholeness_of(model, {{name, DType::kFloat32, {rows, 4}}});
    } catch (const Error& error) {
      return error.what();
    }
    return "none";
  };
  CHECK(refusal("text_model.embeddings.token_embedding.weight", 11) == "none");
  CHECK(refusal("text_model.embeddings.token_embedding.weight", 12)
            .find("12 rows, config.json says "
                  "`text_config.vocab_size` 11") != std::string::npos);
  CHECK(refusal("decoder.transformer.wte.weight", 7) == "none");
  CHECK(refusal("decoder.transformer.wte.weight", 5).find("`decoder.vocab_size` 7") != std::string::npos);
  CHECK(refusal("encoder.embeddings.word_embeddings.weight", 99) == "none");  // nothing says
  model = {};
  model.numbers = {{"n_words", 9}};
  CHECK(refusal("transformer.embeddings.weight", 8).find("`n_words` 9") != std::string::npos);
}

}  // namespace
}  // namespace crossload::names
