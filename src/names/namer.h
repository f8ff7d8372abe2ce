// Names of a whole model: main layers, and parts that are models of another type.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "names/classes.h"
#include "names/rules.h"

namespace crossload::names {

/// A tie of `exceptions.h` with the paths of the whole model.
struct Tie {
  Pattern pt, same_as;
  std::string pt_text, same_as_text;
  Holds holds;
  bool pt_wants_both;
};

/// Throws `kBadInput` for no name, and for one of a length that no model has; time to match patterns grows with it.
void check_name(std::string_view name);

/// A weight that only one side stores.
struct Computed {
  std::string pt_name;  // with the main layer
  Dims dims;
  std::vector<float> values;
};

/// Maps whole paths: PyTorch's with all main layers in them, TensorFlow's without the model's scope.
class Namer {
 public:
  /// Throws `kUnsupported` when a part is of an unknown type.
  explicit Namer(const Model& model);

  /// PyTorch's path with the main layers of parts that lack them, and back. That of the model itself is up to its
  /// class.
  Path with_main_layers(Path path) const;
  Path without_main_layers(Path path) const;

  Rules::Name to_tf(const Path& path, DType dtype, const Dims& dims, const Dims* weight_dims) const;
  Rules::Name to_pt(std::string_view path, DType dtype, const Dims& dims) const;
  bool is_outside_scope(std::string_view name) const { return rules_.is_outside_scope(name); }
  /// Whether PyTorch computes this buffer itself.
  bool is_computed(const Path& path) const;
  const std::vector<Tie>& ties() const { return ties_; }
  /// What a side's files hold and the other's do not. Without numbers of the configuration there is none. Throws
  /// `kBadInput` for absurd numbers.
  std::vector<Computed> computed_for(Side side) const;

 private:
  struct Part {
    std::string path, main_layer;
    bool is_base;
    std::unique_ptr<Namer> namer;
  };

  const Part* part_of(std::string_view component) const;

  std::string_view type_, main_layer_;
  std::map<std::string, int64_t> numbers_;
  Rules rules_;
  std::vector<Part> parts_;
  std::vector<Tie> ties_;
  std::vector<Pattern> computed_;
};

}  // namespace crossload::names
