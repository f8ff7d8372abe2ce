#include "app/comparison.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/interrupt.h"
#include "base/json_number.h"
#include "base/scratch_folder.h"
#include "lower/lower.h"
#include "verify/choices.h"

namespace crossload::app {
namespace fs = std::filesystem;
using nlohmann::json;

namespace {

// Float32 runs that say how large PyTorch's own noise is; kChoices: the thorough ones, and values around discrete
// choices.
enum class Effort { kUsual, kThorough, kChoices };

json ask_for(const ConvertRequest& request, const TracedModel& traced, const fs::path& out, Effort effort,
             PythonSide& python, const Progress& progress) {
  json ask = request.model.to_json();
  ask["do"] = "reference";
  ask["model"] = or_null(traced.files.path.string());
  ask["trace"] = or_null(traced.trace->folder.string());
  ask["stages"] = request.stages && effort == Effort::kUsual;
  ask["thorough"] = effort != Effort::kUsual;
  ask["choices"] = effort == Effort::kChoices;
  ask["out"] = out.string();
  return python.ask(ask, progress);
}

verify::Reference reference_in(const fs::path& folder, const json& answer) {
  verify::Reference reference;
  for (const json& item : answer.at("cases")) reference.cases.push_back(case_in(folder, item));
  for (const json& item : answer.value("dropped", json::array())) {
    verify::DroppedShape& shape = reference.dropped.emplace_back();
    shape.label = item.value("label", "");
    shape.reason = item.value("reason", "");
    for (const auto& [name, dims] : item.at("inputs").items()) shape.inputs.emplace_back(name, dims.get<Dims>());
  }
  if (answer.contains("stages") && answer["stages"].is_string())
    reference.stages = folder / answer["stages"].get<std::string>();
  return reference;
}

verify::Explanation explain(const ConvertRequest& request, const TracedModel& traced, const fs::path& stages,
                            const verify::Suspect& suspect, PythonSide& python, const Progress& progress) {
  json ask = stage_request(request, traced, stages, suspect);
  ask["do"] = "explain";
  json& tries = ask["tries"] = json::array();
  for (const verify::Try& one : suspect.tries) {
    tries.push_back({{"cause", one.cause}, {"counterfactual", one.counterfactual}, {"nodes", one.nodes}});
  }
  return explanation_in(python.ask(ask, progress));
}

verify::Result compare_once(const ConvertRequest& request, const TracedModel& traced,
                            const verify::Reference& reference, const fs::path& saved_model,
                            const runtime::Runtime& runtime, PythonSide& python, const Progress& progress,
                            const WantedStages& wanted) {
  verify::Request ask;
  ask.saved_model = saved_model;
  ask.program = &traced.program;
  ask.reference = reference;
  ask.limit = request.max_error;
  ask.strict = request.strict;
  ask.wanted_stages = wanted;
  if (reference.stages) {
    ask.explain = [&](const verify::Suspect& suspect) {
      throw_if_interrupted();
      return explain(request, traced, *reference.stages, suspect, python, progress);
    };
  }
  if (traced.trace->meta.contains("modules")) {
    for (const auto& [path, module] : traced.trace->meta["modules"].items())
      ask.module_classes[path] = module.value("class", "");
  }
  ask.progress = [&](const std::string& text, double fraction) {
    throw_if_interrupted();
    progress("verify", text, fraction);
  };
  return verify::verify(ask, runtime);
}

// TensorFlow draws other random numbers than PyTorch, and both draw new ones in every run.
void tell_of_random_numbers(const program::Program& program, verify::Result& result) {
  if (result.verdict != verify::Verdict::kMismatch) return;
  for (const auto& [target, count] : lower::random_ops(program)) {
    result.notes.push_back(fmt::format(
        "the model draws random numbers ({}, {} x), others in every run; what depends on them cannot be equal", target,
        count));
  }
}

// Whether outputs are over the limit by so little that a further float32 run of PyTorch might be as far from the truth.
bool may_be_noise(const verify::Result& result) {
  constexpr double kMostTimes = 32;
  if (result.verdict != verify::Verdict::kMismatch) return false;
  return std::all_of(result.outputs.begin(), result.outputs.end(), [&](const verify::OutputResult& output) {
    return output.verdict != verify::Verdict::kMismatch || output.tf_truth <= kMostTimes * output.noise;
  });
}

}  // namespace

// What the PyTorch side is told of a stage; see python/crossload/README.md.
json stage_request(const ConvertRequest& request, const TracedModel& traced, const fs::path& stages,
                   const verify::Suspect& suspect) {
  json ask = request.model.to_json();
  ask["model"] = or_null(traced.files.path.string());
  ask["trace"] = or_null(traced.trace->folder.string());
  ask["stages"] = stages.string();
  ask["values"] = suspect.values.string();
  ask["module"] = suspect.module;
  ask["class_of_module"] = suspect.module_class;
  ask["nodes"] = suspect.nodes;
  json& fetches = ask["fetches"] = json::object();
  for (const auto& [value, tensor] : suspect.fetches) {
    fetches[value] = {{"tensor", tensor.first}, {"perm", tensor.second}};
  }
  return ask;
}

verify::Explanation explanation_in(const json& answer) {
  verify::Explanation result;
  for (const json& item : answer.at("confirmed")) {
    result.confirmed.push_back({item.at("cause"), item.at("evidence"), number_in(item.at("error"))});
  }
  result.evidence = answer.value("evidence", "");
  return result;
}

verify::Case case_in(const fs::path& folder, const json& item) {
  verify::Case result;
  if (item.at("file").is_string()) result.file = folder / item.at("file").get<std::string>();
  result.label = item.value("label", "");
  result.traced = item.value("traced", false);
  if (item.contains("skipped") && item["skipped"].is_string()) result.skipped = item["skipped"];
  if (item.contains("choices") && item["choices"].is_string()) {
    result.choices = folder / item["choices"].get<std::string>();
  }
  return result;
}

json ask_reference(const ConvertRequest& request, const TracedModel& traced, const fs::path& out, PythonSide& python,
                   const Progress& progress) {
  return ask_for(request, traced, out, Effort::kUsual, python, progress);
}

verify::Result compare(const ConvertRequest& request, const TracedModel& traced, const fs::path& reference,
                       const json& answer, const fs::path& saved_model, const runtime::Runtime& runtime,
                       PythonSide& python, const Progress& progress, const WantedStages& wanted) {
  verify::Result result =
      compare_once(request, traced, reference_in(reference, answer), saved_model, runtime, python, progress, wanted);
  tell_of_random_numbers(traced.program, result);
  const auto again = [&](Effort effort) {
    const ScratchFolder scratch;
    const json more = ask_for(request, traced, scratch.path(), effort, python, progress);
    verify::Result closer =
        compare_once(request, traced, reference_in(scratch.path(), more), saved_model, runtime, python, progress, {});
    closer.stages = result.stages;
    closer.spread = result.spread;
    closer.wanted = result.wanted;
    // Those about differences are the same, and those about stages come only the first time; those about choices are
    // new.
    std::vector<std::string> notes = result.notes;
    for (std::string& note : closer.notes) {
      const bool is_new = std::find(notes.begin(), notes.end(), note) == notes.end();
      if (effort == Effort::kChoices && is_new) notes.push_back(std::move(note));
    }
    closer.notes = std::move(notes);
    // What was taken for a fault and is noise has no cause.
    if (closer.verdict == verify::Verdict::kMismatch) closer.diagnosis = result.diagnosis;
    return closer;
  };
  if (may_be_noise(result)) result = again(Effort::kThorough);
  if (result.verdict == verify::Verdict::kMismatch && !request.strict && verify::has_choices(traced.program)) {
    verify::Result given = again(Effort::kChoices);
    if (given.verdict != verify::Verdict::kMismatch) return given;
    result.choices = std::move(given.choices);
    result.notes = std::move(given.notes);
  }
  return result;
}

}  // namespace crossload::app
