#include "app/traced_model.h"

#include <algorithm>
#include <set>

#include "app/version.h"
#include "base/error.h"
#include "base/stopwatch.h"
#include "lower/lower.h"

namespace crossload::app {
using nlohmann::json;

namespace {

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

// `input/axis` of the inputs' axes whose sizes depend on one of the symbols.
std::vector<std::string> axes_with(const program::Program& program, const std::set<std::string>& symbols) {
  std::vector<std::string> axes;
  for (const program::ProgramInput& input : program.inputs) {
    const auto type = program.main.tensors.find(input.value);
    if (input.kind != program::InputKind::kUser || type == program.main.tensors.end()) continue;
    for (std::size_t axis = 0; axis < type->second.dims.size(); ++axis) {
      const std::set<std::string> own = type->second.dims[axis].symbols();
      const bool is_needed = std::any_of(own.begin(), own.end(), [&](const auto& s) { return symbols.contains(s); });
      if (is_needed) axes.push_back(fmt::format("{}/{}", input.name, axis));
    }
  }
  return axes;
}

}  // namespace

// Transformers fills weights that a checkpoint lacks with random numbers. A user who names a class asks for that (a new
// head on a base model); a checkpoint that lacks weights of the class in its own configuration is damaged.
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

TracedModel read_traced_model(const ConvertRequest& request, const PythonEnvironment& environment, PythonSide& python,
                              const Progress& progress, report::Report& report) {
  const Stopwatch watch;
  TracedModel traced =
      read_traced_model(request, resolve(request.model, python, progress), environment, python, progress, report);
  require_all_weights(request.model, traced);
  report.timings.trace = watch.seconds();
  return traced;
}

TracedModel read_traced_model(const ConvertRequest& request, ModelFiles files, const PythonEnvironment& environment,
                              PythonSide& python, const Progress& progress, report::Report& report) {
  TracedModel traced;
  traced.files = std::move(files);
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
  // Operations without a lowering, or refused by theirs, may be decomposed by PyTorch into others that have one; those
  // may need decomposing in turn.
  if (traced.files.kind != ModelFiles::Kind::kProgram) {
    std::set<std::string> taken_apart;
    for (int round = 0; round < kMostDecompositions; ++round) {
      bool is_new = false;
      const std::set<std::string> unlowered = lower::unlowered_ops(traced.program);
      for (const std::string& target : unlowered) {
        if (!taken_apart.insert(target).second) continue;
        asked.decompose.push_back(target);
        is_new = true;
      }
      // What only lacks a size that is known beforehand gets it: those axes of the inputs are fixed.
      if (!is_new && !unlowered.empty() && asked.dynamic) {
        for (const std::string& axis : axes_with(traced.program, lower::needed_constants(traced.program))) {
          asked.fixed_axes.push_back(axis);
          is_new = true;
        }
      }
      if (!is_new) break;
      // Where PyTorch fails, the last trace is kept: the user reads which operations have no lowering, and PyTorch's
      // reason.
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
  return traced;
}

uint64_t bytes_of(const graph::Graph& graph) {
  uint64_t bytes = 0;
  for (const auto& v : graph.variables) bytes += static_cast<uint64_t>(element_count(v.dims)) * size_of(v.dtype);
  return bytes;
}

}  // namespace crossload::app
