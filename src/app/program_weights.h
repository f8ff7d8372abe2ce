// Where a program's parameters, buffers and constants get their values.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "app/trace_cache.h"
#include "checkpoint/checkpoint.h"
#include "program/program.h"
#include "savedmodel/saved_model.h"

namespace crossload::app {

/// The values of a program's parameters, buffers and constants: from the checkpoint, by the locations in the trace;
/// from the trace's own carried.safetensors; or from the archive itself.
class ProgramWeights : public savedmodel::WeightSource {
 public:
  ProgramWeights(const program::Program& program, const Trace& trace, std::optional<Checkpoint> checkpoint);
  Tensor tensor(const std::string& source) const override;

  std::vector<std::string> unused, missing;

 private:
  const program::Program& program_;
  nlohmann::json locations_;
  std::optional<Checkpoint> checkpoint_;
  std::optional<Checkpoint> carried_;
};

}  // namespace crossload::app
