// `crossload convert`: the steps of a conversion, in their order.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "app/model_files.h"
#include "app/python_environment.h"
#include "app/python_side.h"
#include "report/report.h"

namespace crossload::app {

struct ConvertRequest {
  ModelRequest model;
  std::filesystem::path out;
  double max_error = 1e-5;
  bool strict = false;
  bool verify = true;
  bool stages = true;      // compare every module as well, not only the outputs
  bool gradients = false;  // and the gradient by each parameter; `verify` only
  bool use_cache = true;
  bool force = false;
  bool frozen = false;
  bool jit = false;
};

/// Calls `use(name, field)` for each field, those of the model among them, by the name that it has in Python.
template <typename Use>
void for_each_field(ConvertRequest& request, const Use& use) {
  for_each_field(request.model, use);
  use("out", request.out);
  use("max_error", request.max_error);
  use("strict", request.strict);
  use("verify", request.verify);
  use("stages", request.stages);
  use("gradients", request.gradients);
  use("use_cache", request.use_cache);
  use("force", request.force);
  use("frozen", request.frozen);
  use("jit", request.jit);
}

inline std::vector<std::string> field_names() {
  std::vector<std::string> names;
  ConvertRequest request;
  for_each_field(request, [&](const char* name, const auto&) { names.emplace_back(name); });
  return names;
}

/// Converts a model into the folder `out`, verifies what was written, and leaves `crossload.json` and `report.html` in
/// it. The folder appears whole at the end, also when the verdict is a mismatch; after an error there is none.
/// Throws Error for everything else that goes wrong.
report::Report convert(const ConvertRequest& request, const PythonEnvironment& environment, PythonSide& python,
                       const Progress& progress);

}  // namespace crossload::app
