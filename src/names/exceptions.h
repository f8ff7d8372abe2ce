// What the general rules of `rules.h` get wrong, by model type. Nothing else in the program knows model types.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace crossload::names {

/// How the weight (and bias) of a layer is stored.
enum class Kind {
  kBare,           // as it is, under its own name
  kDense,          // `kernel`, axes reversed
  kConvolution,    // `kernel`, output and input channels last
  kNormalization,  // `gamma` and `beta`
  kEmbedding,      // `embeddings`, as it is
  kPlain,          // `weight`, as it is
  kConv1D,         // `weight`, as it is: PyTorch's Conv1D is stored like a Dense already; the bias as a row
  kDepthwise,      // PyTorch's [channels, multiplier, width] as [width, channels, multiplier]
};

/// All tables: the first row that fits decides. `types` are model types between spaces; empty: all.

/// Another kind of layer than its name and rank say. `pt` is matched with the end of the path of the module, or of the
/// parameter when it is neither weight nor bias.
struct KindRow {
  std::string_view types, pt;
  Kind kind;
};
std::span<const KindRow> kind_rows();

/// Other words for a part of a path, both ways: `pt` between dots, `tf` between slashes. What begins with a slash in
/// `tf` stands outside of the model's scope. A row that covers the last component gives the whole variable name.
struct PathRow {
  std::string_view types, pt, tf;
};
std::span<const PathRow> path_rows();

/// Other dims: a parameter of PyTorch's dims `pt` is `tf` in TensorFlow, where `n` is any size: `n11` is [n, 1, 1].
/// `name` is matched with the end of the parameter's path.
struct DimsRow {
  std::string_view types, name, pt, tf;
};
std::span<const DimsRow> dims_rows();

enum class Holds {
  kOne,           // TensorFlow has `same_as` only
  kOneWhereTied,  // the same, but where the configuration says `tie_word_embeddings: false` it has no weight for `pt`
  kBoth,          // TensorFlow has both
  kBothWhereUntied,  // both where the configuration says `tie_word_embeddings: false`, else `same_as` only
};

/// Two parameters that are one tensor in PyTorch, by their whole paths; `@` is the main layer. Files may hold either or
/// both.
struct TieRow {
  std::string_view types, pt, same_as;
  Holds holds;
  bool pt_wants_both = false;  // whether PyTorch's class loads wrong values where a file lacks `pt`
};
std::span<const TieRow> tie_rows();

/// Buffers that PyTorch stores and TensorFlow computes, by the end of their paths.
struct ComputedRow {
  std::string_view types, pt;
};
std::span<const ComputedRow> computed_rows();

enum class SinesForm { kXlm, kTensor2Tensor, kFrequencies };
enum class Side { kTf, kPt };

/// A matrix of sines, by its whole path, that `side` has in its files and the other side computes. It has as many rows
/// as the configuration's number `rows` says and `more_rows`, and is as wide as `d_model`; `pad_token_id` is the
/// padding. Of frequencies there is one row, without an axis.
struct SinesRow {
  std::string_view types, pt;
  SinesForm form;
  Side side;
  std::string_view rows;
  int64_t more_rows;
};
std::span<const SinesRow> sines_rows();

/// Variables that TensorFlow's class has and PyTorch's has not. `tf`: their layer.
struct TfOnlyRow {
  std::string_view classes, tf;
};
std::span<const TfOnlyRow> tf_only_rows();

/// A part of a model that is a model of another type: its path, the key of its configuration, and whether it is that
/// type's base model, whose names lack the main layer's prefix in PyTorch.
struct PartRow {
  std::string_view types, path, config;
  bool is_base;
};
std::span<const PartRow> part_rows();

/// Model types whose classes are those of another type.
struct AliasRow {
  std::string_view type, same_as;
};
std::span<const AliasRow> alias_rows();

/// Model types with TensorFlow classes whose weights have no names in any table.
std::span<const std::string_view> unmapped_types();

/// Whether `types` names the type, or is empty.
bool names_type(std::string_view types, std::string_view type);

}  // namespace crossload::names
