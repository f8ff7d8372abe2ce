// Compares what a TensorFlow model of somebody else computed with PyTorch's values: outputs at several shapes, and the
// layers that have a PyTorch module as their partner.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/sym.h"
#include "verify/pairs.h"
#include "verify/verify.h"

namespace crossload::verify {

/// One call of a PyTorch module.
struct ModuleRun {
  std::string module, module_class;
  int call = 0;
  int depth = 0;
  int end = 0;                                               // in the order in which the calls end
  std::vector<std::pair<std::string, std::string>> outputs;  // leaf of the result, value in the file of stages
};

/// One call of a layer that has a partner. Tensors lie in the TensorFlow file as `<kind>/<index of the call>/<leaf>`.
struct LayerRun {
  int layer = 0;
  std::string module;
  int call = 0;
  std::vector<std::string> accumulated;
  std::optional<std::vector<std::string>> isolated;
  std::string reason;  // why there is nothing isolated
};

/// What TensorFlow computed for a case: `output/<name>` in `file`, or `outputs`.
struct TfCase {
  std::optional<std::filesystem::path> file;
  std::map<std::string, Tensor> outputs;
  bool is_in_memory = false;  // `outputs` holds them
  std::string error;          // why there are none
};

/// A module and its layer, for the PyTorch side. `values` holds `tf/<value>`: what TensorFlow's layer makes of
/// PyTorch's inputs, in PyTorch's layout; of those that masks hide in part `visible/<value>`.
struct LayerSuspect {
  std::string module, module_class;
  int call = 0;
  int layer = 0;
  std::filesystem::path values;
  std::map<std::string, std::string> leaves;  // value → the place in the layer's result
};

struct AgainstRequest {
  std::vector<Case> cases;  // PyTorch's, see verify.h
  std::vector<TfCase> tf_cases;
  std::map<std::string, SymDims> inputs, outputs;  // sizes that vary between the cases are symbols
  std::vector<std::string> output_names;           // in the model's order
  double limit = 1e-5;
  bool strict = false;

  // The layers; `pt_stages` absent: outputs only.
  std::optional<std::filesystem::path> pt_stages, tf_stages;  // `value/`, `offset/`, `noise/` of values; see LayerRun
  std::map<std::string, SymDims> axes;                        // of values
  std::vector<ModuleRun> modules;                             // in the order in which they begin
  std::vector<Layer> layers;
  std::vector<LayerRun> runs;
  std::map<int, int> counts;  // calls of each layer
  Pairing pairing;
  /// Runs a module again in PyTorch with suspected causes applied. Optional: without it nothing is diagnosed.
  std::function<Explanation(const LayerSuspect&)> explain;
  /// Modules of which more is wanted, and what is to be done with each while its values are there. Optional.
  std::vector<std::pair<std::string, std::function<void(const LayerSuspect&)>>> wanted;
};

/// The shapes of inputs and outputs, in the form in which masks and outputs are looked up.
program::Program shapes_of(const AgainstRequest& request);

/// Compares. A stage is first over the limit when no stage that ends before is over both in the whole model and by
/// itself; where nothing is over by itself, the first in the whole model. Values are compared in PyTorch's layout:
/// TensorFlow's channels may stand last, neighbouring axes may be joined. Throws `kBadInput` for damaged files and for
/// a module that is wanted and has no layer that can be called by itself.
Result compare_against(const AgainstRequest& request);

}  // namespace crossload::verify
