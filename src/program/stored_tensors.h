// The tensors that a `.pt2` archive holds: weights, buffers and constants.
#pragma once

#include <map>
#include <string>

#include "base/tensor.h"
#include "base/zip_archive.h"

namespace crossload::program {

/// Reads the tensors that `data/weights` and `data/constants` under `root` (empty, or ending with a slash) hold, by
/// FQN. Contiguous tensors in stored entries point into the file, others are copied. Parameters without values are left
/// out: those whose entry holds one element that is expanded to the shape. Throws `kBadInput` when an entry has fewer
/// bytes than the tensor needs or is a pickle, `kUnsupported` for a dtype that crossload has no form for.
std::map<std::string, Tensor> read_stored_tensors(const ZipArchive& archive, const std::string& root);

}  // namespace crossload::program
