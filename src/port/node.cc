#include "port/node.h"

#include <algorithm>
#include <cctype>

#include "base/error.h"

namespace crossload::port {
using nlohmann::json;

Node node_from_json(const json& j) {
  try {
    Node node;
    node.kind = j.at("k").get<std::string>();
    node.text = j.at("t").get<std::string>();
    node.line = j.value("line", 0);
    node.comment = j.value("comment", std::string());
    node.is_reached = j.value("reached", true);
    if (j.contains("types")) node.types = j.at("types").get<std::vector<std::string>>();
    if (j.contains("asname")) node.children.push_back(name(j.at("asname").get<std::string>()));
    if (j.contains("raw")) node.children.push_back(make("Source", j.at("raw").get<std::string>()));
    for (const json& child : j.at("c")) node.children.push_back(node_from_json(child));
    return node;
  } catch (const json::exception& error) {
    internal_error("port: the reader's tree is broken ({}); please report it", error.what());
  }
}

Node make(std::string kind, std::string text, std::vector<Node> children) {
  Node node;
  node.kind = std::move(kind);
  node.text = std::move(text);
  node.children = std::move(children);
  return node;
}

Node name(std::string text) { return make("Name", std::move(text)); }

Node attribute(Node value, std::string text) { return make("Attr", std::move(text), {std::move(value)}); }

Node call(Node function, std::vector<Node> arguments) {
  Node node = make("Call", "", {std::move(function)});
  for (Node& argument : arguments) node.children.push_back(std::move(argument));
  return node;
}

Node keyword(std::string text, Node value) { return make("Keyword", std::move(text), {std::move(value)}); }

Node number(long value) { return make("Const", std::to_string(value)); }

Node text_literal(const std::string& value) { return make("Str", "\"" + value + "\""); }

bool is_word_char(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }

std::string dotted(const Node& node) {
  if (node.is("Name")) return node.text;
  if (!node.is("Attr")) return {};
  const std::string left = dotted(node[0]);
  return left.empty() ? std::string() : left + "." + node.text;
}

bool Kinds::is_tensor() const {
  bool found = false;
  for (const std::string& type : types_) {
    if (type.starts_with("tensor:"))
      found = true;
    else if (type != "none")
      return false;
  }
  return found;
}

bool Kinds::is(std::string_view kind) const {
  bool found = false;
  for (const std::string& type : types_) {
    if (type == kind)
      found = true;
    else if (type != "none")
      return false;
  }
  return found;
}

int Kinds::rank() const {
  int rank = -1;
  for (const std::string& type : types_) {
    if (!type.starts_with("tensor:")) continue;
    const int seen = std::stoi(type.substr(7));
    if (rank >= 0 && rank != seen) return -1;
    rank = seen;
  }
  return rank;
}

std::string Kinds::dtype() const {
  std::string dtype;
  for (const std::string& type : types_) {
    if (!type.starts_with("tensor:")) continue;
    const std::string seen = type.substr(type.find(':', 7) + 1);
    if (!dtype.empty() && dtype != seen) return {};
    dtype = seen;
  }
  return dtype;
}

std::vector<std::string> Kinds::modules() const {
  std::vector<std::string> found;
  for (const std::string& type : types_) {
    if (type.starts_with("module:")) found.push_back(type.substr(7));
  }
  return found;
}

}  // namespace crossload::port
