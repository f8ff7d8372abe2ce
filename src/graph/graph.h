// What TensorFlow computes: a data-flow graph of TensorFlow operations, and where each value comes from in PyTorch.
#pragma once

#include <compare>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/dtype.h"
#include "base/sym.h"
#include "base/tensor.h"

namespace crossload::graph {

/// One output of one node.
struct ValueRef {
  int node = -1;
  int output = 0;
  friend auto operator<=>(const ValueRef&, const ValueRef&) = default;
};

struct Graph;
/// An attribute's value as a NodeDef holds it. Types are written as DType, shapes as PartialShape, functions as graphs.
struct PartialShape {
  std::vector<int64_t> dims;  // -1: unknown
  friend bool operator==(const PartialShape&, const PartialShape&) = default;
};
using Attr =
    std::variant<int64_t, double, bool, std::string, DType, PartialShape, Tensor, std::vector<int64_t>,
                 std::vector<double>, std::vector<std::string>, std::vector<DType>, std::shared_ptr<const Graph>>;
using Attrs = std::map<std::string, Attr>;

/// Says that a TensorFlow value equals one PyTorch value, element by element in row-major order (its shape may differ,
/// its element count not). With `perm` not empty, axis i of the TensorFlow value is axis perm[i] of the PyTorch value.
struct PtValue {
  std::string name;  // the value's name in the Program
  std::vector<int> perm;
  std::optional<std::string> module = {};  // the path of the module that makes it; no part of the text form
  friend bool operator==(const PtValue& a, const PtValue& b) { return a.name == b.name && a.perm == b.perm; }
};

struct Value {
  DType dtype = DType::kFloat32;
  std::optional<SymDims> shape;  // nothing: the rank is not known either
  std::vector<PtValue> pt_values;
};

/// The module and source line of the PyTorch model that a node was lowered from.
struct Origin {
  std::string module;  // `encoder.layer.0.attention`, empty for the root
  std::string source;  // `modeling_bert.py:287`
  std::string pt_node;
};

/// A TensorFlow operation. Four operations are the graph's own: `Input` and `Variable` (attribute `index` into
/// `Graph::inputs` or `Graph::variables`; a Variable's output is the value that is read from it), `Const` as in
/// TensorFlow (attribute `value`), and `Dead` for a removed node. All others are TensorFlow's, in their registered
/// form.
struct Node {
  std::string op;
  std::string name;  // unique in the graph, [A-Za-z0-9.][A-Za-z0-9_./-]*
  std::vector<ValueRef> inputs;
  Attrs attrs;
  std::vector<Value> outputs;
  Origin origin;
};

struct Input {
  std::string name;  // as PyTorch calls it, e.g. `input_ids`
  ValueRef value;
};

struct Output {
  std::string name;  // `last_hidden_state`, `hidden_states.3`, `output.0`
  ValueRef value;
};

/// Weights and buffers that the graph reads. `source` names the tensor in the program (parameter, buffer or constant);
/// the stored tensor is the source with its axes permuted: axis i of the variable is axis perm[i] of the source.
struct Variable {
  std::string name;
  std::string source;
  std::vector<int> perm;  // empty: as it is
  DType dtype = DType::kFloat32;
  Dims dims;  // of the variable, after perm
  bool trainable = true;
};

/// Nodes stand in an order in which every node follows its inputs.
struct Graph {
  std::vector<Node> nodes;
  std::vector<Input> inputs;
  std::vector<Output> outputs;
  std::vector<Variable> variables;

  const Value& value(ValueRef ref) const { return nodes[size_t(ref.node)].outputs[size_t(ref.output)]; }
  Value& value(ValueRef ref) { return nodes[size_t(ref.node)].outputs[size_t(ref.output)]; }
};

/// Throws `kInternal` when the graph breaks an invariant: an input that does not precede its node, a name twice or out
/// of the alphabet, an operation that the table of TensorFlow operations does not hold, a type or count of inputs that
/// does not fit its signature, a missing attribute, an output of the graph that does not exist.
void check(const Graph& graph);

/// A text form for tests and for people, one line a node; README.md has the grammar.
/// `%linear_3/MatMul = MatMul(%x, %w) {transpose_b=false} : float32[s18*s41, 384]  # encoder.layer.0
/// modeling_bert.py:287`
std::string print(const Graph& graph);

/// Reads what `print` writes. Types and shapes that a line leaves out are inferred. Throws `kBadInput` with the line's
/// number; invariants are `check`'s matter.
Graph parse(std::string_view text);

}  // namespace crossload::graph
