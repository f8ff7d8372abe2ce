#include "app/pt_to_tf.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>

#include "app/companions.h"
#include "app/config_fit.h"
#include "app/push.h"
#include "app/tf_judge.h"
#include "app/version.h"
#include "app/weights.h"
#include "base/error.h"
#include "base/interrupt.h"
#include "base/json_number.h"
#include "base/output_files.h"
#include "base/output_folder.h"
#include "base/scratch_folder.h"
#include "base/stopwatch.h"
#include "checkpoint/checkpoint.h"

namespace crossload::app {
namespace fs = std::filesystem;
using nlohmann::json;

namespace {

constexpr const char* kFile = "tf_model.h5";
constexpr const char* kIndex = "tf_model.h5.index.json";

std::vector<std::string> shards_in(const fs::path& folder) {
  std::error_code ignored;
  std::vector<std::string> files;
  for (const auto& entry : fs::directory_iterator(folder, ignored)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with("tf_model-") && name.ends_with(".h5")) files.push_back(name);
  }
  std::ranges::sort(files);
  return files;
}

// The weight file of a folder, or the shards and their index; empty when there is none.
std::vector<std::string> tf_weights_in(const fs::path& folder) {
  std::error_code ignored;
  if (fs::exists(folder / kFile, ignored)) return {kFile};
  if (!fs::exists(folder / kIndex, ignored)) return {};
  std::vector<std::string> files = shards_in(folder);
  files.emplace_back(kIndex);
  return files;
}

// The predictable default path is in a folder where everybody may write: what another user put there is not a model to
// be read, nor a folder to write to.
void require_own(const fs::path& folder) {
  struct stat status {};
  if (::lstat(folder.c_str(), &status) != 0) return;
  if (status.st_uid == ::geteuid() && S_ISDIR(status.st_mode)) return;
  bad_input("{}: {}; choose another path with --local-dir", folder.string(),
            S_ISDIR(status.st_mode) ? "belongs to another user" : "is no folder");
}

fs::path local_dir_of(const PtToTfRequest& request) {
  const std::string& name = request.model.model;
  if (!request.local_dir.empty()) return request.local_dir;
  if (!may_be_hub_id(name)) return name;
  fs::path folder = "/tmp";
  for (const auto& part : fs::path(name)) require_own(folder /= part);
  return folder;
}

bool holds_model(const fs::path& folder) {
  std::error_code ignored;
  return fs::is_regular_file(folder / "config.json", ignored) && find_weights(folder, Framework::kPyTorch).has_value();
}

struct SourceModel {
  ModelFiles files;            // of PyTorch's weights
  std::string class_name;      // of PyTorch; empty: what AutoModel takes
  bool is_class_known = true;  // the model says what its outputs are
  fs::path existing;           // folder of TensorFlow weights that are there; empty when there are none
  bool is_existing_in_repository = false;
  std::vector<std::string> notes;
};

// As the configuration or --override-model-class says.
void settle_class(SourceModel& source, const PtToTfRequest& request, PythonSide& python, const Progress& progress) {
  if (std::string name = request.model.model_class; !name.empty()) {
    if (name.starts_with("TF")) name.erase(0, 2);
    if (name.starts_with("Auto")) {
      name = python.ask({{"do", "class_of"}, {"model", source.files.path.string()}, {"class", name}}, progress)
                 .at("class");
    }
    source.class_name = name;
    return;
  }
  const auto found = source.files.config.find("architectures");
  std::vector<std::string> architectures;
  if (found != source.files.config.end() && found->is_array()) {
    for (const auto& name : *found) {
      if (name.is_string()) architectures.push_back(name);
    }
  }
  if (architectures.size() > 1) {
    bad_input("{}: names {} architectures, {}; choose one with --override-model-class",
              (source.files.path / "config.json").string(), architectures.size(), fmt::join(architectures, ", "));
  }
  if (architectures.empty()) {
    source.is_class_known = false;
    source.notes.emplace_back("config.json names no architecture; AutoModel is used");
    return;
  }
  source.class_name = architectures.front();
  if (source.class_name.starts_with("TF")) source.class_name.erase(0, 2);
}

SourceModel find_source(const PtToTfRequest& request, const fs::path& local_dir, PythonSide& python,
                        const Progress& progress) {
  SourceModel source;
  ModelRequest model = request.model;
  if (may_be_hub_id(model.model) && holds_model(local_dir)) {
    model.model = local_dir.string();
    source.notes.push_back(fmt::format("{} is taken as it lies in {}", request.model.model, local_dir.string()));
  }
  source.files = resolve(model, python, progress);
  if (source.files.kind != ModelFiles::Kind::kFolder) {
    bad_input("{}: is no model's folder; give one, or a Hub id", request.model.model);
  }
  if (!tf_weights_in(local_dir).empty()) {
    source.existing = local_dir;
    return source;
  }
  const auto& repository = source.files.repository;
  const auto has = [&](const char* name) { return std::ranges::find(repository, name) != repository.end(); };
  if (has(kFile) || has(kIndex)) {
    source.is_existing_in_repository = true;
    if (request.new_weights) return source;
    json ask = model.to_json();
    ask["do"] = "resolve";
    ask["weights"] = {"h5"};
    source.existing = python.ask(ask, progress).at("path").get<std::string>();
  }
  return source;
}

std::string number(double value) { return std::isinf(value) ? "infinite" : fmt::format("{:.3e}", value); }

struct Figures {
  double crossload_output = 0, crossload_hidden = 0, conversion_output = 0, conversion_hidden = 0, padded = 0;

