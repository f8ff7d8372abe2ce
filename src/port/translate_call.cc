// Calls: of torch by the tables, of the file's own classes and functions as they are, with `training` where it is used.
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "port/calls.h"
#include "port/print.h"
#include "port/rules.h"
#include "port/translator.h"

namespace crossload::port {

using nlohmann::json;

std::optional<Node> Translator::special(const std::string& torch, std::vector<Node> arguments, const Node& at,
                                        const Node* self) {
  TorchCall c{torch, self != nullptr ? *self : Node(), std::move(arguments), at.types};
  std::string why;
  std::optional<Node> made = special_call(c, why);
  if (!made) {
    problem(at, fmt::format("`{}` {}", print_expression(at), why));
    return Node(at);
  }
  return made;
}

std::vector<Node> Translator::arguments_of(const Node& n) {
  std::vector<Node> arguments;
  for (size_t i = 1; i < n.size(); ++i) {
    const Node& argument = n[i];
    if (argument.is("Keyword", "device") || argument.is("Name", "device")) continue;
    if (argument.is("Attr", "device")) continue;
    if (argument.is("Keyword", "") && !dropped_rest_.empty() && argument[0].is("Name", dropped_rest_)) continue;
    if (argument.is("Keyword")) {
      arguments.push_back(keyword(argument.text, expression(argument[0])));
    } else {
      arguments.push_back(expression(argument));
    }
  }
  return arguments;
}

// `torch.mul(a, b)` and `a.mul(b)` promote their operands as `a * b` does.
std::optional<Node> Translator::arithmetic_call(const Node& n, const std::string& torch) {
  static const std::map<std::string, std::string> kOperators = {{"mul", "*"}, {"multiply", "*"}, {"add", "+"},
                                                                {"sub", "-"}, {"div", "/"},      {"pow", "**"}};
  const Node& f = n[0];
  const bool is_function = torch.starts_with("torch.") && n.size() == 3;
  const bool is_method = torch.empty() && f.is("Attr") && n.size() == 2 && kinds(f[0]).is_tensor();
  const auto found = kOperators.find(is_function ? torch.substr(6) : is_method ? f.text : "");
  if (found == kOperators.end() || n.children.back().is("Keyword")) return std::nullopt;
  Node made = make("Bin", found->second, {is_function ? Node(n[1]) : Node(f[0]), Node(n.children.back())});
  made.types = n.types;
  return binary(made, n.line);
}

Node Translator::call_expression(const Node& n) {
  const Node& f = n[0];
  const std::string torch = torch_name(f);
  if (std::optional<Node> made = arithmetic_call(n, torch)) return *made;
  if (torch.starts_with("torch.nn.") && !torch.starts_with("torch.nn.functional."))
    return module_call(n, torch.substr(9));
  if (torch == "torch.is_tensor") return parse_is_tensor(n[1]);
  if (!torch.empty()) return *special(torch, arguments_of(n), n);
  if (f.is("Name", "isinstance") && n.size() == 3 && torch_name(n[2]) == "torch.Tensor") return parse_is_tensor(n[1]);
  if (f.is("Name", "apply_chunking_to_forward")) {
    Node inner = make("Call", "", {n[1]});
    for (size_t i = 4; i < n.size(); ++i) inner.children.push_back(n[i]);
    return call_expression(inner);
  }
  if (f.is("Attr") && f[0].is("Call") && f[0][0].is("Name", "super")) return super_call(n);
  const bool asks_by_name = (f.is("Name", "hasattr") || f.is("Name", "getattr")) && n.size() > 2 && n[2].is("Str");
  if (asks_by_name && n[1].is("Name", "self")) {
    Node made = call(f, arguments_of(n));
    made[2] = text_literal(renamed_attribute(n[2].text.substr(1, n[2].text.size() - 2)));
    return made;
  }
  if (is_head_ && f.is("Attr", "loss_function") && f[0].is("Name", "self")) {
    const auto rule = loss_rules().find(heads_.at(class_).loss);
    if (rule != loss_rules().end()) return call(name(rule->second), arguments_of(n));
  }
  if (f.is("Attr") && f[0].is("Name", "self") && shared_biases_.contains(class_ + "." + f.text)) {
    Node product = call(expression(f), arguments_of(n));
    return make("Bin", "+", {product, attribute(name("self"), "bias")});
  }
  if (f.is("Attr") && f[0].is("Name", "self")) {
    const std::string key = "self." + f.text;
    const bool is_own = !facts_->owner_of(class_, f.text).empty();
    if (!is_own && facts_->find(class_) != nullptr && facts_->find(class_)->is_model) {
      for (const CallRule& rule : call_rules()) {
        if (rule.torch.starts_with(key + "(")) return *special(key, arguments_of(n), n);
      }
    }
  }
  if (f.is("Attr", "apply") && f[0].is("Name") && facts_->find(f[0].text) != nullptr &&
      facts_->find(f[0].text)->is_function) {
    return call(attribute(name("TF" + f[0].text), "call"), arguments_of(n));
  }
  const ClassFacts* made_class = f.is("Name") ? facts_->find(f.text) : nullptr;
  const std::string eager = facts_->eager_class(f);
  if (!eager.empty()) made_class = facts_->find(eager);
  if (made_class != nullptr) return class_call(n, eager.empty() ? f.text : eager, *made_class);
  if (f.is("Attr") && is_tensor_method(f.text)) {
    const Kinds of = kinds(f[0]);
    const bool is_package = f[0].is("Name") && imports_.contains(f[0].text);
    const bool is_module_like = is_package || f[0].is("Name", "self") || !of.modules().empty();
    if (!is_module_like && (of.is_tensor() || !of.is_known())) {
      const Node self = expression(f[0]);
      return *special("Tensor." + f.text, arguments_of(n), n, &self);
    }
  } else if (f.is("Attr") && kinds(f[0]).is_tensor()) {
    problem(n, fmt::format("`Tensor.{}` has no rule", f.text));
    return n;
  }
  Node made = call(expression(f), arguments_of(n));
  add_training(made, n);
  drop_swallowed(made, n);
  drop_unknown_fields(made, n);
  return made;
}

Node Translator::parse_is_tensor(const Node& value) {
  return call(name("isinstance"), {expression(value), parse_expression("(tf.Tensor, np.ndarray)")});
}

void Translator::add_training(Node& made, const Node& n) {
  for (const std::string& callee : facts_->callees(n, class_, locals_)) {
    if (!facts_->needs_training(callee)) continue;
    const bool has_it = std::ranges::any_of(made.children, [](const Node& a) { return a.is("Keyword", "training"); });
    if (!has_it) made.children.push_back(keyword("training", name("training")));
    return;
  }
}

// The base model's `**rest` takes nothing once it is written, so what it would swallow is not passed.
void Translator::drop_swallowed(Node& made, const Node& n) {
  if (!is_head_ || !n[0].is("Attr") || !n[0][0].is("Name", "self")) return;
  if (facts_->modules_of(class_, n[0].text) != std::set<std::string>{base_}) return;
  const Node& parameters = (*facts_->find(base_)->methods.at("forward"))[1];
  std::set<std::string> named = {"training", ""};
  for (const Node& p : parameters.children) named.insert(p.text);
  std::erase_if(made.children, [&](const Node& a) { return a.is("Keyword") && !named.contains(a.text); });
}

void Translator::drop_unknown_fields(Node& made, const Node& n) {
  const json& outputs = source_.at("tf_outputs");
  if (!n[0].is("Name") || !outputs.contains(n[0].text)) return;
  const json& output = outputs.at(n[0].text);
  if (!output.at("exists").get<bool>()) return;
  const auto fields = output.at("fields").get<std::vector<std::string>>();
  std::erase_if(made.children, [&](const Node& a) {
    const bool is_unknown = a.is("Keyword") && !std::ranges::count(fields, a.text);
    if (is_unknown)
      notes_.push_back(
          fmt::format("{}:{}: TF{} has no field `{}`, which is left out", file_, n.line, n[0].text, a.text));
    return is_unknown;
  });
}

Node Translator::super_call(const Node& n) {
  Node made = call(attribute(call(name("super"), {}), n[0].text == "forward" ? "call" : n[0].text), arguments_of(n));
  const ClassFacts* facts = facts_->find(class_);
  if (n[0].text == "__init__" && facts != nullptr && !facts->leaf.empty()) {
    Node given = n;
    std::erase_if(given.children, [](const Node& a) { return a.is("Keyword", ""); });  // `**kwargs` goes to Keras
    Node leaf = module_call(given, facts->leaf);
    if (!leaf.is("Call")) return leaf;
    leaf_class_ = leaf[0];
    leaf[0] = made[0];
    std::erase_if(leaf.children, [](const Node& a) { return a.is("Keyword", "name"); });
    leaf.children.push_back(keyword("", name("kwargs")));
    if (!pending_.empty() && pending_.back() != "None") leaf_build_ = pending_.back();
    pending_.clear();
    return leaf;
  }
  if (n[0].text == "__init__" && facts != nullptr && facts->is_module) {
    const bool is_inner_model = facts->is_model && !is_head_;  // written as a layer
    if (is_main_layer_ || facts->base.empty() || is_inner_model) made.children.resize(1);
    if (is_head_) made.children.push_back(make("Starred", "", {name("inputs")}));
    const bool has_rest = std::ranges::any_of(made.children, [](const Node& a) { return a.is("Keyword", ""); });
    if (!has_rest) made.children.push_back(keyword("", name("kwargs")));
  }
  add_training(made, n);
  return made;
}

}  // namespace crossload::port
