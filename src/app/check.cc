#include "app/check.h"

#include <algorithm>
#include <set>

#include "app/traced_model.h"
#include "base/error.h"
#include "lower/lower.h"
#include "names/names.h"

namespace crossload::app {
namespace fs = std::filesystem;
using nlohmann::json;

namespace {

std::vector<std::string> tf_weights_of(const ModelFiles& files) {
  std::vector<std::string> found, names = files.repository;
  if (names.empty()) {
    for (const auto& entry : fs::directory_iterator(files.path)) names.push_back(entry.path().filename().string());
  }
  for (const std::string& name : names) {
    if (name.starts_with("tf_model") &&
        (name.ends_with(".h5") || name.ends_with(".json") || name.ends_with(".safetensors"))) {
      found.push_back(name);
    }
  }
  std::sort(found.begin(), found.end());
  return found;
}

std::string percent_encoded(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if ((std::isalnum(static_cast<unsigned char>(c)) != 0) || c == '-' || c == '_' || c == '.') {
      out += c;
    } else {
      out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return out;
}

// What `convert` would refuse it with, or null.
json refusal(const ModelRequest& request, const TracedModel& traced) try {
  require_all_weights(request, traced);
  (void)lower::lower(traced.program);
  return nullptr;
} catch (const Error& error) {
  if (error.kind() == ErrorKind::kInterrupted) throw;
  return error.what();
}

}  // namespace

json check_model(const ModelRequest& request, const PythonEnvironment& environment, PythonSide& python,
                 const Progress& progress) {
  const ModelFiles files = resolve(request, python, progress);
  json found = {{"model", request.model}};
  std::optional<Checkpoint> checkpoint;
  std::string model_type;
  if (files.kind == ModelFiles::Kind::kFolder) {
    checkpoint = open_checkpoint(files.path);
    model_type = files.config.value("model_type", "");
    found["tf_weights"] = tf_weights_of(files);
  } else {
    found["tf_weights"] = json::array();
  }
  const bool has_tf4 = names::has_tf_class(model_type);
  found["model_type"] = model_type;
  found["has_tf4_architecture"] = has_tf4;
  if (!found["tf_weights"].empty()) {
    found["route"] = "convert";
    found["why"] = "TensorFlow weights are there already; convert when Transformers 5 is to be served";
  } else if (has_tf4 && !names::maps_weights_of(model_type)) {
    found["route"] = "convert";
    found["why"] =
        "Transformers 4.x has this architecture in TensorFlow, but the names of its weights are not known here";
  } else if (has_tf4) {
    found["route"] = "pt-to-tf";
    found["why"] = "Transformers 4.x has this architecture in TensorFlow; only the weights are missing";
  } else {
    found["route"] = "convert";
    found["why"] = "no TensorFlow architecture in Transformers 4.x; `port` writes its source";
  }
  ConvertRequest as_converted;
  as_converted.model = request;
  report::Report unused;
  const TracedModel traced = [&] {
    try {
      return read_traced_model(as_converted, files, environment, python, progress, unused);
    } catch (const Error& error) {
      if (error.kind() == ErrorKind::kInterrupted || model_type.empty()) throw;
      // The way is known without a trace.
      std::vector<std::string> details = error.details();
      details.push_back(
          fmt::format("route: {}: {}", found["route"].get<std::string>(), found["why"].get<std::string>()));
      throw Error(error.kind(), error.what(), std::move(details));
    }
  }();
  const program::Program& program = traced.program;
  const json& meta = traced.trace->meta;
  found["class"] = meta.value("class", "");
  found["dynamic"] = meta.value("dynamic", true);
  found["missing_ops"] = json::array();
  for (const auto& [op, uses] : lower::missing_ops(program))
    found["missing_ops"].push_back({{"op", op}, {"uses", uses}});
  found["missing_weights"] = meta.value("missing", std::vector<std::string>{});
  found["refused"] = refusal(request, traced);
  int64_t bytes = 0;
  if (checkpoint) {
    for (const auto& entry : checkpoint->entries())
      bytes += element_count(entry.dims) * static_cast<int64_t>(size_of(entry.dtype));
  }
  found["weight_bytes"] = bytes;
  found["links"] = json::array();
  if (!model_type.empty()) {
    found["links"] = {fmt::format("https://github.com/huggingface/transformers/pulls?q={}",
                                  percent_encoded("is:pr TF " + model_type)),
                      fmt::format("https://github.com/huggingface/transformers/issues?q={}",
                                  percent_encoded("is:issue TensorFlow " + model_type))};
    if (files.kind == ModelFiles::Kind::kFolder && !fs::is_directory(request.model)) {
      found["links"].push_back(fmt::format("https://huggingface.co/{}/discussions", request.model));
    }
  }
  return found;
}

}  // namespace crossload::app