  explicit Figures(const Judgement& judgement) {
    for (const JudgedOutput& output : judgement.outputs) {
      double& crossload = output.is_hidden() ? crossload_hidden : crossload_output;
      double& conversion = output.is_hidden() ? conversion_hidden : conversion_output;
      crossload = std::max(crossload, output.crossload);
      conversion = std::max(conversion, output.conversion);
      padded = std::max(padded, output.padded);
    }
  }
  double max() const { return std::max({crossload_output, crossload_hidden, conversion_output, conversion_hidden}); }
  json to_json() const {
    return {{"crossload_output", json_number(crossload_output)},
            {"crossload_hidden", json_number(crossload_hidden)},
            {"conversion_output", json_number(conversion_output)},
            {"conversion_hidden", json_number(conversion_hidden)}};
  }
};

// What to do about outputs of which `worst` is over the limit most.
const char* advice_for(const JudgedOutput& worst, const Judgement& judgement, const SourceModel& source, double limit) {
  if (worst.crossload <= limit) {
    return source.existing.empty() ? "nothing was written or sent"
                                   : "these TensorFlow weights are not PyTorch's, replace them with --new-weights";
  }
  const auto is_conversion_over = [&](const JudgedOutput& output) { return output.is_conversion_over(limit); };
  if (std::ranges::any_of(judgement.outputs, is_conversion_over))
    return "nothing was written or sent, see where with `crossload convert`";
  return "nothing was written or sent; the class loads PyTorch's weights wrongly by itself, with the converted ones it "
         "agrees: `crossload weights` writes them";
}

void require_agreement(const Judgement& judgement, const SourceModel& source, double limit) {
  if (source.is_class_known && std::ranges::all_of(judgement.outputs, &JudgedOutput::is_hidden)) {
    bad_input(
        "{}: no output of a head was found, all {} of `{}` are hidden states; choose a class with "
        "--override-model-class",
        source.files.path.string(), judgement.outputs.size(), judgement.class_name);
  }
  std::vector<std::string> details;
  const JudgedOutput* worst = nullptr;
  const auto error_of = [](const JudgedOutput& output) { return std::max(output.crossload, output.conversion); };
  for (const JudgedOutput& output : judgement.outputs) {
    if (!output.is_over(limit)) continue;
    details.push_back(fmt::format("{}: {} cross-loaded from PyTorch, {} loaded from {}", output.name,
                                  number(output.crossload), number(output.conversion), kFile));
    if (worst == nullptr || error_of(output) > error_of(*worst)) worst = &output;
  }
  if (worst == nullptr) return;
  const std::size_t count = details.size();
  for (const std::string& name : judgement.missing) details.push_back(fmt::format("missing: {}", name));
  for (const std::string& name : judgement.unused) details.push_back(fmt::format("unused: {}", name));
  throw Error(ErrorKind::kMismatch,
              fmt::format("{}: {} of {} outputs differ, `{}` most: max |pt - tf| is {}, limit {:.1e}; {}",
                          source.files.path.string(), count, judgement.outputs.size(), worst->name,
                          number(error_of(*worst)), limit, advice_for(*worst, judgement, source, limit)),
              details);
}

// The files take the place of older TensorFlow weights, all of them or none.
void put_into(const fs::path& local_dir, const fs::path& made, const std::vector<std::string>& files) {
  std::error_code error;
  const auto move = [&](const fs::path& from, const fs::path& to) {
    fs::rename(from, to, error);
    if (error) fs::copy(from, to, fs::copy_options::recursive, error);  // another file system
    if (error) {
      fail(ErrorKind::kEnvironment, "{}: cannot be written: {}; check space and permissions", to.string(),
           error.message());
    }
  };
  if (!fs::exists(local_dir)) {
    OutputFolder out(local_dir, false);
    for (const auto& entry : fs::directory_iterator(made)) move(entry.path(), out.path() / entry.path().filename());
    out.commit();
    return;
  }
  OutputFiles out(local_dir);
  for (const std::string& file : files) move(made / file, out.path() / file);
  for (const auto& entry : fs::directory_iterator(made)) {
    const fs::path name = entry.path().filename();
    if (is_companion(name) && !fs::exists(local_dir / name)) move(entry.path(), out.path() / name);
  }
  std::vector<std::string> outdated = shards_in(local_dir);
  for (const char* name : {kFile, kIndex}) {
    if (fs::exists(local_dir / name)) outdated.emplace_back(name);
  }
  out.commit(outdated);
}

json upload(const PtToTfRequest& request, const fs::path& folder, const std::vector<std::string>& files,
            const json& result, PythonSide& python, const Progress& progress) {
  json notes = json::array();
  if (result.at("verdict") == "within-noise") {
    notes.push_back(
        "Some hidden states are over the limit, but no further from a float64 computation than PyTorch's own float32 "
        "runs "
        "are.");
  }
  if (result.at("padded_error").is_number() && result.at("padded_error") > 0.0) {
    notes.push_back(
        fmt::format("Positions that the attention mask hides are not counted; there the largest difference "
                    "is {:.3e}.",
                    result.at("padded_error").get<double>()));
  }
  json answer = python.ask({{"do", "push_weights"},
                            {"folder", folder.string()},
                            {"files", files},
                            {"repo", request.model.model},
                            {"verdict", result.at("verdict")},
                            {"figures", result.at("figures")},
                            {"max_error", request.max_error},
                            {"usual_max_error", kPtToTfMaxError},
                            {"notes", notes},
                            {"extra_description", request.extra_description},
                            {"pr", !request.push},
                            {"token", or_null(request.model.token)},
                            {"offline", request.model.offline}},
                           progress);
  answer.erase("event");
  return answer;
}

json outputs_in_json(const Judgement& judgement, double limit) {
  json list = json::array();
  for (const JudgedOutput& output : judgement.outputs) {
    list.push_back({{"name", output.name},
                    {"crossload_error", json_number(output.crossload)},
                    {"conversion_error", json_number(output.conversion)},
                    {"padded_error", json_number(output.padded)},
                    {"hidden", output.is_hidden()},
                    {"within_noise", std::max(output.crossload, output.conversion) > limit}});
  }
  return list;
}

}  // namespace

