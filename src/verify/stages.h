// The values inside the model: every module's and every operation's error, accumulated and by itself.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
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

/// The part of a stage that lies in no measured submodule, or the whole of it: what TensorFlow makes there of PyTorch's
/// values.
struct StageValues {
  std::vector<std::string> nodes;             // of the program, in its order
  std::map<std::string, Tensor> outputs;      // PyTorch value → TensorFlow's, in PyTorch's layout
  std::map<std::string, Tensor> weights;      // parameters and buffers that the nodes read, as TensorFlow reads them
  std::map<std::string, Visibility> visible;  // of `outputs`
  /// With `whole`: the nodes that compute `outputs`, as a GraphDef without variables: weights and inputs are
  /// placeholders.
  std::string graph;
  std::map<std::string, Tensor> feeds;  // with `whole`: placeholder → its value, weights among them
  /// PyTorch value → the graph's tensor that holds it, and its axes as in savedmodel::PtClaim.
  std::map<std::string, std::pair<std::string, std::vector<int>>> fetches;
};

/// Runs the flow with the model's inputs, then pieces of it with PyTorch's values put in at their boundaries. Claims
/// that do not fit their values (shape, dtype, order of axes) are not used and counted in `notes`.
/// REQUIRES: what is given to the constructor outlives this.
class Stages {
 public:
  Stages(const StageRequest& request, const savedmodel::Flow& flow, const runtime::Runtime& runtime,
         std::vector<std::string>& notes);
  ~Stages();

  const std::vector<StageResult>& results() const;
  /// Stages that make an error by themselves, in the program's order: their isolated error is more than limit and noise
  /// explain, that of no submodule is. Where there is none, those whose error is more than noise explains.
  const std::vector<int>& sources() const;
  Spread spread() const;
  /// Of the stage's own nodes, or with `whole` of those of its submodules, too.
  StageValues values(int stage, bool whole) const;

 private:
  class Run;
  std::unique_ptr<Run> run_;
};

}  // namespace crossload::verify
