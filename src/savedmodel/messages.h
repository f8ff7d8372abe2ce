// crossload's types as TensorFlow's messages.
#pragma once

#include <functional>
#include <set>
#include <string>
#include <string_view>

#include "base/dtype.h"
#include "base/sym.h"
#include "base/tensor.h"
#include "graph/graph.h"
#include "savedmodel/graph.pb.h"

namespace crossload::savedmodel {

tf::DataType to_tf(DType dtype);
/// Symbolic sizes and unknown ones become -1.
tf::TensorShapeProto to_tf(const Dims& dims);
tf::TensorShapeProto to_tf(const std::optional<SymDims>& dims);
tf::TensorProto to_tf(const Tensor& tensor);

/// Encodes one attribute. `type` is the operation's declared type of it (`float`, `list(float)`, …; empty when
/// unknown): integers given for a float attribute become floats. `function_name` names the function of a graph-valued
/// attribute.
tf::AttrValue to_tf(const graph::Attr& attr, std::string_view type,
                    const std::function<std::string(const graph::Graph&)>& function_name);

// Single values, for nodes that no Graph holds.
tf::AttrValue type_attr(tf::DataType type);
tf::AttrValue shape_attr(tf::TensorShapeProto shape);
tf::AttrValue bool_attr(bool value);
tf::AttrValue function_attr(const std::string& name);

/// Hands out names that are all different.
class Namer {
 public:
  /// `name`, or with `_1`, `_2`, … behind it when that is taken.
  std::string unique(const std::string& name);
  void reserve(const std::string& name) { taken_.insert(name); }

 private:
  std::set<std::string> taken_;
};

/// A name for a function's argument: [a-z][a-z0-9_]*.
std::string argument_name(std::string_view name);
/// A name for a node: [A-Za-z0-9.][A-Za-z0-9_>./-]*.
std::string node_name(std::string_view name);
/// A name for an argument of a Python function: an identifier that is no keyword.
std::string python_name(std::string_view name);

}  // namespace crossload::savedmodel
