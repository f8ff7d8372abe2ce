// From which stages an error comes is measured; from what it comes is found here, by running these stages again in
// PyTorch with one thing changed at a time.
#pragma once

#include <string>
#include <vector>

#include "verify/stages.h"
#include "verify/verify.h"

namespace crossload::verify {

/// A cause for each stage that makes an error by itself, in the program's order; `other` with what is seen where no
/// change brings the stage's error down to its noise. Past `kMostDiagnosed` stages a note says how many are left out.
/// REQUIRES: request.explain.
std::vector<Diagnosis> diagnose(const Request& request, const Stages& stages, std::vector<std::string>& notes);

/// Writes the stage's values into `folder`, which must be empty, with every change of it that may explain an error.
Suspect suspect_of(const Request& request, const Stages& stages, int stage, bool whole,
                   const std::filesystem::path& folder);

/// What was found of one stage, joined to the others.
void add_told(const std::string& module, const Explanation& found, std::vector<Diagnosis>& diagnosis);
/// Layers in another order have all their weights from elsewhere; where one module alone has another's, they are
/// swapped.
void settle_layer_order(std::vector<Diagnosis>& diagnosis);

inline constexpr std::size_t kMostDiagnosed = 48;  // stages

}  // namespace crossload::verify
