// The steps of a conversion and of a verification, in their order.
#pragma once

#include <filesystem>
#include <string>

#include "app/python_side.h"
#include "app/trace.h"
#include "report/report.h"

namespace crossload::app {

struct ConvertRequest {
  ModelRequest model;
  std::filesystem::path out;
  double max_error = 1e-5;
  bool strict = false;
  bool verify = true;
  bool stages = true;  // compare every module as well, not only the outputs
  bool use_cache = true;
  bool force = false;
  bool frozen = false;
  bool jit = false;
};

/// Converts a model into the folder `out`, verifies what was written, and leaves `crossload.json` and `report.html` in
/// it. The folder appears whole at the end, also when the verdict is a mismatch; after an error there is none.
/// Throws Error for everything else that goes wrong.
report::Report convert(const ConvertRequest& request, const PythonEnvironment& environment, PythonSide& python,
                       const Progress& progress);

/// Compares the SavedModel in `out` with its PyTorch model again and renews the report in it.
report::Report verify_again(const ConvertRequest& request, const PythonEnvironment& environment, PythonSide& python,
                            const Progress& progress);

/// What `crossload check` finds out about a model without converting it.
nlohmann::json check_model(const ModelRequest& request, const PythonEnvironment& environment, PythonSide& python,
                           const Progress& progress);

}  // namespace crossload::app
