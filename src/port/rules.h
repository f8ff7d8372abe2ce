// The tables of what PyTorch's names become in TensorFlow.
#pragma once

#include <map>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "port/pattern.h"

namespace crossload::port {

/// A call that has one form in TensorFlow: `torch.cat(tensors, dim=0)` → `tf.concat($tensors, axis=$dim)`. Methods of
/// tensors are named `Tensor.<method>`. Where both sides name the same parameter, rules with fewer come first.
struct CallRule {
  std::string_view torch;
  std::string_view tf;
};
std::span<const CallRule> call_rules();

/// What a `torch` name that is no call becomes: `torch.float32` → `tf.float32`.
const std::map<std::string, std::string>& name_rules();

/// A leaf module of PyTorch as a Keras layer. `build` is the shape that its `build` is given, by holes; empty where it
/// has no weights. `$init` is the kernel's initializer, left out where `_init_weights` has none.
struct ModuleRule {
  std::string_view torch;
  std::string_view keras;
  std::string_view build;
};
std::span<const ModuleRule> module_rules();

/// Functions that a written file brings along where it uses them, as the hand-written files do, in this order.
struct Helper {
  std::string_view name;
  std::string_view source;
};
std::span<const Helper> helpers();

/// Where names come from that a written file may use: `get_tf_activation` → `transformers.activations_tf`.
const std::map<std::string, std::string>& import_rules();

/// Attributes that Keras keeps for itself, and what they are called instead.
const std::map<std::string, std::string>& attribute_rules();

/// Losses by the names of Transformers' functions: `ForCausalLMLoss` → a helper.
const std::map<std::string, std::string>& loss_rules();

/// Methods of PyTorch's classes that have no counterpart, such as pruning.
const std::set<std::string>& dropped_methods();

/// Methods called on `self` whose call as a statement means nothing in TensorFlow.
const std::set<std::string>& dropped_calls();

/// Texts in comments and docstrings: `torch.FloatTensor` → `tf.Tensor`.
std::string tf_text(std::string text);

}  // namespace crossload::port
