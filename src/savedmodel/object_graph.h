// The Python side of a SavedModel: what `tf.saved_model.load` gives back, and which checkpoint entry fills which
// variable.
#pragma once

#include <string>
#include <vector>

#include "graph/graph.h"
#include "savedmodel/function_def.h"
#include "savedmodel/object_graph.pb.h"

namespace crossload::savedmodel {

struct ObjectGraphParts {
  const std::vector<graph::Variable>& variables;
  /// What `__call__` tries in turn; inputs in one order, dtypes differ.
  std::vector<Function> calls;
  /// What `serve` tries in turn; inputs in Python's order of names.
  std::vector<Function> serves;
  /// Signature name and function; inputs in Python's order of names.
  std::vector<std::pair<std::string, Function>> signatures;
};

/// The key of a variable in the checkpoint.
std::string checkpoint_key(const graph::Variable& variable);

/// The loaded object: callable with positional or named arguments, giving {output name: tensor}; `signatures`;
/// `serve` with one dict, for Keras; `variables`, `trainable_variables`; each variable as an attribute of its name.
tf::SavedObjectGraph make_object_graph(const ObjectGraphParts& parts);

/// The same variables for the checkpoint's reader, serialized under `_CHECKPOINTABLE_OBJECT_GRAPH`.
tf::TrackableObjectGraph make_checkpoint_graph(const std::vector<graph::Variable>& variables);

}  // namespace crossload::savedmodel
