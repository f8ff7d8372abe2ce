// Attributes that are layers or weights: their names, and what `build` does for each.
#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <span>

#include "port/calls.h"
#include "port/print.h"
#include "port/rules.h"
#include "port/translator.h"

namespace crossload::port {

std::optional<std::vector<Node>> Translator::attribute_of_module(const Node& s) {
  const Node& value = s.children.back();
  const std::string attr = s[0].text;
  if (value.is("Call") && dotted(value[0]) == "nn.Parameter") return parameter(s, value);
  if (value.is("IfExp") && value[1].is("Call") && dotted(value[1][0]) == "nn.Parameter" &&
      value[2].is("Const", "None")) {
    std::vector<Node> result = parameter(s, value[1]);
    if (!weights_.empty()) weights_.back().condition = kept(expression(value[0]));
    for (Node& one : before_) result.push_back(std::move(one));
    before_.clear();
    return result;
  }
  if (!makes_module(value)) return std::nullopt;
  layer_name_ = attr;
  const std::string tf_attr = renamed_attribute(attr);
  pending_.clear();
  shape_index_.clear();
  Node made = s;
  made[0] = attribute(name("self"), tf_attr);
  made.children.back() = expression(value);
  layer_name_.clear();
  std::set<std::string> shapes(pending_.begin(), pending_.end());
  const bool is_known = std::ranges::any_of(built_, [&](const Built& b) { return b.attribute == tf_attr; });
  if (shapes.size() == 1 && !is_known) {
    const bool is_list = any_of(value, [](const Node& n) { return n.is("Call") && dotted(n[0]) == "nn.ModuleList"; });
    built_.push_back({tf_attr, *shapes.begin(), is_list, is_list ? shape_index_ : ""});
  }
  std::vector<Node> result = std::move(before_);
  before_.clear();
  result.push_back(made);
  return result;
}

bool Translator::makes_module(const Node& value) const {
  return any_of(value, [&](const Node& n) {
    if (!n.is("Call")) return false;
    const std::string f = dotted(n[0]);
    const ClassFacts* facts = facts_->find(f);
    if (facts != nullptr) return facts->is_module;
    if (!facts_->eager_class(n[0]).empty()) return true;
    return f.starts_with("nn.") && !f.starts_with("nn.functional") && f != "nn.Parameter" && !f.starts_with("nn.init");
  });
}

std::vector<Node> Translator::parameter(const Node& s, const Node& value) {
  const Node& initial = value[1];
  Weight weight;
  weight.attribute = renamed_attribute(s[0].text);
  const Node* created = &initial;
  Node factor;
  if (initial.is("Bin", "*")) {
    const bool is_right = initial[1].is("Call");
    created = &initial[is_right ? 1 : 0];
    factor = initial[is_right ? 0 : 1];
  }
  const std::string f = created->is("Call") ? dotted((*created)[0]) : "";
  if (f != "torch.ones" && f != "torch.zeros" && f != "torch.empty" && f != "torch.randn" && f != "torch.rand" &&
      f != "torch.Tensor") {
    problem(s, fmt::format("a parameter that begins with `{}` has no rule", print_expression(initial)));
    return {};
  }
  Node shape = make("List");
  for (size_t i = 1; i < created->size(); ++i) {
    if (!(*created)[i].is("Keyword")) shape.children.push_back((*created)[i]);
  }
  if (shape.size() == 1 && (shape[0].is("Tuple") || shape[0].is("List"))) shape = Node(shape[0]);
  std::vector<Node> result;
  weight.shape = kept(expression(shape));
  if (factor.is("Empty") || factor.kind.empty()) {
    weight.initializer = f == "torch.ones"    ? text_literal("ones")
                         : f == "torch.zeros" ? text_literal("zeros")
                                              : initializer();
  } else if (f == "torch.ones") {
    weight.initializer = call(parse_expression("keras.initializers.Constant"), {kept(expression(factor))});
  } else {
    weight.initializer = initializer();
  }
  result = std::move(before_);
  before_.clear();
  if (!conditions_.empty()) {
    const bool is_local = std::ranges::any_of(conditions_, [&](const Node& condition) {
      return any_of(condition, [](const Node& n) { return n.is("Name") && n.text != "config" && n.text != "self"; });
    });
    Node all = conditions_.size() == 1 ? Node(conditions_[0]) : make("Bool", "and", conditions_);
    weight.guard = kept(expression(all));
    if (is_local) {
      // `build` asks the condition again: its variables are kept where both branches see it.
      for (Node& one : before_) hoisted_.push_back(std::move(one));
      before_.clear();
    }
  }
  weights_.push_back(weight);
  return result;
}

Node Translator::initializer() {
  if (!has_initializer_range_ || !has_config_) return text_literal("glorot_uniform");
  need_config();
  return parse_expression("get_initializer(self.config.initializer_range)");
}

void Translator::need_config() {
  if (is_head_) return;  // a model has its configuration
  const auto init = facts_->find(class_)->methods.find("__init__");
  const bool has_it = any_of(*init->second, [](const Node& n) {
    return n.is("Assign") && n[0].is("Attr", "config") && n[0][0].is("Name", "self");
  });
  if (!has_it) needs_config_ = true;
}

std::vector<std::string> Translator::printed_conditions() const {
  std::vector<std::string> printed;
  for (const Node& condition : conditions_) printed.push_back(print_expression(condition));
  return printed;
}

bool Translator::is_kept_here(const std::string& key) const {
  const auto found = kept_.find(key);
  if (found == kept_.end()) return false;
  // One branch's assignment is not there in the other.
  const std::vector<std::string> here = printed_conditions();
  return std::ranges::any_of(found->second, [&](const std::vector<std::string>& there) {
    return there.size() <= here.size() && std::ranges::equal(there, std::span(here).first(there.size()));
  });
}

Node Translator::kept(Node n) {
  for_each(n, [&](Node& part) {
    if (!part.is("Name") || part.text == "self" || imports_.contains(part.text) || part.text == "int" ||
        part.text == "tf" || part.text == "len")
      return;
    if (list_index_.is("Name", part.text)) {
      shape_index_ = part.text;  // `build` counts again
      return;
    }
    if (part.text == "config") {
      need_config();
    } else {
      const auto& init = *facts_->find(class_)->methods.at("__init__");
      bool is_assigned = false, is_other = false;
      for_each(init, [&](const Node& a) {
        if (!a.is("Assign") || !a[0].is("Attr", part.text) || !a[0][0].is("Name", "self")) return;
        is_assigned = true;
        is_other =
            is_other || any_of(a[1], [](const Node& v) { return v.is("Call") && dotted(v[0]) == "nn.Parameter"; });
      });
      // `self.x` is a weight: the argument `x` needs another name.
      const std::string attr = is_other ? "given_" + part.text : part.text;
      if ((!is_assigned || is_other) && !is_kept_here(class_ + "." + attr)) {
        kept_[class_ + "." + attr].push_back(printed_conditions());
        before_.push_back(make("Assign", "", {attribute(name("self"), attr), Node(part)}));
      }
      part.text = attr;
    }
    part = attribute(name("self"), part.text);
  });
  return n;
}

Node Translator::layer_items(const Node& n) {
  Node made = n;
  const std::string attr = layer_name_;
  for (size_t i = 0; i < n.size(); ++i) {
    list_index_ = number(static_cast<long>(i));
    made[i] = expression(n[i]);
  }
  list_index_ = Node();
  layer_name_ = attr;
  return made;
}

Node Translator::layer_list(const Node& n) {
  Node made = n;
  Node target = n[1];
  const bool counts = n[2].is("Call") && n[2][0].is("Name", "range") && target.is("Name");
  if (counts) {
    if (target.text == "_") target = name("i");
    if (n[2].size() > 2) problem(n, "layers of a range that does not begin at 0 have no rule");
    list_index_ = target;
    made[1] = target;
  } else if (n[2].is("Call") && n[2][0].is("Name", "enumerate") && target.is("Tuple")) {
    list_index_ = target[0];
  } else {
    made[2] = call(name("enumerate"), {expression(n[2])});
    list_index_ = name("i");
    made[1] = make("Tuple", "", {name("i"), target});
    made[0] = expression(n[0]);
    list_index_ = Node();
    return made;
  }
  made[0] = expression(n[0]);
  made[2] = expression(n[2]);
  list_index_ = Node();
  return made;
}

Node Translator::layer_name() const {
  if (in_sequence_ && list_index_.is("Const")) return text_literal(list_index_.text);
  if (in_sequence_ && !list_index_.kind.empty()) return call(name("str"), {list_index_});
  if (list_index_.kind.empty()) return text_literal(layer_name_);
  if (list_index_.is("Const")) return text_literal(layer_name_ + "_._" + list_index_.text);
  return make("Str", "f\"" + layer_name_ + "_._{" + print_expression(list_index_) + "}\"");
}

int Translator::rank_of_input(const std::string& attr) const {
  int rank = -1;
  for (const auto& [method, node] : facts_->find(class_)->methods) {
    for_each(*node, [&](const Node& n) {
      if (!n.is("Call") || !n[0].is("Attr", attr) || n.size() < 2) return;
      rank = std::max(rank, Kinds(n[1].types).rank());
    });
  }
  return rank < 0 ? 3 : rank;
}

Node Translator::sequential(const Node& n) {
  const Node own_name = layer_name_.empty() ? make("Const", "None") : layer_name();
  const std::string attr = layer_name_;
  const Node index = list_index_;
  const std::vector<std::string> pending = std::move(pending_);
  // Items are named by their numbers alone, below the name of the whole.
  const bool was_in_sequence = in_sequence_;
  in_sequence_ = true;
  if (layer_name_.empty()) layer_name_ = "sequence";
  Node items = make("List");
  Node shapes = make("List");
  Node layers;
  std::string all = "None";
  for (size_t i = 1; i < n.size(); ++i) {
    pending_.clear();
    const Node& item = n[i];
    if (item.is("Starred")) {
      if (n.size() != 2) problem(n, "a sequence of layers from several lists has no rule");
      layers = expression(item[0]);
      if (item[0].is("Name") && list_shapes_.contains(item[0].text))
        pending_.assign(list_shapes_[item[0].text].begin(), list_shapes_[item[0].text].end());
      const std::set<std::string> different(pending_.begin(), pending_.end());
      if (different.size() > 1) problem(n, "a list of layers that are built by different shapes has no rule");
      if (!different.empty()) all = *different.begin();
      continue;
    }
    list_index_ = number(static_cast<long>(i - 1));
    items.children.push_back(expression(item));
    shapes.children.push_back(pending_.empty() ? make("Const", "None") : parse_expression(pending_.back()));
    layer_name_ = attr.empty() ? "sequence" : attr;
  }
  in_sequence_ = was_in_sequence;
  layer_name_ = attr;
  list_index_ = index;
  pending_ = pending;
  const bool has_shape = std::ranges::any_of(shapes.children, [](const Node& s) { return !s.is("Const", "None"); });
  if (!layers.kind.empty() && all != "None")
    pending_.push_back("[" + all + "] * len(self." + renamed_attribute(attr) + ")");
  else
    pending_.push_back(has_shape ? print_expression(shapes) : "None");
  Node made = call(name("TFSequential"), {layers.kind.empty() ? items : layers});
  if (!own_name.is("Const")) made.children.push_back(keyword("name", own_name));
  return made;
}

Node Translator::module_call(const Node& n, const std::string& leaf) {
  if (leaf == "ModuleList") {
    if (n.size() == 1) return make("List");
    const auto shapes = list_shapes_.find(list_key(n[1]));
    if (shapes != list_shapes_.end()) pending_.insert(pending_.end(), shapes->second.begin(), shapes->second.end());
    if (n[1].is("GeneratorExp")) {
      Node list = n[1];
      list.kind = "ListComp";
      return expression(list);
    }
    return expression(n[1]);
  }
  if (leaf == "Sequential") return sequential(n);
  for (const ModuleRule& rule : module_rules()) {
    const Signature signature = parse_signature(rule.torch);
    if (signature.name != leaf) continue;
    Bindings bound;
    std::string why;
    const std::string attr = layer_name_;
    const Node index = list_index_;
    layer_name_.clear();
    const std::vector<Node> arguments = arguments_of(n);
    layer_name_ = attr;
    list_index_ = index;
    if (leaf.starts_with("BatchNorm")) unexpected_.insert("num_batches_tracked");
    if (!bind_arguments(signature, nullptr, arguments, bound, why)) {
      problem(n, fmt::format("`{}` {}", print_expression(n), why));
      return n;
    }
    for (const char* flag : {"bias", "elementwise_affine"}) {
      if (bound.contains(flag) && bound[flag].is("Const", "True")) bound[flag] = make("Const", "None");
    }
    for (const char* one : {"padding", "stride", "dilation", "groups"}) {
      const auto& parameters = signature.parameters;
      const auto p = std::ranges::find(parameters, std::string(one), &Signature::Parameter::name);
      if (p != parameters.end() && bound[one].is("Const", p->value.text)) bound[one] = make("Const", "None");
    }
    bound["init"] = make("Const", "None");
    if (has_initializer_range_ && has_config_)
      bound["init"] = parse_expression("get_initializer(config.initializer_range)");
    bound["name"] = layer_name_.empty() ? make("Const", "None") : layer_name();
    const std::string key = class_ + "." + attr;
    if (leaf == "Linear" && shared_biases_.contains(key)) bound["bias"] = make("Const", "False");
    if (!rule.build.empty()) {
      Node shape = fill(parse_expression(rule.build), bound);
      if (leaf == "LayerNorm") {
        const int rank = rank_of_input(layer_name_);
        if (rank == 2) shape.children.erase(shape.children.begin());
        for (int extra = 3; extra < rank; ++extra) shape.children.insert(shape.children.begin(), make("Const", "None"));
      }
      pending_.push_back(print_expression(kept(shape)));
    }
    Node made = fill(parse_expression(rule.keras), bound);
    if (leaf == "Embedding" && !bound["padding_idx"].is("Const", "None")) {
      made[0] = name("TFPaddedEmbedding");
      made.children.insert(made.children.begin() + 3, keyword("padding_idx", bound["padding_idx"]));
    }
    if (leaf == "Linear" && output_layers_.contains(key)) made[0] = name("TFOutputEmbeddings");
    return made;
  }
  problem(n, fmt::format("`nn.{}` has no rule", leaf));
  return n;
}

Node Translator::class_call(const Node& n, const std::string& class_name, const ClassFacts& facts) {
  const std::string written = class_name == base_ ? main_layer() : "TF" + class_name;
  if (!facts.is_module) return call(name(written), arguments_of(n));
  if (!facts.leaf.empty()) {
    Node made;
    if (!facts.methods.contains("__init__")) made = module_call(n, facts.leaf);
    if (made.is("Call")) made[0] = name(written);
    if (!made.kind.empty()) return made;
  }
  const std::string attr = layer_name_;
  const Node index = list_index_;
  layer_name_.clear();
  std::vector<Node> arguments = arguments_of(n);
  layer_name_ = attr;
  list_index_ = index;
  if (!layer_name_.empty()) arguments.push_back(keyword("name", layer_name()));
  pending_.push_back("None");
  return call(name(written), arguments);
}

}  // namespace crossload::port
