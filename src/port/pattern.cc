#include "port/pattern.h"

#include <algorithm>
#include <cctype>
#include <set>

#include "base/error.h"

namespace crossload::port {
namespace {

// A small recursive-descent parser. Levels: conditional, comparison, sum, product, unary, power, postfix, atom.
class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  Node whole() {
    Node node = conditional();
    skip_space();
    if (at_ != text_.size()) broken();
    return node;
  }

  Node conditional() {
    Node value = comparison();
    if (!take_word("if")) return value;
    Node test = comparison();
    if (!take_word("else")) broken();
    return make("IfExp", "", {test, value, conditional()});
  }

 private:
  [[noreturn]] void broken() const { internal_error("port: the rule `{}` does not parse at {}", text_, at_); }

  void skip_space() {
    while (at_ < text_.size() && text_[at_] == ' ') ++at_;
  }

  bool take(std::string_view what) {
    skip_space();
    if (!text_.substr(at_).starts_with(what)) return false;
    at_ += what.size();
    return true;
  }

  bool take_word(std::string_view what) {
    skip_space();
    const size_t after = at_ + what.size();
    if (!text_.substr(at_).starts_with(what)) return false;
    if (after < text_.size() && is_word_char(text_[after])) return false;
    at_ = after;
    return true;
  }

  Node comparison() {
    Node left = sum();
    for (const char* op : {"==", "!=", "<=", ">=", "<", ">"}) {
      if (take(op)) return make("Compare", op, {left, sum()});
    }
    if (take_word("is not")) return make("Compare", "is not", {left, sum()});
    if (take_word("is")) return make("Compare", "is", {left, sum()});
    return left;
  }

  Node sum() {
    Node left = product();
    while (true) {
      if (take("+"))
        left = make("Bin", "+", {left, product()});
      else if (take("-"))
        left = make("Bin", "-", {left, product()});
      else
        return left;
    }
  }

  Node product() {
    Node left = unary();
    while (true) {
      skip_space();
      if (text_.substr(at_).starts_with("**")) return left;
      if (take("*"))
        left = make("Bin", "*", {left, unary()});
      else if (take("//"))
        left = make("Bin", "//", {left, unary()});
      else if (take("/"))
        left = make("Bin", "/", {left, unary()});
      else
        return left;
    }
  }

  Node unary() {
    if (take("-")) return make("Unary", "-", {unary()});
    if (take("~")) return make("Unary", "~", {unary()});
    Node base = postfix();
    if (take("**")) return make("Bin", "**", {base, unary()});
    return base;
  }

  Node postfix() {
    Node node = atom();
    while (true) {
      if (take(".")) {
        node = attribute(node, word());
      } else if (take("(")) {
        node = call(node, arguments(")"));
      } else if (take("[")) {
        std::vector<Node> index = arguments("]");
        node = make("Sub", "", {node, index.size() == 1 ? index[0] : make("Tuple", "", index)});
      } else {
        return node;
      }
    }
  }

  std::vector<Node> arguments(std::string_view close) {
    std::vector<Node> found;
    while (!take(close)) {
      if (take("*")) {
        found.push_back(make("Starred", "", {conditional()}));
      } else if (take(":")) {
        found.push_back(make("Slice", "", {make("Empty"), make("Empty"), make("Empty")}));
      } else {
        Node value = conditional();
        skip_space();
        if (value.is("Name") && text_.substr(at_).starts_with("=") && !text_.substr(at_).starts_with("==")) {
          take("=");
          found.push_back(keyword(value.text, conditional()));
        } else {
          found.push_back(value);
        }
      }
      if (!take(",")) {
        if (!take(close)) broken();
        break;
      }
    }
    return found;
  }

  std::string word() {
    skip_space();
    const size_t start = at_;
    while (at_ < text_.size() && is_word_char(text_[at_])) ++at_;
    if (start == at_) broken();
    return std::string(text_.substr(start, at_ - start));
  }

  Node atom() {
    skip_space();
    if (at_ >= text_.size()) broken();
    const char c = text_[at_];
    if (take("$")) return make("Hole", word());
    if (take("[")) return make("List", "", arguments("]"));
    if (take("(")) {
      std::vector<Node> items = arguments(")");
      const bool is_tuple = items.size() != 1 || text_[at_ - 2] == ',';
      return is_tuple ? make("Tuple", "", items) : items[0];
    }
    if (c == '"') {
      const size_t end = text_.find('"', at_ + 1);
      if (end == std::string_view::npos) broken();
      Node node = make("Str", std::string(text_.substr(at_, end + 1 - at_)));
      at_ = end + 1;
      return node;
    }
    if (std::isdigit(c) != 0) {
      const size_t start = at_;
      while (at_ < text_.size() &&
             (std::isalnum(text_[at_]) != 0 || text_[at_] == '.' || (text_[at_] == '-' && text_[at_ - 1] == 'e'))) {
        ++at_;
      }
      return make("Const", std::string(text_.substr(start, at_ - start)));
    }
    const std::string found = word();
    if (found == "None" || found == "True" || found == "False") return make("Const", found);
    return name(found);
  }

