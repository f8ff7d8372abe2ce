#include "verify/verify.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "savedmodel/artefact.h"
#include "verify/choices.h"
#include "verify/diagnosis/diagnose.h"
#include "verify/further.h"
#include "verify/outputs.h"
#include "verify/picture.h"
#include "verify/pytorch_values.h"
#include "verify/stages.h"
#include "verify/variables.h"

namespace crossload::verify {
namespace {

using savedmodel::Artefact;
using savedmodel::Flow;
using savedmodel::Signature;

constexpr double kOutputsShare = 0.4;  // of the progress shown, when stages follow

bool is_mismatch(const OutputResult& output) { return output.verdict == Verdict::kMismatch; }

class Verification {
 public:
  Verification(const Request& request, const runtime::Runtime& runtime, const Further& further)
      : request_(request),
        runtime_(runtime),
        further_(further),
        artefact_(request.saved_model),
        variables_(artefact_, runtime) {}

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

  Flow flow_of(const Case& one) const {
    Flow flow = artefact_.flow(signatures_for(one).front());
    flow.variables = variables_.fed();
    return flow;
  }

  /// What came out of one case.
  struct Outcome {
    std::vector<std::vector<OutputResult>> outputs;  // of each signature
    std::vector<ShapeResult> shapes;                 // the same
    std::vector<std::string> notes;
    std::vector<ChoiceResult> choices;
    std::string choices_note;
    std::optional<ErrorPicture> picture;

    bool is_mismatch() const {
      return std::ranges::any_of(outputs,
                                 [](const auto& one) { return std::ranges::any_of(one, verify::is_mismatch); });
    }
  };

  void compare_all_cases() {
    const double share = request_.reference.stages ? kOutputsShare : 1;
    tell("loading the SavedModel", 0);
    const runtime::Session session = variables_.load();
    // The traced case first: its shapes are those of the report.
    std::vector<OpenCase> cases;
    for (const Case& one : request_.reference.cases) cases.push_back({one});
    std::ranges::stable_sort(cases, [](const OpenCase& a, const OpenCase& b) { return a.of.traced > b.of.traced; });
    std::vector<Outcome> outcomes;
    for (std::size_t i = 0; i < cases.size(); ++i) {
      tell("comparing outputs, " + cases[i].of.label,
           share * (0.2 + 0.8 * static_cast<double>(i) / static_cast<double>(cases.size())));
      outcomes.push_back(compare_case(session, cases[i]));
    }
    for (const Effort effort : {Effort::kUsual, Effort::kMore, Effort::kMost, Effort::kChoices}) {
      std::vector<OpenCase*> open;
      std::vector<std::size_t> places;
      for (std::size_t i = 0; i < cases.size(); ++i) {
        if (!outcomes[i].is_mismatch()) continue;
        open.push_back(&cases[i]);
        places.push_back(i);
      }
      if (open.empty() || !further_ || !is_worth(effort, outcomes) || !further_(effort, open)) continue;
      for (const std::size_t i : places) {
        tell("comparing outputs, " + cases[i].of.label, share);
        outcomes[i] = compare_case(session, cases[i]);
      }
    }
    for (Outcome& outcome : outcomes) collect(std::move(outcome));
    settle_verdict(result_, request_.strict);
    if (result_.verdict == Verdict::kVerified) result_.pictures.clear();  // there is nothing to see
    if (!choices_note_.empty() && result_.verdict == Verdict::kWithinNoise) {
      if (!result_.verdict_note.empty()) result_.verdict_note += "; ";
      result_.verdict_note += choices_note_;
    }
  }

