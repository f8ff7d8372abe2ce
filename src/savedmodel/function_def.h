// A Graph as a TensorFlow function.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "graph/graph.h"
#include "savedmodel/messages.h"

namespace crossload::savedmodel {

/// One input or output of a function, as its callers see it.
struct Port {
  std::string name;  // PyTorch's, such as `input_ids` or `hidden_states.3`
  tf::DataType dtype = tf::DT_FLOAT;
  tf::TensorShapeProto shape;
};

/// A function that takes the graph's inputs and then a resource for each variable.
struct Function {
  std::string name;
  std::vector<Port> inputs;
  std::vector<Port> outputs;  // in Python's order of names, as tf.nest flattens a dict
  bool jit = false;           // compiled by XLA
};

/// Gives the value of variable `index` as a constant, or nothing for a variable that stays one.
class ConstantSource {
 public:
  virtual ~ConstantSource() = default;
  virtual std::optional<Tensor> constant(int index) const = 0;
};

/// Adds functions to a library under names that are all different.
class FunctionLibrary {
 public:
  explicit FunctionLibrary(tf::FunctionDefLibrary& library) : library_(library) {}

  /// Adds the graph, and a function for each graph among its attributes. With `constants`, variables become constants
  /// and the function takes none.
  Function add_forward(const graph::Graph& graph, const std::string& name, const ConstantSource* constants, bool jit);

  /// Adds a function that calls `callee`. Its inputs stand in the order of `order` (indices into the callee's inputs);
  /// with `narrow_integers`, int64 inputs are taken as int32 and cast.
  Function add_wrapper(const std::string& name, const Function& callee, const std::vector<graph::Variable>& variables,
                       const std::vector<int>& order, bool narrow_integers);

 private:
  std::string add_branch(const graph::Graph& graph, const std::string& name);

  tf::FunctionDefLibrary& library_;
  Namer names_;
};

/// The node `name` calling `callee`; the caller adds its inputs.
tf::NodeDef call_node(const std::string& name, const Function& callee, std::size_t variable_count);
/// The node `name` casting `input` from int32 to int64.
tf::NodeDef cast_node(const std::string& name, const std::string& input);

}  // namespace crossload::savedmodel
