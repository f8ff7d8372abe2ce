#include "app/against.h"

#include <algorithm>
#include <fstream>
#include <sstream>

#include "app/comparison.h"
#include "app/gradients.h"
#include "app/report_files.h"
#include "app/version.h"
#include "base/error.h"
#include "base/interrupt.h"
#include "base/scratch_folder.h"
#include "base/stopwatch.h"
#include "runtime/runtime.h"
#include "savedmodel/artefact.h"
#include "verify/against.h"
#include "verify/diagnosis/causes.h"
#include "verify/outputs.h"

namespace crossload::app {
namespace fs = std::filesystem;
using nlohmann::json;

namespace {

/// The folder that holds `saved_model.pb`; empty when the target is no SavedModel.
fs::path saved_model_in(const fs::path& target) {
  std::error_code ignored;
  if (target.empty() || !fs::is_directory(target, ignored)) return {};
  for (const fs::path& folder : {target, target / "saved_model" / "1", target / "saved_model", target / "1"}) {
    if (fs::is_regular_file(folder / "saved_model.pb", ignored)) return folder;
  }
  bad_input("--against: {}: no `saved_model.pb` in it; give a SavedModel's folder, FILE.py:Class or module:Class",
            target.string());
}

std::map<std::string, std::string> read_map(const fs::path& file) {
  if (file.empty()) return {};
  const json content = read_json(file);
  const bool is_map = content.is_object() &&
                      std::ranges::all_of(content.items(), [](const auto& item) { return item.value().is_string(); });
  if (!is_map) {
    bad_input(
        "--map: {}: expected an object, path of a layer to path of a module: {{\"encoder.block_0\": "
        "\"encoder.layer.0\"}}",
        file.string());
  }
  return content.get<std::map<std::string, std::string>>();
}

SymDims sym_dims(const json& axes) {
  SymDims dims;
  for (const json& axis : axes) {
    if (axis.is_number_integer()) {
      dims.emplace_back(axis.get<int64_t>());
    } else if (axis == "batch*length") {
      dims.push_back(Sym::symbol("batch") * Sym::symbol("length"));
    } else {
      dims.push_back(Sym::symbol(axis.get<std::string>()));
    }
  }
  return dims;
}

std::map<std::string, SymDims> all_sym_dims(const json& found) {
  std::map<std::string, SymDims> all;
  for (const auto& [name, axes] : found.items()) all[name] = sym_dims(axes);
  return all;
}

std::vector<std::string> names_in(const json& list) { return list.get<std::vector<std::string>>(); }

verify::AgainstRequest comparison_of(const AgainstRequest& request, const json& pytorch, const fs::path& folder) {
  verify::AgainstRequest ask;
  ask.limit = request.max_error;
  ask.strict = request.strict;
  for (const json& item : pytorch.at("cases")) ask.cases.push_back(case_in(folder, item));
  ask.inputs = all_sym_dims(pytorch.at("inputs"));
  ask.outputs = all_sym_dims(pytorch.at("outputs"));
  ask.output_names = names_in(pytorch.at("output_names"));
  ask.axes = all_sym_dims(pytorch.at("axes"));
  if (pytorch.at("stages").is_string()) ask.pt_stages = folder / pytorch["stages"].get<std::string>();
  for (const json& item : pytorch.at("calls")) {
    verify::ModuleRun& one = ask.modules.emplace_back();
    one.module = item.at("module");
    one.module_class = item.at("class");
    one.call = item.at("call");
    one.depth = item.at("depth");
    one.end = item.at("end");
    for (const json& output : item.at("outputs")) one.outputs.emplace_back(output.at(0), output.at(1));
  }
  return ask;
}

void add_layers(verify::AgainstRequest& ask, const json& opened) {
  for (const json& item : opened.at("layers")) {
    ask.layers.push_back(
        {item.at("id"), item.at("parent"), names_in(item.at("names")), item.at("path"), item.at("class")});
  }
}

void add_runs(verify::AgainstRequest& ask, const json& answer, const fs::path& folder) {
  const json& errors = answer.at("errors");
  for (std::size_t i = 0; i < answer.at("cases").size(); ++i) {
    verify::TfCase& one = ask.tf_cases.emplace_back();
    if (answer["cases"][i].is_string()) one.file = folder / answer["cases"][i].get<std::string>();
    if (errors[i].is_string()) one.error = errors[i];
  }
  if (answer.at("stages").is_string()) {
    ask.tf_stages = folder / answer["stages"].get<std::string>();
  } else {
    ask.pt_stages.reset();
  }
  for (const json& item : answer.at("calls")) {
    verify::LayerRun& one = ask.runs.emplace_back();
    one.layer = item.at("layer");
    one.module = item.at("module");
    one.call = item.at("call");
    one.accumulated = names_in(item.at("accumulated"));
    if (item.at("isolated").is_array()) one.isolated = names_in(item["isolated"]);
    if (item.at("reason").is_string()) one.reason = item["reason"];
  }
  for (const json& item : answer.at("counts")) ask.counts[item.at("layer")] = item.at("calls");
}

json with_suspect(json ask, const verify::LayerSuspect& suspect) {
  ask["values"] = suspect.values.string();
  ask["module"] = suspect.module;
  ask["class_of_module"] = suspect.module_class;
  ask["call"] = suspect.call;
  ask["layer"] = suspect.layer;
  ask["leaves"] = suspect.leaves;
  // The worker has the module's program, and with it the operations that a cause may concern.
  json& tries = ask["tries"] = json::array();
  for (const verify::CauseRow& row : verify::cause_table()) {
    tries.push_back({{"cause", std::string(row.cause)},
                     {"counterfactual", std::string(row.counterfactual)},
                     {"operations", std::string(row.operations)}});
  }
  return ask;
}

class Comparison {
 public:
  Comparison(const AgainstRequest& request, const PythonEnvironment& environment, PythonSide& python,
             const Progress& progress)
      : request_(request), environment_(environment), python_(python), progress_(progress) {}

