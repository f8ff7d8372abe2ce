#include "app/convert.h"

#include <algorithm>
#include <fstream>
#include <functional>
#include <future>
#include <set>

#include "app/companions.h"
#include "app/earlier_output.h"
#include "app/program_weights.h"
#include "app/trace_cache.h"
#include "app/version.h"
#include "base/error.h"
#include "base/interrupt.h"
#include "base/output_folder.h"
#include "base/scratch_folder.h"
#include "base/stopwatch.h"
#include "lower/lower.h"
#include "lower/passes/passes.h"
#include "program/program.h"
#include "runtime/runtime.h"
#include "savedmodel/saved_model.h"
#include "verify/verify.h"

namespace crossload::app {
namespace fs = std::filesystem;
using nlohmann::json;

namespace {

void write_whole(const fs::path& file, const std::string& text) {
  const fs::path fresh = file.string() + ".new";
  {
    std::ofstream out(fresh, std::ios::binary);
    out << text;
    out.flush();
    if (!out) fail(ErrorKind::kEnvironment, "{}: cannot be written; check space and permissions", file.string());
  }
  fs::rename(fresh, file);
}

void write_report(const report::Report& report, const fs::path& folder) {
  write_whole(folder / "crossload.json",
              report::to_json(report).dump(2, ' ', false, json::error_handler_t::replace) + "\n");
  write_whole(folder / "report.html", report::to_html(report));
}

std::string model_type_of(const ModelFiles& files, const json& meta) {
  if (meta.contains("model_type") && meta["model_type"].is_string()) return meta["model_type"];
  return files.config.is_object() ? files.config.value("model_type", "") : "";
}

std::optional<Checkpoint> open_weights(const ModelFiles& files) {
  if (files.kind != ModelFiles::Kind::kFolder) return std::nullopt;
  return open_checkpoint(files.path);
}

void add_versions(report::Report& report, const PythonEnvironment& environment, const json& meta) {
  report.versions["crossload"] = kVersion;
  const auto& recorded = meta.contains("versions") ? meta["versions"] : json::object();
  for (const char* package : {"torch", "transformers", "python"}) {
    if (recorded.contains(package) && recorded[package].is_string()) report.versions[package] = recorded[package];
  }
  for (const char* package : {"torch", "transformers"}) {
    const std::string version = environment.version_of(package);
    if (!report.versions.contains(package) && !version.empty()) report.versions[package] = version;
  }
}

// A request to Python while this thread goes on. When its answer is wanted no more, Python is told to stop.
class BackgroundRequest {
 public:
  BackgroundRequest(PythonSide& python, std::function<json()> ask)
      : python_(python), answer_(std::async(std::launch::async, std::move(ask))) {}
  ~BackgroundRequest() {
    if (answer_.valid()) python_.stop();
  }
  BackgroundRequest(const BackgroundRequest&) = delete;
  BackgroundRequest& operator=(const BackgroundRequest&) = delete;
  json get() { return answer_.get(); }

