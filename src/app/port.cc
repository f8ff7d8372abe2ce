#include "app/port.h"

#include <algorithm>
#include <fstream>
#include <span>
#include <sstream>

#include "app/tf_judge.h"
#include "base/error.h"
#include "base/json_number.h"
#include "base/output_file.h"
#include "base/scratch_folder.h"
#include "port/translate.h"

namespace crossload::app {
namespace fs = std::filesystem;
using nlohmann::json;

namespace {

void refuse_what_does_not_fit(const PortRequest& request) {
  if (request.home == "transformers") return;
  if (!request.checkout.empty()) {
    bad_input("port: --into registers in a Transformers 4 checkout; with --for keras the file stands alone");
  }
  if (request.weights_merged)
    bad_input("port: --weights-merged is for --for transformers; with --for keras leave it out");
}

// Where Keras 3 is to run a file that stands alone: `given`, or the usual one when `given` is that of Transformers 4.
PythonEnvironment keras_environment(const PythonEnvironment& given) {
  return has_tf_classes(given) ? find_python("") : given;
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
      const bool is_noise = row.contains("noise") && number_in(row.at("tf_truth")) <= 2 * number_in(row.at("noise"));
      (is_noise ? is_excused : is_over) = true;
    }
  }
  return {{"verdict", is_over ? "mismatch" : is_excused ? "within-noise" : "verified"}, {"max_error", worst}};
}

}  // namespace

json port_model(const PortRequest& request, const PythonEnvironment& given, const StartPython& start,
                const Progress& progress) {
  refuse_what_does_not_fit(request);
  const bool is_for_keras = request.home == "keras";
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
  const json source = python->ask(
      {{"do", "port_source"}, {"model", model}, {"class", request.model_class}, {"home", request.home}}, progress);
  progress("translate", "translating", -1);
  port::PortedFile ported = port::translate(source);
  for (const json& note : source.at("left_out")) ported.notes.push_back(note.get<std::string>());

  const std::string model_type = source.at("model_type");
  std::string stem = model_type;
  std::ranges::replace(stem, '-', '_');
  const fs::path path = request.folder / ("modeling_tf_" + stem + ".py");
  json result = {{"model", request.model},
                 {"class", source.at("wanted")},
                 {"tf_class", "TF" + source.at("wanted").get<std::string>()},
                 {"model_type", model_type},
                 {"file", path.string()},
                 {"written", !request.dry_run},
                 {"classes", ported.classes},
                 {"lines", std::ranges::count(ported.text, '\n')},
                 {"notes", ported.notes},
                 {"heads", json::array()},
                 {"limit", request.max_error},
                 {"verdict", "unverified"},
                 {"max_error", nullptr},
                 {"rows", json::array()},
                 {"missing", json::array()},
                 {"unexpected", json::array()},
                 {"versions", {{"transformers", source.at("version")}}}};
  // What is compared: the base class and each task class that was written.
  std::vector<std::string> compared = {source.at("base").get<std::string>()};
  json generating = json::array();
  if (std::ranges::find(ported.classes, result["tf_class"].get<std::string>()) == ported.classes.end()) {
    result["class"] = source.at("base");
    result["tf_class"] = "TF" + compared.front();
  }
  for (const json& head : source.at("heads")) {
    const std::string name = head.at("name");
    if (std::ranges::find(ported.classes, "TF" + name) == ported.classes.end()) continue;
    compared.push_back(name);
    if (head.at("generates").get<bool>()) generating.push_back(name);
  }
  std::string test = python
                         ->ask({{"do", "port_test"},
                                {"model", model},
                                {"base", source.at("base")},
                                {"classes", ported.classes},
                                {"generating", generating},
                                {"home", request.home},
                                {"module", path.stem().string()},
                                {"weights_merged", request.weights_merged}},
                               progress)
                         .at("text");
  const fs::path test_path = request.folder / ("test_modeling_tf_" + stem + ".py");
  result["test"] = test_path.string();
  const auto registered = [&] {
    const std::string package = source.at("package");
    return python->ask({{"do", "port_register"},
                        {"checkout", fs::absolute(request.checkout).string()},
                        {"folder", package.substr(package.rfind('.') + 1)},
                        {"module", path.stem().string()},
                        {"model_type", model_type},
                        {"base", source.at("base")},
                        {"classes", ported.classes},
                        {"file_text", ported.text},
                        {"test_text", test},
                        {"verdict", result.at("verdict")},
                        {"max_error", result.at("max_error")},
                        {"dry_run", request.dry_run},
                        {"force", request.force}},
                       progress);
  };
  if (request.dry_run) {
    result["text"] = ported.text;
    if (!request.checkout.empty()) result["into"] = registered();
    return result;
  }
  for (const auto& [there, text] : {std::pair{path, ported.text}, std::pair{test_path, test}}) {
    if (fs::exists(there, ignored) && read_text(there) != text && !request.force) {
      bad_input("{}: is there already and differs; move it away, or replace it with --force", there.string());
    }
  }
  const ScratchFolder scratch;
  const fs::path written = scratch.path() / path.filename();
  write_text(written, ported.text);
  if (!request.no_verify) {
    const json question = {{"do", is_for_keras ? "judge_keras_port" : "judge_port"},
                           {"file", written.string()},
                           {"model", model},
                           {"base", source.at("base")},
                           {"classes", compared},
                           {"generating", is_for_keras ? json::array() : generating},
                           {"max_error", request.max_error}};
    json judged =
        is_for_keras ? start(keras_environment(given))->ask(question, progress) : python->ask(question, progress);
    result.update(verdict_of(judged, request.max_error));
    for (const std::string& name : compared) {
      if (name == compared.front()) continue;
      json of_class = {{"rows", json::array()}, {"missing", json::array()}, {"unexpected", json::array()}};
      for (const json& row : judged.at("rows")) {
        if (row.at("class") == name) of_class["rows"].push_back(row);
      }
      for (const char* key : {"missing", "unexpected"}) {
        for (const json& weight : judged.at(key)) {
          if (weight.get<std::string>().starts_with(name + ": ")) of_class[key].push_back(weight);
        }
      }
      json head = verdict_of(of_class, request.max_error);
      // A note says why nothing of it was compared.
      if (is_for_keras && of_class["rows"].empty()) head = {{"verdict", "unverified"}, {"max_error", nullptr}};
      head["class"] = name;
      result["heads"].push_back(head);
    }
    for (const char* key : {"rows", "missing", "unexpected", "versions"}) result[key] = judged.at(key);
    for (const json& note : judged.value("notes", json::array())) result["notes"].push_back(note);
  }
  fs::create_directories(request.folder, ignored);
  for (const auto& [there, text] : {std::pair{path, ported.text}, std::pair{test_path, test}}) {
    if (fs::exists(there, ignored) && read_text(there) == text) continue;
    const fs::path partial = there.string() + ".partial";
    fs::remove(partial, ignored);
    write_text(partial, text);
    fs::rename(partial, there);
  }
  // A file that differs from PyTorch is registered nowhere.
  if (!request.checkout.empty() && result["verdict"] != "mismatch") result["into"] = registered();
  return result;
}

}  // namespace crossload::app