  report::Report run() {
    const Stopwatch total;
    const fs::path saved_model = saved_model_in(request_.target);
    const bool wants_files = !request_.files.dump.path.empty() || !request_.files.reproduce.path.empty();
    if (wants_files && !saved_model.empty()) {
      bad_input("--dump, --reproduce: {}: a foreign SavedModel has no layers that could be told apart; give the class",
                request_.target);
    }
    if (request_.gradients && !saved_model.empty()) {
      bad_input(
          "--gradients: {}: the variables of a foreign SavedModel say of no PyTorch parameter that they are it; verify "
          "without, or give the class",
          request_.target);
    }
    const std::map<std::string, std::string> map = read_map(request_.map);
    std::optional<ReportFolder> out;
    if (!request_.out.empty()) out.emplace(request_.out);
    const ModelFiles files = resolve(request_.model, python_, progress_);
    if (files.kind == ModelFiles::Kind::kProgram) {
      bad_input("{}: is a program without modules; --against compares with a model folder", files.path.string());
    }
    json ask = request_.model.to_json();
    ask["model"] = or_null(files.path.string());
    ask["target"] = or_null(saved_model.empty() ? request_.target : "");
    // Gradients need the pairs of layers and modules.
    const bool with_stages = request_.stages || request_.gradients;
    ask["stages"] = with_stages && saved_model.empty();
    ask["out"] = scratch_.path().string();
    ask["do"] = "against_pytorch";
    const json pytorch = python_.ask(ask, progress_);
    report_.model = request_.model.model.empty() ? pytorch.at("class").get<std::string>() : request_.model.model;
    report_.commit = files.commit;
    report_.model_class = pytorch.at("class");
    if (pytorch.at("model_type").is_string()) report_.model_type = pytorch["model_type"];
    report_.against = request_.target;
    report_.weights.count = pytorch.at("weights").at("count");
    report_.weights.bytes = pytorch.at("weights").at("bytes");
    if (pytorch.at("note").is_string()) report_.notes.push_back(pytorch["note"]);
    report_.versions = pytorch.at("versions").get<std::map<std::string, std::string>>();
    report_.versions["crossload"] = kVersion;
    throw_if_interrupted();
    verify::AgainstRequest comparison = comparison_of(request_, pytorch, scratch_.path());
    if (saved_model.empty()) {
      run_keras(ask, map, comparison);
    } else {
      run_saved_model(saved_model, comparison);
    }
    const Stopwatch watch;
    if (saved_model.empty()) {
      comparison.explain = [&](const verify::LayerSuspect& suspect) {
        throw_if_interrupted();
        json about = ask;
        about["pairs"] = pairs_;
        about["do"] = "against_explain";
        return explanation_in(python_.ask(with_suspect(std::move(about), suspect), progress_));
      };
      want_files(ask, comparison);
    }
    report_.result = verify::compare_against(comparison);
    if (request_.gradients) add_gradients(ask, comparison);
    report_.timings.verify = watch.seconds();
    report_.timings.total = total.seconds();
    if (out) out->write(report_);
    return std::move(report_);
  }

 private:
  void run_keras(json ask, const std::map<std::string, std::string>& map, verify::AgainstRequest& comparison) {
    ask["do"] = "against_open";
    const json opened = python_.ask(ask, progress_);
    if (report_.against.empty()) report_.against = opened.at("class");
    add_layers(comparison, opened);
    std::vector<std::string> modules;
    for (const verify::ModuleRun& one : comparison.modules) modules.push_back(one.module);
    if (!request_.stages && !request_.gradients) modules = {""};
    comparison.pairing = verify::pair_layers(modules, comparison.layers, map);
    for (const auto& [layer, module] : comparison.pairing.module_of)
      pairs_.push_back({{"layer", layer}, {"module", module}});
    ask["do"] = "against_run";
    ask["pairs"] = pairs_;
    const json answer = python_.ask(ask, progress_);
    add_runs(comparison, answer, scratch_.path());
    for (const json* part : {&opened, &answer}) {
      for (const std::string& name : names_in(part->at("unused"))) report_.weights.unused.push_back(name);
      for (const std::string& name : names_in(part->at("missing"))) report_.weights.missing.push_back(name);
    }
    for (const std::string& note : names_in(opened.at("notes"))) report_.notes.push_back(note);
    for (const auto& [name, version] : opened.at("versions").items()) report_.versions[name] = version;
  }

