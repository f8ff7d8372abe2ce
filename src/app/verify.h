// `crossload verify`: a converted folder compared with its model once more.
#pragma once

#include "app/convert.h"

namespace crossload::app {

/// A module of the model, and where its values go.
struct StageFile {
  std::string stage;
  std::filesystem::path path;  // empty: not asked for
};
struct StageFiles {
  StageFile dump;       // an .npz: the stage's inputs and both outputs
  StageFile reproduce;  // a folder: a script of that one stage
};

/// Compares the SavedModel in `request.out` with its PyTorch model again and renews the report in it.
report::Report verify_again(const ConvertRequest& request, const PythonEnvironment& environment, PythonSide& python,
                            const Progress& progress);
/// The same, and writes files of single stages. Throws `kBadInput` when the model has no such stage.
report::Report verify_again(const ConvertRequest& request, const StageFiles& files,
                            const PythonEnvironment& environment, PythonSide& python, const Progress& progress);

}  // namespace crossload::app
