#include "app/comparison.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <vector>

#include "base/interrupt.h"
#include "base/json_number.h"
#include "base/scratch_folder.h"
#include "lower/lower.h"
#include "verify/further.h"

namespace crossload::app {
namespace fs = std::filesystem;
using nlohmann::json;

namespace {

json reference_request(const ConvertRequest& request, const TracedModel& traced, const fs::path& out) {
  json ask = request.model.to_json();
  ask["do"] = "reference";
  ask["model"] = or_null(traced.files.path.string());
  ask["trace"] = or_null(traced.trace->folder.string());
  ask["out"] = out.string();
  return ask;
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

/// Asks PyTorch for more of some cases, and remembers what it has of each.
class FurtherValues {
 public:
  FurtherValues(const ConvertRequest& request, const TracedModel& traced, const fs::path& reference, const json& answer,
                PythonSide& python, const Progress& progress)
      : request_(request), traced_(traced), python_(python), progress_(progress) {
    is_whole_ = answer.value("effort", "usual") != "least";
    for (const json& item : answer.at("cases")) {
      if (!item.at("file").is_string()) continue;
      known_[item.value("label", "")] = {{"file", (reference / item.at("file").get<std::string>()).string()},
                                         {"runs", item.at("runs")},
                                         {"truth", item.at("truth")}};
    }
  }

  bool add_to(const std::vector<verify::OpenCase*>& cases, verify::Effort effort) {
    if (effort == verify::Effort::kUsual && is_whole_) return false;
    json ask = reference_request(request_, traced_, folders_.emplace_back().path());
    ask["effort"] = effort == verify::Effort::kMore ? "more" : effort == verify::Effort::kMost ? "most" : "usual";
    ask["choices"] = effort == verify::Effort::kChoices;
    json& earlier = ask["earlier"] = json::object();
    for (const verify::OpenCase* one : cases) earlier[one->of.label] = known_.at(one->of.label);
    const json answer = python_.ask(ask, progress_);
    for (const json& item : answer.at("cases")) {
      const verify::Case more = case_in(folders_.back().path(), item);
      const auto found = std::ranges::find(cases, more.label, [](const auto* one) { return one->of.label; });
      if (found == cases.end() || more.file.empty()) continue;
      json& known = known_.at(more.label);
      for (const json& run : item.at("runs")) known["runs"].push_back(run);
      if (item.at("truth").is_string()) known["truth"] = item["truth"];
      (*found)->further.push_back(more.file);
      if (more.choices) (*found)->of.choices = more.choices;
    }
    return true;
  }

 private:
  const ConvertRequest& request_;
  const TracedModel& traced_;
  PythonSide& python_;
  const Progress& progress_;
  bool is_whole_ = true;
  std::map<std::string, json> known_;  // by label: file, runs, truth
  std::vector<ScratchFolder> folders_;
};

// TensorFlow draws other random numbers than PyTorch, and both draw new ones in every run.
void tell_of_random_numbers(const program::Program& program, verify::Result& result) {
  if (result.verdict != verify::Verdict::kMismatch) return;
  for (const auto& [target, count] : lower::random_ops(program)) {
    result.notes.push_back(fmt::format(
        "the model draws random numbers ({}, {} x), others in every run; what depends on them cannot be equal", target,
        count));
  }
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
  json ask = reference_request(request, traced, out);
  ask["stages"] = request.stages;
  return python.ask(ask, progress);
}

verify::Result compare(const ConvertRequest& request, const TracedModel& traced, const fs::path& reference,
                       const json& answer, const fs::path& saved_model, const runtime::Runtime& runtime,
                       PythonSide& python, const Progress& progress, const WantedStages& wanted) {
  verify::Request ask;
  ask.saved_model = saved_model;
  ask.program = &traced.program;
  ask.reference = reference_in(reference, answer);
  ask.limit = request.max_error;
  ask.strict = request.strict;
  ask.wanted_stages = wanted;
  FurtherValues more(request, traced, reference, answer, python, progress);
  const verify::Further further = [&](verify::Effort effort, const std::vector<verify::OpenCase*>& cases) {
    throw_if_interrupted();
    return more.add_to(cases, effort);
  };
  if (ask.reference.stages) {
    ask.explain = [&](const verify::Suspect& suspect) {
      throw_if_interrupted();
      return explain(request, traced, *ask.reference.stages, suspect, python, progress);
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
  verify::Result result = verify::verify(ask, runtime, further);
  tell_of_random_numbers(traced.program, result);
  return result;
}

}  // namespace crossload::app
