// `crossload check`: what exists already for a model, and which way leads to TensorFlow.
#pragma once

#include <nlohmann/json.hpp>

#include "app/model_files.h"
#include "app/python_environment.h"
#include "app/python_side.h"

namespace crossload::app {

/// What can be found out about a model without converting it: its TensorFlow class and weights, the operations that
/// have no lowering, where to look for other people's work on it.
nlohmann::json check_model(const ModelRequest& request, const PythonEnvironment& environment, PythonSide& python,
                           const Progress& progress);

}  // namespace crossload::app
