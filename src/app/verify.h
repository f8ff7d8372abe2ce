// `crossload verify`: a converted folder compared with its model once more.
#pragma once

#include "app/convert.h"
#include "app/stage_files.h"

namespace crossload::app {

/// Compares the SavedModel in `request.out` with its PyTorch model again and renews the report in it.
report::Report verify_again(const ConvertRequest& request, const PythonEnvironment& environment, PythonSide& python,
                            const Progress& progress);
/// The same, and writes files of single stages. Throws `kBadInput` when the model has no such stage.
report::Report verify_again(const ConvertRequest& request, const StageFiles& files,
                            const PythonEnvironment& environment, PythonSide& python, const Progress& progress);

}  // namespace crossload::app
