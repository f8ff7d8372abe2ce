// Which PyTorch value each value of a SavedModel is, also where the program is no longer the one that it was made from.
#pragma once

#include <vector>

#include "program/program.h"
#include "savedmodel/artefact.h"

namespace crossload::verify {

/// The flow's claims with the names that their values have in `program`. Names of values are numbered through the whole
/// program, so that one more operation in a module renames the values of all later ones: where a name is unknown, or
/// belongs to another module, the values of each module are paired in their order. What has no partner is left out.
std::vector<savedmodel::PtClaim> claims_for(const program::Program& program, const savedmodel::Flow& flow);

}  // namespace crossload::verify
