// What PyTorch computes: an exported program in torch.export's terms, with its module tree and symbolic shapes.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/dtype.h"
#include "base/sym.h"
#include "base/tensor.h"

namespace crossload::program {

struct Block;

/// The type of a tensor value: element type and shape.
struct TensorType {
  DType dtype = DType::kFloat32;
  SymDims dims;
};

/// Argument kinds of the schema, reduced to what a lowering asks for.
struct None {};
struct TensorRef {
  std::string name;
};  // a tensor value of the same block
struct TensorList {
  std::vector<std::optional<std::string>> names;
};  // nullopt: None in an optional list, or a size among the operands of a higher-order operation
struct ScalarType {
  DType dtype;
};
struct MemoryFormat {
  int code;
};
struct Layout {
  int code;
};
struct Device {
  std::string type;
};
struct Complex {
  double real, imag;
};
/// `Sym` stands for as_int, as_sym_int, as_sym_bool and as_sym_float alike; a list of them for as_ints and as_sym_ints.
using Argument = std::variant<None, TensorRef, TensorList, Sym, std::vector<Sym>, double, std::vector<double>, bool,
                              std::vector<bool>, std::string, ScalarType, MemoryFormat, Layout, Device, Complex,
                              std::vector<std::string>, std::shared_ptr<const Block>>;

struct NamedArgument {
  std::string name;  // the schema's argument name; empty for higher-order operations
  Argument value;
};

/// One result of a node: tensor names (one, or those of a list), or a symbol.
struct Result {
  std::vector<std::string> tensors;  // empty for symbols and for None; an empty name stands for a None in a list
  std::string sym;                   // the name of a symbolic value, else empty
  bool is_list = false;
};

/// Where in the model a node was written.
struct CallSite {
  std::string module;        // `encoder.layer.0.attention.self`
  std::string module_class;  // `BertSelfAttention`
  std::string call;          // the module's call instance: `module`, or `module@1` for its second call
  std::string source;        // `modeling_bert.py:287`
};

struct Node {
  std::string target;  // `aten.add.Tensor`, `_operator.mul`, `higher_order.cond`
  std::string name;
  std::vector<NamedArgument> arguments;
  std::vector<Result> results;
  int call_site = -1;  // index into Program::call_sites

  const Argument* find(std::string_view argument) const;
};

/// A graph of nodes in execution order: the program itself, or the body of a higher-order operation.
struct Block {
  std::vector<std::string> inputs;  // tensor values, or names in syms; empty for a constant given to a nested block
  std::vector<Argument> outputs;
  std::vector<Node> nodes;
  std::map<std::string, TensorType> tensors;
  std::map<std::string, Sym> syms;
};

enum class InputKind { kParameter, kBuffer, kConstant, kUser, kFrozen };

struct ProgramInput {
  InputKind kind;
  std::string value;       // tensor value in the block, or a name in its syms; for frozen inputs the argument's name
  std::string name;        // parameter, buffer or constant FQN; for user inputs the name in the signature, `input_ids`
  bool persistent = true;  // buffers
  Argument frozen;         // frozen inputs: the value that the trace was made with
};

struct ProgramOutput {
  std::string name;          // `last_hidden_state`, `hidden_states.3`, `past_key_values.layers.0.keys`, `output.0`
  Argument value;            // a tensor, a symbol, or None
  bool is_mutation = false;  // a buffer or user input written back; `name` is that input's
};

/// Bounds of a symbol; an absent bound is open.
struct Range {
  std::optional<int64_t> min;
  std::optional<int64_t> max;
};

struct Program {
  Block main;
  std::vector<ProgramInput> inputs;  // in the order of main.inputs and frozen inputs
  std::vector<ProgramOutput> outputs;
  std::vector<CallSite> call_sites;
  std::map<std::string, Range> ranges;
  std::map<std::string, Tensor> data;    // tensors that the archive holds, by FQN: constants, buffers, weights if any
  std::map<std::string, int64_t> hints;  // symbol → its size in the traced sample

  const ProgramInput* find_input(InputKind kind, std::string_view name) const;
  const TensorType& type_of(const std::string& value) const;
};

/// Reads a `.pt2` archive. Weight entries are mapped, never unpickled; `data/sample_inputs` is never opened. Parameters
/// for which the archive holds a stand-in (one element, expanded) instead of their values are absent from `data`.
/// Every value that a node reads is an input of its block or the result of an earlier node, and has a type or symbol.
/// Throws `kBadInput` with file and location for anything that is no such archive, `kUnsupported` with all reasons for
/// a program that uses what crossload has no form for (custom objects, nested lists, dtypes that TensorFlow lacks).
Program read_pt2(const std::string& path);

/// A text form for tests and people: one line a node, `%linear = aten.linear.default(input=%x, …) : float32[s18, 384]`.
std::string print(const Program& program);

/// Reads what `print` writes. What the text calls `in the archive` gets zeros as values; a node is called as its first
/// result. Throws `kBadInput` with the line's number.
Program parse_text(std::string_view text);

}  // namespace crossload::program
