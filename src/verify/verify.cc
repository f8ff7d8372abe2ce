#include "verify/verify.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/error.h"
#include "savedmodel/artefact.h"
#include "verify/diagnosis/diagnose.h"
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
    if (result_.outputs.empty()) {
      result_.notes.emplace_back("no shape could be compared");
      return;
    }
    result_.max_error = 0;
    std::vector<std::string> nothing;
    for (OutputResult& output : result_.outputs) {
      // One shape alone may show nothing where others do.
      const std::string reason = reason_for_nothing(output);
      if (output.verdict == Verdict::kUnverified && reason.empty()) output.verdict = Verdict::kVerified;
      if (output.verdict == Verdict::kVerified && !reason.empty()) output.verdict = Verdict::kUnverified;
      if (output.verdict == Verdict::kUnverified) nothing.push_back(fmt::format("`{}`: {}", output.name, reason));
      if (request_.strict && output.verdict == Verdict::kWithinNoise) output.verdict = Verdict::kMismatch;
      result_.verdict = worse(result_.verdict, output.verdict);
      result_.max_error = std::max(result_.max_error, output.max_error);
    }
    tell_of_one_shape();
    if (nothing.empty()) return;
    if (!result_.verdict_note.empty()) result_.verdict_note += "; ";
    result_.verdict_note +=
        fmt::format("{} of {} outputs {} nothing to compare: {}", nothing.size(), result_.outputs.size(),
                    nothing.size() == 1 ? "shows" : "show", nothing.front());
    for (const std::string& note : nothing) result_.notes.push_back("output " + note);
  }

  /// A model of dynamic sizes that was compared at one of them.
  void tell_of_one_shape() {
    std::set<std::string> labels;
    std::string reason;  // the first, for which another shape was given up
    if (!request_.reference.dropped.empty()) reason = request_.reference.dropped.front().reason;
    for (const ShapeResult& shape : result_.shapes) {
      if (!shape.skipped) labels.insert(shape.label);
      if (shape.skipped && reason.empty()) reason = *shape.skipped;
    }
    if (labels.size() != 1 || reason.empty()) return;
    result_.verdict_note = fmt::format("compared at one shape, {}; another one: {}", *labels.begin(), reason);
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
      const Stages stages(request, flow, runtime_, result_.notes);
      result_.stages = stages.results();
      result_.spread = stages.spread();
      for (const auto& [stage, folder] : request_.wanted_stages) write_wanted(stages, stage, folder);
      if (result_.verdict == Verdict::kMismatch && result_.spread.kind == Spread::Kind::kNone) {
        result_.notes.emplace_back(
            "no stage is over its limit at the traced shape; give inputs of a shape that mismatches with --inputs");
      }
      // Where outputs agree, an inner stage over its limit is no fault to explain.
      if (request_.explain && result_.verdict == Verdict::kMismatch) {
        tell("looking for causes", 1);
        result_.diagnosis = diagnose(request_, stages, result_.notes);
      }
    } catch (const Error& error) {
      // The outputs are judged already; TensorFlow's refusal of a cut graph does not change that.
      if (error.kind() != ErrorKind::kInternal) throw;
      result_.notes.push_back(fmt::format("no stages: {}", error.what()));
    }
  }

  void write_wanted(const Stages& stages, const std::string& wanted, const std::filesystem::path& folder) {
    const auto& results = stages.results();
    const auto found = std::ranges::find(results, wanted, &StageResult::module);
    if (found == results.end()) {
      std::vector<std::string> names;
      for (const StageResult& stage : results) names.push_back("`" + stage.module + "`");
      bad_input("stage `{}`: the model has no module of that name that computes anything; it has {}", wanted,
                fmt::join(names, ", "));
    }
    result_.wanted.push_back(suspect_of(request_, stages, static_cast<int>(found - results.begin()), true, folder));
  }

  const Request& request_;
  const runtime::Runtime& runtime_;
  const Artefact artefact_;
  Result result_;
};

}  // namespace

Result verify(const Request& request, const runtime::Runtime& runtime) { return Verification(request, runtime).run(); }

}  // namespace crossload::verify
