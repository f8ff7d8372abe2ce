// Bodies that PyTorch wraps only to say in which mode they run: `with torch.no_grad():`, `with torch.autocast(…):`.
#pragma once

#include <optional>

#include "program/program.h"

namespace crossload::lower {

/// The block with the bodies of such nodes in their place, also inside other bodies; nothing when it has none. Names
/// that a result of the wrapper had keep standing for that result; the other values of the body get names that the
/// block does not have. What autocast converts on the way into an operation is converted by nodes of their own, as
/// run_decompositions() writes it. Throws `kBadInput` for a wrapper without a body, or with other operands than its
/// body takes.
std::optional<program::Block> inline_wrappers(const program::Block& block);

}  // namespace crossload::lower
