// Bodies that PyTorch wraps only to say in which mode they run: `with torch.no_grad():`, `with torch.autocast(…):`.
#pragma once

#include <optional>

#include "program/program.h"

namespace crossload::lower {

/// The block with the bodies of such nodes inlined, also inside other bodies; nothing when it has no such node. The
/// wrapper's results keep their names; the other values of the body get names that are not used in the block. The
/// conversions that autocast makes before an operation become nodes, as run_decompositions() writes them. Throws
/// `kBadInput` for a wrapper without a body, or with operands that its body does not take.
std::optional<program::Block> inline_wrappers(const program::Block& block);

}  // namespace crossload::lower
