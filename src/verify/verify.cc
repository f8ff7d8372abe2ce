#include "verify/verify.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "savedmodel/artefact.h"
#include "verify/outputs.h"
#include "verify/stages.h"

namespace crossload::verify {
namespace {

using savedmodel::Artefact;
using savedmodel::Flow;
using savedmodel::Signature;

constexpr double kOutputsShare = 0.4;  // of the progress shown, when stages follow

class Verification {
 public:
  Verification(const Request& request, const runtime::Runtime& runtime)
      : request_(request), runtime_(runtime), artefact_(request.saved_model) {}

  Result run() {
    result_.limit = request_.limit;
    result_.dropped = request_.reference.dropped;
    compare_all_cases();
    if (request_.reference.stages) compare_stages();
    return std::move(result_);
  }

 private:
  void tell(const std::string& text, double fraction) const {
    if (request_.progress) request_.progress(text, fraction);
  }

  /// The signature that takes inputs as PyTorch does, and for the traced case the one that users call.
  std::vector<std::string> signatures_for(const Case& one) const {
    std::vector<std::string> names;
    for (const char* name : {"int64_serving", "serving_default"}) {
      if (artefact_.has_signature(name) && (names.empty() || one.traced)) names.emplace_back(name);
    }
    if (names.empty()) names.emplace_back("serving_default");  // its absence is reported where it is asked for
    return names;
  }

  void compare_all_cases() {
    const double share = request_.reference.stages ? kOutputsShare : 1;
    tell("loading the SavedModel", 0);
    const runtime::Session session = runtime_.load_saved_model(request_.saved_model);
    // The traced case first: its shapes are those of the report.
    std::vector<const Case*> cases;
    for (const Case& one : request_.reference.cases) cases.push_back(&one);
    std::ranges::stable_sort(cases, [](const Case* a, const Case* b) { return a->traced > b->traced; });
    for (std::size_t i = 0; i < cases.size(); ++i) {
      tell("comparing outputs, " + cases[i]->label,
           share * (0.2 + 0.8 * static_cast<double>(i) / static_cast<double>(cases.size())));
      compare_case(session, *cases[i]);
    }
    settle_verdict(result_, request_.strict);
  }

  void compare_case(const runtime::Session& session, const Case& one) {
    if (one.skipped) {
      ShapeResult& shape = result_.shapes.emplace_back();
      shape.label = one.label;
      shape.traced = one.traced;
      shape.max_error = shape.padded_error = kUnknown;
      shape.skipped = one.skipped;
      return;
    }
    const CaseValues pytorch = read_case(one.file);
    std::vector<std::string> of_masks;
    const Masks masks = masks_of(*request_.program, pytorch, of_masks);
    for (const std::string& note : of_masks) result_.notes.push_back(fmt::format("{}: {}", one.label, note));
    for (const std::string& name : signatures_for(one)) {
      const Signature signature = artefact_.signature(name);
      std::vector<std::string> fetches;
      for (const auto& [output, port] : signature.outputs) fetches.push_back(port.tensor);
      ShapeResult shape;
      shape.label = one.label;
      shape.traced = one.traced;
      shape.signature = name;
      for (const program::ProgramInput& input : request_.program->inputs) {
        const auto found = pytorch.inputs.find(input.name);
        if (input.kind == program::InputKind::kUser && found != pytorch.inputs.end()) {
          shape.inputs.emplace_back(input.name, found->second.dims());
        }
      }
      std::map<std::string, Tensor> tf;
      std::vector<std::string> notes;
      bool has_run = true;
      try {
        auto values = session.run(feeds_of(signature.inputs, pytorch.inputs), fetches);
        for (const auto& [output, port] : signature.outputs) tf[output] = values.at(port.tensor);
      } catch (const Error& error) {
        // TensorFlow failing at a shape at which PyTorch does not is a result.
        if (error.kind() != ErrorKind::kInternal) throw;
        notes.emplace_back(error.what());
        has_run = false;
      }
      std::vector<std::string> differences;
      std::vector<OutputResult> outputs = compare_outputs(*request_.program, pytorch, masks, tf, differences);
      if (has_run) notes = std::move(differences);
      for (OutputResult& output : outputs) {
        output.verdict = judge(output, request_.limit);
        shape.max_error = std::max(shape.max_error, output.max_error);
        shape.padded_error = std::max(shape.padded_error, output.padded_error);
      }
      merge(result_.outputs, outputs);
      result_.shapes.push_back(std::move(shape));
      for (const std::string& note : notes) result_.notes.push_back(fmt::format("{} ({}): {}", one.label, name, note));
    }
  }

  void compare_stages() {
    const auto traced =
        std::ranges::find_if(request_.reference.cases, [](const Case& one) { return one.traced && !one.skipped; });
    if (traced == request_.reference.cases.end()) {
      result_.notes.emplace_back("no stages: the traced case was skipped");
      return;
    }
    const std::string text = "comparing stages";
    tell(text, kOutputsShare);
    const CaseValues pytorch = read_case(traced->file);
    const Flow flow = artefact_.flow(signatures_for(*traced).front());
    std::vector<std::string> told;  // with the outputs already
    const Masks masks = masks_of(*request_.program, pytorch, told);
    StageRequest request{*request_.program, request_.module_classes, *request_.reference.stages, pytorch.inputs, masks,
                         request_.limit};
    request.progress = [&](double fraction) { tell(text, kOutputsShare + (1 - kOutputsShare) * fraction); };
    try {
      result_.stages = measure_stages(request, flow, runtime_, result_.notes);
    } catch (const Error& error) {
      // The outputs are judged already; TensorFlow's refusal of a cut graph does not change that.
      if (error.kind() != ErrorKind::kInternal) throw;
      result_.notes.push_back(fmt::format("no stages: {}", error.what()));
    }
  }

  const Request& request_;
  const runtime::Runtime& runtime_;
  const Artefact artefact_;
  Result result_;
};

}  // namespace

Result verify(const Request& request, const runtime::Runtime& runtime) { return Verification(request, runtime).run(); }

}  // namespace crossload::verify
