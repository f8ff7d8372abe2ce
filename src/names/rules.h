// How one weight is called and laid out on either side.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "names/exceptions.h"
#include "names/names.h"
#include "names/pattern.h"

namespace crossload::names {

/// The rules of a model type, without the parts of composed models. The general ones:
/// - dots become slashes, and a number joins what it counts: `layer.0` is `layer_._0`;
/// - `weight` is a `kernel` with output channels last; of rank 1 `gamma`, and the `bias` beside it `beta`; of what is
///   called an embedding `embeddings`;
/// - `running_mean` is `moving_mean`, `running_var` `moving_variance`; other parameters keep name and layout.
/// In the other direction, the part before `___` in a layer's name is dropped.
class Rules {
 public:
  explicit Rules(std::string_view model_type);

  struct Name {
    std::string path;  // between slashes in TensorFlow, with a leading one outside of the scope; dots in PyTorch
    Layout layout;
  };
  /// path: PyTorch's, with the main layer. weight_dims: those of the module's `weight`, null when it has none.
  Name to_tf(const Path& path, DType dtype, const Dims& dims, const Dims* weight_dims) const;
  /// path: TensorFlow's, as `to_tf` gives it. The result has the main layer.
  Name to_pt(std::string_view path, DType dtype, const Dims& dims) const;
  /// Whether a variable's whole name belongs outside of the model's scope.
  bool is_outside_scope(std::string_view name) const;

 private:
  struct CompiledPath {
    Pattern pt, tf;
    std::string_view pt_text, tf_text;  // without anchors and leading slash
    bool outside_scope;
  };
  struct CompiledKind {
    Pattern pt;
    Kind kind;
  };
  struct CompiledDims {
    Pattern name;
    std::string_view pt, tf;
  };

  const Kind* kind_row(const Path& path) const;
  Kind kind(const Path& path, const Dims* weight_dims) const;
  std::string tf_path(const Path& path, const std::string& leaf) const;
  Path pt_path(Path path, bool outside_scope) const;
  Dims with_other_dims(const Path& pt_path, Dims dims, bool to_tf) const;

  std::vector<CompiledPath> paths_;
  std::vector<CompiledKind> kinds_, embeddings_;
  std::vector<CompiledDims> dims_;
};

}  // namespace crossload::names