  /// Whether more of PyTorch's values might make a mismatch `within-noise`.
  bool is_worth(Effort effort, const std::vector<Outcome>& outcomes) const {
    if (effort == Effort::kUsual) return true;
    if (effort == Effort::kChoices) return !request_.strict && has_choices(*request_.program);
    // Outputs over the limit by so little that a further float32 run of PyTorch might be as far from the truth.
    constexpr double kMostTimes = 32;
    for (const Outcome& outcome : outcomes) {
      for (const auto& outputs : outcome.outputs) {
        for (const OutputResult& output : outputs) {
          if (is_mismatch(output) && !(output.tf_truth <= kMostTimes * output.noise)) return false;
        }
      }
    }
    return true;
  }

  void collect(Outcome outcome) {
    for (const auto& outputs : outcome.outputs) merge(result_.outputs, outputs);
    for (ShapeResult& shape : outcome.shapes) result_.shapes.push_back(std::move(shape));
    for (std::string& note : outcome.notes) result_.notes.push_back(std::move(note));
    for (ChoiceResult& choice : outcome.choices) result_.choices.push_back(std::move(choice));
    if (outcome.picture) result_.pictures.push_back(std::move(*outcome.picture));
    if (outcome.choices_note.empty()) return;
    choices_note_ = outcome.choices_note;
    if (result_.choices.size() > 1) choices_note_ += fmt::format("; {} choices in all", result_.choices.size());
  }

  Outcome compare_case(const runtime::Session& session, const OpenCase& all) const {
    const Case& one = all.of;
    Outcome outcome;
    if (one.skipped) {
      ShapeResult& shape = outcome.shapes.emplace_back();
      shape.label = one.label;
      shape.traced = one.traced;
      shape.max_error = shape.padded_error = kUnknown;
      shape.skipped = one.skipped;
      return outcome;
    }
    const CaseValues pytorch = read_case(all);
    std::vector<std::string> of_masks;
    const Masks masks = masks_of(*request_.program, pytorch, of_masks);
    for (const std::string& note : of_masks) outcome.notes.push_back(fmt::format("{}: {}", one.label, note));
    std::optional<GivenChoices> given;
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
      if (has_run && one.traced) show_worst(pytorch, masks, tf, outputs, outcome.picture);
      for (OutputResult& output : outputs) output.verdict = judge(output, request_.limit);
      if (has_run && one.choices && std::ranges::any_of(outputs, is_mismatch)) {
        if (!given) given = given_choices(one, pytorch, masks, outcome);
        judge_given_choices(*given, outputs, outcome);
      }
      for (const OutputResult& output : outputs) {
        shape.max_error = std::max(shape.max_error, output.max_error);
        shape.padded_error = std::max(shape.padded_error, output.padded_error);
      }
      outcome.outputs.push_back(std::move(outputs));
      outcome.shapes.push_back(std::move(shape));
      for (const std::string& note : notes) outcome.notes.push_back(fmt::format("{} ({}): {}", one.label, name, note));
    }
    return outcome;
  }

  void show_worst(const CaseValues& pytorch, const Masks& masks, const std::map<std::string, Tensor>& tf,
                  const std::vector<OutputResult>& outputs, std::optional<ErrorPicture>& worst) const {
    auto picture = picture_of_worst(*request_.program, pytorch, masks, tf, outputs);
    // Of the two signatures the worse.
    if (picture && (!worst || picture->max_error > worst->max_error)) worst = std::move(picture);
  }

  /// A picture of the first stage over its limit: the value of it that is furthest off.
  void show_first_stage(const Stages& stages, const Masks& masks) {
    const auto& results = stages.results();
    const auto first = std::ranges::find_if(results, &StageResult::first_over_limit);
    if (first == results.end()) return;
    const PyTorchValues pytorch(*request_.program, *request_.reference.stages, masks);
    const StageValues values = stages.values(static_cast<int>(first - results.begin()), true);
    std::optional<ErrorPicture> worst;
    for (const auto& [name, tf] : values.outputs) {
      if (pytorch.find(name) == nullptr || !is_real(tf)) continue;
      const Tensor pt = pytorch.get(name);
      if (pt.dims() != tf.dims() || !is_real(pt)) continue;
      const auto type = request_.program->main.tensors.find(name);
      const SymDims dims = type == request_.program->main.tensors.end() ? SymDims() : type->second.dims;
      auto picture = picture_of(pt, tf, values.visible.at(name), axis_names(*request_.program, dims));
      if (!picture || (worst && picture->max_error <= worst->max_error)) continue;
      worst = std::move(picture);
      worst->value = name;
    }
    if (!worst) return;
    worst->module = first->call == 0 ? first->module : fmt::format("{}@{}", first->module, first->call);
    result_.pictures.push_back(std::move(*worst));
  }

