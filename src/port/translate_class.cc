// Classes: each PyTorch class as its layer; the base class as a main layer and the model around it.
#include <fmt/format.h>

#include <algorithm>

#include "port/calls.h"
#include "port/print.h"
#include "port/rules.h"
#include "port/translator.h"

namespace crossload::port {

void Translator::class_statement(const Node& s, std::vector<Node>& body) {
  const ClassFacts& facts = *facts_->find(s.text);
  class_ = s.text;
  built_.clear();
  given_.clear();
  leaf_build_.clear();
  leaf_class_ = Node();
  weights_.clear();
  if (facts.is_model && facts.base.empty()) return pretrained_class(s, body);
  if (s.text == base_) {
    body.push_back(main_layer_class(s));
    body.push_back(base_model(s));
    public_classes_.push_back("TF" + base_);
    return;
  }
  if (const auto head = heads_.find(s.text); head != heads_.end()) {
    body.push_back(head_class(s, head->second));
    public_classes_.push_back("TF" + s.text);
    return;
  }
  body.push_back(layer_class(s, "TF" + s.text, facts));
}

void Translator::pretrained_class(const Node& s, std::vector<Node>& body) {
  Node made =
      make("Class", "TF" + s.text, {make("Decorators"), make("Bases", "", {name("TFPreTrainedModel")}), make("Block")});
  for (const Node& member : s[2].children) {
    if (member.is("Expr") && member[0].is("Str")) {
      Node text = member;
      rename_texts(text);
      made[2].children.push_back(text);
    }
    if (member.is("Assign", "") && (member[0].is("Name", "config_class") || member[0].is("Name", "base_model_prefix") ||
                                    member[0].is("Name", "main_input_name"))) {
      made[2].children.push_back(member);
    }
  }
  // What Transformers' own classes ask for when they are saved or built.
  if (source_.value("has_two_sizes", false) && !is_for_keras_) {
    made[2].children.push_back(make("Source",
                                    R"(@property
def input_signature(self):
    size = self.config.image_size
    height, width = (size, size) if isinstance(size, int) else size
    return {
        "pixel_values": tf.TensorSpec(
            [None, self.config.num_channels, height, width], tf.float32, name="pixel_values"
        )
    })"));
  }
  if (source_.value("has_any_size", false) && source_.value("main_input", "") == "pixel_values" && !is_for_keras_) {
    made[2].children.push_back(make("Source",
                                    R"(@property
def input_signature(self):
    return {
        "pixel_values": tf.TensorSpec([None, self.config.num_channels, None, None], tf.float32, name="pixel_values")
    })"));
    made[2].children.push_back(make("Source",
                                    R"(@property
def dummy_inputs(self):
    return {"pixel_values": tf.ones([1, self.config.num_channels, 64, 96])})"));
  }
  public_classes_.push_back("TF" + s.text);
  pretrained_index_ = body.size();
  body.push_back(made);
}

Node Translator::layer_class(const Node& s, const std::string& tf_class, const ClassFacts& facts) {
  std::vector<Node> bases;
  if (!facts.base.empty() && !facts.is_model) {
    bases.push_back(name("TF" + facts.base));
  } else if (!facts.leaf.empty()) {
    if (is_for_keras_) bases.push_back(name("CalledByPosition"));
    bases.push_back(keras_class(facts.leaf));
  } else if (facts.is_module) {
    bases.push_back(name(is_for_keras_ ? "Layer" : "keras.layers.Layer"));
  }
  Node made = make("Class", tf_class, {make("Decorators"), make("Bases", "", bases), make("Block")});
  if (!facts.is_module) {
    made[0] = kept_decorators(s[0]);
    if (facts.is_function) {
      notes_.push_back(
          fmt::format("{}:{}: the gradient of {} is that of what it computes, not its own", file_, s.line, s.text));
    } else {
      made[1] = s[1];
    }
    for (Node& base : made[1].children) annotation(base);
  }
  for (const Node& base : s[1].children) {
    const std::string torch = torch_name(base);
    if (facts.is_module || facts.is_function || torch.empty()) continue;
    problem(s, fmt::format("a class derived from `{}` has no rule", torch));
  }
  std::vector<Node>& members = made[2].children;
  for (const Node& member : s[2].children) {
    if (member.is("Def")) {
      if (dropped_methods().contains(member.text)) continue;
      if (facts.is_function && member.text != "forward") continue;
      if (is_head_ && member.text == "prepare_inputs_for_generation") continue;
      members.push_back(function(member, s.text + "." + member.text));
    } else if (member.is("Space")) {
      if (!members.empty()) members.push_back(member);
    } else if (member.is("Comment")) {
      members.push_back(comment(member));
    } else if (member.is("Expr") && member[0].is("Str")) {
      Node text = member;
      rename_texts(text);
      members.push_back(text);
    } else if (!facts.is_module) {
      Node kept_member = member;
      if (member.is("AnnAssign")) annotation(kept_member[1]);
      members.push_back(kept_member);
    }
  }
  if (!leaf_class_.kind.empty()) made[1].children.back() = leaf_class_;
  if (!leaf_build_.empty()) {
    if (!built_.empty() || !weights_.empty())
      problem(s, fmt::format("a class derived from `nn.{}` with layers of its own has no rule", facts.leaf));
    members.push_back(make("Def", "build",
                           {make("Decorators"), parse_parameters({"input_shape"}), make("Empty"),
                            make("Block", "", {make("Source", "super().build(" + leaf_build_ + ")")})}));
  } else if (!built_.empty() || !weights_.empty()) {
    members.push_back(build_method(!facts.base.empty() && !facts.is_model));
  }
  return made;
}

Node Translator::keras_class(const std::string& leaf) {
  const auto rule =
      std::ranges::find_if(module_rules(), [&](const ModuleRule& one) { return one.torch.starts_with(leaf + "("); });
  return parse_expression(rule->keras)[0];
}

Node Translator::main_layer_class(const Node& s) {
  is_main_layer_ = true;
  Node made = layer_class(s, main_layer(), *facts_->find(s.text));
  is_main_layer_ = false;
  if (!is_for_keras_) made[0].children = {name("keras_serializable")};
  made[1].children = {name(is_for_keras_ ? "Layer" : "keras.layers.Layer")};
  std::vector<Node>& members = made[2].children;
  // The public class has the text.
  if (!members.empty() && members[0].is("Expr") && members[0][0].is("Str")) {
    base_text_ = members[0];
    members.erase(members.begin());
  }
  members.insert(members.begin(),
                 make("Assign", "", {name("config_class"), name(source_.at("config_class").get<std::string>())}));
  for (Node& member : members) {
    if (!member.is("Def")) continue;
    if (member.text == "call") {
      base_call_ = member;
      member[0].children = {name("unpack_inputs")};
      std::vector<Node>& body = member[3].children;
      if (!body.empty() && body[0].is("Expr") && body[0][0].is("Str")) body.erase(body.begin());
    }
    if (member.text == "set_input_embeddings") {
      // The layer takes a variable, and so do those that are the same layer.
      std::erase_if(member[3].children, [](const Node& n) { return n.is("Assign") && !n[1].is("Name"); });
      for_each(member, [](Node& n) {
        if (n.is("Assign")) n[0] = attribute(n[0], "embeddings");
      });
    }
  }
  return made;
}

Node Translator::base_model(const Node& s) {
  const std::string prefix = source_.at("prefix").get<std::string>();
  Node made = make("Class", "TF" + base_,
                   {kept_decorators(s[0]), make("Bases", "", {name("TF" + facts_->find(base_)->base)}), make("Block")});
  rename_texts(made);
  std::vector<Node>& members = made[2].children;
  if (base_text_.is("Expr")) members.push_back(base_text_);
  const Node& init = *facts_->find(base_)->methods.at("__init__");
  Node parameters = init[1];
  std::vector<Node> passed;
  for (const Node& p : parameters.children) {
    if (p.is("Param") && p.text != "self") passed.push_back(name(p.text));
  }
  parameters.children.push_back(make("VarParam", "inputs", {make("Empty"), make("Empty")}));
  parameters.children.push_back(make("KwParam", "kwargs", {make("Empty"), make("Empty")}));
  passed.push_back(keyword("name", text_literal(prefix)));
  Node body = make("Block");
  body.children.push_back(make("Source", "super().__init__(config, *inputs, **kwargs)"));
  body.children.push_back(make("Assign", "", {attribute(name("self"), prefix), call(name(main_layer()), passed)}));
  members.push_back(make("Def", "__init__", {make("Decorators"), parameters, make("Empty"), body}));

  Node forward = base_call_;
  Node outer = make("Block");
  std::vector<Node>& written = forward[3].children;
  if (!written.empty() && written[0].is("Expr") && written[0][0].is("Str")) outer.children.push_back(written[0]);
  std::vector<Node> arguments;
  for (const Node& p : forward[1].children) {
    if (p.is("Param") && p.text != "self") arguments.push_back(keyword(p.text, name(p.text)));
  }
  outer.children.push_back(make("Return", "", {call(attribute(name("self"), prefix), arguments)}));
  forward[3] = outer;
  forward[0].children.insert(forward[0].children.begin(), name("unpack_inputs"));
  members.push_back(forward);
  members.push_back(make("Def", "build",
                         {make("Decorators"), parse_parameters({"input_shape"}), make("Empty"),
                          make("Block", "",
                               {make("Source", "if self.built:\n    return\nself.built = True\n" +
                                                   build_of({prefix, "None", false, ""}))})}));
  return made;
}

Node Translator::head_class(const Node& s, const Head& head) {
  is_head_ = true;
  Node made = layer_class(s, "TF" + s.text, *facts_->find(s.text));
  is_head_ = false;
  made[0] = kept_decorators(s[0]);
  rename_texts(made[0]);
  made[1].children = {name("TF" + facts_->find(s.text)->base)};
  std::vector<Node>& members = made[2].children;
  for (Node& member : members) {
    if (member.is("Def", "call")) member[0].children.insert(member[0].children.begin(), name("unpack_inputs"));
    if (member.is("Def", "__init__") && !head.output_path.empty()) {
      member[3].children.push_back(
          make("Source", fmt::format("if config.tie_word_embeddings:\n    self.{}.tie_to(self.{})",
                                     renamed_path(head.output_path), renamed_path(head.input_path))));
    }
    if (member.is("Def", "set_input_embeddings")) {
      for_each(member, [](Node& n) {
        if (n.is("Assign")) n[0] = attribute(n[0], "embeddings");
      });
    }
  }
  for (const std::string& pattern : head.tied) unexpected_.insert(pattern);
  if (head.generates && !is_for_keras_) {
    if (!members.empty() && members.back().is("Def", "build")) {
      members.insert(members.end() - 1, prepare_inputs(head));
    } else {
      members.push_back(prepare_inputs(head));
    }
  }
  return made;
}

Node Translator::prepare_inputs(const Head& head) {
  if (head.encodes) {
    Node parameters = make("Params");
    for (const char* one : {"self", "decoder_input_ids"})
      parameters.children.push_back(make("Param", one, {make("Empty"), make("Empty")}));
    for (const char* one : {"past_key_values", "attention_mask", "use_cache", "encoder_outputs"})
      parameters.children.push_back(make("Param", one, {make("Empty"), make("Const", "None")}));
    parameters.children.push_back(make("KwParam", "kwargs", {make("Empty"), make("Empty")}));
    const char* text =
        "if past_key_values is not None:\n    decoder_input_ids = decoder_input_ids[:, -1:]\n"
        "return {\n    \"input_ids\": None,\n    \"encoder_outputs\": encoder_outputs,\n"
        "    \"attention_mask\": attention_mask,\n    \"decoder_input_ids\": decoder_input_ids,\n"
        "    \"past_key_values\": past_key_values,\n    \"use_cache\": use_cache,\n}";
    return make("Def", "prepare_inputs_for_generation",
                {make("Decorators"), parameters, make("Empty"), make("Block", "", {make("Source", text)})});
  }
  std::string text =
      "if past_key_values is not None:\n    input_ids = input_ids[:, -1:]\n"
      "model_inputs = {\n    \"input_ids\": input_ids,\n    \"attention_mask\": attention_mask,\n"
      "    \"past_key_values\": past_key_values,\n    \"use_cache\": use_cache,\n}\n";
  if (head.takes_positions) {
    text +=
        "if attention_mask is not None:\n"
        "    # Positions count what is not padding; padding has position 1.\n"
        "    position_ids = tf.cumsum(attention_mask, axis=-1) - 1\n"
        "    position_ids = tf.where(attention_mask == 0, tf.ones_like(position_ids), position_ids)\n"
        "    model_inputs[\"position_ids\"] = position_ids if past_key_values is None else position_ids[:, -1:]\n";
  }
  text += "return model_inputs";
  Node parameters = make("Params");
  for (const char* one : {"self", "input_ids"})
    parameters.children.push_back(make("Param", one, {make("Empty"), make("Empty")}));
  for (const char* one : {"past_key_values", "attention_mask", "use_cache"})
    parameters.children.push_back(make("Param", one, {make("Empty"), make("Const", "None")}));
  parameters.children.push_back(make("KwParam", "kwargs", {make("Empty"), make("Empty")}));
  return make("Def", "prepare_inputs_for_generation",
              {make("Decorators"), parameters, make("Empty"), make("Block", "", {make("Source", text)})});
}

Node Translator::parse_parameters(const std::vector<std::string>& names) {
  Node parameters = make("Params");
  parameters.children.push_back(make("Param", "self", {make("Empty"), make("Empty")}));
  for (const std::string& one : names) {
    parameters.children.push_back(make("Param", one, {make("Empty"), make("Const", "None")}));
  }
  return parameters;
}

std::string Translator::build_of(const Built& built) const {
  std::string condition = fmt::format("getattr(self, \"{}\", None) is not None", built.attribute);
  if (given_.contains(built.attribute)) condition += fmt::format(" and not self.{}.built", built.attribute);
  std::string text = "if " + condition + ":\n", layer = "self." + built.attribute, indent = "    ";
  const auto each = [&](const char* item, const std::string& index = "") {
    text += index.empty() ? fmt::format("{}for {} in {}:\n", indent, item, layer)
                          : fmt::format("{}for {}, {} in enumerate({}):\n", indent, index, item, layer);
    layer = item;
    indent += "    ";
  };
  if (built.is_list && nested_lists_.contains(class_ + "." + built.attribute)) each("layers");
  if (built.is_list) each("layer", built.index);
  // Keras 2 names variables by the scope at hand, Keras 3 by the layer that they are in.
  if (!is_for_keras_) {
    text += fmt::format("{}with tf.name_scope({}.name):\n", indent, layer);
    indent += "    ";
  }
  return text + fmt::format("{}{}.build({})\n", indent, layer, built.shape);
}

Node Translator::build_method(bool has_base) {
  std::string text;
  for (const Weight& weight : weights_) {
    Node made = call(parse_expression("self.add_weight"),
                     {keyword("name", text_literal(weight.attribute)), keyword("shape", weight.shape),
                      keyword("initializer", weight.initializer)});
    if (!weight.is_trained) made.children.push_back(keyword("trainable", make("Const", "False")));
    const Node whole =
        weight.condition.kind.empty() ? made : make("IfExp", "", {weight.condition, made, make("Const", "None")});
    Node made_here = make("Assign", "", {attribute(name("self"), weight.attribute), whole});
    if (!weight.guard.kind.empty()) made_here = make("If", "", {weight.guard, make("Block", "", {made_here})});
    text += print_module(make("Block", "", {made_here}));
  }
  for (const Built& built : built_) text += build_of(built);
  const std::string head = has_base ? "if self.built:\n    return\nsuper().build(input_shape)\n"
                                    : "if self.built:\n    return\nself.built = True\n";
  text = head + text;
  text.pop_back();
  return make("Def", "build",
              {make("Decorators"), parse_parameters({"input_shape"}), make("Empty"),
               make("Block", "", {make("Source", text)})});
}

}  // namespace crossload::port
