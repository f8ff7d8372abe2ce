// Python source as a tree: what the reader in python/crossload/port hands over, and what is printed at the end.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace crossload::port {

/// A statement or expression. What `text` and `children` hold for each kind stands in README.md.
struct Node {
  std::string kind;
  std::string text;
  std::vector<Node> children;
  int line = 0;                    // in the PyTorch file, 0 for what is made here
  std::vector<std::string> types;  // what the value was while the class ran: `tensor:2:float32`, `int`, `none`
  std::string comment;             // behind a statement, on its line
  bool is_reached = true;          // of a Block: whether a probe ran it

  bool is(std::string_view k) const { return kind == k; }
  bool is(std::string_view k, std::string_view t) const { return kind == k && text == t; }
  const Node& operator[](size_t i) const { return children[i]; }
  Node& operator[](size_t i) { return children[i]; }
  size_t size() const { return children.size(); }
};

/// Throws `kInternal` when the reader's answer is not a tree.
Node node_from_json(const nlohmann::json& json);

Node make(std::string kind, std::string text = "", std::vector<Node> children = {});
Node name(std::string text);
Node attribute(Node value, std::string text);
Node call(Node function, std::vector<Node> arguments);
Node keyword(std::string text, Node value);
Node number(long value);
Node text_literal(const std::string& value);

/// `torch.nn.functional.softmax` of nested attributes on a name; empty for anything else.
std::string dotted(const Node& node);

/// Whether a character may stand in a name of Python.
bool is_word_char(char c);

/// Whether any node of the tree satisfies `test`.
template <typename Test>
bool any_of(const Node& node, const Test& test) {
  if (test(node)) return true;
  for (const Node& child : node.children) {
    if (any_of(child, test)) return true;
  }
  return false;
}

template <typename Visit>
void for_each(Node& node, const Visit& visit) {
  visit(node);
  for (Node& child : node.children) for_each(child, visit);
}

template <typename Visit>
void for_each(const Node& node, const Visit& visit) {
  visit(node);
  for (const Node& child : node.children) for_each(child, visit);
}

/// What is known of a value from its observations. Nothing is known of an expression that no probe reached.
class Kinds {
 public:
  explicit Kinds(const std::vector<std::string>& types) : types_(types) {}
  const std::vector<std::string>& all() const { return types_; }
  bool is_known() const { return !types_.empty(); }
  bool is_tensor() const;                    // each time, or None
  bool is(std::string_view kind) const;      // each time, or None: `size`, `int`, `device`
  int rank() const;                          // -1 where it is not always the same
  std::string dtype() const;                 // empty where it is not always the same
  std::vector<std::string> modules() const;  // class names of modules

 private:
  const std::vector<std::string>& types_;
};

}  // namespace crossload::port