  void want_files(const json& ask, verify::AgainstRequest& comparison) {
    const std::pair<const char*, const StageFile*> asked[] = {{"against_dump", &request_.files.dump},
                                                              {"against_reproduce", &request_.files.reproduce}};
    for (const auto& [name, file] : asked) {
      if (file->path.empty()) continue;
      comparison.wanted.emplace_back(file->stage, [this, ask, name = name, file = file](const auto& suspect) {
        json about = ask;
        about["do"] = name;
        about["pairs"] = pairs_;
        about["out"] = fs::absolute(file->path).string();
        about["versions"] = report_.versions;
        python_.ask(with_suspect(std::move(about), suspect), progress_);
      });
    }
  }

  void add_gradients(json ask, const verify::AgainstRequest& comparison) {
    const program::Program shapes = verify::shapes_of(comparison);
    std::map<std::string, int> order;
    for (const verify::ModuleRun& one : comparison.modules) {
      order[one.module] = std::max(order[one.module], one.end);
    }
    json pytorch = ask, tensorflow = std::move(ask);
    pytorch["do"] = "gradients_against_pytorch";
    tensorflow["do"] = "gradients_against_keras";
    tensorflow["pairs"] = pairs_;
    compare_gradients({shapes, comparison.cases.front(), std::move(order), request_.max_error, request_.strict},
                      std::move(pytorch), std::move(tensorflow), python_, progress_, report_.result);
  }

  /// By the signature `serving_default`.
  void run_saved_model(const fs::path& folder, verify::AgainstRequest& comparison) {
    progress_("verify", "loading the SavedModel", -1);
    const auto runtime = runtime::Runtime::load(environment_.tensorflow());
    report_.versions["tensorflow"] = runtime->version();
    const savedmodel::Artefact artefact(folder);
    const savedmodel::Signature signature = artefact.signature("serving_default");
    const runtime::Session session = runtime->load_saved_model(folder);
    std::vector<std::string> fetches;
    for (const auto& [output, port] : signature.outputs) fetches.push_back(port.tensor);
    for (const verify::Case& one : comparison.cases) {
      verify::TfCase& tf_case = comparison.tf_cases.emplace_back();
      if (one.skipped) continue;
      const verify::CaseValues pytorch = verify::read_case(one.file);
      try {
        auto found = session.run(verify::feeds_of(signature.inputs, inputs_for(signature, pytorch)), fetches);
        for (const auto& [output, port] : signature.outputs) {
          // One output alone is the other's one output, whatever it is called.
          const bool is_only = signature.outputs.size() == 1 && comparison.output_names.size() == 1;
          tf_case.outputs[is_only ? comparison.output_names.front() : output] = found.at(port.tensor);
        }
        tf_case.is_in_memory = true;
      } catch (const Error& error) {
        if (error.kind() != ErrorKind::kInternal) throw;
        tf_case.error = error.what();
      }
    }
    if (signature.outputs.size() == 1 && comparison.output_names.size() > 1) {
      report_.notes.push_back(fmt::format("the signature gives one output, `{}`", signature.outputs.begin()->first));
    }
  }

  /// By name; one input alone is the other's one input, whatever it is called.
  static std::map<std::string, Tensor> inputs_for(const savedmodel::Signature& signature,
                                                  const verify::CaseValues& pytorch) {
    if (signature.inputs.size() != 1 || pytorch.inputs.size() != 1) return pytorch.inputs;
    return {{signature.inputs.begin()->first, pytorch.inputs.begin()->second}};
  }

  const AgainstRequest& request_;
  const PythonEnvironment& environment_;
  PythonSide& python_;
  const Progress& progress_;
  const ScratchFolder scratch_;
  report::Report report_;
  json pairs_ = json::array();  // as the worker takes them
};

}  // namespace

report::Report verify_against(const AgainstRequest& request, const PythonEnvironment& environment, PythonSide& python,
                              const Progress& progress) {
  return Comparison(request, environment, python, progress).run();
}

bool needs_tf4(const std::string& target) {
  const std::string place = target.substr(0, target.rfind(':'));
  if (!place.ends_with(".py")) return place == "transformers" || place.starts_with("transformers.");
  std::ifstream in(place, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  const std::string source = text.str();
  return std::ranges::any_of(std::vector<std::string>{"modeling_tf_utils", "TFPreTrainedModel", "tf_keras"},
                             [&](const std::string& word) { return source.find(word) != std::string::npos; });
}

}  // namespace crossload::app
