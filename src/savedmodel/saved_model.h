// Writes a TensorFlow SavedModel, without TensorFlow.
#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <string>

#include "base/tensor.h"
#include "graph/graph.h"

namespace crossload::savedmodel {

/// Where the bytes of a program's parameters, buffers and constants are.
class WeightSource {
 public:
  virtual ~WeightSource() = default;
  /// The tensor that `graph::Variable::source` names; mapped tensors are not copied. Throws when there is none.
  virtual Tensor tensor(const std::string& source) const = 0;
};

struct Options {
  bool frozen = false;  // weights as constants of the graph: no variables, no gradients, 2 GiB at most
  bool jit = false;     // the model's function is compiled by XLA
};

struct Written {
  std::size_t weight_bytes = 0;
  std::size_t variable_count = 0;
};

/// Writes `saved_model.pb` and `variables/` into `folder` (`…/saved_model/1`), which is made. It loads with
/// `tf.saved_model.load`, TF1's loader, the C API, TF Serving and Keras' TFSMLayer:
/// - signature `serving_default` takes the graph's inputs by name, int64 ones as int32; `int64_serving` takes them as
///   they are; both give the graph's outputs by name, sorted;
/// - called in Python, the model takes inputs by position or name, int32 or int64, and gives a dict; `serve` takes a
///   dict of inputs.
/// The graph itself is the one function `forward`, whose nodes keep their names; their debug information says which
/// PyTorch values they compute (format: function_def.cc).
/// `progress` is called with the bytes of weights written so far, and may throw to stop.
/// Throws `kBadInput` when a source's dtype or shape does not fit its variable (all of them in one error, nothing
/// written), or frozen weights are too large; `kEnvironment` when the disk is full or writing fails.
/// REQUIRES: graph::check(graph) holds; every output name and variable name is there once.
Written write(const graph::Graph& graph, const WeightSource& weights, const std::filesystem::path& folder,
              const Options& options, const std::function<void(std::size_t bytes_done)>& progress);

}  // namespace crossload::savedmodel