  /// What TensorFlow computes once it is given PyTorch's choices.
  GivenChoices given_choices(const Case& one, const CaseValues& pytorch, const Masks& masks, Outcome& outcome) const {
    GivenChoices given;
    try {
      const Flow flow = flow_of(one);
      given = compare_given_choices({*request_.program, *one.choices, pytorch, masks, request_.limit, one.label}, flow,
                                    runtime_);
    } catch (const Error& error) {
      // The outputs are judged already; TensorFlow's refusal of a changed graph does not change that.
      if (error.kind() != ErrorKind::kInternal) throw;
      outcome.notes.push_back(fmt::format("{}: choices were not compared: {}", one.label, error.what()));
    }
    outcome.choices = given.choices;
    for (const ChoiceResult& choice : given.choices) {
      if (choice.is_tie) continue;
      outcome.notes.push_back(fmt::format(
          "{}: `{}` ({}) falls otherwise: scores {:.9g} and {:.9g} in PyTorch, a margin of {:.1e} where noise is "
          "{:.1e}",
          one.label, choice.node, choice.op, choice.pt_scores[0], choice.pt_scores[1], choice.margin, choice.noise));
    }
    return given;
  }

  /// Outputs over the limit are within noise where they are once the choices are the same, and these were ties.
  void judge_given_choices(const GivenChoices& given, std::vector<OutputResult>& outputs, Outcome& outcome) const {
    if (!given.is_settled || given.choices.empty()) return;
    double largest = 0;
    for (const OutputResult& output : given.outputs) {
      const Verdict verdict = judge(output, request_.limit);
      if (verdict == Verdict::kMismatch) return;
      largest = std::max(largest, output.max_error);
    }
    for (OutputResult& output : outputs) {
      if (is_mismatch(output)) output.verdict = Verdict::kWithinNoise;
    }
    const ChoiceResult& first = given.choices.front();
    outcome.choices_note = fmt::format(
        "equal given the same choices (max |pt - tf| is then {:.1e}): `{}` ({}) falls otherwise, between scores {:.9g} "
        "and {:.9g}, a margin of {:.1e} where noise is {:.1e}",
        largest, first.node, first.op, first.pt_scores[0], first.pt_scores[1], first.margin, first.noise);
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
    const Flow flow = flow_of(*traced);
    std::vector<std::string> told;  // with the outputs already
    const Masks masks = masks_of(*request_.program, pytorch, told);
    StageRequest request{*request_.program, request_.module_classes, *request_.reference.stages, pytorch.inputs, masks,
                         request_.limit};
    request.progress = [&](double fraction) { tell(text, kOutputsShare + (1 - kOutputsShare) * fraction); };
    try {
      const Stages stages(request, flow, runtime_, result_.notes);
      result_.stages = stages.results();
      result_.spread = stages.spread();
      show_first_stage(stages, masks);
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
  const Further& further_;
  const Artefact artefact_;
  const Variables variables_;
  Result result_;
  std::string choices_note_;
};

}  // namespace

Result verify(const Request& request, const runtime::Runtime& runtime) { return verify(request, runtime, {}); }

Result verify(const Request& request, const runtime::Runtime& runtime, const Further& further) {
  return Verification(request, runtime, further).run();
}

}  // namespace crossload::verify
