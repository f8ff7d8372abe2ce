// `crossload verify`: a converted folder compared with its model once more.
#pragma once

#include "app/convert.h"

namespace crossload::app {

/// Compares the SavedModel in `request.out` with its PyTorch model again and renews the report in it.
report::Report verify_again(const ConvertRequest& request, const PythonEnvironment& environment, PythonSide& python,
                            const Progress& progress);

}  // namespace crossload::app
