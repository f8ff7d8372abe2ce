// `crossload verify --against`: a TensorFlow model that somebody wrote, compared with its PyTorch model.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "app/model_files.h"
#include "app/python_environment.h"
#include "app/python_side.h"
#include "app/stage_files.h"
#include "report/report.h"

namespace crossload::app {

struct AgainstRequest {
  ModelRequest model;
  std::string target;         // `FILE.py:Class`, `module:Class`, a SavedModel's folder; empty: a model in memory
  std::filesystem::path map;  // JSON: path of a layer → path of a module; optional
  std::filesystem::path out;  // where crossload.json and report.html go; optional
  double max_error = 1e-5;
  bool strict = false;
  bool stages = true;
  bool gradients = false;  // compare the gradient by each parameter as well
  StageFiles files = {};   // of single stages
};

/// Calls `use(name, field)` for each field, those of the model among them, by the name that it has in Python.
template <typename Use>
void for_each_field(AgainstRequest& request, const Use& use) {
  for_each_field(request.model, use);
  use("target", request.target);
  use("map", request.map);
  use("out", request.out);
  use("max_error", request.max_error);
  use("strict", request.strict);
  use("stages", request.stages);
  use("gradients", request.gradients);
}

/// Compares a Keras class, or a SavedModel's signature. Both models run in the interpreter of `python`, a SavedModel in
/// this process. Throws `kBadInput` for a target, map or OUT that cannot be used, `kMismatch` when the TensorFlow
/// class does not load the weights or does not run, and what `python` reports.
report::Report verify_against(const AgainstRequest& request, const PythonEnvironment& environment, PythonSide& python,
                              const Progress& progress);

/// Whether the class is one that only Transformers 4 has a base for: then its environment is looked for.
bool needs_tf4(const std::string& target);

}  // namespace crossload::app
