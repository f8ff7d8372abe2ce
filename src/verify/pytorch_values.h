// PyTorch's values of the traced case, from the file that the worker wrote.
#pragma once

#include <functional>

#include "checkpoint/checkpoint.h"
#include "verify/outputs.h"
#include "verify/stages.h"
#include "verify/visibility.h"

namespace crossload::verify {

/// How far two float32 runs may lie apart in a value when neither is further from the float64 run than PyTorch's worst
/// is: `offset/` and `noise/` of the worker's file, over visible positions. kUnknown where the file has none.
double recorded_noise(const Checkpoint& file, const std::string& value,
                      const std::function<Visibility(const Dims&)>& visibility_at);

/// PyTorch's values of the traced case, and what is known about them.
class PyTorchValues {
 public:
  explicit PyTorchValues(const StageRequest& request)
      : program_(request.program), file_(open_safetensors(request.values)), masks_(request.masks) {}

  const Checkpoint::Entry* find(const std::string& value) const { return file_.find("value/" + value); }
  Tensor get(const std::string& value) const { return file_.tensor("value/" + value); }
  Visibility visibility(const std::string& value, const Dims& dims) const;
  double noise(const std::string& value) const;
  /// How far `tf`, in PyTorch's layout, is from the float64 run.
  double distance_from_truth(const std::string& value, const Tensor& pt, const Tensor& tf) const;

 private:
  const program::Program& program_;
  Checkpoint file_;
  const Masks& masks_;
};

}  // namespace crossload::verify
