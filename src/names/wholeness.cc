#include "names/wholeness.h"

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <span>
#include <string_view>

#include "base/error.h"
#include "names/pattern.h"

namespace crossload::names {
namespace {

using Lists = std::map<std::string, std::map<int64_t, std::set<std::string>>>;  // list → number → names in a layer

/// Names of the lists that hold a transformer's layers. Others, as stages of convolutions, are counted by no key.
constexpr std::array<std::string_view, 4> kLists = {"layer", "layers", "h", "block"};
/// Keys of config.json that give the number of layers; the first that is there holds.
constexpr std::array<std::string_view, 4> kCounts = {"num_hidden_layers", "n_layer", "n_layers", "num_layers"};
constexpr std::array<std::string_view, 3> kEncoderCounts = {"encoder_layers", "num_encoder_layers", "num_layers"};
constexpr std::array<std::string_view, 3> kDecoderCounts = {"decoder_layers", "num_decoder_layers", "num_layers"};
/// Modules that embed a vocabulary of `vocab_size`.
constexpr std::array<std::string_view, 8> kVocabularies = {
    "word_embeddings", "word_embedding", "token_embedding", "wte", "w", "embed_tokens", "shared", "tokens_embed"};
constexpr int64_t kMostLayers = 10'000;  // more are no model's, but a broken file's

bool is_number(std::string_view text) {
  return !text.empty() && text.size() < 6 && text.find_first_not_of("0123456789") == text.npos;
}

/// The outermost lists of layers whose names hold no further numbers: layers with lists inside differ from one another.
Lists lists_of(const std::vector<PtTensor>& parameters) {
  Lists lists;
  std::set<std::string> nested;
  for (const PtTensor& parameter : parameters) {
    const Path path = split(parameter.name, '.');
    const auto number = std::ranges::find_if(path, is_number);
    if (number == path.begin() || number == path.end() || number + 1 == path.end()) continue;
    if (std::ranges::find(kLists, *(number - 1)) == kLists.end()) continue;
    const std::string list = join(std::span(path.begin(), number), '.');
    if (std::any_of(number + 1, path.end(), is_number)) nested.insert(list);
    lists[list][std::stoll(*number)].insert(join(std::span(number + 1, path.end()), '.'));
  }
  std::erase_if(lists, [&](const auto& list) { return nested.contains(list.first); });
  return lists;
}

int64_t first_of(const Model& model, std::span<const std::string_view> keys) {
  for (const std::string_view key : keys) {
    const auto found = model.numbers.find(std::string(key));
    if (found != model.numbers.end()) return found->second;
  }
  return -1;
}

/// How many layers the configuration gives a list; -1 when it does not say.
int64_t count_of(const Model& model, const std::string& list) {
  if (!model.parts.empty()) return -1;  // each part has numbers of its own
  const Path path = split(list, '.');
  const auto has = [&](std::string_view part) { return std::ranges::find(path, part) != path.end(); };
  int64_t count = -1;
  if (has("decoder")) count = first_of(model, kDecoderCounts);
  if (has("encoder") && count < 0) count = first_of(model, kEncoderCounts);
  return count >= 0 ? count : first_of(model, kCounts);
}

void compare_layers(const std::string& list, const std::map<int64_t, std::set<std::string>>& layers, Wholeness& found) {
  if (layers.size() < 3) return;  // of two, neither is known to be right
  std::map<std::string, std::vector<int64_t>> holders;
  for (const auto& [number, names] : layers) {
    for (const std::string& name : names) holders[name].push_back(number);
  }
  for (const auto& [name, numbers] : holders) {
    if (numbers.size() == 1) found.foreign.push_back(fmt::format("{}.{}.{}", list, numbers[0], name));
    if (numbers.size() + 1 != layers.size()) continue;
    for (const auto& [number, names] : layers) {
      if (!names.contains(name)) found.missing.push_back(fmt::format("{}.{}.{}", list, number, name));
    }
  }
}

/// Weights that a linear layer's or a normalization's bias in a list of layers lacks.
void find_weights_of_biases(const std::vector<PtTensor>& parameters, const Lists& lists, Wholeness& found) {
  std::set<std::string> names;
  for (const PtTensor& parameter : parameters) names.insert(parameter.name);
  for (const PtTensor& parameter : parameters) {
    if (!parameter.name.ends_with(".bias") || parameter.dims.size() != 1) continue;
    const std::string module = parameter.name.substr(0, parameter.name.size() - 4);
    const bool is_in_layer =
        std::ranges::any_of(lists, [&](const auto& l) { return module.starts_with(l.first + "."); });
    if (!is_in_layer && !module.ends_with(".dense.")) continue;
    // What else the module holds counts: `weight`, `weight_g`, `parametrizations.weight`.
    const auto next = names.lower_bound(module);
    const bool is_alone = next != names.end() && *next == parameter.name &&
                          (std::next(next) == names.end() || !std::next(next)->starts_with(module));
    if (is_alone) found.missing.push_back(module + "weight");
  }
}

/// The configuration's key of the vocabulary that a module embeds; of a model made of parts, that of the part which the
/// path leads through: `text_model` has `text_config`, `encoder` has `encoder`. Empty when it does not say.
std::string vocabulary_key(const Model& model, const Path& path) {
  const std::string& module = path[path.size() - 2];
  const bool is_word = std::ranges::find(kVocabularies, module) != kVocabularies.end();
  if (model.parts.empty()) return is_word ? "vocab_size" : module == "embeddings" ? "n_words" : "";
  if (!is_word) return {};
  for (const std::string& part : path) {
    const std::string stem = part.ends_with("_model") ? part.substr(0, part.size() - 6) : part;
    for (const std::string& config : {part, stem + "_config"}) {
      if (model.parts.contains(config)) return config + ".vocab_size";
    }
  }
  return {};
}

/// Both frameworks build the embeddings as large as the configuration says.
void require_vocabulary(const Model& model, const std::vector<PtTensor>& parameters) {
  if (model.numbers.contains("decoder_vocab_size")) return;
  for (const PtTensor& parameter : parameters) {
    const Path path = split(parameter.name, '.');
    if (path.size() < 2 || path.back() != "weight" || parameter.dims.size() != 2) continue;
    const std::string key = vocabulary_key(model, path);
    const auto size = model.numbers.find(key);
    if (key.empty() || size == model.numbers.end() || parameter.dims[0] == size->second) continue;
    bad_input("`{}` has {} rows, config.json says `{}` {}; correct the number or resize the embeddings", parameter.name,
              parameter.dims[0], key, size->second);
  }
}

/// A classifier has as many rows as there are labels.
void require_labels(const Model& model, const std::vector<PtTensor>& parameters) {
  constexpr std::array<std::string_view, 3> kClassifiers = {"ForSequenceClassification", "ForTokenClassification",
                                                            "ForImageClassification"};
  const auto size = model.numbers.find("num_labels");
  const auto is_class = [&](std::string_view task) { return model.class_name.ends_with(task); };
  if (size == model.numbers.end() || std::ranges::none_of(kClassifiers, is_class)) return;
  for (const PtTensor& parameter : parameters) {
    if (parameter.name != "classifier.weight" && parameter.name != "classifier.out_proj.weight") continue;
    if (parameter.dims.size() != 2 || parameter.dims[0] == size->second) continue;
    bad_input("`{}` has {} rows, config.json says {} labels (`id2label`, `num_labels`); correct them", parameter.name,
              parameter.dims[0], size->second);
  }
}

}  // namespace

Wholeness wholeness_of(const Model& model, const std::vector<PtTensor>& parameters) {
  require_vocabulary(model, parameters);
  require_labels(model, parameters);
  Wholeness found;
  const Lists lists = lists_of(parameters);
  for (const auto& [list, layers] : lists) {
    const int64_t said = count_of(model, list);
    const int64_t count = std::min(said >= 0 ? said : layers.rbegin()->first + 1, kMostLayers);
    for (int64_t i = 0; i < count; ++i) {
      if (!layers.contains(i)) found.missing.push_back(fmt::format("{}.{}", list, i));
    }
    for (const auto& [number, names] : layers) {
      if (number < count) continue;
      for (const std::string& name : names) found.foreign.push_back(fmt::format("{}.{}.{}", list, number, name));
    }
    compare_layers(list, layers, found);
  }
  find_weights_of_biases(parameters, lists, found);
  for (auto* names : {&found.missing, &found.foreign}) {
    std::ranges::sort(*names);
    names->erase(std::ranges::unique(*names).begin(), names->end());
  }
  return found;
}

}  // namespace crossload::names
