#include "app/verify.h"

#include <unistd.h>

#include <algorithm>

#include "app/comparison.h"
#include "app/earlier_output.h"
#include "app/gradients.h"
#include "app/report_files.h"
#include "app/traced_model.h"
#include "base/error.h"
#include "base/output_folder.h"
#include "base/scratch_folder.h"
#include "base/stopwatch.h"
#include "lower/lower.h"
#include "lower/passes/passes.h"
#include "runtime/runtime.h"
#include "verify/gradients.h"

namespace crossload::app {
namespace fs = std::filesystem;
using nlohmann::json;

namespace {

void add_gradients(const ConvertRequest& request, const TracedModel& traced, const fs::path& reference,
                   const json& answer, const fs::path& saved_model, PythonSide& python, const Progress& progress,
                   verify::Result& result) {
  const json& cases = answer.at("cases");
  const auto found = std::ranges::find_if(cases, [](const json& item) { return item.value("traced", false); });
  if (found == cases.end() || !found->at("file").is_string()) {
    result.notes.emplace_back("no gradients: the traced case was skipped");
    return;
  }
  const verify::Case one = case_in(reference, *found);
  json pytorch = request.model.to_json();
  pytorch["do"] = "gradients_pytorch";
  pytorch["model"] = or_null(traced.files.path.string());
  pytorch["trace"] = or_null(traced.trace->folder.string());
  json tensorflow = {{"do", "gradients_tensorflow"}, {"saved_model", saved_model.string()}};
  compare_gradients({traced.program, one, verify::order_of_modules(traced.program), request.max_error, request.strict},
                    std::move(pytorch), std::move(tensorflow), python, progress, result);
}

// The same model may lie under another name; only where the numbers differ is it worth a word.
void tell_whose(const std::string& earlier, const fs::path& out, report::Report& report) {
  const std::string now = fmt::format("{} ({})", report.model, report.model_class);
  if (earlier.empty() || earlier == now) return;
  std::string& note = report.result.verdict_note;
  if (!note.empty()) note += "; ";
  note +=
      fmt::format("the report in {} was about `{}`, and this one is about `{}`: is it the model that was converted?",
                  out.string(), earlier, now);
}

}  // namespace

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
  if (access(out.c_str(), W_OK) != 0) {
    fail(ErrorKind::kEnvironment, "{}: is read-only, and verify writes its report there; copy it first", out.string());
  }
  const FolderLock lock(out);
  const auto runtime = runtime::Runtime::load(environment.tensorflow());
  report.versions["tensorflow"] = runtime->version();
  const TracedModel traced = read_traced_model(request, environment, python, progress, report);
  const ScratchFolder scratch;
  Stopwatch watch;
  const json answer = ask_reference(request, traced, scratch.path(), python, progress);
  WantedStages wanted;
  const ScratchFolder values;
  const std::pair<const char*, const StageFile*> asked[] = {{"dump", &files.dump}, {"reproduce", &files.reproduce}};
  for (const auto& [name, file] : asked) {
    if (file->path.empty()) continue;
    require_apart(file->path, request.model.model);
    wanted.emplace_back(file->stage, values.path() / name);
    fs::create_directory(wanted.back().second);
  }
  report.result = compare(request, traced, scratch.path(), answer, saved_model, *runtime, python, progress, wanted);
  if (request.gradients) {
    add_gradients(request, traced, scratch.path(), answer, saved_model, python, progress, report.result);
  }
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
  if (report.result.verdict == verify::Verdict::kMismatch) tell_whose(model_listed(out), out, report);
  report.weights.unused = traced.trace->meta.value("unused", std::vector<std::string>{});
  report.weights.missing = traced.trace->meta.value("missing", std::vector<std::string>{});
  // As `convert` counts them: what the graph reads.
  graph::Graph graph = lower::lower(traced.program);
  lower::run_passes(graph);
  report.weights.count = static_cast<int64_t>(graph.variables.size());
  report.weights.bytes = static_cast<int64_t>(bytes_of(graph));
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