json pt_to_tf(const PtToTfRequest& request, const PythonEnvironment& environment,
              const PythonEnvironment& judge_environment, PythonSide& python, const StartPython& start,
              const Progress& progress) {
  const Stopwatch watch;
  if (request.model.model.empty()) bad_input("command line: --model-name is empty; give a Hub id or a folder");
  const bool uploads = request.push || !request.no_pr;
  if (uploads && !may_be_hub_id(request.model.model)) {
    bad_input(
        "{}: is a path on this machine, which names no repository to upload to; add --no-pr, or give the repository's "
        "name "
        "and this folder as --local-dir",
        request.model.model);
  }
  (void)parse_size(request.max_shard_size);
  const fs::path local_dir = local_dir_of(request);
  SourceModel source = find_source(request, local_dir, python, progress);
  require_config_of_same_model(local_dir, source.files.path, "choose another path with --local-dir");
  const std::unique_ptr<TfJudge> judge = find_judge(judge_environment, environment, python, start);
  settle_class(source, request, judge->python(), progress);
  throw_if_interrupted();

  const bool keeps = !source.existing.empty() && !request.new_weights;
  if (!keeps) source.existing.clear();
  std::error_code ignored;
  fs::path parent = fs::absolute(local_dir);
  while (!fs::is_directory(parent, ignored) && parent.has_relative_path()) parent = parent.parent_path();
  std::optional<ScratchFolder> scratch;
  fs::path made = source.existing;
  std::vector<std::string> files;
  json weights = {{"unused", json::array()}, {"missing", json::array()}};
  if (keeps) {
    files = tf_weights_in(made);
  } else {
    scratch.emplace(parent, ".crossload-pt-to-tf");
    made = scratch->path() / "weights";
    WeightsRequest ask;
    ask.source = source.files.path.string();
    ask.target = made;
    ask.format = "h5";
    ask.max_shard_size = request.max_shard_size;
    ask.dtype = request.dtype;
    ask.class_name = source.class_name;
    const WeightsResult written = convert_weights(ask, [&](uint64_t done, uint64_t all) {
      throw_if_interrupted();
      progress("weights", "writing", static_cast<double>(done) / static_cast<double>(std::max<uint64_t>(1, all)));
    });
    // Neither judge would see it: their PyTorch models tie the two as well.
    for (const auto& note : written.unused) {
      if (note.reason != names::Reason::kDiffers) continue;
      bad_input("{}: `{}` differs from `{}`, and {} has one tensor for both; nothing was written",
                source.files.path.string(), note.name, note.other, written.class_name);
    }
    if (!written.overflows.empty()) bad_input("{}: {}", source.files.path.string(), overflow_text(written));
    files = written.files;
    weights = to_json(written).at("weights");
    if (const auto& unused = weights.at("unused"); !unused.empty()) {
      source.notes.push_back(fmt::format("not converted: {}", fmt::join(unused.get<std::vector<std::string>>(), ", ")));
    }
  }

  JudgeRequest asked;
  asked.model = request.model;
  asked.model.model = source.files.path.string();
  asked.model.model_class = source.class_name;
  asked.weights = made;
  asked.limit = request.max_error;
  const Judgement judgement = judge->judge(asked, progress);
  require_agreement(judgement, source, request.max_error);
  throw_if_interrupted();
  if (!keeps) put_into(local_dir, made, files);

  const Figures figures(judgement);
  source.notes.insert(source.notes.end(), judgement.notes.begin(), judgement.notes.end());
  if (!judgement.missing.empty()) {
    source.notes.push_back(fmt::format("the TensorFlow class misses {}", fmt::join(judgement.missing, ", ")));
  }
  if (!judgement.unused.empty()) {
    source.notes.push_back(fmt::format("the TensorFlow class does not use {}", fmt::join(judgement.unused, ", ")));
  }
  json result = {{"model", request.model.model},
                 {"class", judgement.class_name},
                 {"tf_class", judgement.tf_class},
                 {"model_type", source.files.config.value("model_type", "")},
                 {"judge", judgement.judge},
                 {"verdict", figures.max() > request.max_error ? "within-noise" : "verified"},
                 {"limit", request.max_error},
                 {"max_error", json_number(figures.max())},
                 {"figures", figures.to_json()},
                 {"padded_error", json_number(figures.padded)},
                 {"outputs", outputs_in_json(judgement, request.max_error)},
                 {"weights", weights},
                 {"local_dir", (keeps ? made : local_dir).string()},
                 {"files", files},
                 {"kept", keeps},
                 {"push", json()},
                 {"versions", judgement.versions}};
  result["versions"]["crossload"] = kVersion;
  if (uploads && keeps && source.is_existing_in_repository) {
    source.notes.emplace_back("these weights are in the repository already; nothing was sent");
  } else if (uploads) {
    result["push"] = upload(request, keeps ? made : local_dir, files, result, python, progress);
  }
  result["notes"] = source.notes;
  result["timings_s"] = {{"total", watch.seconds()}};
  return result;
}

}  // namespace crossload::app
