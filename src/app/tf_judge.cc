#include "app/tf_judge.h"

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <optional>

#include "app/verify.h"
#include "app/weights.h"
#include "base/error.h"
#include "base/float_cast.h"
#include "base/json_number.h"
#include "base/scratch_folder.h"
#include "checkpoint/checkpoint.h"

namespace crossload::app {
namespace fs = std::filesystem;
using nlohmann::json;

namespace {

class TfClassJudge : public TfJudge {
 public:
  explicit TfClassJudge(std::unique_ptr<PythonSide> worker) : worker_(std::move(worker)) {}

  Judgement judge(const JudgeRequest& request, const Progress& progress) override {
    const json answer = worker_->ask({{"do", "judge_tf4"},
                                      {"model", request.model.model},
                                      {"class", or_null(request.model.model_class)},
                                      {"weights", request.weights.string()},
                                      {"max_error", request.limit}},
                                     progress);
    Judgement judgement;
    judgement.judge = "tf-class";
    judgement.class_name = answer.at("class");
    judgement.tf_class = answer.at("tf_class");
    for (const json& row : answer.at("rows")) {
      judgement.outputs.push_back({row.at("name"), number_in(row.at("crossload")), number_in(row.at("conversion")),
                                   number_in(row.at("padded")), row.at("excused").get<bool>()});
    }
    judgement.unused = answer.at("unused").get<std::vector<std::string>>();
    judgement.missing = answer.at("missing").get<std::vector<std::string>>();
    judgement.notes = answer.at("notes").get<std::vector<std::string>>();
    judgement.versions = answer.at("versions").get<std::map<std::string, std::string>>();
    return judgement;
  }

  PythonSide& python() override { return *worker_; }

 private:
  std::unique_ptr<PythonSide> worker_;
};

// A copy of a model's folder with its weights in float32, in which Transformers 4 computed whatever their dtype; empty
// when weights and configuration are float32 already.
fs::path in_float32(const fs::path& folder, const fs::path& target) {
  const auto file = find_weights(folder, Framework::kPyTorch);
  if (!file) return {};
  std::ifstream in(folder / "config.json");
  const json config = json::parse(in, nullptr, false);
  const auto says_float32 = [&](const char* key) {
    const auto found = config.is_object() ? config.find(key) : config.end();
    return found == config.end() || !found->is_string() || *found == "float32";
  };
  const Checkpoint checkpoint = open_checkpoint(*file);
  const bool is_float32 = std::ranges::all_of(checkpoint.entries(), [](const Checkpoint::Entry& entry) {
    return !can_cast(entry.dtype) || entry.dtype == DType::kFloat32;
  });
  if (is_float32 && says_float32("dtype") && says_float32("torch_dtype")) return {};
  WeightsRequest ask;
  ask.source = file->string();
  ask.target = target;
  ask.format = "safetensors";
  ask.dtype = "float32";
  convert_weights(ask, {});
  return target;
}

// The SavedModel of PyTorch's weights, and that of the written ones brought back to PyTorch's names, both against the
// same PyTorch model.
class SavedModelJudge : public TfJudge {
 public:
  SavedModelJudge(const PythonEnvironment& environment, PythonSide& python)
      : environment_(environment), python_(python) {}

  Judgement judge(const JudgeRequest& request, const Progress& progress) override {
    const ScratchFolder scratch;
    ConvertRequest ask;
    ask.model = request.model;
    ask.model.inputs = scratch.path() / "inputs.npz";
    ask.model.hidden_states = true;
    ask.max_error = request.limit;
    ask.stages = false;
    json inputs = request.model.to_json();
    inputs["do"] = "example_inputs";
    inputs["out"] = ask.model.inputs;
    Judgement judgement;
    judgement.judge = "savedmodel";
    judgement.notes = python_.ask(inputs, progress).at("notes").get<std::vector<std::string>>();

    if (const fs::path wide = in_float32(request.model.model, scratch.path() / "float32"); !wide.empty()) {
      ask.model.model = wide.string();
      judgement.notes.emplace_back("the weights are compared in float32");
    }
    ask.out = scratch.path() / "crossload";
    report::Report first = convert(ask, environment_, python_, progress);
    if (std::ranges::all_of(first.result.outputs, is_hidden_state, &verify::OutputResult::name)) {
      // A decoder without a head has its cache beside them, which a TensorFlow class returns as well.
      ask.model.cache = true;
      ask.out = scratch.path() / "crossload-with-cache";
      first = convert(ask, environment_, python_, progress);
    }
    if (const auto& missing = first.weights.missing; !missing.empty()) {
      throw Error(ErrorKind::kBadInput,
                  fmt::format("{}: {} weights of {} are not in its files, `{}` first, and would be made up; there is "
                              "nothing to compare",
                              request.model.model, missing.size(), first.model_class, missing.front()),
                  missing);
    }
    judgement.class_name = first.model_class;
    judgement.versions = first.versions;

    WeightsRequest back;
    back.source = request.weights.string();
    back.target = scratch.path() / "back";
    back.format = "safetensors";
    back.class_name = request.model.model_class;
    back.dtype = "float32";
    back.python = [&]() -> PythonSide& { return python_; };
    const WeightsResult read = convert_weights(back, {});
    for (const auto& note : read.unused) {
      if (note.is_reported()) judgement.unused.push_back(note.name);
    }
    for (const auto& note : read.missing) {
      if (note.is_reported()) judgement.missing.push_back(note.name);
    }
    ConvertRequest reloaded = ask;
    reloaded.model.model = back.target.string();
    reloaded.out = scratch.path() / "conversion";
    reloaded.verify = false;
    convert(reloaded, environment_, python_, progress);
    ask.out = reloaded.out;
    const report::Report second = verify_again(ask, environment_, python_, progress);
    add_outputs(judgement, first, second);
    return judgement;
  }

