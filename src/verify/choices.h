// Discrete choices: two candidates whose scores differ by less than rounding moves them may be taken in another order,
// and everything after differs, though nothing is wrong.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "program/program.h"
#include "runtime/runtime.h"
#include "savedmodel/artefact.h"
#include "verify/outputs.h"
#include "verify/verify.h"
#include "verify/visibility.h"

namespace crossload::verify {

/// Whether an operation of the program makes integers or booleans of floats, or rounds floats to integers.
bool is_choice(const program::Program& program, const program::Node& node);
bool has_choices(const program::Program& program);

struct ChoiceRequest {
  const program::Program& program;
  const std::filesystem::path& values;  // `value/<name>`, `offset/<name>`, `noise/<name>`, given the same choices
  const CaseValues& pytorch;
  const Masks& masks;
  double limit;       // on the outputs
  std::string label;  // of the case
};

/// What comes out once TensorFlow is given PyTorch's choices.
struct GivenChoices {
  std::vector<ChoiceResult> choices;  // that fell otherwise, in the program's order
  bool is_settled = false;            // all of them are ties, and none differs any more
  std::vector<OutputResult> outputs;  // then: outputs given the same choices, without verdicts
};

/// Finds the first choice that falls otherwise in TensorFlow, judges its margin, feeds PyTorch's choice in its place
/// and goes on, until none differs or one has a clear margin. What cannot be measured or fed (no origin, an operation
/// of another kind) settles nothing. Throws what `runtime` throws.
GivenChoices compare_given_choices(const ChoiceRequest& request, const savedmodel::Flow& flow,
                                   const runtime::Runtime& runtime);

}  // namespace crossload::verify
