// Takes out what has no meaning in TensorFlow: gradient checkpointing, other attention kernels, autocast, device moves,
// and notes that code was copied from other PyTorch code.
#pragma once

#include <set>
#include <string>

#include "port/node.h"

namespace crossload::port {

/// Folds the tree in place. Conditions that are then constant go with the branch that never runs.
void fold_module(Node& module);

}  // namespace crossload::port
