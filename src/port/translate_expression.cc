// Expressions, but for calls (translate_call.cc): names, attributes, subscripts, comparisons, arithmetic.
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "port/calls.h"
#include "port/print.h"
#include "port/rules.h"
#include "port/translator.h"

namespace crossload::port {

using nlohmann::json;

Kinds Translator::kinds(const Node& n) const {
  if (!n.types.empty()) return Kinds(n.types);
  if (n.is("Name")) {
    const auto found = types_.find(n.text);
    // None wherever a probe saw it says nothing of a branch where it is not None.
    const auto is_none = [](const std::string& kind) { return kind == "none"; };
    if (found != types_.end() && !std::ranges::all_of(found->second, is_none)) return Kinds(found->second);
  }
  return Kinds(n.types);
}

Node Translator::expression(const Node& n) {
  if (n.line != 0) line_ = n.line;
  Node made = bare_expression(n);
  if (made.types.empty()) {
    made.types = n.types;
    if (made.types.empty() && n.is("Name")) {
      const auto found = types_.find(n.text);
      if (found != types_.end()) made.types = found->second;
    }
  }
  if (made.line == 0) made.line = n.line;
  return made;
}

Node Translator::bare_expression(const Node& n) {
  if (n.is("Name")) return name_expression(n);
  if (n.is("Attr")) return attribute_expression(n);
  if (n.is("Call")) return call_expression(n);
  if (n.is("Bin")) return binary(n, n.line);
  if (n.is("Sub")) return subscript(n);
  if (n.is("Compare")) return comparison(n);
  if (n.is("Bool")) {
    Node made = make("Bool", n.text);
    for (const Node& child : n.children) {
      Node part = expression(child);
      const bool is_there = std::ranges::any_of(made.children, [&](const Node& other) {
        return other.is("Attr", "is_integer") && print_expression(other) == print_expression(part);
      });
      if (!is_there) made.children.push_back(std::move(part));
    }
    return made.size() == 1 ? Node(made[0]) : made;
  }
  if (n.is("ListComp") && !layer_name_.empty()) return layer_list(n);
  if (n.is("List") && !layer_name_.empty() && makes_module(n)) return layer_items(n);
  if (n.is("Str") || n.is("Concat") || n.is("Raw")) {
    Node made = n;
    rename_texts(made);
    return made;
  }
  Node made = n;
  for (Node& child : made.children) child = expression(child);
  return made;
}

Node Translator::name_expression(const Node& n) {
  const auto rule = name_rules().find(n.text);
  if (rule != name_rules().end() && imports_.contains(n.text)) return parse_expression(rule->second);
  const json& outputs = source_.at("tf_outputs");
  if (outputs.contains(n.text)) {
    if (!outputs.at(n.text).at("exists").get<bool>()) missing_outputs_.insert(n.text);
    return name("TF" + n.text);
  }
  const ClassFacts* facts = facts_->find(n.text);
  if (facts != nullptr) return name(n.text == base_ ? main_layer() : "TF" + n.text);
  const auto found = imports_.find(n.text);
  if (found != imports_.end() && is_torch_origin(found->second.first) && !is_helper(n.text)) {
    problem(n, fmt::format("`{}` has no rule", n.text));
  }
  return n;
}

bool Translator::is_helper(const std::string& text) {
  return std::ranges::any_of(helpers(), [&](const Helper& h) { return h.name == text; });
}

std::string Translator::torch_name(const Node& n) const {
  const std::string dots = dotted(n);
  if (dots.empty()) return {};
  const std::string root = dots.substr(0, dots.find('.'));
  const auto found = imports_.find(root);
  if (found == imports_.end()) return {};
  const auto& [module, from] = found->second;
  std::string whole = from.empty() ? module : module + "." + from;
  if (from.empty() && root == "torch") whole = "torch";
  if (!whole.starts_with("torch")) return {};
  return whole + dots.substr(root.size());
}

Node Translator::attribute_expression(const Node& n) {
  if (const std::string torch = torch_name(n); !torch.empty()) {
    const auto rule = name_rules().find(torch);
    if (rule != name_rules().end()) return parse_expression(rule->second);
    problem(n, fmt::format("`{}` has no rule", torch));
    return n;
  }
  const Kinds of = kinds(n[0]);
  const bool may_be_tensor = of.is_tensor() || (!of.is_known() && !n[0].is("Name", "self"));
  if (n.text == "shape" && may_be_tensor) {
    Node made = call(name("shape_list"), {expression(n[0])});
    made.types = {"size"};
    return made;
  }
  if (n.text == "dtype" && n[0].is("Attr", "weight")) {
    Node weight = leaf_weight(n[0]);
    return attribute(weight.is("Call") ? Node(weight[1]) : weight, "dtype");
  }
  const ClassFacts* own = facts_->find(class_);
  if (n.text == "weight" && n[0].is("Name", "self") && own != nullptr && own->leaf == "Linear")
    return call(parse_expression("tf.transpose"), {attribute(name("self"), "kernel")});
  if ((n.text == "weight" || n.text == "bias") && n[0].is("Name", "self") && own != nullptr && !own->leaf.empty() &&
      own->leaf != "Embedding") {
    if (own->leaf.ends_with("Norm")) return attribute(name("self"), n.text == "weight" ? "gamma" : "beta");
    if (n.text == "weight")
      problem(n, fmt::format("the weight of a class derived from `nn.{}` has no rule", own->leaf));
  }
  if ((n.text == "T" || n.text == "mT") && may_be_tensor) {
    Node whole = expression(n[0]);
    const bool is_transposed = whole.is("Call") && whole.size() == 2 && dotted(whole[0]) == "tf.transpose";
    if (is_transposed) return Node(whole[1]);
    return call(parse_expression(n.text == "T" ? "tf.transpose" : "tf.linalg.matrix_transpose"), {whole});
  }
  if (n.text == "training" && n[0].is("Name", "self")) return name("training");
  if ((n.text == "num_embeddings" || n.text == "embedding_dim") && is_embedding(n[0]))
    return attribute(expression(n[0]), n.text == "num_embeddings" ? "input_dim" : "output_dim");
  if (n.text == "device") return name("device");
  if (n.text == "data" && may_be_tensor) return expression(n[0]);
  if (n.text == "ndim" && may_be_tensor) return call(name("len"), {attribute(expression(n[0]), "shape")});
  if (n[0].is("Call") && torch_name(n[0][0]) == "torch.finfo") return attribute(expression(n[0][1]), n.text);
  if ((n.text == "weight" || n.text == "bias") && (n[0].is("Attr") || n[0].is("Name")) && !n[0].is("Name", "self"))
    return leaf_weight(n);
  const bool is_module = n[0].is("Name", "self") || (n[0].is("Attr") && !of.is_tensor());
  return attribute(expression(n[0]), is_module ? renamed_attribute(n.text) : n.text);
}

Node Translator::leaf_weight(const Node& n) {
  std::set<std::string> classes;
  for (const std::string& module : kinds(n[0]).modules()) classes.insert(module);
  if (n[0].is("Attr") && n[0][0].is("Name", "self")) {
    for (const std::string& module : facts_->modules_of(class_, n[0].text)) {
      classes.insert(module.starts_with("nn.") ? module.substr(3) : module);
    }
  }
  Node owner = expression(n[0]);
  if (classes == std::set<std::string>{"Embedding"} && n.text == "weight") return attribute(owner, "embeddings");
  if (classes == std::set<std::string>{"Linear"}) {
    if (n.text == "bias") return attribute(owner, "bias");
    return call(parse_expression("tf.transpose"), {attribute(owner, "kernel")});
  }
  if (classes == std::set<std::string>{"Conv2d"}) return attribute(owner, n.text == "bias" ? "bias" : "kernel");
  if (classes == std::set<std::string>{"LayerNorm"}) return attribute(owner, n.text == "bias" ? "beta" : "gamma");
  return attribute(owner, n.text);
}

bool Translator::is_embedding(const Node& n) const {
  std::set<std::string> classes;
  for (const std::string& module : kinds(n).modules()) classes.insert(module);
  if (n.is("Attr") && n[0].is("Name", "self")) {
    for (const std::string& module : facts_->modules_of(class_, n.text)) classes.insert(module);
  }
  return !classes.empty() && std::ranges::all_of(classes, [&](const std::string& one) {
    const ClassFacts* facts = facts_->find(one);
    return one == "Embedding" || one == "nn.Embedding" || (facts != nullptr && facts->leaf == "Embedding");
  });
}

std::string Translator::renamed_path(const std::string& path) {
  std::string made;
  for (size_t at = 0; at <= path.size();) {
    const size_t end = std::min(path.find('.', at), path.size());
    const std::string part = path.substr(at, end - at);
    const bool is_index = !part.empty() && std::isdigit(static_cast<unsigned char>(part[0])) != 0;
    made += is_index ? "[" + part + "]" : (at == 0 ? "" : ".") + renamed_attribute(part);
    at = end + 1;
  }
  return made;
}

std::string Translator::renamed_attribute(const std::string& text) {
  const auto found = attribute_rules().find(text);
  return found == attribute_rules().end() ? text : found->second;
}

Node Translator::subscript(const Node& n) {
  const std::string eager = facts_->eager_class(n);
  if (!eager.empty()) return name("TF" + eager);
  if (n[0].is("Name", "ACT2FN")) return call(name("activation_of"), {expression(n[1])});
  Node made = n;
  made[0] = expression(n[0]);
  made[1] = expression(n[1]);
  if (made[1].is("Tuple")) {
    // One row taken by a list keeps its axis.
    for (Node& part : made[1].children) {
      if (!part.is("List") || part.size() != 1) continue;
      const bool is_last = part[0].is("Unary", "-") && part[0][0].is("Const", "1");
      const Node one_more = part[0].is("Unary", "-") && part[0][0].is("Const")
                                ? make("Unary", "-", {number(std::stol(part[0][0].text) - 1)})
                                : make("Bin", "+", {Node(part[0]), number(1)});
      part = make("Slice", "", {Node(part[0]), is_last ? make("Empty") : one_more, make("Empty")});
    }
  }
  if (kinds(n[0]).is_tensor() && index_is_tensor(n[1])) {
    const Kinds index = kinds(n[1]);
    if (index.is_tensor() && (index.dtype() == "int64" || index.dtype() == "int32")) {
      Node gathered = call(parse_expression("tf.gather"), {made[0], made[1]});
      return gathered;
    }
    if (index.is_tensor() && index.dtype() == "bool")
      return call(parse_expression("tf.boolean_mask"), {made[0], made[1]});
    if (std::optional<Node> taken = taken_places(n, made)) return *taken;
    problem(n, fmt::format("indexing by tensors, `{}`, has no rule", print_expression(n)));
  }
  return made;
}

std::optional<Node> Translator::taken_places(const Node& n, const Node& made) const {
  if (!n[1].is("Tuple")) return std::nullopt;
  const auto is_whole = [](const Node& part) {
    return part.is("Slice") && part[0].is("Empty") && part[1].is("Empty") && part[2].is("Empty");
  };
  const Node whole = make("Slice", "", {make("Empty"), make("Empty"), make("Empty")});
  std::vector<size_t> places;
  long axis = 0;  // of the first place
  for (size_t i = 0; i < n[1].size(); ++i) {
    if (n[1][i].is("Const", "None")) continue;
    if (is_whole(n[1][i])) {
      if (places.empty()) ++axis;
    } else if (index_of(n[1][i])) {
      places.push_back(i);
    } else {
      return std::nullopt;
    }
  }
  Node taken;
  if (places.size() == 1) {
    taken = call(parse_expression("tf.gather"), {made[0], made[1][places[0]]});
    if (axis != 0) taken.children.push_back(keyword("axis", number(axis)));
  } else if (places.size() == 2 && axis == 0 && places[1] == places[0] + 1) {
    taken = call(name("take_at"), {made[0], made[1][places[0]], made[1][places[1]]});
  } else {
    return std::nullopt;
  }
  const bool has_new_axes =
      std::ranges::any_of(n[1].children, [](const Node& part) { return part.is("Const", "None"); });
  if (!has_new_axes) return taken;
  const int rank = std::max(kinds(n[1][places[0]]).rank(), kinds(n[1][places.back()]).rank());
  if (rank < 0) return std::nullopt;
  Node index = make("Tuple");
  for (size_t i = 0; i < n[1].size(); ++i) {
    if (i == places[0]) {
      for (int k = 0; k < rank; ++k) index.children.push_back(whole);
    } else if (i != places.back()) {
      index.children.push_back(n[1][i]);
    }
  }
  while (!index.children.empty() && is_whole(index.children.back())) index.children.pop_back();
  return make("Sub", "", {taken, index.size() == 1 ? Node(index[0]) : index});
}

bool Translator::index_of(const Node& n) const {
  const Kinds of = kinds(n);
  return of.is_known() && !n.is("Slice") && std::ranges::all_of(of.all(), [](const std::string& kind) {
           return kind == "int" || kind.ends_with(":int64") || kind.ends_with(":int32");
         });
}

bool Translator::index_is_tensor(const Node& index) const {
  if (index.is("Tuple"))
    return std::ranges::any_of(index.children, [&](const Node& n) { return kinds(n).is_tensor(); });
  return kinds(index).is_tensor();
}

Node Translator::comparison(const Node& n) {
  Node made = n;
  // The class of numbers: labels may have any width.
  if (n.text == "==" && n.size() == 2 && n[0].is("Attr", "dtype")) {
    static const std::set<std::string> kIntegers = {"torch.long", "torch.int", "torch.int64", "torch.int32"};
    if (kIntegers.contains(torch_name(n[1])))
      return attribute(call(parse_expression("tf.as_dtype"), {attribute(expression(n[0][0]), "dtype")}), "is_integer");
  }
  const bool has_sizes = std::ranges::any_of(n.children, [&](const Node& c) { return is_sizes(c, kinds(c)); });
  for (Node& child : made.children) {
    child = expression(child);
    if (!has_sizes) continue;
    if (child.is("Tuple"))
      child.kind = "List";
    else if (Kinds(child.types).is("tuple"))
      child = call(name("list"), {child});
  }
  return made;
}

int Translator::width(const std::string& dtype) {
  static const std::map<std::string, int> kWidths = {{"bool", 0},    {"uint8", 1},    {"int32", 2},   {"int64", 2},
                                                     {"float16", 3}, {"bfloat16", 3}, {"float32", 4}, {"float64", 5}};
  const auto found = kWidths.find(dtype);
  return found == kWidths.end() ? -1 : found->second;
}

int Translator::widest(const Kinds& of) {
  int most = 9;
  for (const std::string& kind : of.all()) {
    const int one = kind.starts_with("tensor:") ? width(kind.substr(kind.rfind(':') + 1)) : -1;
    if (one < 0) return 9;
    most = most == 9 ? one : std::max(most, one);
  }
  return most;
}

bool Translator::is_dynamic_size(const Node& n) const {
  if (n.is("Const") || n.is("Attr") || !kinds(n).is("int")) return false;
  return n.is("Name") ? !parameters_.contains(n.text) : true;
}

Node Translator::binary(const Node& n, int line) {
  if (line != 0) line_ = line;
  Node left = expression(n[0]), right = expression(n[1]);
  const Kinds a(left.types), b(right.types);
  if (n.text == "@") return *special("torch.matmul", {left, right}, n);
  // Sizes are lists in TensorFlow.
  if (n.text == "+") {
    const bool is_left_size = is_sizes(n[0], a), is_right_size = is_sizes(n[1], b);
    if (is_left_size || is_right_size) {
      for (Node* side : {&left, &right}) {
        if (side->is("Tuple"))
          side->kind = "List";
        else if (Kinds(side->types).is("tuple"))
          *side = call(name("list"), {*side});
      }
    }
  }
  const bool is_arithmetic = n.text == "+" || n.text == "-" || n.text == "*" || n.text == "/" || n.text == "**";
  if (is_arithmetic && a.is_tensor() && b.is_tensor()) {
    const int wa = width(a.dtype()), wb = width(b.dtype());
    if (wa >= 0 && wb >= 0 && wa != wb) {
      if (wa < wb)
        left = cast(left, promoted(right, b.dtype()));
      else
        right = cast(right, promoted(left, a.dtype()));
    } else if (wa >= 3 && wb < 0 && widest(b) <= wa) {
      // Of several dtypes, as a mask of numbers or of truth: whichever it is, the other one's.
      right = cast(right, promoted(left, a.dtype()));
    } else if (wb >= 3 && wa < 0 && widest(a) <= wb) {
      left = cast(left, promoted(right, b.dtype()));
    } else if (wa >= 0 && wa <= 2 && n.text == "/") {
      left = cast(left, parse_expression("tf.float32"));
      right = cast(right, parse_expression("tf.float32"));
    }
  } else if (is_arithmetic && (a.is_tensor() || b.is_tensor())) {
    Node& tensor = a.is_tensor() ? left : right;
    Node& other = a.is_tensor() ? right : left;
    const Kinds t(tensor.types), o(other.types);
    const int w = width(t.dtype());
    if (w >= 0 && w <= 2 &&
        (o.is("float") || n.text == "/" || (other.is("Const") && other.text.find('.') != std::string::npos))) {
      tensor = cast(tensor, parse_expression("tf.float32"));
    } else if (w >= 3 && is_dynamic_size(other)) {
      other = cast(other, attribute(tensor, "dtype"));
    }
  }
  Node made = make("Bin", n.text, {left, right});
  made.types = n.types;
  return made;
}

Node Translator::promoted(const Node& other, const std::string& dtype) {
  if (other.is("Name")) return attribute(Node(other), "dtype");
  return parse_expression("tf." + (dtype == "int64" ? std::string("int32") : dtype));
}

bool Translator::is_sizes(const Node& n, const Kinds& of) const {
  if (of.is("size")) return true;
  if (n.is("Sub")) return is_sizes(n[0], kinds(n[0])) && n[1].is("Slice");
  return (n.is("Call") && n[0].is("Attr", "size") && n.size() == 1) || n.is("Attr", "shape");
}

}  // namespace crossload::port
