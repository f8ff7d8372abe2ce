// Comparing a written SavedModel with PyTorch's values.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "app/convert.h"
#include "app/python_side.h"
#include "app/traced_model.h"
#include "runtime/runtime.h"
#include "verify/verify.h"

namespace crossload::app {

/// Has PyTorch compute its values into the folder `out`; the answer lists what is there.
nlohmann::json ask_reference(const ConvertRequest& request, const TracedModel& traced, const std::filesystem::path& out,
                             PythonSide& python, const Progress& progress);

/// Modules whose values are wanted, and an empty folder for those of each.
using WantedStages = std::vector<std::pair<std::string, std::filesystem::path>>;

/// A case as the worker describes it; its files lie in `folder`.
verify::Case case_in(const std::filesystem::path& folder, const nlohmann::json& item);

/// What the worker answers to `explain` and `against_explain`.
verify::Explanation explanation_in(const nlohmann::json& answer);

/// Compares `saved_model` with the values that `ask_reference` put into `reference` and described in `answer`. Where
/// outputs are so little over the limit that it may be noise, PyTorch runs more often and they are compared again;
/// where they are a mismatch then and the program makes discrete choices, once more with PyTorch's choices.
verify::Result compare(const ConvertRequest& request, const TracedModel& traced, const std::filesystem::path& reference,
                       const nlohmann::json& answer, const std::filesystem::path& saved_model,
                       const runtime::Runtime& runtime, PythonSide& python, const Progress& progress,
                       const WantedStages& wanted = {});

/// What the PyTorch side is told of a stage whose values lie in `stages`; see python/crossload/README.md.
nlohmann::json stage_request(const ConvertRequest& request, const TracedModel& traced,
                             const std::filesystem::path& stages, const verify::Suspect& suspect);

}  // namespace crossload::app
