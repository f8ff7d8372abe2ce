// The translator's parts see each other through this class; nothing else does. translate.h is what others use.
#pragma once

#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "port/facts.h"
#include "port/node.h"
#include "port/translate.h"

namespace crossload::port {

// What a written layer needs in `build`: its attribute, how it is built, and whether it is a list.
struct Built {
  std::string attribute;
  std::string shape;  // `None`, `[None, None, self.config.hidden_size]`
  bool is_list = false;
  std::string index = {};  // what the shape of an item calls its place in the list
};

struct Weight {
  std::string attribute;
  Node shape, initializer;
  Node guard;      // it is made when this holds; empty where always
  Node condition;  // else it is None; empty where it is always there
  bool is_trained = true;
};

// A task class: its loss by the name that Transformers has for it, and the layer that may share the input embeddings.
struct Head {
  std::string name, loss;
  bool generates = false;        // `generate()` of a language model
  bool takes_positions = false;  // position ids follow the mask while it generates
  bool encodes = false;          // an encoder reads the input, a decoder writes
  std::string output_path, input_path;
  std::vector<std::string> tied;  // patterns of weight names that a checkpoint may hold twice
};

/// Whether a module of Transformers only works with PyTorch: what a file takes from it needs a rule.
bool is_torch_origin(const std::string& module);

/// One file from its tree to the written text. Each group of members below is a source file of its own.
class Translator {
 public:
  /// `heads` are the task classes to write, besides the base class.
  Translator(const nlohmann::json& source, const std::set<std::string>& heads);
  PortedFile run();

 private:
  // translate.cc: the module, names, failures
  void read_imports();
  // `_init_weights` says with which deviation kernels begin.
  void read_initializer();
  void read_heads(const std::set<std::string>& names);
  void find_reachable();
  void problem(const Node& at, const std::string& what);
  void module_statement(const Node& s, std::vector<Node>& body);
  // Comments that stood right before something that is left out.
  static void drop_comments(std::vector<Node>& body);
  std::string tf_name(const std::string& name) const;
  std::string output_name(const std::string& text) const;
  std::string main_layer() const;
  // Class names in comments and texts.
  std::string text_with_tf_names(const std::string& text) const;
  Node comment(const Node& s) const;
  // Whether a decorator, or what it calls, comes from Transformers; a file that stands alone has none.
  bool is_of_transformers(const Node& decorator) const;
  Node kept_decorators(const Node& decorators) const;
  void rename_texts(Node& tree) const;

  // translate_class.cc
  void class_statement(const Node& s, std::vector<Node>& body);
  void pretrained_class(const Node& s, std::vector<Node>& body);
  Node layer_class(const Node& s, const std::string& tf_class, const ClassFacts& facts);
  // The layer that stands for a leaf module.
  static Node keras_class(const std::string& leaf);
  Node main_layer_class(const Node& s);
  Node base_model(const Node& s);
  Node head_class(const Node& s, const Head& head);
  // What `generate()` calls before each step.
  static Node prepare_inputs(const Head& head);
  static Node parse_parameters(const std::vector<std::string>& names);
  Node build_method(bool has_base);
  std::string build_of(const Built& built) const;

  // translate_function.cc
  Node function(const Node& s, const std::string& key);
  // `layers.append(Block(config))` that becomes `self.layers = nn.ModuleList(layers)`, or is one of it.
  void find_list_names(const Node& s);
  // `layers`, `self.layers`; empty for anything else.
  static std::string list_key(const Node& n);
  void annotation(Node& part) const;
  // Whether what stands before a statement of a block was seen to run.
  static bool has_observed_start(const Node& block, const Node& statement);
  // In place of what has no rule and no probe reached: an error that says so, and a note.
  Node not_ported(size_t errors);
  Node block(const Node& s, const std::string& where);

  // translate_statement.cc
  std::vector<Node> statement(const Node& s);
  // `if length > self.size: self._make_buffers(length)`, which no probe needed and no graph can do.
  bool grows_a_buffer(const Node& s) const;
  // `if x.size() != (…): raise …` cannot be asked of sizes that are not known before a graph runs.
  bool is_size_check(const Node& s) const;
  // `x.shape[0]`, `x.size(0)`, or a name for it.
  bool is_one_size(const Node& n) const;
  // `x += y` of tensors of other dtypes is no statement that TensorFlow takes.
  std::vector<Node> augmented(const Node& s);
  std::vector<Node> assign(const Node& s);
  // `self.x.weight = y.weight`: the layer x is y.
  std::optional<Node> shared_layer(const Node& s);
  Node target_of(const Node& n);
  // x[:, k] = v and x[:, :, a:b] = v, of one place or one slice along one axis.
  Node assign_slice(const Node& s);
  std::vector<Node> expression_statement(const Node& s);
  std::vector<Node> append_layer(const Node& s, const std::string& list);
  bool is_called_in_init() const;
  std::vector<Node> buffer(const Node& value);

  static Node without_looks_at_rest(const Node& given);

  // translate_layer.cc
  // `self.x = nn.Parameter(...)`, or layers: named after the attribute, and noted for `build`.
  std::optional<std::vector<Node>> attribute_of_module(const Node& s);
  bool makes_module(const Node& value) const;
  std::vector<Node> parameter(const Node& s, const Node& value);
  Node initializer();
  void need_config();
  // An expression of `__init__` for use in `build`: locals become attributes.
  Node kept(Node n);
  std::vector<std::string> printed_conditions() const;
  bool is_kept_here(const std::string& key) const;
  // `x_._0` for a list of layers that is written out.
  Node layer_items(const Node& n);
  Node layer_list(const Node& n);
  Node layer_name() const;
  // The rank of what `self.<attribute>` was called with, 3 where that is not known.
  int rank_of_input(const std::string& attr) const;
  Node sequential(const Node& n);
  Node module_call(const Node& n, const std::string& leaf);
  Node class_call(const Node& n, const std::string& class_name, const ClassFacts& facts);

