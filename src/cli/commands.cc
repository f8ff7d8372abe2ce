#include "cli/commands.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <iostream>
#include <memory>
#include <optional>

#include "app/check.h"
#include "app/tf_judge.h"
#include "app/verify.h"
#include "base/error.h"
#include "base/interrupt.h"
#include "bridge/worker_process.h"
#include "cli/progress.h"
#include "cli/result_text.h"
#include "lower/op_table.h"
#include "report/report.h"

namespace crossload::cli {
namespace {

using app::find_python;
using app::PythonEnvironment;
using bridge::WorkerProcess;
using nlohmann::json;

std::unique_ptr<app::PythonSide> start_worker(const PythonEnvironment& environment) {
  return std::make_unique<WorkerProcess>(environment);
}

template <typename Json>
void print_json(const Json& document) {
  std::cout << document.dump(2, ' ', false, json::error_handler_t::replace) << std::endl;
}

// Prints the report, with `ported`, what `port` says of the Keras source beside it, where there is one.
int finish(const report::Report& report, const Options& o, const json& ported = nullptr) {
  if (o.as_json) {
    auto whole = report::to_json(report);
    if (!ported.is_null()) whole["keras"] = ported;
    print_json(whole);
  } else {
    const std::string text =
        report::to_terminal(report, {wants_color(STDOUT_FILENO), terminal_width(STDOUT_FILENO), o.verbose});
    // Quiet: the verdict with its numbers, and where the result lies.
    std::cout << (o.quiet ? fmt::format("{}  {}\n", text.substr(0, text.find('\n')), o.request.out.string()) : text);
    std::cout.flush();
  }
  // A comparison was asked for, and there was nothing to compare: not a success.
  const bool is_unproved = report.result.verdict == verify::Verdict::kUnverified && !o.no_verify;
  return report.result.verdict == verify::Verdict::kMismatch || is_unproved ? 1 : 0;
}

void settle(Options& o) {
  o.request.verify = !o.no_verify;
  o.request.use_cache = !o.no_cache;
  o.request.model.dynamic = !o.is_static;
}

}  // namespace

int run_convert(Options& o) {
  settle(o);
  const PythonEnvironment environment = find_python(o.python);
  WorkerProcess python(environment);
  ProgressLine line(ProgressLine::style_for(o.quiet));
  const report::Report report = app::convert(o.request, environment, python, line.reporter());
  json ported;
  if (std::ranges::find(o.formats, "keras") != o.formats.end()) {
    app::PortRequest request;
    request.model = o.request.model.model;
    request.model_class = o.request.model.model_class;
    request.folder = o.request.out / "keras";
    request.home = "keras";
    request.force = o.request.force;
    request.no_verify = o.no_verify;
    ported = app::port_model(request, environment, start_worker, line.reporter());
  }
  line.clear();
  const int code = finish(report, o, ported);
  if (!o.as_json && !o.quiet) std::cout << o.request.out.string() << "/report.html\n";
  if (ported.is_null()) return code;
  if (!o.as_json) std::cout << port_text(ported, wants_color(STDOUT_FILENO), o.verbose);
  return ported.at("verdict") == "mismatch" ? 1 : code;
}

void tell_files(const Options& o) {
  if (o.as_json || o.quiet) return;
  if (!o.dump.empty()) std::cout << o.dump[1] << '\n';
  if (!o.reproduce.empty()) std::cout << o.reproduce[1] << "/reproduce.py\n";
}

int run_verify_against(Options& o) {
  app::AgainstRequest& request = o.against;
  request.model = o.request.model;
  request.out = o.request.out;
  request.max_error = o.request.max_error;
  request.strict = o.request.strict;
  request.gradients = o.request.gradients;
  if (!o.dump.empty()) request.files.dump = {o.dump[0], o.dump[1]};
  if (!o.reproduce.empty()) request.files.reproduce = {o.reproduce[0], o.reproduce[1]};
  PythonEnvironment environment = find_python(o.python);
  if (app::needs_tf4(request.target)) {
    if (auto found = app::find_tf4(environment)) environment = *std::move(found);
  }
  environment.package_elsewhere = app::find_package(find_python(""));
  WorkerProcess python(environment);
  ProgressLine line(ProgressLine::style_for(o.quiet));
  const report::Report report = app::verify_against(request, environment, python, line.reporter());
  line.clear();
  const int code = finish(report, o);
  tell_files(o);
  return code;
}

int run_verify(Options& o) {
  settle(o);
  if (!o.against.target.empty()) return run_verify_against(o);
  if (o.request.out.empty()) {
    bad_input("command line: OUT is missing: the folder that `convert` made; see `crossload verify --help`");
  }
  const PythonEnvironment environment = find_python(o.python);
  WorkerProcess python(environment);
  ProgressLine line(ProgressLine::style_for(o.quiet));
  app::StageFiles files;
  if (!o.dump.empty()) files.dump = {o.dump[0], o.dump[1]};
  if (!o.reproduce.empty()) files.reproduce = {o.reproduce[0], o.reproduce[1]};
  const report::Report report = verify_again(o.request, files, environment, python, line.reporter());
  line.clear();
  const int code = finish(report, o);
  if (!o.as_json && !o.quiet) std::cout << o.request.out.string() << "/report.html, renewed with crossload.json\n";
  tell_files(o);
  return code;
}

int run_check(Options& o) {
  settle(o);
  const PythonEnvironment environment = find_python(o.python);
  WorkerProcess python(environment);
  ProgressLine line(ProgressLine::style_for(o.quiet));
  const json found = check_model(o.request.model, environment, python, line.reporter());
  line.clear();
  if (o.as_json) {
    print_json(found);
    return 0;
  }
  std::cout << check_text(found);
  return 0;
}

int run_push(Options& o) {
  WorkerProcess python(find_python(o.python));
  ProgressLine line(ProgressLine::style_for(o.quiet));
  const json pushed = app::push(o.push, python, line.reporter());
  line.clear();
  if (o.as_json) {
    print_json(pushed);
  } else {
    std::cout << push_text(pushed, wants_color(STDOUT_FILENO));
    if (o.verbose || o.push.offline) std::cout << '\n' << pushed.value("description", "") << '\n';
  }
  return 0;
}

int run_weights(Options& o) {
  ProgressLine line(ProgressLine::style_for(o.quiet));
  app::WeightsRequest request = o.weights;
  if (app::may_be_hub_id(request.source)) {
    WorkerProcess python(find_python(o.python));
    request.source = app::fetch_weights(request, python, line.reporter());
  }
  std::optional<WorkerProcess> python;
  request.python = [&]() -> app::PythonSide& { return python ? *python : python.emplace(find_python(o.python)); };
  const app::WeightsResult result = app::convert_weights(request, [&](uint64_t done, uint64_t all) {
    throw_if_interrupted();
    line.show_growth(
        "weights", fmt::format("{:.1f} of {:.1f} MB", static_cast<double>(done) / 1e6, static_cast<double>(all) / 1e6),
        static_cast<double>(done) / static_cast<double>(std::max<uint64_t>(1, all)));
  });
  line.clear();
  if (o.as_json) {
    print_json(to_json(result));
  } else {
    std::cout << to_text(result, o.verbose);
  }
  if (result.overflows.empty() || result.has_infinities) return 0;
  std::cerr << "error: " << overflow_text(result) << std::endl;
  return 1;
}

int run_pt_to_tf(Options& o) {
  PythonEnvironment environment = find_python(o.python);
  // The Hub and the SavedModel need Transformers 5, the TensorFlow classes 4: --python may name either.
  const PythonEnvironment judge = environment;
  if (has_tf_classes(environment)) environment = find_python("");
  WorkerProcess python(environment);
  ProgressLine line(ProgressLine::style_for(o.quiet));
  const json result = app::pt_to_tf(o.pt_to_tf, environment, judge, python, start_worker, line.reporter());
  line.clear();
  if (o.as_json) {
    print_json(result);
  } else {
    std::cout << pt_to_tf_text(result, wants_color(STDOUT_FILENO), o.verbose);
  }
  return 0;
}

int run_port(Options& o) {
  ProgressLine line(ProgressLine::style_for(o.quiet));
  const json result = app::port_model(o.port, find_python(o.python), start_worker, line.reporter());
  line.clear();
  if (o.as_json) {
    print_json(result);
  } else {
    std::cout << port_text(result, wants_color(STDOUT_FILENO), o.verbose);
  }
  return result.at("verdict") == "mismatch" ? 1 : 0;
}

int run_ops(Options& o) {
  const auto entries = lower::OpTable::all().sorted();
  if (o.as_json) {
    json list = json::array();
    for (const auto* entry : entries)
      list.push_back({{"op", entry->schema.target}, {"family", entry->family}, {"schema", entry->schema.text}});
    print_json(json{{"ops", list}});
    return 0;
  }
  for (const auto* entry : entries) std::cout << fmt::format("{:<14} {}\n", entry->family, entry->schema.text);
  std::cout << fmt::format("{} operations\n", entries.size());
  return 0;
}

}  // namespace crossload::cli
