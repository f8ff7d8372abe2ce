#include "app/program_weights.h"

#include "base/error.h"

namespace crossload::app {
namespace fs = std::filesystem;
using nlohmann::json;

ProgramWeights::ProgramWeights(const program::Program& program, const Trace& trace,
                               std::optional<Checkpoint> checkpoint)
    : unused(trace.meta.at("unused").get<std::vector<std::string>>()),
      missing(trace.meta.at("missing").get<std::vector<std::string>>()),
      program_(program),
      locations_(trace.meta.at("weights")),
      checkpoint_(std::move(checkpoint)) {
  if (!trace.folder.empty() && fs::exists(trace.folder / "carried.safetensors")) {
    carried_ = open_safetensors(trace.folder / "carried.safetensors");
  }
}

Tensor ProgramWeights::tensor(const std::string& source) const {
  std::string name = source;
  if (const auto found = locations_.find(name); found != locations_.end()) {
    if (found->contains("tied_to")) name = found->at("tied_to").get<std::string>();
    const json& location = locations_.at(name);
    if (location.contains("key")) {
      if (!checkpoint_) internal_error("weights: `{}` is placed in a checkpoint that is not open", source);
      return checkpoint_->tensor(location.at("key").get<std::string>());
    }
    if (carried_ && carried_->find(name) != nullptr) return carried_->tensor(name);
  }
  if (const auto data = program_.data.find(source); data != program_.data.end()) return data->second;
  bad_input("weights: no tensor for `{}` in the checkpoint nor in the trace; run with --no-cache", source);
}

}  // namespace crossload::app
