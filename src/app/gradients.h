// `verify --gradients`: TensorFlow's gradients against PyTorch's.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <string>

#include "app/python_side.h"
#include "verify/verify.h"

namespace crossload::app {

/// What is differentiated, and the rule by which gradients are judged.
struct GradientQuestion {
  const program::Program& program;   // sizes of inputs and outputs
  const verify::Case& one;           // with values of PyTorch's
  std::map<std::string, int> order;  // of modules, see verify::GradientRequest
  double limit;
  bool strict;
};

/// Asks Python for both sides' gradients, `pytorch` and `tensorflow` being the two requests without what all such have
/// (`case`, `coefficients`, `out`), and adds the comparison to the result. Where gradients are so little over the limit
/// that it may be noise, PyTorch runs more often.
void compare_gradients(const GradientQuestion& question, nlohmann::json pytorch, nlohmann::json tensorflow,
                       PythonSide& python, const Progress& progress, verify::Result& result);

}  // namespace crossload::app