 private:
  PythonSide& python_;
  std::future<json> answer_;
};

// Everything that a conversion and a later verification share: the model read, its trace, its program.
struct TracedModel {
  ModelFiles files;
  std::optional<Checkpoint> checkpoint;
  std::optional<Trace> trace;
  program::Program program;
};

// Transformers fills what a checkpoint lacks with random numbers. Who names a class asks for that (a new head on a base
// model); a checkpoint that lacks weights of the class that it says it holds is damaged.
void require_all_weights(const ModelRequest& request, const TracedModel& traced) {
  const json& meta = traced.trace->meta;
  const auto missing = meta.value("missing", std::vector<std::string>{});
  if (missing.empty() || !request.model_class.empty() || !traced.files.config.is_object()) return;
  const auto architectures = traced.files.config.find("architectures");
  const bool is_its_own = architectures != traced.files.config.end() && architectures->is_array() &&
                          !architectures->empty() && architectures->front() == meta.value("class", "");
  if (!is_its_own) return;
  throw Error(ErrorKind::kBadInput,
              fmt::format("{}: {} of `{}` {} not in the checkpoint, `{}`{}; download it again, or name the class with "
                          "--class to convert it with random numbers there",
                          traced.files.path.string(),
                          missing.size() == 1 ? "1 weight" : fmt::format("{} weights", missing.size()),
                          meta.value("class", ""), missing.size() == 1 ? "is" : "are", missing.front(),
                          missing.size() == 1 ? "" : fmt::format(" and {} more", missing.size() - 1)),
              missing);
}

std::string root_class(const program::Program& program) {
  for (const auto& site : program.call_sites) {
    if (site.module.empty() && !site.module_class.empty()) return site.module_class;
  }
  return {};
}

// Decompositions nest no deeper than three; more rounds are those of a program that PyTorch changes each time.
constexpr int kMostDecompositions = 6;

bool has_dynamic_inputs(const program::Program& program) {
  return std::any_of(program.inputs.begin(), program.inputs.end(), [&](const program::ProgramInput& input) {
    const auto type = program.main.tensors.find(input.value);
    return input.kind == program::InputKind::kUser && type != program.main.tensors.end() &&
           !constant_dims(type->second.dims);
  });
}

TracedModel read_traced_model(const ConvertRequest& request, const PythonEnvironment& environment, PythonSide& python,
                              const Progress& progress, report::Report& report) {
  const Stopwatch watch;
  TracedModel traced;
  traced.files = resolve(request.model, python, progress);
  traced.checkpoint = open_weights(traced.files);
  ModelRequest asked = request.model;
  const auto trace_and_read = [&] {
    traced.trace.emplace(
        TraceCache().get(asked, traced.files, traced.checkpoint, environment, python, request.use_cache, progress));
    traced.program = program::read_pt2(traced.trace->program_file(traced.files).string());
  };
  try {
    trace_and_read();
  } catch (const Error& error) {
    // A program of ours that cannot be read was damaged in the cache.
    if (error.kind() != ErrorKind::kBadInput || !traced.trace || !traced.trace->was_cached) throw;
    TraceCache::forget(*traced.trace);
    trace_and_read();
  }
  // What no lowering knows or takes, PyTorch may take apart into operations that one does; what those are made of may
  // need the same.
  if (traced.files.kind != ModelFiles::Kind::kProgram) {
    std::set<std::string> taken_apart;
    for (int round = 0; round < kMostDecompositions; ++round) {
      bool is_new = false;
      for (const std::string& target : lower::unlowered_ops(traced.program)) {
        if (!taken_apart.insert(target).second) continue;
        asked.decompose.push_back(target);
        is_new = true;
      }
      if (!is_new) break;
      // Where PyTorch fails, what it reached stays: the user reads what has no lowering, and what PyTorch said.
      std::optional<Trace> reached = std::move(traced.trace);
      try {
        trace_and_read();
      } catch (const Error& error) {
        if (error.kind() != ErrorKind::kUnsupported && error.kind() != ErrorKind::kInternal) throw;
        traced.trace.emplace(std::move(*reached));
        report.notes.push_back(fmt::format("PyTorch could not take operations apart: {}", error.what()));
        break;
      }
    }
  }
  const json& meta = traced.trace->meta;
  require_all_weights(request.model, traced);
  report.model = request.model.model.empty() ? meta.value("class", "module") : request.model.model;
  report.commit = traced.files.commit;
  report.model_class = meta.value("class", "");
  if (report.model_class.empty()) report.model_class = root_class(traced.program);
  report.model_type = model_type_of(traced.files, meta);
  for (const json& axis : meta.value("fixed_axes", json::array())) {
    report.fixed_axes.push_back({axis.at("input"), axis.at("axis"), axis.at("size"), axis.at("reason")});
  }
  report.dynamic = has_dynamic_inputs(traced.program);
  report.trace_cache = traced.trace->was_cached ? "hit" : "miss";
  if (!traced.trace->note.empty()) report.notes.push_back(traced.trace->note);
  if (meta.contains("static_reason") && meta["static_reason"].is_string()) {
    const char* what = report.dynamic ? "only the first axes are dynamic: " : "static shapes: ";
    report.notes.push_back(what + meta["static_reason"].get<std::string>());
  }
  add_versions(report, environment, meta);
  report.timings.trace = watch.seconds();
  return traced;
}

using WantedStages = std::vector<std::pair<std::string, fs::path>>;  // and empty folders for their values

enum class Effort { kUsual, kThorough };  // float32 runs that say how large PyTorch's own noise is

json ask_reference(const ConvertRequest& request, const TracedModel& traced, const fs::path& out, Effort effort,
                   PythonSide& python, const Progress& progress) {
  json ask = request.model.to_json();
  ask["do"] = "reference";
  ask["model"] = or_null(traced.files.path.string());
  ask["trace"] = or_null(traced.trace->folder.string());
  ask["stages"] = request.stages && effort == Effort::kUsual;
  ask["thorough"] = effort == Effort::kThorough;
  ask["out"] = out.string();
  return python.ask(ask, progress);
}

verify::Reference reference_in(const fs::path& folder, const json& answer) {
  verify::Reference reference;
  for (const json& item : answer.at("cases")) {
    verify::Case a_case;
    if (item.at("file").is_string()) a_case.file = folder / item.at("file").get<std::string>();
    a_case.label = item.value("label", "");
    a_case.traced = item.value("traced", false);
    if (item.contains("skipped") && item["skipped"].is_string()) a_case.skipped = item["skipped"];
    reference.cases.push_back(std::move(a_case));
  }
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

verify::Explanation explain(const ConvertRequest& request, const TracedModel& traced, const fs::path& stages,
                            const verify::Suspect& suspect, PythonSide& python, const Progress& progress) {
  json ask = stage_request(request, traced, stages, suspect);
  ask["do"] = "explain";
  json& tries = ask["tries"] = json::array();
  for (const verify::Try& one : suspect.tries) {
    tries.push_back({{"cause", one.cause}, {"counterfactual", one.counterfactual}, {"nodes", one.nodes}});
  }
  const json answer = python.ask(ask, progress);
  verify::Explanation result;
  for (const json& item : answer.at("confirmed")) {
    result.confirmed.push_back({item.at("cause"), item.value("node", ""), item.at("evidence"), item.at("error")});
  }
  result.evidence = answer.value("evidence", "");
  return result;
}

verify::Result compare(const ConvertRequest& request, const TracedModel& traced, const verify::Reference& reference,
                       const fs::path& saved_model, const runtime::Runtime& runtime, PythonSide& python,
                       const Progress& progress, const WantedStages& wanted) {
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

// TensorFlow draws other numbers than PyTorch, as every run of either does.
void tell_of_random_numbers(const program::Program& program, verify::Result& result) {
  if (result.verdict != verify::Verdict::kMismatch) return;
  for (const auto& [target, count] : lower::random_ops(program)) {
    result.notes.push_back(fmt::format(
        "the model draws random numbers ({}, {} x), others in every run; what depends on them cannot be equal", target,
        count));
  }
}

// Whether outputs are over the limit by so little that they may be no further from the truth than a float32 run of
// PyTorch's is that was not made yet.
bool may_be_noise(const verify::Result& result) {
  constexpr double kMostTimes = 32;
  if (result.verdict != verify::Verdict::kMismatch) return false;
  return std::all_of(result.outputs.begin(), result.outputs.end(), [&](const verify::OutputResult& output) {
    return output.verdict != verify::Verdict::kMismatch || output.tf_truth <= kMostTimes * output.noise;
  });
}

// Compares with the usual runs, and where these leave it open once more with many.
verify::Result measure(const ConvertRequest& request, const TracedModel& traced, const fs::path& usual_runs,
                       const json& usual_answer, const fs::path& saved_model, const runtime::Runtime& runtime,
                       PythonSide& python, const Progress& progress, const WantedStages& wanted = {}) {
  verify::Result result =
      compare(request, traced, reference_in(usual_runs, usual_answer), saved_model, runtime, python, progress, wanted);
  tell_of_random_numbers(traced.program, result);
  if (!may_be_noise(result)) return result;
  const ScratchFolder scratch;
  const json answer = ask_reference(request, traced, scratch.path(), Effort::kThorough, python, progress);
  verify::Result closer =
      compare(request, traced, reference_in(scratch.path(), answer), saved_model, runtime, python, progress, {});
  closer.stages = std::move(result.stages);
  closer.spread = result.spread;
  closer.wanted = std::move(result.wanted);
  closer.notes = std::move(result.notes);  // the same differences, and what was said of stages
  // What was taken for a fault and is noise has no cause.
  if (closer.verdict == verify::Verdict::kMismatch) closer.diagnosis = std::move(result.diagnosis);
  return closer;
}

// Before any work; a model on the Hub has no folder yet.
void require_apart_from_inputs(const ConvertRequest& request) {
  require_apart(request.out, request.model.model);
  require_apart(request.out, request.model.inputs);
}

constexpr uint64_t kRoomForReport = 16 << 20;

uint64_t bytes_of(const graph::Graph& graph) {
  uint64_t bytes = 0;
  for (const auto& v : graph.variables) bytes += static_cast<uint64_t>(element_count(v.dims)) * size_of(v.dtype);
  return bytes;
}

}  // namespace

report::Report convert(const ConvertRequest& request, const PythonEnvironment& environment, PythonSide& python,
                       const Progress& progress) {
  const Stopwatch total;
  report::Report report;
  report.result.limit = request.max_error;
  // Made first, so that an OUT that may not be replaced costs no time.
  require_apart_from_inputs(request);
  OutputFolder out(request.out, request.force, read_earlier_output);
  ScratchFolder::remove_stale();
  // So that its absence shows before the work, not after it.
  std::shared_ptr<runtime::Runtime> runtime;
  std::future<std::shared_ptr<runtime::Runtime>> loading;
  if (request.verify) {
    if (!fs::exists(environment.tensorflow())) (void)runtime::Runtime::load(environment.tensorflow());
    loading = std::async(std::launch::async, [&] { return runtime::Runtime::load(environment.tensorflow()); });
  }

  const TracedModel traced = read_traced_model(request, environment, python, progress, report);
  require_apart(request.out, traced.files.path);
  throw_if_interrupted();

  // First, so that a user who lacks an operation does not wait for PyTorch.
  Stopwatch watch;
  graph::Graph graph = lower::lower(traced.program);
  lower::run_passes(graph);
  graph::check(graph);
  report.timings.lower = watch.seconds();

  // PyTorch computes its values while the graph is written.
  std::optional<ScratchFolder> scratch;
  std::optional<BackgroundRequest> reference;
  if (request.verify) {
    scratch.emplace();
    reference.emplace(
        python, [&] { return ask_reference(request, traced, scratch->path(), Effort::kUsual, python, progress); });
  }

  watch = {};
  const ProgramWeights weights(traced.program, *traced.trace, traced.checkpoint);
  out.require_free_space(bytes_of(graph) + kRoomForReport);
  const fs::path saved_model = out.path() / "saved_model" / "1";
  const double all_bytes = static_cast<double>(std::max<uint64_t>(1, bytes_of(graph)));
  const auto written =
      savedmodel::write(graph, weights, saved_model, {request.frozen, request.jit}, [&](std::size_t done) {
        throw_if_interrupted();
        if (!request.verify) progress("write", "weights", static_cast<double>(done) / all_bytes);
      });
  report.weights = {static_cast<int64_t>(written.variable_count), static_cast<int64_t>(written.weight_bytes),
                    weights.unused, weights.missing};
  const fs::path companions =
      traced.files.kind == ModelFiles::Kind::kFolder ? traced.files.path : traced.trace->folder / "companions";
  if (traced.files.kind != ModelFiles::Kind::kProgram && fs::is_directory(companions))
    copy_companions(companions, out.path());
  report.files = files_in(out.path());
  report.timings.write = watch.seconds();

  if (request.verify) {
    watch = {};
    const json answer = reference->get();
    runtime = loading.get();
    report.versions["tensorflow"] = runtime->version();
    report.result = measure(request, traced, scratch->path(), answer, saved_model, *runtime, python, progress);
    report.timings.verify = watch.seconds();
  }
  throw_if_interrupted();
  report.peak_rss_mib = peak_rss_mib();
  report.timings.total = total.seconds();
  write_report(report, out.path());
  out.commit();
  return report;
}

report::Report verify_again(const ConvertRequest& request, const PythonEnvironment& environment, PythonSide& python,
                            const Progress& progress) {
  return verify_again(request, {}, environment, python, progress);
}

report::Report verify_again(const ConvertRequest& request, const StageFiles& files,
                            const PythonEnvironment& environment, PythonSide& python, const Progress& progress) {
  const Stopwatch total;
  report::Report report;
  restore_set_aside(fs::absolute(request.out).lexically_normal());
  std::error_code ignored;
  const fs::path out = fs::weakly_canonical(request.out, ignored);
  const fs::path saved_model = out / "saved_model" / "1";
  if (!fs::is_regular_file(saved_model / "saved_model.pb")) {
    bad_input("{}: no `saved_model/1/saved_model.pb` in it; give the folder that `crossload convert` made",
              request.out.string());
  }
  const FolderLock lock(out);
  const auto runtime = runtime::Runtime::load(environment.tensorflow());
  report.versions["tensorflow"] = runtime->version();
  const TracedModel traced = read_traced_model(request, environment, python, progress, report);
  const ScratchFolder scratch;
  Stopwatch watch;
  const json answer = ask_reference(request, traced, scratch.path(), Effort::kUsual, python, progress);
  WantedStages wanted;
  const ScratchFolder values;
  const std::pair<const char*, const StageFile*> asked[] = {{"dump", &files.dump}, {"reproduce", &files.reproduce}};
  for (const auto& [name, file] : asked) {
    if (file->path.empty()) continue;
    require_apart(file->path, request.model.model);
    wanted.emplace_back(file->stage, values.path() / name);
    fs::create_directory(wanted.back().second);
  }
  report.result = measure(request, traced, scratch.path(), answer, saved_model, *runtime, python, progress, wanted);
  std::size_t next = 0;
  for (const auto& [name, file] : asked) {
    if (file->path.empty()) continue;
    if (next == report.result.wanted.size()) {
      bad_input("stage `{}`: no stage could be compared, see the report's notes", file->stage);
    }
    json ask = stage_request(request, traced, scratch.path() / answer.at("stages").get<std::string>(),
                             report.result.wanted[next++]);
    ask["do"] = name;
    ask["out"] = fs::absolute(file->path).string();
    ask["saved_model"] = saved_model.string();
    ask["versions"] = report.versions;
    python.ask(ask, progress);
  }
  report.timings.verify = watch.seconds();
  report.weights.unused = traced.trace->meta.value("unused", std::vector<std::string>{});
  report.weights.missing = traced.trace->meta.value("missing", std::vector<std::string>{});
  for (const auto& input : traced.program.inputs) {
    if (input.kind != program::InputKind::kParameter && input.kind != program::InputKind::kBuffer) continue;
    const auto dims = constant_dims(traced.program.type_of(input.value).dims);
    if (!dims) continue;
    ++report.weights.count;
    report.weights.bytes +=
        element_count(*dims) * static_cast<int64_t>(size_of(traced.program.type_of(input.value).dtype));
  }
  report.files = listed_files(out);
  report.peak_rss_mib = peak_rss_mib();
  report.timings.total = total.seconds();
  if (!lock.holds_for(out)) {
    bad_input("{}: was replaced while it was compared; verify again", request.out.string());
  }
  write_report(report, out);
  return report;
}

}  // namespace crossload::app
