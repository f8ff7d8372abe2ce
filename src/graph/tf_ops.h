// The TensorFlow operations that crossload emits: argument names, types and attributes, as TensorFlow 2.21 registers
// them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/dtype.h"
#include "graph/graph.h"

namespace crossload::graph {

/// One input or output argument of an operation.
struct TfArg {
  std::string name;
  std::string type_attr;       // e.g. `T`; empty when the type is fixed
  std::optional<DType> type;   // the fixed type
  std::string number_attr;     // e.g. `N`: a list of that many tensors of one type
  std::string type_list_attr;  // e.g. `Tin`: a list of tensors of the types in that attribute
};

/// An attribute. Types: `type`, `int`, `float`, `bool`, `string`, `shape`, `tensor`, `func`, `list(int)`, …
struct TfAttr {
  std::string name;
  std::string type;
  bool has_default = false;
  std::string default_text;          // as the operation's registration gives it, e.g. `false`, `1e-4`, `[1, 1, 1, 1]`
  std::vector<DType> allowed_types;  // that some CPU kernel takes; empty: any
  std::vector<std::string> allowed_strings;  // e.g. `SAME`, `VALID`; empty: any
  std::optional<int64_t> minimum;            // of an int, or of a list's length
};

struct TfOp {
  std::string name;
  std::vector<TfArg> inputs;
  std::vector<TfArg> outputs;
  std::vector<TfAttr> attrs;
  bool is_stateful = false;
};

/// The type that is called so: an element type, or `variant`.
std::optional<DType> value_type(std::string_view name);

/// The operation, or null when it is not in the table. The pointer stays valid for the life of the process.
const TfOp* find_tf_op(std::string_view name);
/// Whether a node of the graph draws random numbers or has side effects.
bool is_stateful(const Graph& graph);
/// All operations of the table in the order of their names.
const std::vector<TfOp>& all_tf_ops();

/// Sets the attributes that follow from the inputs' types and number (`T`, `N`, `Tin`), and returns the types of all
/// outputs. Inputs are flat: those of a list argument stand consecutively where the argument does. Also set:
/// `Tout` from the outputs of a function attribute, the complex type that belongs to a real one and the reverse,
/// `dtype` of Const from its value; an int for a float attribute becomes a double. Throws `kInternal` when inputs do
/// not fit, an attribute without default is missing, or an attribute is unknown to the operation, of the wrong kind, or
/// out of range.
std::vector<DType> infer_types(const TfOp& op, const std::vector<DType>& input_types, Attrs& attrs);

/// Whether the value is of the kind that the attribute is declared with.
bool attr_fits(const TfAttr& attr, const Attr& value);
/// The kind of the value in TensorFlow's words: `int`, `list(type)`, `func`, …
std::string_view kind_of(const Attr& value);

}  // namespace crossload::graph
