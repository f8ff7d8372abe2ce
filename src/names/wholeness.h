// What a checkpoint lacks or has too much of, as its own layers, biases and configuration show.
#pragma once

#include <string>
#include <vector>

#include "names/names.h"

namespace crossload::names {

/// Names of PyTorch's parameters, or of modules (whole layers) that have none.
struct Wholeness {
  std::vector<std::string> missing;
  std::vector<std::string> foreign;
};

/// parameters: PyTorch's, as the class names them.
/// Throws `kBadInput`, with both sizes, for embeddings of another vocabulary than the configuration's, and for a
/// classifier of other labels.
Wholeness wholeness_of(const Model& model, const std::vector<PtTensor>& parameters);

}  // namespace crossload::names
