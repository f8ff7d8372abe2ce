// PyTorch's values of one case, from the file that the worker wrote.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <utility>

#include "checkpoint/checkpoint.h"
#include "program/program.h"
#include "verify/visibility.h"

namespace crossload::verify {

/// How far two float32 runs may lie apart in a value when neither is further from the float64 run than PyTorch's worst
/// is: `offset/` and `noise/` of the worker's file, over visible positions. kUnknown where the file has none.
double recorded_noise(const Checkpoint& file, const std::string& value,
                      const std::function<Visibility(const Dims&)>& visibility_at);

/// PyTorch's values of a case, and what is known about them.
class PyTorchValues {
 public:
  /// values: the file. REQUIRES: program and masks outlive this.
  PyTorchValues(const program::Program& program, const std::filesystem::path& values, const Masks& masks)
      : program_(program), file_(open_safetensors(values)), masks_(masks) {}

  const Checkpoint::Entry* find(const std::string& value) const { return file_.find("value/" + value); }
  Tensor get(const std::string& value) const { return file_.tensor("value/" + value); }
  Visibility visibility(const std::string& value, const Dims& dims) const;
  double noise(const std::string& value) const;
  /// The float64 run minus the value, and how far float32 runs are from it; null where the file has none.
  std::optional<std::pair<Tensor, Tensor>> offset_and_noise(const std::string& value) const;
  /// How far `tf`, in PyTorch's layout, is from the float64 run.
  double distance_from_truth(const std::string& value, const Tensor& pt, const Tensor& tf) const;

 private:
  const program::Program& program_;
  Checkpoint file_;
  const Masks& masks_;
};

}  // namespace crossload::verify
