// The rules of src/names as JSON, for what judges them with Transformers' own classes.
//
//   names_plan < jobs   reads one job a line, answers with one line each
//
// A job: {"to": "tf" or "pt", "model": {"model_type", "class", "tie_word_embeddings", "parts": {}, "numbers": {}},
//         "tensors": [[name, dtype, dims] or, to "pt", [group, name, dtype, dims]]}
#include <iostream>
#include <nlohmann/json.hpp>
#include <string>

#include "base/error.h"
#include "names/names.h"

namespace {

using nlohmann::json;
using namespace crossload;

json to_json(const names::Layout& layout) {
  return {{"permutation", layout.permutation}, {"dims", layout.dims}, {"dtype", name_of(layout.dtype)}};
}

json to_json(const std::vector<names::Note>& notes) {
  constexpr const char* kReasons[] = {"no place", "tied", "computed", "absent", "left out", "PyTorch has none"};
  json result = json::array();
  for (const auto& note : notes) {
    result.push_back({{"name", note.name},
                      {"reason", kReasons[static_cast<int>(note.reason)]},
                      {"other", note.other},
                      {"reported", note.is_reported()}});
  }
  return result;
}

json to_tf(const names::Model& model, const json& job) {
  std::vector<names::PtTensor> tensors;
  for (const auto& t : job.at("tensors")) tensors.push_back({t[0], *dtype_from_name(t[1].get<std::string>()), t[2]});
  const names::TfPlan plan = names::to_tf(model, tensors);
  json weights = json::array();
  for (const auto& w : plan.weights) {
    weights.push_back({{"groups", w.groups},
                       {"name", w.name},
                       {"source", w.source},
                       {"layout", to_json(w.layout)},
                       {"values", w.values}});
  }
  return {{"class", plan.class_name},
          {"layer_names", plan.layer_names},
          {"weights", weights},
          {"unused", to_json(plan.unused)},
          {"missing", to_json(plan.missing)}};
}

json to_pt(const names::Model& model, const json& job) {
  std::vector<names::TfTensor> tensors;
  for (const auto& t : job.at("tensors"))
    tensors.push_back({t[0], t[1], *dtype_from_name(t[2].get<std::string>()), t[3]});
  const names::PtPlan plan = names::to_pt(model, tensors);
  json weights = json::array();
  for (const auto& w : plan.weights) {
    weights.push_back({{"name", w.name}, {"source", w.source}, {"layout", to_json(w.layout)}, {"values", w.values}});
  }
  return {{"class", plan.class_name},
          {"weights", weights},
          {"unused", to_json(plan.unused)},
          {"missing", to_json(plan.missing)}};
}

json answer(const json& job) {
  try {
    const json& m = job.at("model");
    const names::Model model{m.value("model_type", ""), m.value("class", ""), m.value("tie_word_embeddings", true),
                             m.value("parts", std::map<std::string, std::string>{}),
                             m.value("numbers", std::map<std::string, int64_t>{})};
    return job.at("to") == "tf" ? to_tf(model, job) : to_pt(model, job);
  } catch (const Error& error) {
    return {{"error", error.what()}, {"kind", name_of(error.kind())}, {"details", error.details()}};
  }
}

}  // namespace

int main() {
  for (std::string line; std::getline(std::cin, line);) std::cout << answer(json::parse(line)).dump() << std::endl;
  return 0;
}
