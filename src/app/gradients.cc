#include "app/gradients.h"

#include <algorithm>

#include "base/interrupt.h"
#include "base/scratch_folder.h"
#include "verify/gradients.h"

namespace crossload::app {
namespace fs = std::filesystem;
using nlohmann::json;

namespace {

std::vector<std::string> names_in(const json& list) { return list.get<std::vector<std::string>>(); }

void take_pytorch(verify::GradientRequest& request, const json& answer) {
  request.parameters.clear();
  for (const json& item : answer.at("parameters")) {
    request.parameters.push_back({item.at("name"), names_in(item.at("aliases")), item.at("frozen")});
  }
  const auto without = names_in(answer.at("without"));
  request.pt_without = {without.begin(), without.end()};
}

void take_tensorflow(verify::GradientRequest& request, const json& answer) {
  const auto without = names_in(answer.at("without"));
  request.tf_without = {without.begin(), without.end()};
  // Of a model that somebody wrote, the parameter that each variable is; a SavedModel's have the parameters' names.
  request.is_by_layers = answer.contains("parameter_of");
  const json& parameters = answer.contains("parameter_of") ? answer["parameter_of"] : json::object();
  for (const json* list : {&answer.at("variables"), &answer.at("without")}) {
    for (const std::string& name : names_in(*list)) {
      request.variables.emplace_back(name, parameters.value(name, name));
    }
  }
  if (answer.at("failure").is_string()) request.error = answer["failure"];
}

bool may_be_noise(const verify::GradientReport& report) {
  constexpr double kMostTimes = 32;
  bool is_over = false;
  for (const verify::GradientResult& one : report.parameters) {
    if (one.of.verdict != verify::Verdict::kMismatch) continue;
    if (!(one.of.tf_truth <= kMostTimes * one.of.noise)) return false;
    is_over = true;
  }
  return is_over && report.only_pytorch.empty() && report.only_tensorflow.empty();
}

}  // namespace

void compare_gradients(const GradientQuestion& question, json pytorch, json tensorflow, PythonSide& python,
                       const Progress& progress, verify::Result& result) {
  const ScratchFolder scratch;
  const fs::path coefficients = verify::write_coefficients(question.program, question.one, scratch.path());
  verify::GradientRequest request;
  request.order = question.order;
  request.limit = question.limit;
  request.strict = question.strict;
  request.pt_file = scratch.path() / "pt_gradients.safetensors";
  request.tf_file = scratch.path() / "tf_gradients.safetensors";
  for (const auto& [ask, file] : {std::pair(&pytorch, &request.pt_file), std::pair(&tensorflow, &request.tf_file)}) {
    (*ask)["case"] = question.one.file.string();
    (*ask)["coefficients"] = coefficients.string();
    (*ask)["out"] = file->string();
  }
  throw_if_interrupted();
  take_pytorch(request, python.ask(pytorch, progress));
  throw_if_interrupted();
  take_tensorflow(request, python.ask(tensorflow, progress));
  std::vector<std::string> notes;
  verify::GradientReport report = verify::compare_gradients(request, notes);
  if (may_be_noise(report)) {
    throw_if_interrupted();
    pytorch["thorough"] = true;
    take_pytorch(request, python.ask(pytorch, progress));
    notes.clear();
    report = verify::compare_gradients(request, notes);
  }
  result.notes.insert(result.notes.end(), notes.begin(), notes.end());
  verify::add_gradients(std::move(report), result);
}

}  // namespace crossload::app
