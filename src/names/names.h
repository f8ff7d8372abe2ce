// Names and layouts of weights in PyTorch and in the TensorFlow classes of Transformers 4.46, both ways.
#pragma once

#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/dtype.h"
#include "base/tensor.h"

namespace crossload::names {

/// Which model the weights belong to; what its config.json says.
struct Model {
  std::string model_type;  // `bert`
  std::string class_name;  // `architectures[0]`, of PyTorch or TensorFlow; empty: the class that AutoModel takes
  bool tie_word_embeddings = true;
  std::map<std::string, std::string> parts;  // `model_type` of nested configurations: {`encoder`: `bert`, …}
  std::map<std::string, int64_t> numbers;    // whole numbers at its top, as `d_model`; of parts `encoder.vocab_size`
};

/// A weight of a PyTorch checkpoint.
struct PtTensor {
  std::string name;  // `encoder.layer.0.output.dense.weight`
  DType dtype = DType::kFloat32;
  Dims dims;
};

/// A weight of a TensorFlow file.
struct TfTensor {
  std::string group;  // the layer's group in an HDF5 file; empty where names are flat: in shards, in safetensors
  std::string name;   // `tf_bert_model/bert/encoder/layer_._0/output/dense/kernel:0`
  DType dtype = DType::kFloat32;
  Dims dims;
};

/// How the elements of one tensor become another: axes are permuted (axis i of the result is axis permutation[i] of the
/// source; empty: as they are), then the result is taken as `dims` and cast to `dtype`.
struct Layout {
  std::vector<int> permutation;
  Dims dims;
  DType dtype = DType::kFloat32;
};

/// Why a weight has no counterpart.
enum class Reason {
  kNoPlace,    // unused: the class has no layer for it
  kTied,       // unused: TensorFlow has one tensor where PyTorch has this one and `other`, which are equal
  kComputed,   // unused: a buffer that the other side computes itself
  kAbsent,     // missing: the source does not hold it
  kLeftOut,    // unused: a sub-layer that this class is built without, as heads without a pooler are
  kDiffers,    // unused: TensorFlow has one tensor for this one and `other`, whose values are others
  kPtHasNone,  // missing or, towards PyTorch, unused: TensorFlow's class has it, PyTorch's has not
};

/// A weight, or a layer all of whose weights are concerned, that is unused or missing.
struct Note {
  std::string name;
  Reason reason = Reason::kNoPlace;
  std::string other;

  /// Whether it says that something may be wrong: such names Transformers reports when it loads, others it hides.
  bool is_reported() const {
    return reason == Reason::kNoPlace || reason == Reason::kAbsent || reason == Reason::kDiffers;
  }
};

struct TfWeight {
  std::vector<std::string> groups;  // the layer that holds it, then others that share it and store it as well
  std::string name;
  std::string source;  // a PtTensor's name; empty: `values`
  Layout layout;
  std::vector<float> values;  // what no file holds, in the order of `layout.dims`
};

/// The content of a `tf_model.h5`.
struct TfPlan {
  std::string class_name;                // `TFBertModel`
  std::vector<std::string> layer_names;  // the model's layers in order, those without weights included
  std::vector<TfWeight> weights;         // in the order of the sources, then those without
  std::vector<Note> unused;              // names of PtTensors
  std::vector<Note> missing;  // layers or variables without the model's scope; PyTorch's names of absent weights
};

struct PtWeight {
  std::string name;
  std::string source;  // a TfTensor's name; empty: `values`, all zeros when there are none
  Layout layout;
  std::vector<float> values;
};

/// The content of a PyTorch checkpoint.
struct PtPlan {
  std::string class_name;  // `BertModel`
  std::vector<PtWeight> weights;
  std::vector<Note> unused;   // names of TfTensors
  std::vector<Note> missing;  // layers; PyTorch's names of absent weights
};

/// Whether Transformers 4.46 has TensorFlow classes for this `model_type`.
bool has_tf_class(std::string_view model_type);
/// Whether the names of their weights are known here, so that `to_tf` and `to_pt` can be asked.
bool maps_weights_of(std::string_view model_type);

/// Whether two PtTensors, by their names, hold the same values.
using AreEqual = std::function<bool(const std::string&, const std::string&)>;

/// From PyTorch's names to those of the TensorFlow class, as its own `save_pretrained` would write them.
/// Checkpoints of the base model without the main layer's prefix, and of other heads, are taken as they come.
/// are_equal: decides which weights are tied; without it the configuration does.
/// Throws `kUnsupported` for a model type or a class without a TensorFlow counterpart, `kBadInput` when none of the
/// weights belongs to the class, when a name stands twice, or when two weights become one variable.
TfPlan to_tf(const Model& model, std::span<const PtTensor> tensors, const AreEqual& are_equal = {});

/// From the names in a file of the TensorFlow class to PyTorch's. A variable that stands in several groups is taken
/// from the first. Every weight gets a name, also one without a counterpart in the class, except weights that PyTorch's
/// class lacks. Throws as `to_tf`.
PtPlan to_pt(const Model& model, std::span<const TfTensor> tensors);

/// The name under which a variable stands in a shard of an HDF5 checkpoint, and without `:0` in safetensors.
std::string flat_name(std::string_view tf_name);

}  // namespace crossload::names
