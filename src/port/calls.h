// Calls whose form in TensorFlow depends on ranks, dtypes or their place.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "port/node.h"

namespace crossload::port {

/// A call with its parts already translated, but for its types, which are those of PyTorch.
struct TorchCall {
  std::string name;                // `torch.arange`, `Tensor.transpose`
  Node self;                       // the receiver of a method
  std::vector<Node> arguments;     // without `device` and the like
  std::vector<std::string> types;  // of the result
};

/// The TensorFlow form, or nothing when no such rule exists. `problem` says what the rule cannot handle.
std::optional<Node> special_call(const TorchCall& call, std::string& problem);

/// Whether a method of tensors of this name has a rule of either kind.
bool is_tensor_method(const std::string& method);

/// `value` as `dtype`, which is an expression.
Node cast(Node value, Node dtype);

}  // namespace crossload::port
