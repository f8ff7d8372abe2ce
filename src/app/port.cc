#include "app/port.h"

#include <algorithm>
#include <fstream>
#include <span>
#include <sstream>

#include "app/tf_judge.h"
#include "base/error.h"
#include "base/output_file.h"
#include "base/scratch_folder.h"
#include "port/translate.h"

namespace crossload::app {
namespace fs = std::filesystem;
using nlohmann::json;

namespace {

void refuse_what_is_not_there(const PortRequest& request) {
  const auto refuse = [](const char* flag, const char* what) {
    fail(ErrorKind::kUnsupported, "port: `{}` is not there yet: {}; see docs/port.md for what is", flag, what);
  };
  if (request.home != "transformers") refuse("--for keras", "source without Transformers");
  if (!request.checkout.empty()) refuse("--into", "registration in a checkout");
  if (request.weights_merged) refuse("--weights-merged", "test files");
  if (!request.model_class.empty()) refuse("--class", "other classes than that of AutoModel");
}

std::string read_text(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

void write_text(const fs::path& path, const std::string& text) {
  OutputFile file(path);
  file.write_at(0, std::as_bytes(std::span(text.data(), text.size())));
  file.close();
}

// What the rows say of the limit.
json verdict_of(const json& judged, double limit) {
  double worst = 0;
  bool is_excused = false;
  bool is_over = !judged.at("missing").empty() || !judged.at("unexpected").empty() || judged.at("rows").empty();
  for (const json& row : judged.at("rows")) {
    if (!row.at("error").is_number()) {
      is_over = true;
    } else {
      const double error = row.at("error");
      worst = std::max(worst, error);
      if (error <= limit) continue;
      // Two float32 runs that are each as close to the truth as PyTorch's lie within twice its distance.
      const bool is_noise =
          row.contains("noise") && row.at("tf_truth").get<double>() <= 2 * row.at("noise").get<double>();
      (is_noise ? is_excused : is_over) = true;
    }
  }
  return {{"verdict", is_over ? "mismatch" : is_excused ? "within-noise" : "verified"}, {"max_error", worst}};
}

}  // namespace

json port_model(const PortRequest& request, const PythonEnvironment& given, const StartPython& start,
                const Progress& progress) {
  refuse_what_is_not_there(request);
  std::error_code ignored;
  if (!fs::is_regular_file(fs::path(request.model) / "config.json", ignored)) {
    bad_input("{}: there is no config.json; give a model folder", request.model);
  }
  const auto environment = find_tf4(given);
  if (!environment) {
    fail(ErrorKind::kEnvironment,
         "port: no Transformers 4 with TensorFlow was found; run `./dev setup --tf4`, or name one with --python");
  }
  const auto python = start(*environment);
  const std::string model = fs::absolute(request.model).string();
  const json source = python->ask({{"do", "port_source"}, {"model", model}}, progress);
  progress("translate", "translating", -1);
  const port::PortedFile ported = port::translate(source);

  const std::string model_type = source.at("model_type");
  std::string stem = model_type;
  std::ranges::replace(stem, '-', '_');
  const fs::path path = request.folder / ("modeling_tf_" + stem + ".py");
  const bool is_there = fs::exists(path, ignored);
  const bool is_same = is_there && read_text(path) == ported.text;
  json result = {{"model", request.model},
                 {"class", source.at("base")},
                 {"tf_class", "TF" + source.at("base").get<std::string>()},
                 {"model_type", model_type},
                 {"file", path.string()},
                 {"written", !request.dry_run},
                 {"classes", ported.classes},
                 {"lines", std::ranges::count(ported.text, '\n')},
                 {"notes", ported.notes},
                 {"limit", request.max_error},
                 {"verdict", "unverified"},
                 {"max_error", nullptr},
                 {"rows", json::array()},
                 {"missing", json::array()},
                 {"unexpected", json::array()},
                 {"versions", {{"transformers", source.at("version")}}}};
  if (request.dry_run) {
    result["text"] = ported.text;
    return result;
  }
  if (is_there && !is_same && !request.force) {
    bad_input("{}: is there already and differs; move it away, or replace it with --force", path.string());
  }
  const ScratchFolder scratch;
  const fs::path written = scratch.path() / path.filename();
  write_text(written, ported.text);
  if (!request.no_verify) {
    json judged = python->ask({{"do", "judge_port"},
                               {"file", written.string()},
                               {"model", model},
                               {"class", result["class"]},
                               {"tf_class", result["tf_class"]},
                               {"max_error", request.max_error}},
                              progress);
    result.update(verdict_of(judged, request.max_error));
    for (const char* key : {"rows", "missing", "unexpected", "versions"}) result[key] = judged.at(key);
  }
  if (!is_same) {
    fs::create_directories(request.folder, ignored);
    const fs::path partial = path.string() + ".partial";
    fs::remove(partial, ignored);
    write_text(partial, ported.text);
    fs::rename(partial, path);
  }
  return result;
}

}  // namespace crossload::app
