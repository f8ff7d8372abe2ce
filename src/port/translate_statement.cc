// Statements, but for those that make layers and weights (translate_layer.cc).
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "port/calls.h"
#include "port/print.h"
#include "port/rules.h"
#include "port/translator.h"

namespace crossload::port {

std::vector<Node> Translator::statement(const Node& s) {
  if (s.line != 0) line_ = s.line;
  if (s.is("Comment")) return {comment(s)};
  if (s.is("Space")) return {s};
  if (s.is("Assign")) return assign(s);
  if (s.is("Expr")) return expression_statement(s);
  if (s.is("If")) {
    if (is_size_check(s)) return {};
    if (grows_a_buffer(s)) {
      notes_.push_back(
          fmt::format("{}:{}: a buffer that grows with the input keeps the size of the configuration", file_, s.line));
      return {};
    }
    Node made = s;
    made[0] = expression(s[0]);
    for (size_t i = 1; i < s.size(); ++i) {
      conditions_.push_back(i == 1 ? Node(s[0]) : make("Unary", "not ", {s[0]}));
      made[i] = block(s[i], "");
      conditions_.pop_back();
    }
    // An `else` that held nothing but a check of sizes.
    if (made.size() > 2 && made[2].size() == 1 && made[2][0].is("Pass") && !s[2][0].is("Pass"))
      made.children.pop_back();
    if (!conditions_.empty() || hoisted_.empty()) return {made};
    std::vector<Node> result = std::move(hoisted_);
    hoisted_.clear();
    result.push_back(made);
    return result;
  }
  if (s.is("For")) {
    Node made = s;
    made[1] = expression(s[1]);
    for (size_t i = 2; i < s.size(); ++i) made[i] = block(s[i], "");
    return {made};
  }
  if (s.is("While")) {
    Node made = s;
    made[0] = expression(s[0]);
    made[1] = block(s[1], "");
    return {made};
  }
  if (s.is("Raise") || s.is("Pass") || s.is("Break") || s.is("Continue")) {
    Node made = s;
    rename_texts(made);
    return {made};
  }
  if (s.is("AugAssign")) return augmented(s);
  if (s.is("Return") || s.is("Assert")) {
    Node made = s;
    for (Node& child : made.children) child = expression(child);
    rename_texts(made);
    return {made};
  }
  if (s.is("AnnAssign")) {
    Node made = s;
    annotation(made[1]);
    made[2] = expression(s[2]);
    return {made};
  }
  problem(s, fmt::format("a statement `{}` has no rule", s.is("Other") ? s.text : s.kind));
  return {};
}

bool Translator::grows_a_buffer(const Node& s) const {
  if (s.size() != 2 || s[1].is_reached || in_init_ || s[1].size() != 1 || !s[1][0].is("Expr")) return false;
  const Node& made = s[1][0][0];
  if (!made.is("Call") || !made[0].is("Attr") || !made[0][0].is("Name", "self")) return false;
  const std::string owner = facts_->owner_of(class_, made[0].text);
  if (owner.empty()) return false;
  return any_of(*facts_->find(owner)->methods.at(made[0].text),
                [](const Node& n) { return n.is("Attr", "register_buffer"); });
}

bool Translator::is_one_size(const Node& n) const {
  if (n.is("Name")) return size_names_.contains(n.text);
  if (n.is("Sub") && !n[1].is("Slice")) return is_sizes(n[0], kinds(n[0]));
  return n.is("Call") && n.size() == 2 && n[0].is("Attr", "size") && kinds(n[0][0]).is_tensor();
}

bool Translator::is_size_check(const Node& s) const {
  static const std::set<std::string> kComparisons = {"!=", "<=", "<", ">=", ">"};
  const Node& test = s[0];
  if (s.size() != 2 || !test.is("Compare") || !kComparisons.contains(test.text) || test.size() != 2) return false;
  const bool is_checked = std::ranges::any_of(
      test.children, [&](const Node& side) { return is_sizes(side, kinds(side)) || is_one_size(side); });
  if (!is_checked) return false;
  return std::ranges::all_of(s[1].children,
                             [](const Node& n) { return n.is("Raise") || n.is("Comment") || n.is("Space"); });
}

std::vector<Node> Translator::augmented(const Node& s) {
  Node made = s;
  made[0] = expression(s[0]);
  const Node whole = binary(make("Bin", s.text, {s[0], s[1]}), s.line);
  made[1] = whole[1];
  if (s[0].is("Sub") && kinds(s[0]).is_tensor()) {
    problem(s, "a part of a tensor is changed in place");
    return {};
  }
  return {made};
}

std::vector<Node> Translator::assign(const Node& s) {
  const Node& target = s[0];
  const Node& value = s.children.back();
  if (target.is("Name") && (target.text == "device" || target.text == "device_type")) return {};
  if (target.is("Tuple") && value.is("Tuple") && target.size() == value.size() &&
      any_of(target, [](const Node& n) { return n.is("Name", "device"); })) {
    Node targets = make("Tuple"), values = make("Tuple");
    for (size_t i = 0; i < target.size(); ++i) {
      if (target[i].is("Name", "device")) continue;
      targets.children.push_back(target[i]);
      values.children.push_back(value[i]);
    }
    if (targets.size() == 0) return {};
    if (targets.size() == 1) return assign(make("Assign", "", {Node(targets[0]), Node(values[0])}));
    return assign(make("Assign", "", {targets, values}));
  }
  if (target.is("Sub") && (kinds(target[0]).is_tensor() || !kinds(target[0]).is_known())) {
    return {assign_slice(s)};
  }
  if (in_init_ && target.is("Attr", "bias") && target[0].is("Attr") &&
      shared_biases_.contains(class_ + "." + target[0].text)) {
    return {};
  }
  if (std::optional<Node> shared = shared_layer(s)) return {*shared};
  Node made = s;
  if (in_init_ && target.is("Attr") && target[0].is("Name", "self")) {
    if (value.is("Name") && parameters_.contains(value.text)) given_.insert(renamed_attribute(target.text));
    if (std::optional<std::vector<Node>> replaced = attribute_of_module(s)) return *replaced;
  }
  for (size_t i = 0; i + 1 < s.size(); ++i) made[i] = target_of(s[i]);
  made.children.back() = expression(value);
  made.comment = text_with_tf_names(s.comment);
  // Pieces of one size, as many as there are names for them.
  Node& made_value = made.children.back();
  const bool has_names = target.is("Tuple") && target.size() > 1 &&
                         std::ranges::none_of(target.children, [](const Node& n) { return n.is("Starred"); });
  if (has_names && s.size() == 2 && made_value.is("Call") && made_value[0].is("Name", "split_by")) {
    Node sizes = make("List");
    for (size_t i = 1; i < target.size(); ++i) sizes.children.push_back(Node(made_value[2]));
    sizes.children.push_back(make("Unary", "-", {number(1)}));
    made_value[0] = parse_expression("tf.split");
    made_value[2] = sizes;
  }
  // `labels = labels.to(device)`
  if (s.size() == 2 && target.is("Name") && made[1].is("Name", target.text) && !value.is("Name")) return {};
  return {made};
}

std::optional<Node> Translator::shared_layer(const Node& s) {
  const Node& target = s[0];
  const Node& value = s.children.back();
  if (!in_init_ || !target.is("Attr", "weight") || !value.is("Attr", "weight")) return std::nullopt;
  if (!target[0].is("Attr") || !target[0][0].is("Name", "self")) return std::nullopt;
  if (!is_embedding(target[0]) || !is_embedding(value[0])) return std::nullopt;
  given_.insert(renamed_attribute(target[0].text));
  return make("Assign", "", {attribute(name("self"), renamed_attribute(target[0].text)), expression(value[0])});
}

Node Translator::target_of(const Node& n) {
  if (n.is("Attr")) return attribute(expression(n[0]), renamed_attribute(n.text));
  if (n.is("Tuple") || n.is("List")) {
    Node made = n;
    for (Node& child : made.children) child = target_of(child);
    return made;
  }
  if (n.is("Sub")) {
    Node made = n;
    for (Node& child : made.children) child = expression(child);
    return made;
  }
  return n;
}

Node Translator::assign_slice(const Node& s) {
  const Node& target = s[0];
  const Node index = target[1].is("Tuple") ? target[1] : make("Tuple", "", {target[1]});
  const int rank = kinds(target[0]).rank();
  const auto is_whole = [](const Node& n) {
    return n.is("Slice") && n[0].is("Empty") && n[1].is("Empty") && n[2].is("Empty");
  };
  const auto is_place = [&](const Node& n) {
    return (n.is("Const") || n.is("Unary", "-") || kinds(n).is("int")) && !n.is("Slice");
  };
  const long places = std::ranges::count_if(index.children, is_place);
  const long wholes = std::ranges::count_if(index.children, is_whole);
  if (places == 1 && places + wholes == static_cast<long>(index.size()) && target[0].is("Name") && rank > 0) {
    const auto at = std::ranges::find_if(index.children, is_place);
    const long place_axis = at - index.children.begin();
    return make("Assign", "",
                {target[0], call(name("with_value_at"), {expression(target[0]), expression(*at), expression(s[1]),
                                                         keyword("axis", number(place_axis))})});
  }
  int axis = -1;
  for (size_t i = 0; i < index.size(); ++i) {
    const Node& part = index[i];
    if (!part.is("Slice") || !part[2].is("Empty"))
      axis = -2;
    else if (!part[0].is("Empty") || !part[1].is("Empty"))
      axis = axis == -1 ? static_cast<int>(i) : -2;
  }
  if (axis < 0 || !target[0].is("Name")) {
    problem(s, "an assignment to a part of a tensor has no rule");
    return make("Pass");
  }
  if (rank < 0 || rank != kinds(s[1]).rank()) {
    problem(s, "an assignment to a part of a tensor is broadcast, or its rank was not seen");
    return make("Pass");
  }
  const Node& bounds = index[static_cast<size_t>(axis)];
  std::vector<Node> parts;
  const auto rest = [&](const Node& low, const Node& high) {
    Node sub = make("Tuple");
    for (int i = 0; i < axis; ++i)
      sub.children.push_back(make("Slice", "", {make("Empty"), make("Empty"), make("Empty")}));
    sub.children.push_back(make("Slice", "", {low, high, make("Empty")}));
    return make("Sub", "", {target[0], sub.size() == 1 ? Node(sub[0]) : sub});
  };
  if (!bounds[0].is("Empty")) parts.push_back(rest(make("Empty"), expression(bounds[0])));
  parts.push_back(expression(s[1]));
  if (!bounds[1].is("Empty")) parts.push_back(rest(expression(bounds[1]), make("Empty")));
  const bool is_last = rank > 0 && axis == rank - 1;
  Node where = is_last ? make("Unary", "-", {number(1)}) : number(axis);
  return make("Assign", "",
              {target[0], call(parse_expression("tf.concat"), {make("List", "", parts), keyword("axis", where)})});
}

std::vector<Node> Translator::expression_statement(const Node& s) {
  const Node& value = s[0];
  if (value.is("Str")) {
    Node made = s;
    rename_texts(made);
    return {made};
  }
  if (value.is("Call") && value[0].is("Attr", "save_for_backward")) return {};
  if (value.is("Call") && value[0].is("Attr") && value[0][0].is("Name", "self")) {
    if (dropped_calls().contains(value[0].text)) return {};
    if (value[0].text == "register_buffer") return buffer(value);
  }
  if (value.is("Call") && value[0].is("Attr", "append") && in_init_ && list_names_.contains(list_key(value[0][0])))
    return append_layer(s, list_key(value[0][0]));
  // x.floor_()
  if (value.is("Call") && value[0].is("Attr") && value[0].text.ends_with("_") && value[0][0].is("Name") &&
      is_tensor_method(value[0].text.substr(0, value[0].text.size() - 1))) {
    Node method = value;
    method[0].text.pop_back();
    return {make("Assign", "", {value[0][0], expression(method)})};
  }
  Node made = s;
  made[0] = expression(value);
  // Sizes that a class derived from a leaf module is built by.
  std::vector<Node> result = {made};
  for (Node& one : before_) result.push_back(std::move(one));
  before_.clear();
  return result;
}

std::vector<Node> Translator::append_layer(const Node& s, const std::string& list) {
  const Node& value = s[0];
  const Node owner = expression(value[0][0]);
  layer_name_ = list_names_[list];
  list_index_ = call(name("len"), {owner});
  pending_.clear();
  in_sequence_ = sequences_.contains(list);
  Node made = s;
  made[0] = call(attribute(owner, "append"), {expression(value[1])});
  in_sequence_ = false;
  layer_name_.clear();
  list_index_ = Node();
  list_shapes_[list].insert(pending_.begin(), pending_.end());
  const std::string attr = renamed_attribute(list_names_[list]);
  const bool is_known = std::ranges::any_of(built_, [&](const Built& b) { return b.attribute == attr; });
  // A list that is an attribute from the beginning is not assigned again.
  if (list.starts_with("self.") && !is_known && !pending_.empty()) built_.push_back({attr, pending_.back(), true, ""});
  std::vector<Node> result = std::move(before_);
  before_.clear();
  result.push_back(made);
  return result;
}

bool Translator::is_called_in_init() const {
  const std::string method = function_.substr(function_.find('.') + 1);
  return std::ranges::any_of(facts_->classes(), [&](const auto& entry) {
    const auto init = entry.second.methods.find("__init__");
    return init != entry.second.methods.end() && any_of(*init->second, [&](const Node& n) {
             return n.is("Call") && n[0].is("Attr", method) && n[0][0].is("Name", "self");
           });
  });
}

std::vector<Node> Translator::buffer(const Node& value) {
  if (!in_init_ && !is_called_in_init()) {
    problem(value, "a buffer is changed while the model runs");
    return {make("Pass")};
  }
  std::string attr = value[1].text;
  if (!value[1].is("Str")) {
    problem(value, "a buffer whose name is computed has no rule");
    return {make("Pass")};
  }
  attr = attr.substr(1, attr.size() - 2);
  const bool is_persistent = !std::ranges::any_of(
      value.children, [](const Node& n) { return n.is("Keyword", "persistent") && n[0].is("Const", "False"); });
  // Numbers that a checkpoint may have changed are loaded; counts and masks are made again.
  const bool is_filled =
      value[2].is("Call") && (dotted(value[2][0]) == "torch.zeros" || dotted(value[2][0]) == "torch.ones") &&
      std::ranges::none_of(value[2].children, [](const Node& n) { return n.is("Keyword", "dtype"); });
  if (is_persistent && in_init_ && is_filled) {
    const Node weight = call(parse_expression("nn.Parameter"), {Node(value[2])});
    std::vector<Node> made = parameter(make("Assign", "", {attribute(name("self"), attr), weight}), weight);
    if (!weights_.empty()) weights_.back().is_trained = false;
    return made;
  }
  if (is_persistent) unexpected_.insert(attr);
  return {make("Assign", "", {attribute(name("self"), renamed_attribute(attr)), expression(value[2])})};
}

}  // namespace crossload::port
