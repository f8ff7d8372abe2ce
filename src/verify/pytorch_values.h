// PyTorch's values of the traced case, from the file that the worker wrote.
#pragma once

#include "checkpoint/checkpoint.h"
#include "verify/outputs.h"
#include "verify/stages.h"
#include "verify/visibility.h"

namespace crossload::verify {

/// PyTorch's values of the traced case, and what is known about them.
class PyTorchValues {
 public:
  explicit PyTorchValues(const StageRequest& request)
      : program_(request.program), file_(open_safetensors(request.values)), masks_(request.masks) {}

  const Checkpoint::Entry* find(const std::string& value) const { return file_.find("value/" + value); }
  Tensor get(const std::string& value) const { return file_.tensor("value/" + value); }
  Visibility visibility(const std::string& value, const Dims& dims) const;
  /// How far two float32 runs may lie apart when neither is further from the float64 run than PyTorch's worst is.
  double noise(const std::string& value) const;
  /// How far `tf`, in PyTorch's layout, is from the float64 run.
  double distance_from_truth(const std::string& value, const Tensor& pt, const Tensor& tf) const;

 private:
  const program::Program& program_;
  Checkpoint file_;
  const Masks& masks_;
};

}  // namespace crossload::verify
