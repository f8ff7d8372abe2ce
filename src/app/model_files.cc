#include "app/model_files.h"

#include <algorithm>
#include <fstream>

#include "base/error.h"
#include "base/json_file.h"

namespace crossload::app {
namespace fs = std::filesystem;
using nlohmann::json;

json read_json(const fs::path& file) {
  std::ifstream in(file);
  if (!in) bad_input("{}: cannot be read; check the file's permissions", file.string());
  return parse_json(in, file);
}

json ModelRequest::to_json() const {
  json fields;
  for_each_field(*this, [&](const char* name, const auto& value) {
    if constexpr (std::same_as<std::remove_cvref_t<decltype(value)>, std::string>) {
      fields[name] = or_null(value);
    } else {
      fields[name] = value;
    }
  });
  return fields;
}

bool may_be_hub_id(const std::string& name) {
  std::error_code ignored;
  return !name.empty() && name.front() != '/' && name.front() != '.' && name.front() != '~' &&
         std::count(name.begin(), name.end(), '/') <= 1 && !fs::exists(name, ignored);
}

ModelFiles resolve(const ModelRequest& request, PythonSide& python, const Progress& progress) {
  ModelFiles files;
  if (request.model.empty()) {
    files.kind = ModelFiles::Kind::kModule;
    return files;
  }
  std::error_code ignored;
  fs::path path = request.model;
  if (path.extension() == ".pt2") {
    if (!fs::is_regular_file(path, ignored))
      bad_input("{}: no such file; give a `.pt2` that torch.export wrote", request.model);
    files.kind = ModelFiles::Kind::kProgram;
    files.path = path;
    return files;
  }
  if (!fs::is_directory(path, ignored)) {
    if (!may_be_hub_id(request.model))
      bad_input("{}: no such folder; give a model folder, a `.pt2` file or a Hub id", request.model);
    json ask = request.to_json();
    ask["do"] = "resolve";
    const json fetched = python.ask(ask, progress);
    path = fetched.at("path").get<std::string>();
    if (fetched.at("commit").is_string()) files.commit = fetched["commit"];
    files.repository = fetched.at("files").get<std::vector<std::string>>();
  }
  files.path = path;
  const fs::path config = path / "config.json";
  if (!fs::is_regular_file(config, ignored)) {
    bad_input("{}: no `config.json` in it; give the folder that `save_pretrained` wrote", path.string());
  }
  files.config = read_json(config);
  if (!files.config.is_object()) bad_input("{}: holds no JSON object; restore the file", config.string());
  if (const auto type = files.config.find("model_type"); type != files.config.end() && !type->is_string()) {
    bad_input("{}: `model_type` is {}, a string expected; restore the file", config.string(), type->type_name());
  }
  return files;
}

}  // namespace crossload::app
