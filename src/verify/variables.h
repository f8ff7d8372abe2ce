// The variables of a SavedModel, mapped: TensorFlow computes with the bytes of their file where they lie, so that no
// copy of a model's weights is in memory.
//
// TensorFlow's own restore operation gives each variable a tensor that it has read into memory. Here the same operation
// is run with those tensors fed, and a variable keeps a fed tensor without copying it. That these are what TensorFlow
// reads is not believed but checked, a few at a time, when the artefact is opened: where TensorFlow reads other bytes,
// its own tensor is kept in memory and fed.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "runtime/runtime.h"
#include "savedmodel/artefact.h"

namespace crossload::verify {

class Variables {
 public:
  /// Throws `kInternal` with TensorFlow's words where it cannot read the file, its checksums included.
  Variables(const savedmodel::Artefact& artefact, const runtime::Runtime& runtime);

  /// The SavedModel as TensorFlow loads it, its variables filled.
  runtime::Session load() const;
  /// Tensors to feed when the restore operation is run; none where the artefact is of another form or its tensors lie
  /// so that they cannot be mapped: then TensorFlow reads the file itself.
  const runtime::Session::Feeds& fed() const { return fed_; }

 private:
  void check(const std::vector<savedmodel::Restored>& restored);

  const savedmodel::Artefact& artefact_;
  const runtime::Runtime& runtime_;
  runtime::Session::Feeds fed_;
};

}  // namespace crossload::verify
