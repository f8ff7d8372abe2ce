#include "app/convert.h"

#include <algorithm>
#include <functional>
#include <future>

#include "app/companions.h"
#include "app/comparison.h"
#include "app/earlier_output.h"
#include "app/program_weights.h"
#include "app/report_files.h"
#include "app/traced_model.h"
#include "base/interrupt.h"
#include "base/output_folder.h"
#include "base/scratch_folder.h"
#include "base/stopwatch.h"
#include "lower/lower.h"
#include "lower/passes/passes.h"
#include "runtime/runtime.h"
#include "savedmodel/saved_model.h"

namespace crossload::app {
namespace fs = std::filesystem;
using nlohmann::json;

namespace {

// A request to Python that runs while this thread goes on. Destroyed before the answer was taken, it stops Python.
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

// Before any work; a model on the Hub has no folder yet.
void require_apart_from_inputs(const ConvertRequest& request) {
  require_apart(request.out, request.model.model);
  require_apart(request.out, request.model.inputs);
}

constexpr uint64_t kRoomForReport = 16 << 20;

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
  // TensorFlow is loaded first, so that the user learns early when it is missing.
  std::shared_ptr<runtime::Runtime> runtime;
  std::future<std::shared_ptr<runtime::Runtime>> loading;
  if (request.verify) {
    const fs::path tensorflow = environment.tensorflow();
    if (!fs::exists(tensorflow)) (void)runtime::Runtime::load(tensorflow);
    loading = std::async(std::launch::async, [tensorflow] { return runtime::Runtime::load(tensorflow); });
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
    reference.emplace(python, [&] { return ask_reference(request, traced, scratch->path(), python, progress); });
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
    report.result = compare(request, traced, scratch->path(), answer, saved_model, *runtime, python, progress);
    report.timings.verify = watch.seconds();
  }
  throw_if_interrupted();
  report.peak_rss_mib = peak_rss_mib();
  report.timings.total = total.seconds();
  write_report(report, out.path());
  out.commit();
  return report;
}

}  // namespace crossload::app
