// What `crossload weights` is to write: each tensor with its name, layout, dtype and source, before any weight is read.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "app/weights.h"
#include "checkpoint/checkpoint.h"
#include "checkpoint/weight_writer.h"

namespace crossload::app {

/// The weights that are read.
struct SourceWeights {
  std::filesystem::path file;    // weights or index
  std::filesystem::path folder;  // of the configuration
  Checkpoint checkpoint;
};

struct WeightPlan {
  std::vector<NewTensor> tensors;
  std::vector<std::string> layer_names;
};

/// The tensors to write in the direction `result.direction`. Fills in `result`'s class, what is unused and missing, and
/// the tensors that the asked dtype does not hold. The plan reads from `source`, which has to live as long. Throws as
/// `convert_weights` does.
WeightPlan plan_weights(const SourceWeights& source, const WeightsRequest& request, WeightsResult& result);

}  // namespace crossload::app
