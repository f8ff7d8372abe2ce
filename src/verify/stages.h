// The values inside the model: every module's and every operation's error, accumulated and by itself.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/tensor.h"
#include "program/program.h"
#include "runtime/runtime.h"
#include "savedmodel/artefact.h"
#include "verify/verify.h"
#include "verify/visibility.h"

namespace crossload::verify {

struct StageRequest {
  const program::Program& program;
  const std::map<std::string, std::string>& module_classes;
  const std::filesystem::path& values;          // `value/<name>`, `offset/<name>`, `noise/<name>`
  const std::map<std::string, Tensor>& inputs;  // of the traced case
  const Masks& masks;
  double limit;
  std::size_t bytes_at_once = std::size_t{256} << 20;  // fed and fetched in one run
  std::function<void(double)> progress = {};           // fraction; optional
};

/// Runs the flow with the model's inputs, then pieces of it with PyTorch's values put in at their boundaries. Origins
/// that do not fit their values (shape, dtype, order of axes) are not used and counted in `notes`.
std::vector<StageResult> measure_stages(const StageRequest& request, const savedmodel::Flow& flow,
                                        const runtime::Runtime& runtime, std::vector<std::string>& notes);

}  // namespace crossload::verify