  // translate_expression.cc
  // What is known of a value: observed there, else of the same name elsewhere in the function.
  Kinds kinds(const Node& n) const;
  Node expression(const Node& n);
  Node bare_expression(const Node& n);
  Node name_expression(const Node& n);
  static bool is_helper(const std::string& text);
  // `torch.nn.functional.softmax` for whatever the file calls it; empty when it is not of torch.
  std::string torch_name(const Node& n) const;
  Node attribute_expression(const Node& n);
  Node leaf_weight(const Node& n);
  // Whether an expression is an embedding, or a layer derived from it.
  bool is_embedding(const Node& n) const;
  static std::string renamed_path(const std::string& path);
  static std::string renamed_attribute(const std::string& text);
  Node subscript(const Node& n);
  // `x[rows]`, `x[rows, columns]` of tensors of numbers, with whole and new axes around them.
  std::optional<Node> taken_places(const Node& n, const Node& made) const;
  // Whether a part of a subscript is a number or a tensor of numbers.
  bool index_of(const Node& n) const;
  bool index_is_tensor(const Node& index) const;
  Node comparison(const Node& n);
  static int width(const std::string& dtype);
  // The widest dtype that was seen; 9 where something else than tensors was.
  static int widest(const Kinds& of);
  // A size that may be a tensor of int32 in a graph.
  bool is_dynamic_size(const Node& n) const;
  Node binary(const Node& n, int line);
  static Node promoted(const Node& other, const std::string& dtype);
  bool is_sizes(const Node& n, const Kinds& of) const;

  // translate_call.cc
  std::optional<Node> special(const std::string& torch, std::vector<Node> arguments, const Node& at,
                              const Node* self = nullptr);
  std::vector<Node> arguments_of(const Node& n);
  Node call_expression(const Node& n);
  std::optional<Node> arithmetic_call(const Node& n, const std::string& torch);
  Node parse_is_tensor(const Node& value);
  void add_training(Node& made, const Node& n);
  // An output class's field that its TensorFlow twin does not have.
  void drop_swallowed(Node& made, const Node& n);
  void drop_unknown_fields(Node& made, const Node& n);
  Node super_call(const Node& n);

  // written_file.cc
  void finish(std::vector<Node>& body);
  // Where helpers go: before the first class, function or constant, and what is said of it.
  static long first_definition(const std::vector<Node>& body, bool may_be_constant);
  // An output class of Transformers that has no TensorFlow twin.
  Node output_class(const std::string& output) const;
  static bool has_word(const std::string& text, std::string_view word);
  // Constants that nothing uses any more.
  void drop_unused(std::vector<Node>& body);
  // What the file may bring along, as its source gives it and then by our own table; names are unique.
  std::vector<std::pair<std::string, Node>> brought_along() const;
  std::vector<Node> import_statements(const std::string& source) const;
  // ruff's order: CONSTANTS, Classes, functions.
  static std::pair<int, std::string> sort_key(const std::string& text);

  const nlohmann::json& source_;
  Node module_;
  std::string file_;
  std::string base_;
  std::unique_ptr<Facts> facts_;
  std::map<std::string, std::pair<std::string, std::string>> imports_;  // name here: module, name there
  bool has_initializer_range_ = false;
  bool is_for_keras_ = false;  // the file stands alone on Keras 3, and brings along what Transformers 4 has
  std::map<std::string, Head> heads_;
  std::set<std::string> output_layers_;  // `Class.attribute` of layers that may be tied to the input embeddings
  std::set<std::string> shared_biases_;  // `Class.attribute` of layers whose bias is `self.bias` of their owner
  std::set<std::string> reachable_;
  std::vector<std::string> errors_, notes_, public_classes_;
  std::set<std::string> unexpected_, missing_outputs_;
  size_t pretrained_index_ = 0;

  // The class and function at hand.
  std::string class_, function_;
  bool in_init_ = false, is_main_layer_ = false, is_head_ = false, needs_config_ = false;
  std::string dropped_rest_;  // `**loss_kwargs` of a function whose written form takes no such arguments
  int line_ = 0;
  std::map<std::string, std::set<std::string>> locals_;
  std::map<std::string, std::vector<std::string>> types_;
  std::set<std::string> parameters_, size_names_;
  bool has_config_ = false;  // the function is always given `config`
  // `Class.attribute` that was added for `build`, and under which conditions it was.
  std::map<std::string, std::vector<std::vector<std::string>>> kept_;
  std::vector<Built> built_;
  Node leaf_class_;                     // the layer that its `super().__init__` calls
  std::string leaf_build_;              // the shape by which a class derived from a leaf module is built
  std::set<std::string> nested_lists_;  // `Class.attribute` of lists of lists of layers
  std::set<std::string> given_;         // attributes that may be a layer that another one owns and builds
  std::vector<Weight> weights_;
  std::vector<Node> conditions_;  // that hold where the statement at hand stands, of `if` statements
  std::vector<Node> hoisted_;     // statements that go before the outermost `if` at hand
  std::vector<Node> before_;      // statements that go before the one at hand
  std::string shape_index_;
  std::vector<std::string> pending_;  // build shapes of the layers in the statement at hand
  std::string layer_name_;            // of the attribute that is assigned
  Node list_index_;
  bool in_sequence_ = false;  // the layer at hand is an item of `nn.Sequential`
  std::map<std::string, std::string> list_names_;
  std::set<std::string> sequences_;  // those of them that become a sequence
  std::map<std::string, std::set<std::string>> list_shapes_;
  Node base_text_, base_call_;
};

}  // namespace crossload::port