  PythonSide& python() override { return python_; }

 private:
  static void add_outputs(Judgement& judgement, const report::Report& first, const report::Report& second) {
    using verify::Verdict;
    for (const verify::OutputResult& a : first.result.outputs) {
      const auto b = std::ranges::find(second.result.outputs, a.name, &verify::OutputResult::name);
      if (b == second.result.outputs.end()) {
        fail(ErrorKind::kMismatch,
             "{}: with the written weights it has no output `{}`; convert with `crossload convert`",
             judgement.class_name, a.name);
      }
      const bool is_excused = a.verdict != Verdict::kMismatch && b->verdict != Verdict::kMismatch;
      judgement.outputs.push_back(
          {a.name, a.max_error, b->max_error, std::max(a.padded_error, b->padded_error), is_excused});
    }
  }

  const PythonEnvironment& environment_;
  PythonSide& python_;
};

// `<home>` of a program `<home>/.venv/bin/python`, or of one in a build folder, `<home>/build/work/crossload`.
fs::path home_of(const fs::path& program) {
  std::error_code ignored;
  if (program.empty()) return {};
  return fs::absolute(program, ignored).lexically_normal().parent_path().parent_path().parent_path();
}

fs::path this_program() {
  std::error_code ignored;
  return fs::read_symlink("/proc/self/exe", ignored);
}

std::optional<PythonEnvironment> tf4_of(const fs::path& home) {
  std::error_code ignored;
  const fs::path interpreter = home / ".venv-tf4" / "bin" / "python";
  if (home.empty() || !fs::is_regular_file(interpreter, ignored)) return std::nullopt;
  PythonEnvironment found = find_python(interpreter.string());
  if (!has_tf_classes(found)) return std::nullopt;
  return found;
}

}  // namespace

fs::path find_package(const PythonEnvironment& environment) {
  std::error_code ignored;
  for (const fs::path& parent :
       {environment.site_packages, home_of(environment.interpreter) / "python", home_of(this_program()) / "python"}) {
    if (fs::is_regular_file(parent / "crossload" / "worker.py", ignored)) return parent / "crossload";
  }
  return {};
}

bool is_hidden_state(const std::string& output) { return output.find("hidden") != std::string::npos; }

bool JudgedOutput::is_over(double limit) const {
  return std::max(crossload, conversion) > limit && !(is_excused && may_be_excused());
}

bool JudgedOutput::is_conversion_over(double limit) const {
  return conversion > limit && !(is_excused && may_be_excused());
}

bool has_tf_classes(const PythonEnvironment& environment) {
  std::error_code ignored;
  return environment.version_of("transformers").starts_with("4.") && !environment.version_of("torch").empty() &&
         fs::is_directory(environment.site_packages / "tensorflow", ignored) &&
         fs::is_directory(environment.site_packages / "tf_keras", ignored);
}

std::optional<PythonEnvironment> find_tf4(const PythonEnvironment& given) {
  std::optional<PythonEnvironment> found;
  if (has_tf_classes(given)) {
    found = given;
  } else if (const char* named = std::getenv("CROSSLOAD_TF4")) {
    if (*named != '\0') found = find_python(named);
  } else {
    found = tf4_of(home_of(given.interpreter));
    if (!found) found = tf4_of(home_of(this_program()));
  }
  if (found) found->package_elsewhere = find_package(given);
  return found;
}

std::unique_ptr<TfJudge> find_judge(const PythonEnvironment& given, const PythonEnvironment& environment,
                                    PythonSide& python, const StartPython& start) {
  std::optional<PythonEnvironment> found = find_tf4(given);
  if (!found) return std::make_unique<SavedModelJudge>(environment, python);
  found->package_elsewhere = find_package(environment);
  return std::make_unique<TfClassJudge>(start(*found));
}

}  // namespace crossload::app