  std::string_view text_;
  size_t at_ = 0;
};

// Arguments that place tensors or ask for autograd, which mean nothing in TensorFlow.
const std::set<std::string> kDropped = {"device", "requires_grad", "memory_format", "non_blocking", "pin_memory",
                                        "copy",   "inplace",       "layout",        "sparse_grad"};

}  // namespace

Node parse_expression(std::string_view text) { return Parser(text).whole(); }

Signature parse_signature(std::string_view text) {
  const Node parsed = parse_expression(text);
  Signature signature;
  signature.name = dotted(parsed[0]);
  for (size_t i = 1; i < parsed.size(); ++i) {
    const Node& p = parsed[i];
    if (p.is("Starred"))
      signature.parameters.push_back({p[0].text, true, true, make("List")});
    else if (p.is("Keyword"))
      signature.parameters.push_back({p.text, true, false, p[0]});
    else
      signature.parameters.push_back({p.text, false, false, {}});
  }
  return signature;
}

bool bind_arguments(const Signature& signature, const Node* self, const std::vector<Node>& arguments, Bindings& bound,
                    std::string& problem) {
  size_t next = 0;
  if (self != nullptr) {
    bound["self"] = *self;
    next = 1;
  }
  std::vector<Node> rest;
  for (const Node& argument : arguments) {
    if (argument.is("Keyword")) continue;
    if (next < signature.parameters.size() && signature.parameters[next].is_rest) {
      rest.push_back(argument);
    } else if (next < signature.parameters.size() && !argument.is("Starred")) {
      bound[signature.parameters[next++].name] = argument;
    } else {
      problem = "has more arguments than its rule";
      return false;
    }
  }
  for (const Node& argument : arguments) {
    if (!argument.is("Keyword") || kDropped.contains(argument.text)) continue;
    const auto fits = [&](const Signature::Parameter& p) {
      return p.name == argument.text || (argument.text == "axis" && p.name == "dim");
    };
    const auto found = std::ranges::find_if(signature.parameters, fits);
    if (found == signature.parameters.end()) {
      problem = "has an argument `" + argument.text + "` that its rule does not know";
      return false;
    }
    if (found->is_rest)
      rest = {argument[0]};
    else
      bound[found->name] = argument[0];
  }
  for (const auto& p : signature.parameters) {
    if (p.is_rest) {
      const bool is_one = rest.size() == 1 && !Kinds(rest[0].types).is("int") && !rest[0].is("Const") &&
                          !rest[0].is("Unary") && !rest[0].is("Starred");
      bound[p.name] = is_one ? rest[0] : make("List", "", rest);
      if (rest.size() == 1 && rest[0].is("Starred")) bound[p.name] = rest[0][0];
    } else if (!bound.contains(p.name)) {
      if (!p.has_default) {
        problem = "lacks its argument `" + p.name + "`";
        return false;
      }
      bound[p.name] = p.value;
    }
  }
  return true;
}

Node fill(const Node& pattern, const Bindings& bound) {
  if (pattern.is("Hole")) {
    const auto found = bound.find(pattern.text);
    if (found == bound.end())
      internal_error("port: a rule uses `${}`, which its signature does not have", pattern.text);
    return found->second;
  }
  Node filled = pattern;
  filled.children.clear();
  for (const Node& child : pattern.children) {
    Node made = fill(child, bound);
    if (child.is("Keyword") && child[0].is("Hole") && made[0].is("Const", "None")) continue;
    if (child.is("Starred") && made[0].is("List")) {
      for (Node& item : made[0].children) filled.children.push_back(std::move(item));
      continue;
    }
    filled.children.push_back(std::move(made));
  }
  // What a row asks of an argument that is written out is decided here.
  if (filled.is("Compare", "==") && filled[0].is("Str") && filled[1].is("Str"))
    return make("Const", filled[0].text == filled[1].text ? "True" : "False");
  if (filled.is("IfExp") && filled[0].is("Const", "True")) return Node(filled[1]);
  if (filled.is("IfExp") && filled[0].is("Const", "False")) return Node(filled[2]);
  return filled;
}

}  // namespace crossload::port
