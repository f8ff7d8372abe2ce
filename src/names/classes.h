// The classes that Transformers 4.46 has in TensorFlow, and their layers.
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "names/names.h"

namespace crossload::names {

/// The group of variables that the model itself holds, not a layer. Files list it; Transformers ignores it.
inline constexpr std::string_view kTopLevel = "top_level_model_weights";

/// A row of class_table.inc.
struct ClassRow {
  std::string_view pt_class;    // `BertForMaskedLM`; TensorFlow's has `TF` before it
  std::string_view type;        // its model type
  std::string_view main_layer;  // the layer that holds the base model; empty where there is none
  bool is_bare;                 // PyTorch's names lack the main layer's: the base models
  // The model's layers in order, between spaces. `~`: there, whether it has weights or not; `?`: there when it has;
  // `!x`: without its namesakes' sub-layer `x`; `+x`: it also stores the variables `x` or below `x` of another layer,
  // or outside of the model's scope. `{1+3*attention}`: a number that Keras gives, counted by modules whose path ends
  // so.
  std::string_view layers;
  // What the main layer holds in tiny models of all the type's classes, between spaces, numbers as `#`. Larger ones may
  // hold more.
  std::string_view parts;
};

struct Layer {
  enum class Presence { kHasWeights, kAlways, kWithWeights };

  std::string name;
  Presence presence = Presence::kHasWeights;
  std::vector<std::string> left_out;  // sub-layers
  std::vector<std::string> shared;    // variables, or what they are below

  /// Whether the layer stores a variable, named without the scope, that is not its own.
  bool shares(std::string_view path) const;
};

/// The class of a model. Throws `kUnsupported`, naming what there is, when there is none.
const ClassRow& class_of(const Model& model);
/// The class that AutoModel takes, null for an unknown type. Aliases are resolved.
const ClassRow* base_class(std::string_view model_type);
std::string_view resolved_type(std::string_view model_type);

/// The class's layers. modules: the paths of PyTorch's modules, for counting.
std::vector<Layer> layers_of(const ClassRow& row, const std::set<std::string>& modules);

/// False for what stands in the main layer but in no part of it that is known. path: a variable's, without the scope.
bool is_of_main_layer(const ClassRow& row, std::string_view path);

/// Keras's name for a model of a class: `TFBertModel` is `tf_bert_model`.
std::string scope_of(std::string_view tf_class);

}  // namespace crossload::names
