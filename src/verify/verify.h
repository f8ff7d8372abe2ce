// Compares a SavedModel with the PyTorch program that it was made from: outputs, then every module, then every
// operation.
#pragma once

#include <filesystem>
#include <functional>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/dtype.h"
#include "base/tensor.h"
#include "program/program.h"
#include "runtime/runtime.h"
#include "verify/compare.h"

namespace crossload::verify {

/// A number that was not measured. Errors themselves are never NaN: a NaN on one side only is an infinite error.
inline constexpr double kUnknown = std::numeric_limits<double>::quiet_NaN();

/// One set of inputs and what PyTorch makes of it, as the Python worker's reference folder holds it.
struct Case {
  std::filesystem::path file;  // `input/<name>`, `run/<k>/<output>`, `truth/<output>`
  std::string label;
  bool traced = false;                                // the sample that the program was traced with
  std::optional<std::string> skipped;                 // why PyTorch itself fails there
  std::optional<std::filesystem::path> choices = {};  // values around discrete choices: `value/<name>`, …
};

/// A shape that was not compared, and why.
struct DroppedShape {
  std::string label;
  std::vector<std::pair<std::string, Dims>> inputs;
  std::string reason;
};

struct Reference {
  std::vector<Case> cases;
  std::vector<DroppedShape> dropped;
  std::optional<std::filesystem::path> stages;  // values inside the traced case: `value/<name>`, …
};

/// A suspected cause and how to apply it: what the PyTorch side changes, and at which of the program's nodes.
struct Try {
  std::string cause, counterfactual;
  std::vector<std::string> nodes;
};

/// A stage for the PyTorch side. `values` holds `tf/<value>` (what TensorFlow makes of PyTorch's inputs), of those that
/// masks hide in part `visible/<value>`, and `weight/<value>` (as TensorFlow reads them).
struct Suspect {
  std::string module, module_class;
  std::vector<std::string> nodes;
  std::filesystem::path values;
  std::vector<Try> tries;
  /// Of a whole stage, whose `stage.pb` and `feed/<placeholder>` lie there as well: PyTorch value → the graph's tensor
  /// and the order of its axes.
  std::map<std::string, std::pair<std::string, std::vector<int>>> fetches;
};

/// A counterfactual with which PyTorch computes what TensorFlow does.
struct Confirmed {
  std::string cause, evidence;
  double error = 0;
};

/// Those that together bring the stage's error down to its noise, in the order found; none when nothing does.
struct Explanation {
  std::vector<Confirmed> confirmed;
  std::string evidence;  // of a stage that nothing explains
};

struct Request {
  std::filesystem::path saved_model;  // the folder that holds `saved_model.pb`
  const program::Program* program = nullptr;
  Reference reference;
  double limit = 1e-5;
  bool strict = false;  // `within-noise` counts as a mismatch
  /// Module path → class, for modules in which no operation lies directly. Optional.
  std::map<std::string, std::string> module_classes;
  /// Runs a stage again in PyTorch with suspected causes applied. Optional: without it nothing is diagnosed.
  std::function<Explanation(const Suspect&)> explain;
  /// Modules whose values are written, each into an empty folder, for `Result::wanted`. Optional.
  std::vector<std::pair<std::string, std::filesystem::path>> wanted_stages;
  /// Called with what is being done and the fraction done so far; may throw to stop. Optional.
  std::function<void(std::string, double)> progress;
};

enum class Verdict { kVerified, kWithinNoise, kMismatch, kUnverified };
/// `verified`, `within-noise`, `mismatch`, `unverified`
std::string_view name_of(Verdict verdict);
/// The worse of two: mismatch, within-noise, verified; unverified gives way to any.
Verdict worse(Verdict a, Verdict b);

/// One output. The figures are those of the shape at which `max_error` is largest; the verdict covers all shapes.
struct OutputResult {
  std::string name;
  Dims shape;
  DType dtype = DType::kFloat32;
  double max_error = 0;     // max |pt - tf| over visible positions
  double padded_error = 0;  // the same over positions that the masks hide
  double mean_error = 0;
  double cosine = 1;
  double noise = kUnknown;         // the largest distance of a float32 PyTorch run from the float64 truth
  double tf_truth = kUnknown;      // TensorFlow's distance from it
  double pt_truth = kUnknown;      // that of the run compared with
  double noise_rms = kUnknown;     // as `noise`, but the root of the mean square instead of the largest
  double tf_truth_rms = kUnknown;  // as `tf_truth`
  double units = kUnknown;  // float16 and bfloat16: the largest difference in units in the last place of the dtype
  Content content;          // what PyTorch's values of it are, over all shapes
  Verdict verdict = Verdict::kUnverified;
};

/// Why there was nothing to compare in an output: ``, or `NaN or infinity at every position, in PyTorch as well`.
std::string reason_for_nothing(const OutputResult& output);

/// One shape tried, with the worst error over all outputs.
struct ShapeResult {
  std::string label;
  bool traced = false;
  std::string signature;
  std::vector<std::pair<std::string, Dims>> inputs;
  double max_error = 0;
  double padded_error = 0;
  std::optional<std::string> skipped;
};

/// One PyTorch operation: its own error when it is given PyTorch's inputs.
struct OpResult {
  std::string op;  // `aten.linear.default`
  double isolated = kUnknown;
  std::string source = {};  // `modeling_bert.py:287`
  std::string node = {};    // its name in the program
  double noise = kUnknown;
  std::string tf_node = {};       // the TensorFlow node that makes its value
  bool first_over_limit = false;  // the first of the stage's own operations whose error is more than noise explains
};

/// One module of the PyTorch tree. `accumulated`: error of its outputs when only the model's inputs are given;
/// `isolated`: when the module is given PyTorch's inputs; `noise`: see `is_over`.
struct StageResult {
  std::string module;        // empty for the model itself
  std::string module_class;  // empty when unknown
  std::string layer;         // of a model that somebody wrote: the path of the TensorFlow layer; else empty
  int call = 0;              // 1 for the second call of the same module
  int depth = 0;
  double accumulated = kUnknown;
  double isolated = kUnknown;
  double noise = kUnknown;
  double tf_truth = kUnknown;  // TensorFlow's distance from the float64 run, where `accumulated` is over the limit
  bool first_over_limit = false;
  std::vector<OpResult> ops;
};

/// Whether a stage's error is more than the limit and more than float32 explains. `noise` is PyTorch's distance from
/// the float64 run plus the largest such distance of several float32 runs: when two runs lie further apart than that,
/// the other one is further from the truth than any of those.
inline bool is_over(double error, double limit, double noise) { return error > limit && !(error <= noise); }

/// A discrete choice (`topk`, `argmax`, a comparison, rounding, …) that fell otherwise in TensorFlow, once all before
/// it were PyTorch's. The figures are those of the position at which the margin exceeds the noise by most.
struct ChoiceResult {
  std::string op, module, source, node;        // as in OpResult and StageResult
  std::string shape;                           // the label of the case
  int64_t count = 0;                           // positions that differ
  double pt_scores[2] = {kUnknown, kUnknown};  // PyTorch's candidate (or left operand) and TensorFlow's (or right one)
  double tf_scores[2] = {kUnknown, kUnknown};
  double margin = kUnknown;  // |difference of PyTorch's two scores|
  double noise = kUnknown;   // how far float32 runs may move that difference
  bool is_tie = false;       // the margin is within the noise at every position that differs
};

/// Where the errors of a model come from.
struct Spread {
  enum class Kind {
    kNone,           // no stage is over its limit
    kOnePlace,       // one stage makes an error by itself, later ones hand it on
    kSeveralPlaces,  // several stages make an error by themselves
    kGradual,        // none makes more than float32 explains; errors add up from stage to stage
  };
  Kind kind = Kind::kNone;
  int places = 0;      // stages that make an error by themselves
  double largest = 0;  // of their isolated errors
};
/// `none`, `one-place`, `several-places`, `gradual`
std::string_view name_of(Spread::Kind kind);

struct Diagnosis {
  std::string module, cause, evidence;
  double counterfactual_error = kUnknown;
};

/// A module and the TensorFlow layer of its name, and what is the matter with the two.
struct LayerNote {
  std::string module, layer, reason;
};

/// The layers of a model that somebody wrote.
struct LayerReport {
  std::vector<std::string> without_module;  // layers
  std::vector<std::string> without_layer;   // modules
  std::vector<LayerNote> other_structure;   // partners whose results are of other shapes or numbers
  std::vector<LayerNote> not_isolated;      // partners that cannot be called with PyTorch's inputs
};

/// A difference to be looked at, see picture.h.
struct ErrorPicture {
  std::string output;         // an output of the model, in the traced case; empty for a stage
  std::string module, value;  // a stage that was given PyTorch's inputs (its name as in the report), and its value
  Dims shape;
  double max_error = 0;
  Dims worst;                                   // the position of it
  std::vector<std::pair<float, float>> points;  // PyTorch's value and TensorFlow's
  std::vector<std::string> axis_names;          // of all axes
  std::vector<int> axes;                        // those shown, two or fewer
  std::vector<int64_t> cells;                   // along each of them
  std::vector<double> errors;                   // row-major; kUnknown where all is hidden
};

/// The gradient of the scalar by one parameter. `of.name` is PyTorch's name of it; its noise is that of gradients.
struct GradientResult {
  OutputResult of;
  std::string variable;   // of the TensorFlow model; empty when none is this parameter
  double largest = 0;     // magnitude of PyTorch's
  bool is_first = false;  // of those that mismatch, the one that the way back from the outputs meets first
};

/// How TensorFlow's gradients fit PyTorch's, in the traced case.
struct GradientReport {
  Verdict verdict = Verdict::kUnverified;
  double max_error = kUnknown;
  std::vector<GradientResult> parameters;  // in PyTorch's order, those without any gradient left out
  std::vector<std::string> without;        // parameters that have none in either, as the outputs do not depend on them
  std::vector<std::string> only_pytorch;   // that have one in PyTorch alone
  std::vector<std::string> only_tensorflow;
  std::vector<std::string> unpaired;  // of a model that somebody wrote: those whose variable is not known
  std::vector<std::string> untied;    // one parameter in PyTorch, several variables in TensorFlow
  std::vector<std::string> frozen;    // that train in TensorFlow and have requires_grad False in PyTorch
  std::string error;                  // why TensorFlow has none at all
};

struct Result {
  Verdict verdict = Verdict::kUnverified;
  double max_error = kUnknown;  // over all outputs and shapes, visible positions
  double limit = 0;
  std::vector<ShapeResult> shapes;
  std::vector<DroppedShape> dropped;
  std::vector<OutputResult> outputs;
  std::optional<LayerReport> layers;
  std::vector<StageResult> stages;  // the module tree in pre-order, siblings by first execution
  std::vector<ChoiceResult> choices;
  Spread spread;
  std::vector<Suspect> wanted;  // those of Request::wanted_stages
  std::vector<Diagnosis> diagnosis;
  std::vector<ErrorPicture> pictures;       // unless verified: of the worst output, of the first stage over its limit
  std::optional<GradientReport> gradients;  // when they were asked for
  std::vector<std::string> notes;
  std::string verdict_note;  // what the verdict does not cover, for the line that gives it; empty when it covers all
};

/// Runs the SavedModel on every case and compares all outputs; then, with stage values, every module of the traced
/// case. Differences are results; it throws `kBadInput` for files that are damaged or do not belong together, and what
/// `runtime` throws.
/// REQUIRES: request.program.
Result verify(const Request& request, const runtime::Runtime& runtime);

}  // namespace crossload::verify
