// Comparing a written SavedModel with PyTorch's values.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>

#include "app/convert.h"
#include "app/python_side.h"
#include "app/traced_model.h"
#include "runtime/runtime.h"
#include "verify/verify.h"

namespace crossload::app {

/// Has PyTorch compute its values into the folder `out`; the answer lists what is there.
nlohmann::json ask_reference(const ConvertRequest& request, const TracedModel& traced, const std::filesystem::path& out,
                             PythonSide& python, const Progress& progress);

/// Compares `saved_model` with the values that `ask_reference` put into `reference` and described in `answer`. Where
/// outputs are so little over the limit that it may be noise, PyTorch runs more often and they are compared again;
/// where they are a mismatch then and the program makes discrete choices, once more with PyTorch's choices.
verify::Result compare(const ConvertRequest& request, const TracedModel& traced, const std::filesystem::path& reference,
                       const nlohmann::json& answer, const std::filesystem::path& saved_model,
                       const runtime::Runtime& runtime, PythonSide& python, const Progress& progress);

}  // namespace crossload::app
