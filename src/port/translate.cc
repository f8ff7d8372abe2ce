#include "port/translate.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>

#include "base/error.h"
#include "port/calls.h"
#include "port/facts.h"
#include "port/fold.h"
#include "port/print.h"
#include "port/rules.h"

namespace crossload::port {
namespace {

using nlohmann::json;

bool is_word_char(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }

// Modules of Transformers that only work with PyTorch: what a file takes from them needs a rule.
bool is_torch_origin(const std::string& module) {
  static const std::set<std::string> kModules = {"transformers.activations",
                                                 "transformers.cache_utils",
                                                 "transformers.modeling_attn_mask_utils",
                                                 "transformers.modeling_outputs",
                                                 "transformers.modeling_utils",
                                                 "transformers.pytorch_utils",
                                                 "transformers.modeling_rope_utils",
                                                 "transformers.modeling_flash_attention_utils",
                                                 "transformers.generation",
                                                 "transformers.loss.loss_utils",
                                                 "transformers.utils.backbone_utils",
                                                 "transformers.models.auto"};
  return module == "torch" || module.starts_with("torch.") || kModules.contains(module) ||
         module.find(".modeling_") != std::string::npos;
}

std::string raw_text(const Node& n) { return print_expression(n); }

// What a written layer needs in `build`: its attribute, how it is built, and whether it is a list.
struct Built {
  std::string attribute;
  std::string shape;  // `None`, `[None, None, self.config.hidden_size]`
  bool is_list = false;
};

struct Weight {
  std::string attribute;
  Node shape, initializer;
  Node guard;      // it is made when this holds; empty where always
  Node condition;  // else it is None; empty where it is always there
};

class Translator {
 public:
  explicit Translator(const json& source)
      : source_(source), module_(node_from_json(source.at("tree"))), file_(source.at("file").get<std::string>()) {
    fold_module(module_);
    facts_ = std::make_unique<Facts>(module_);
    base_ = source.at("base").get<std::string>();
    read_imports();
    read_initializer();
  }

  PortedFile run() {
    find_reachable();
    std::vector<Node> body;
    for (const Node& s : module_.children) module_statement(s, body);
    if (!errors_.empty()) {
      std::ranges::sort(errors_);
      errors_.erase(std::unique(errors_.begin(), errors_.end()), errors_.end());
      throw Error(ErrorKind::kUnsupported,
                  fmt::format("{}: {} places have no rule; add rows in src/port/rules.cc (docs/port.md)", file_,
                              errors_.size()),
                  errors_);
    }
    finish(body);
    PortedFile result;
    result.text = print_module(make("Block", "", body));
    result.classes = public_classes_;
    result.notes = notes_;
    return result;
  }

 private:
  // What is known before
  // -----------------------------------------------------------------------------------------------

  void read_imports() {
    const std::string package = source_.at("package").get<std::string>();
    for (const Node& s : module_.children) {
      if (s.is("Import")) {
        for (const Node& alias : s.children) {
          const std::string as = alias[0].text;
          imports_[as.empty() ? alias.text.substr(0, alias.text.find('.')) : as] = {alias.text, ""};
        }
      }
      if (!s.is("From")) continue;
      std::string module = s.text;
      const size_t dots = module.find_first_not_of('.');
      if (dots > 0) {
        std::string parent = package;
        for (size_t i = 1; i < std::min(dots, module.size()); ++i) parent = parent.substr(0, parent.rfind('.'));
        const std::string rest = dots == std::string::npos ? "" : module.substr(dots);
        module = parent + (rest.empty() ? "" : "." + rest);
      }
      for (const Node& alias : s.children) {
        const std::string as = alias[0].text;
        imports_[as.empty() ? alias.text : as] = {module, alias.text};
      }
    }
  }

  // `_init_weights` says with which deviation kernels begin.
  void read_initializer() {
    for (const auto& [class_name, facts] : facts_->classes()) {
      const auto found = facts.methods.find("_init_weights");
      if (found == facts.methods.end()) continue;
      has_initializer_range_ = any_of(*found->second, [](const Node& n) { return n.is("Attr", "initializer_range"); });
    }
  }

  void find_reachable() {
    std::vector<std::string> open = {base_};
    const auto reach = [&](const std::string& name) {
      if (reachable_.insert(name).second) open.push_back(name);
    };
    reachable_.insert(base_);
    for (const auto& [class_name, facts] : facts_->classes()) {
      if (facts.is_model && facts.base.empty()) reach(class_name);
    }
    while (!open.empty()) {
      const std::string at = open.back();
      open.pop_back();
      const ClassFacts* facts = facts_->find(at);
      const Node* node = facts != nullptr ? facts->node : facts_->function(at);
      if (node == nullptr) continue;
      const auto look = [&](const Node& part) {
        for_each(part, [&](const Node& n) {
          if (n.is("Name") && (facts_->find(n.text) != nullptr || facts_->function(n.text) != nullptr)) reach(n.text);
          const std::string eager = facts_->eager_class(n);
          if (!eager.empty()) reach(eager);
        });
      };
      if (facts == nullptr) {
        look(*node);
        continue;
      }
      for (const Node& base : (*node)[1].children) look(base);
      for (const Node& member : (*node)[2].children) {
        if (member.is("Def") && !dropped_methods().contains(member.text)) look(member);
      }
    }
  }

  // Failures
  // -----------------------------------------------------------------------------------------------------------

  void problem(const Node& at, const std::string& what) {
    const int line = at.line != 0 ? at.line : line_;
    errors_.push_back(fmt::format("{}:{}: {}", file_, line, what));
  }

  // Module level
  // -------------------------------------------------------------------------------------------------------

  void module_statement(const Node& s, std::vector<Node>& body) {
    if (s.is("Space")) {
      body.push_back(s);
    } else if (s.is("Comment")) {
      body.push_back(comment(s));
    } else if (s.is("Class")) {
      if (reachable_.contains(s.text))
        class_statement(s, body);
      else
        drop_comments(body);
    } else if (s.is("Def")) {
      if (!reachable_.contains(s.text)) return drop_comments(body);
      class_ = "";
      body.push_back(function(s, s.text));
    } else if (s.is("Assign") || (s.is("Expr") && s[0].is("Str"))) {
      if (s.is("Assign") && s[0].is("Name") && s[1].is("Dict") &&
          any_of(s[1], [](const Node& n) { return n.is("Str", "\"eager\""); })) {
        return drop_comments(body);
      }
      Node kept = s;
      rename_texts(kept);
      body.push_back(kept);
    }
  }

  // Comments that stood right before something that is left out.
  static void drop_comments(std::vector<Node>& body) {
    while (!body.empty() && body.back().is("Comment") && body.back().text.find("Copyright") == std::string::npos &&
           body.size() > 16) {
      body.pop_back();
    }
  }

  std::string tf_name(const std::string& name) const {
    if (facts_->find(name) != nullptr) return "TF" + name;
    return name;
  }

  std::string main_layer() const {
    const std::string stem = base_.ends_with("Model") ? base_.substr(0, base_.size() - 5) : base_;
    return "TF" + stem + "MainLayer";
  }

  // Class names in comments and texts.
  std::string text_with_tf_names(const std::string& text) const {
    std::string made;
    for (size_t i = 0; i < text.size();) {
      if (!is_word_char(text[i])) {
        made += text[i++];
        continue;
      }
      size_t end = i;
      while (end < text.size() && is_word_char(text[end])) ++end;
      made += tf_name(text.substr(i, end - i));
      i = end;
    }
    return tf_text(made);
  }

  Node comment(const Node& s) const {
    Node made = s;
    made.text = text_with_tf_names(s.text);
    return made;
  }

  void rename_texts(Node& tree) const {
    for_each(tree, [&](Node& n) {
      if (n.is("Str")) n.text = text_with_tf_names(n.text);
      if (!n.comment.empty()) n.comment = text_with_tf_names(n.comment);
    });
  }

  // Classes
  // ------------------------------------------------------------------------------------------------------------

  void class_statement(const Node& s, std::vector<Node>& body) {
    const ClassFacts& facts = *facts_->find(s.text);
    class_ = s.text;
    built_.clear();
    weights_.clear();
    if (facts.is_model && facts.base.empty()) return pretrained_class(s, body);
    if (s.text == base_) {
      body.push_back(main_layer_class(s));
      body.push_back(base_model(s));
      public_classes_.push_back("TF" + base_);
      return;
    }
    body.push_back(layer_class(s, "TF" + s.text, facts));
  }

  void pretrained_class(const Node& s, std::vector<Node>& body) {
    Node made = make("Class", "TF" + s.text,
                     {make("Decorators"), make("Bases", "", {name("TFPreTrainedModel")}), make("Block")});
    for (const Node& member : s[2].children) {
      if (member.is("Expr") && member[0].is("Str")) {
        Node text = member;
        rename_texts(text);
        made[2].children.push_back(text);
      }
      if (member.is("Assign", "") &&
          (member[0].is("Name", "config_class") || member[0].is("Name", "base_model_prefix") ||
           member[0].is("Name", "main_input_name"))) {
        made[2].children.push_back(member);
      }
    }
    public_classes_.push_back("TF" + s.text);
    pretrained_index_ = body.size();
    body.push_back(made);
  }

  Node layer_class(const Node& s, const std::string& tf_class, const ClassFacts& facts) {
    std::vector<Node> bases;
    if (!facts.base.empty() && !facts.is_model)
      bases.push_back(name("TF" + facts.base));
    else if (facts.is_module)
      bases.push_back(name("keras.layers.Layer"));
    Node made = make("Class", tf_class, {make("Decorators"), make("Bases", "", bases), make("Block")});
    if (!facts.is_module) {
      for (const Node& d : s[0].children) made[0].children.push_back(d);
      made[1] = s[1];
      for (Node& base : made[1].children) annotation(base);
    }
    for (const Node& base : s[1].children) {
      const std::string torch = torch_name(base);
      if (facts.is_module || torch.empty()) continue;
      problem(s, fmt::format("a class derived from `{}` has no rule", torch));
    }
    std::vector<Node>& members = made[2].children;
    for (const Node& member : s[2].children) {
      if (member.is("Def")) {
        if (dropped_methods().contains(member.text)) continue;
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
    if (!built_.empty() || !weights_.empty()) members.push_back(build_method(!facts.base.empty() && !facts.is_model));
    return made;
  }

  Node main_layer_class(const Node& s) {
    is_main_layer_ = true;
    Node made = layer_class(s, main_layer(), *facts_->find(s.text));
    is_main_layer_ = false;
    made[0].children = {name("keras_serializable")};
    made[1].children = {name("keras.layers.Layer")};
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
        // The layer takes a variable.
        for_each(member, [](Node& n) {
          if (n.is("Assign")) n[0] = attribute(n[0], "embeddings");
        });
      }
    }
    return made;
  }

  Node base_model(const Node& s) {
    const std::string prefix = source_.at("prefix").get<std::string>();
    Node made =
        make("Class", "TF" + base_, {s[0], make("Bases", "", {name("TF" + facts_->find(base_)->base)}), make("Block")});
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
    members.push_back(make(
        "Def", "build",
        {make("Decorators"), parse_parameters({"input_shape"}), make("Empty"),
         make("Block", "",
              {make("Source",
                    fmt::format(
                        "if self.built:\n    return\nself.built = True\nif getattr(self, \"{0}\", None) is not None:\n"
                        "    with tf.name_scope(self.{0}.name):\n        self.{0}.build(None)",
                        prefix))})}));
    return made;
  }

  static Node parse_parameters(const std::vector<std::string>& names) {
    Node parameters = make("Params");
    parameters.children.push_back(make("Param", "self", {make("Empty"), make("Empty")}));
    for (const std::string& one : names) {
      parameters.children.push_back(make("Param", one, {make("Empty"), make("Const", "None")}));
    }
    return parameters;
  }

  Node build_method(bool has_base) {
    std::string text;
    for (const Weight& weight : weights_) {
      const Node made = call(parse_expression("self.add_weight"),
                             {keyword("name", text_literal(weight.attribute)), keyword("shape", weight.shape),
                              keyword("initializer", weight.initializer)});
      const Node whole =
          weight.condition.kind.empty() ? made : make("IfExp", "", {weight.condition, made, make("Const", "None")});
      Node made_here = make("Assign", "", {attribute(name("self"), weight.attribute), whole});
      if (!weight.guard.kind.empty()) made_here = make("If", "", {weight.guard, make("Block", "", {made_here})});
      text += print_module(make("Block", "", {made_here}));
    }
    for (const Built& built : built_) {
      if (built.is_list) {
        text += fmt::format(
            "if getattr(self, \"{0}\", None) is not None:\n    for layer in self.{0}:\n"
            "        with tf.name_scope(layer.name):\n            layer.build({1})\n",
            built.attribute, built.shape);
      } else {
        text += fmt::format(
            "if getattr(self, \"{0}\", None) is not None:\n    with tf.name_scope(self.{0}.name):\n"
            "        self.{0}.build({1})\n",
            built.attribute, built.shape);
      }
    }
    const std::string head = has_base ? "if self.built:\n    return\nsuper().build(input_shape)\n"
                                      : "if self.built:\n    return\nself.built = True\n";
    text = head + text;
    text.pop_back();
    return make("Def", "build",
                {make("Decorators"), parse_parameters({"input_shape"}), make("Empty"),
                 make("Block", "", {make("Source", text)})});
  }

  // Functions
  // ----------------------------------------------------------------------------------------------------------

  Node function(const Node& s, const std::string& key) {
    function_ = key;
    in_init_ = s.text == "__init__" && !class_.empty();
    locals_ = facts_->module_locals(s, class_);
    types_.clear();
    parameters_.clear();
    for (const Node& p : s[1].children) parameters_.insert(p.text);
    for_each(s, [&](const Node& n) {
      if (!n.is("Name") || n.types.empty()) return;
      std::set<std::string> all(types_[n.text].begin(), types_[n.text].end());
      all.insert(n.types.begin(), n.types.end());
      types_[n.text] = std::vector<std::string>(all.begin(), all.end());
    });
    find_list_names(s);
    line_ = s.line;

    Node made = s;
    made.text = s.text == "forward" ? "call" : s.text;
    made[0].children.clear();
    for (const Node& d : s[0].children) {
      const std::string decorator = d.is("Call") ? dotted(d[0]) : dotted(d);
      if (decorator.starts_with("torch.")) continue;
      Node kept = d;
      rename_texts(kept);
      for_each(kept, [&](Node& n) {
        if (n.is("Name")) n = name(output_name(n.text));
      });
      made[0].children.push_back(kept);
    }
    std::vector<Node> parameters;
    bool has_rest = false;
    for (const Node& p : s[1].children) {
      if (p.is("Param", "device")) continue;
      Node kept = p;
      for (Node& part : kept.children) annotation(part);
      has_rest = has_rest || p.is("KwParam");
      parameters.push_back(kept);
    }
    const bool is_layer = !class_.empty() && facts_->find(class_)->is_module;
    if (in_init_ && is_layer && !has_rest)
      parameters.push_back(make("KwParam", "kwargs", {make("Empty"), make("Empty")}));
    // The main layer always takes it: `unpack_inputs` and Keras hand it over.
    if (facts_->needs_training(key) || (is_main_layer_ && s.text == "forward")) {
      Node training = make("Param", "training", {name("bool"), make("Const", "False")});
      const auto rest = std::ranges::find_if(parameters, [](const Node& p) { return p.is("KwParam"); });
      parameters.insert(rest, training);
    }
    made[1].children = parameters;
    annotation(made[2]);
    needs_config_ = false;
    if (in_init_ && is_main_layer_) need_config();
    made[3] = block(s[3], key);
    if (in_init_ && needs_config_) {
      std::vector<Node>& body = made[3].children;
      const auto super = std::ranges::find_if(
          body, [](const Node& n) { return n.is("Expr") && n[0].is("Call") && n[0][0].is("Attr", "__init__"); });
      body.insert(super == body.end() ? super : super + 1,
                  make("Assign", "", {attribute(name("self"), "config"), name("config")}));
    }
    return made;
  }

  // `layers.append(Block(config))` that becomes `self.layers = nn.ModuleList(layers)`.
  void find_list_names(const Node& s) {
    list_names_.clear();
    for_each(s, [&](const Node& n) {
      if (!n.is("Assign") || !n[0].is("Attr") || !n.children.back().is("Call")) return;
      const Node& value = n.children.back();
      if (dotted(value[0]) == "nn.ModuleList" && value.size() == 2 && value[1].is("Name")) {
        list_names_[value[1].text] = n[0].text;
      }
    });
  }

  void annotation(Node& part) const {
    for_each(part, [&](Node& n) {
      const std::string dots = dotted(n);
      const auto found = name_rules().find(dots);
      if (found != name_rules().end())
        n = parse_expression(found->second);
      else if (n.is("Name"))
        n = name(output_name(tf_name(n.text)));
      else if (n.is("Str") || n.is("Concat"))
        n = Node(n);
    });
  }

  std::string output_name(const std::string& text) const {
    const json& outputs = source_.at("tf_outputs");
    if (outputs.contains(text)) return "TF" + text;
    return tf_name(text);
  }

  // Whether what stands before a statement of a block was seen to run.
  static bool has_observed_start(const Node& block, const Node& statement) {
    for (const Node& s : block.children) {
      if (&s == &statement) return false;
      if (any_of(s, [](const Node& n) { return !n.types.empty(); })) return true;
    }
    return false;
  }

  // In place of what has no rule and no probe reached: an error that says so, and a note.
  Node not_ported(size_t errors) {
    const std::string first = errors_[errors];
    const std::string where = first.substr(0, first.find(": ")), reason = first.substr(first.find(": ") + 2);
    notes_.push_back(fmt::format("{}: not ported, raises NotImplementedError there: {}", where, reason));
    errors_.resize(errors);
    std::string text = where + " is not ported: ";
    for (const char c : reason.substr(0, 60)) text += c == '"' || c == '\\' || c == '\n' ? '\'' : c;
    return make("Raise", "", {call(name("NotImplementedError"), {text_literal(text)})});
  }

  Node block(const Node& s, const std::string& where) {
    const size_t errors = errors_.size();
    Node made = make("Block", s.text);
    for (const Node& child : s.children) {
      const size_t before = errors_.size();
      std::vector<Node> translated = statement(child);
      const auto is_observed = [](const Node& n) { return !n.types.empty(); };
      if (errors_.size() > before && s.is_reached && !any_of(child, is_observed) && has_observed_start(s, child)) {
        // No probe came this far: the function had returned.
        made.children.push_back(not_ported(before));
        break;
      }
      for (Node& one : translated) made.children.push_back(std::move(one));
    }
    if (errors_.size() > errors && !s.is_reached && where != "always") {
      made.children = {not_ported(errors)};
    }
    const bool is_empty =
        std::ranges::all_of(made.children, [](const Node& n) { return n.is("Comment") || n.is("Space"); });
    if (is_empty) made.children.push_back(make("Pass"));
    return made;
  }

  // Statements
  // ---------------------------------------------------------------------------------------------------------

  std::vector<Node> statement(const Node& s) {
    if (s.line != 0) line_ = s.line;
    if (s.is("Comment")) return {comment(s)};
    if (s.is("Space")) return {s};
    if (s.is("Assign")) return assign(s);
    if (s.is("Expr")) return expression_statement(s);
    if (s.is("If")) {
      if (is_size_check(s)) return {};
      if (grows_a_buffer(s)) {
        notes_.push_back(fmt::format("{}:{}: a buffer that grows with the input keeps the size of the configuration",
                                     file_, s.line));
        return {};
      }
      Node made = s;
      made[0] = expression(s[0]);
      for (size_t i = 1; i < s.size(); ++i) {
        conditions_.push_back(i == 1 ? Node(s[0]) : make("Unary", "not ", {s[0]}));
        made[i] = block(s[i], "");
        conditions_.pop_back();
      }
      return {made};
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

  // `if length > self.size: self._make_buffers(length)`, which no probe needed and no graph can do.
  bool grows_a_buffer(const Node& s) const {
    if (s.size() != 2 || s[1].is_reached || in_init_ || s[1].size() != 1 || !s[1][0].is("Expr")) return false;
    const Node& made = s[1][0][0];
    if (!made.is("Call") || !made[0].is("Attr") || !made[0][0].is("Name", "self")) return false;
    const std::string owner = facts_->owner_of(class_, made[0].text);
    if (owner.empty()) return false;
    return any_of(*facts_->find(owner)->methods.at(made[0].text),
                  [](const Node& n) { return n.is("Attr", "register_buffer"); });
  }

  // `if x.size() != (…): raise …` cannot be asked of sizes that are not known before a graph runs.
  bool is_size_check(const Node& s) const {
    const Node& test = s[0];
    if (s.size() != 2 || !test.is("Compare", "!=") ||
        !(is_sizes(test[0], kinds(test[0])) || is_sizes(test[1], kinds(test[1])))) {
      return false;
    }
    return std::ranges::all_of(s[1].children,
                               [](const Node& n) { return n.is("Raise") || n.is("Comment") || n.is("Space"); });
  }

  // `x += y` of tensors of other dtypes is no statement that TensorFlow takes.
  std::vector<Node> augmented(const Node& s) {
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

  static bool mentions_device(const Node& n) {
    return n.is("Attr", "device") || n.is("Name", "device") || n.is("Name", "device_type");
  }

  std::vector<Node> assign(const Node& s) {
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
    Node made = s;
    if (in_init_ && target.is("Attr") && target[0].is("Name", "self")) {
      if (std::optional<std::vector<Node>> replaced = attribute_of_module(s)) return *replaced;
    }
    for (size_t i = 0; i + 1 < s.size(); ++i) made[i] = target_of(s[i]);
    made.children.back() = expression(value);
    made.comment = text_with_tf_names(s.comment);
    return {made};
  }

  Node target_of(const Node& n) {
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

  static std::string renamed_attribute(const std::string& text) {
    const auto found = attribute_rules().find(text);
    return found == attribute_rules().end() ? text : found->second;
  }

  // `self.x = nn.Parameter(...)`, or layers: named after the attribute, and noted for `build`.
  std::optional<std::vector<Node>> attribute_of_module(const Node& s) {
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
    Node made = s;
    made[0] = attribute(name("self"), tf_attr);
    made.children.back() = expression(value);
    layer_name_.clear();
    std::set<std::string> shapes(pending_.begin(), pending_.end());
    const bool is_known = std::ranges::any_of(built_, [&](const Built& b) { return b.attribute == tf_attr; });
    if (shapes.size() == 1 && !is_known) {
      const bool is_list = any_of(value, [](const Node& n) { return n.is("Call") && dotted(n[0]) == "nn.ModuleList"; });
      built_.push_back({tf_attr, *shapes.begin(), is_list});
    }
    std::vector<Node> result = std::move(before_);
    before_.clear();
    result.push_back(made);
    return result;
  }

  bool makes_module(const Node& value) const {
    return any_of(value, [&](const Node& n) {
      if (!n.is("Call")) return false;
      const std::string f = dotted(n[0]);
      const ClassFacts* facts = facts_->find(f);
      if (facts != nullptr) return facts->is_module;
      if (!facts_->eager_class(n[0]).empty()) return true;
      return f.starts_with("nn.") && !f.starts_with("nn.functional") && f != "nn.Parameter" &&
             !f.starts_with("nn.init");
    });
  }

  std::vector<Node> parameter(const Node& s, const Node& value) {
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
      problem(s, fmt::format("a parameter that begins with `{}` has no rule", raw_text(initial)));
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
      if (is_local) problem(s, "a parameter that is made under a condition on a local variable has no rule");
      Node all = conditions_.size() == 1 ? Node(conditions_[0]) : make("Bool", "and", conditions_);
      weight.guard = kept(expression(all));
    }
    weights_.push_back(weight);
    return result;
  }

  Node initializer() {
    if (!has_initializer_range_ || !parameters_.contains("config")) return text_literal("glorot_uniform");
    need_config();
    return parse_expression("get_initializer(self.config.initializer_range)");
  }

  void need_config() {
    const auto init = facts_->find(class_)->methods.find("__init__");
    const bool has_it = any_of(*init->second, [](const Node& n) {
      return n.is("Assign") && n[0].is("Attr", "config") && n[0][0].is("Name", "self");
    });
    if (!has_it) needs_config_ = true;
  }

  // An expression of `__init__` for use in `build`: locals become attributes.
  Node kept(Node n) {
    for_each(n, [&](Node& part) {
      if (!part.is("Name") || part.text == "self" || imports_.contains(part.text) || part.text == "int" ||
          part.text == "tf" || part.text == "len")
        return;
      if (part.text == "config") {
        need_config();
      } else {
        const std::string attr = part.text;
        const auto& init = *facts_->find(class_)->methods.at("__init__");
        bool is_there = kept_.contains(class_ + "." + attr);
        for_each(init, [&](const Node& a) {
          if (a.is("Assign") && a[0].is("Attr", attr) && a[0][0].is("Name", "self")) is_there = true;
        });
        if (!is_there) {
          kept_.insert(class_ + "." + attr);
          before_.push_back(make("Assign", "", {attribute(name("self"), attr), name(attr)}));
        }
      }
      part = attribute(name("self"), part.text);
    });
    return n;
  }

  // x[:, :, a:b] = v of a whole slice along one axis.
  Node assign_slice(const Node& s) {
    const Node& target = s[0];
    const Node index = target[1].is("Tuple") ? target[1] : make("Tuple", "", {target[1]});
    const int rank = kinds(target[0]).rank();
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

  std::vector<Node> expression_statement(const Node& s) {
    const Node& value = s[0];
    if (value.is("Str")) {
      Node made = s;
      rename_texts(made);
      return {made};
    }
    if (value.is("Call") && value[0].is("Attr") && value[0][0].is("Name", "self")) {
      if (dropped_calls().contains(value[0].text)) return {};
      if (value[0].text == "register_buffer") return {buffer(value)};
    }
    if (value.is("Call") && value[0].is("Attr", "append") && value[0][0].is("Name") && in_init_ &&
        list_names_.contains(value[0][0].text)) {
      const std::string list = value[0][0].text;
      layer_name_ = list_names_[list];
      list_index_ = call(name("len"), {name(list)});
      pending_.clear();
      Node made = s;
      made[0] = call(attribute(name(list), "append"), {expression(value[1])});
      layer_name_.clear();
      list_index_ = Node();
      list_shapes_[list].insert(pending_.begin(), pending_.end());
      std::vector<Node> result = std::move(before_);
      before_.clear();
      result.push_back(made);
      return result;
    }
    // x.floor_()
    if (value.is("Call") && value[0].is("Attr") && value[0].text.ends_with("_") && value[0][0].is("Name") &&
        is_tensor_method(value[0].text.substr(0, value[0].text.size() - 1))) {
      Node method = value;
      method[0].text.pop_back();
      return {make("Assign", "", {value[0][0], expression(method)})};
    }
    Node made = s;
    made[0] = expression(value);
    return {made};
  }

  bool is_called_in_init() const {
    const std::string method = function_.substr(function_.find('.') + 1);
    return std::ranges::any_of(facts_->classes(), [&](const auto& entry) {
      const auto init = entry.second.methods.find("__init__");
      return init != entry.second.methods.end() && any_of(*init->second, [&](const Node& n) {
               return n.is("Call") && n[0].is("Attr", method) && n[0][0].is("Name", "self");
             });
    });
  }

  Node buffer(const Node& value) {
    if (!in_init_ && !is_called_in_init()) {
      problem(value, "a buffer is changed while the model runs");
      return make("Pass");
    }
    std::string attr = value[1].text;
    if (!value[1].is("Str")) {
      problem(value, "a buffer whose name is computed has no rule");
      return make("Pass");
    }
    attr = attr.substr(1, attr.size() - 2);
    const bool is_persistent = !std::ranges::any_of(
        value.children, [](const Node& n) { return n.is("Keyword", "persistent") && n[0].is("Const", "False"); });
    if (is_persistent) unexpected_.insert(attr);
    return make("Assign", "", {attribute(name("self"), attr), expression(value[2])});
  }

  // Expressions
  // --------------------------------------------------------------------------------------------------------

  // What is known of a value: observed there, else of the same name elsewhere in the function.
  Kinds kinds(const Node& n) const {
    if (!n.types.empty()) return Kinds(n.types);
    if (n.is("Name")) {
      const auto found = types_.find(n.text);
      if (found != types_.end()) return Kinds(found->second);
    }
    return Kinds(n.types);
  }

  Node expression(const Node& n) {
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

  Node bare_expression(const Node& n) {
    if (n.is("Name")) return name_expression(n);
    if (n.is("Attr")) return attribute_expression(n);
    if (n.is("Call")) return call_expression(n);
    if (n.is("Bin")) return binary(n, n.line);
    if (n.is("Sub")) return subscript(n);
    if (n.is("Compare")) return comparison(n);
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

  Node name_expression(const Node& n) {
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

  static bool is_helper(const std::string& text) {
    return std::ranges::any_of(helpers(), [&](const Helper& h) { return h.name == text; });
  }

  // `torch.nn.functional.softmax` for whatever the file calls it; empty when it is not of torch.
  std::string torch_name(const Node& n) const {
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

  Node attribute_expression(const Node& n) {
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
    if (n.text == "training" && n[0].is("Name", "self")) return name("training");
    if (n.text == "device") return name("device");
    if (n.text == "data" && may_be_tensor) return expression(n[0]);
    if (n.text == "ndim" && may_be_tensor) return call(name("len"), {attribute(expression(n[0]), "shape")});
    if (n[0].is("Call") && torch_name(n[0][0]) == "torch.finfo") return attribute(expression(n[0][1]), n.text);
    if ((n.text == "weight" || n.text == "bias") && (n[0].is("Attr") || n[0].is("Name")) && !n[0].is("Name", "self"))
      return leaf_weight(n);
    const bool is_module = n[0].is("Name", "self") || (n[0].is("Attr") && !of.is_tensor());
    return attribute(expression(n[0]), is_module ? renamed_attribute(n.text) : n.text);
  }

  Node leaf_weight(const Node& n) {
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

  Node subscript(const Node& n) {
    const std::string eager = facts_->eager_class(n);
    if (!eager.empty()) return name("TF" + eager);
    if (n[0].is("Name", "ACT2FN")) return call(name("activation_of"), {expression(n[1])});
    Node made = n;
    made[0] = expression(n[0]);
    made[1] = expression(n[1]);
    if (kinds(n[0]).is_tensor() && index_is_tensor(n[1])) {
      const Kinds index = kinds(n[1]);
      if (index.is_tensor() && (index.dtype() == "int64" || index.dtype() == "int32")) {
        Node gathered = call(parse_expression("tf.gather"), {made[0], made[1]});
        return gathered;
      }
      if (index.is_tensor() && index.dtype() == "bool")
        return call(parse_expression("tf.boolean_mask"), {made[0], made[1]});
      problem(n, fmt::format("indexing by tensors, `{}`, has no rule", raw_text(n)));
    }
    return made;
  }

  bool index_is_tensor(const Node& index) const {
    if (index.is("Tuple"))
      return std::ranges::any_of(index.children, [&](const Node& n) { return kinds(n).is_tensor(); });
    return kinds(index).is_tensor();
  }

  Node comparison(const Node& n) {
    Node made = n;
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

  static int width(const std::string& dtype) {
    static const std::map<std::string, int> kWidths = {{"bool", 0},    {"uint8", 1},    {"int32", 2},   {"int64", 2},
                                                       {"float16", 3}, {"bfloat16", 3}, {"float32", 4}, {"float64", 5}};
    const auto found = kWidths.find(dtype);
    return found == kWidths.end() ? -1 : found->second;
  }

  // A size that may be a tensor of int32 in a graph.
  bool is_dynamic_size(const Node& n) const {
    if (n.is("Const") || n.is("Attr") || !kinds(n).is("int")) return false;
    return n.is("Name") ? !parameters_.contains(n.text) : true;
  }

  Node binary(const Node& n, int line) {
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

  static Node promoted(const Node& other, const std::string& dtype) {
    if (other.is("Name")) return attribute(Node(other), "dtype");
    return parse_expression("tf." + (dtype == "int64" ? std::string("int32") : dtype));
  }

  bool is_sizes(const Node& n, const Kinds& of) const {
    if (of.is("size")) return true;
    if (n.is("Sub")) return is_sizes(n[0], kinds(n[0])) && n[1].is("Slice");
    return (n.is("Call") && n[0].is("Attr", "size") && n.size() == 1) || n.is("Attr", "shape");
  }

  // `x_._0` for a list of layers that is written out.
  Node layer_items(const Node& n) {
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

  Node layer_list(const Node& n) {
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

  Node layer_name() const {
    if (list_index_.kind.empty()) return text_literal(layer_name_);
    if (list_index_.is("Const")) return text_literal(layer_name_ + "_._" + list_index_.text);
    return make("Str", "f\"" + layer_name_ + "_._{" + raw_text(list_index_) + "}\"");
  }

  std::optional<Node> special(const std::string& torch, std::vector<Node> arguments, const Node& at,
                              const Node* self = nullptr) {
    TorchCall c{torch, self != nullptr ? *self : Node(), std::move(arguments), at.types};
    std::string why;
    std::optional<Node> made = special_call(c, why);
    if (!made) {
      problem(at, fmt::format("`{}` {}", raw_text(at), why));
      return Node(at);
    }
    return made;
  }

  std::vector<Node> arguments_of(const Node& n) {
    std::vector<Node> arguments;
    for (size_t i = 1; i < n.size(); ++i) {
      const Node& argument = n[i];
      if (argument.is("Keyword", "device") || argument.is("Name", "device")) continue;
      if (argument.is("Attr", "device")) continue;
      if (argument.is("Keyword")) {
        arguments.push_back(keyword(argument.text, expression(argument[0])));
      } else {
        arguments.push_back(expression(argument));
      }
    }
    return arguments;
  }

  Node call_expression(const Node& n) {
    const Node& f = n[0];
    const std::string torch = torch_name(f);
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
    if (f.is("Attr") && f[0].is("Name", "self")) {
      const std::string key = "self." + f.text;
      const bool is_own = !facts_->owner_of(class_, f.text).empty();
      if (!is_own && facts_->find(class_) != nullptr && facts_->find(class_)->is_model) {
        for (const CallRule& rule : call_rules()) {
          if (rule.torch.starts_with(key + "(")) return *special(key, arguments_of(n), n);
        }
      }
    }
    const ClassFacts* made_class = f.is("Name") ? facts_->find(f.text) : nullptr;
    const std::string eager = facts_->eager_class(f);
    if (!eager.empty()) made_class = facts_->find(eager);
    if (made_class != nullptr) return class_call(n, eager.empty() ? f.text : eager, *made_class);
    if (f.is("Attr") && is_tensor_method(f.text)) {
      const Kinds of = kinds(f[0]);
      const bool is_module_like = f[0].is("Name", "self") || !of.modules().empty();
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
    drop_unknown_fields(made, n);
    return made;
  }

  Node parse_is_tensor(const Node& value) {
    return call(name("isinstance"), {expression(value), parse_expression("(tf.Tensor, np.ndarray)")});
  }

  void add_training(Node& made, const Node& n) {
    for (const std::string& callee : facts_->callees(n, class_, locals_)) {
      if (!facts_->needs_training(callee)) continue;
      const bool has_it = std::ranges::any_of(made.children, [](const Node& a) { return a.is("Keyword", "training"); });
      if (!has_it) made.children.push_back(keyword("training", name("training")));
      return;
    }
  }

  // An output class's field that its TensorFlow twin does not have.
  void drop_unknown_fields(Node& made, const Node& n) {
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

  Node super_call(const Node& n) {
    Node made = call(attribute(call(name("super"), {}), n[0].text == "forward" ? "call" : n[0].text), arguments_of(n));
    const ClassFacts* facts = facts_->find(class_);
    if (n[0].text == "__init__" && facts != nullptr && facts->is_module) {
      if (is_main_layer_ || facts->base.empty()) made.children.resize(1);
      const bool has_rest = std::ranges::any_of(made.children, [](const Node& a) { return a.is("Keyword", ""); });
      if (!has_rest) made.children.push_back(keyword("", name("kwargs")));
    }
    add_training(made, n);
    return made;
  }

  Node class_call(const Node& n, const std::string& class_name, const ClassFacts& facts) {
    const std::string written = class_name == base_ ? main_layer() : "TF" + class_name;
    if (!facts.is_module) return call(name(written), arguments_of(n));
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

  // The rank of what `self.<attribute>` was called with, 3 where that is not known.
  int rank_of_input(const std::string& attr) const {
    int rank = -1;
    for (const auto& [method, node] : facts_->find(class_)->methods) {
      for_each(*node, [&](const Node& n) {
        if (!n.is("Call") || !n[0].is("Attr", attr) || n.size() < 2) return;
        rank = std::max(rank, Kinds(n[1].types).rank());
      });
    }
    return rank < 0 ? 3 : rank;
  }

  Node module_call(const Node& n, const std::string& leaf) {
    if (leaf == "ModuleList") {
      if (n.size() == 1) return make("List");
      if (n[1].is("Name") && list_shapes_.contains(n[1].text)) {
        for (const std::string& shape : list_shapes_[n[1].text]) pending_.push_back(shape);
      }
      return expression(n[1]);
    }
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
      if (!bind_arguments(signature, nullptr, arguments, bound, why)) {
        problem(n, fmt::format("`{}` {}", raw_text(n), why));
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
      if (has_initializer_range_ && parameters_.contains("config"))
        bound["init"] = parse_expression("get_initializer(config.initializer_range)");
      bound["name"] = layer_name_.empty() ? make("Const", "None") : layer_name();
      if (!rule.build.empty()) {
        Node shape = fill(parse_expression(rule.build), bound);
        if (leaf == "LayerNorm") {
          const int rank = rank_of_input(layer_name_);
          for (int extra = 3; extra < rank; ++extra)
            shape.children.insert(shape.children.begin(), make("Const", "None"));
        }
        pending_.push_back(raw_text(kept(shape)));
      }
      return fill(parse_expression(rule.keras), bound);
    }
    problem(n, fmt::format("`nn.{}` has no rule", leaf));
    return n;
  }

  // The file
  // ------------------------------------------------------------------------------------------------------------

  void finish(std::vector<Node>& body) {
    if (!unexpected_.empty()) {
      std::string list;
      for (const std::string& one : unexpected_) list += (list.empty() ? "" : ", ") + ("r\"" + one + "\"");
      body[pretrained_index_][2].children.push_back(make(
          "Source",
          "# buffers that PyTorch saves and this file computes\n_keys_to_ignore_on_load_unexpected = [" + list + "]"));
    }
    drop_unused(body);
    std::string text = print_module(make("Block", "", body));
    // Helpers come after the constants, before the first class.
    std::vector<Node> brought;
    for (const Helper& helper : helpers()) {
      if (has_word(text, helper.name)) brought.push_back(make("Source", std::string(helper.source)));
    }
    size_t first = 0;
    while (first < body.size() && !body[first].is("Class") && !body[first].is("Def")) ++first;
    while (first > 0 && (body[first - 1].is("Comment") || body[first - 1].is("Space"))) --first;
    body.insert(body.begin() + static_cast<long>(first), brought.begin(), brought.end());
    text = print_module(make("Block", "", body));
    std::vector<Node> imports = import_statements(text);
    // After the licence and the file's own text.
    size_t place = 0;
    while (place < body.size() && (body[place].is("Comment") || body[place].is("Space") ||
                                   (body[place].is("Expr") && body[place][0].is("Str"))))
      ++place;
    body.insert(body.begin() + static_cast<long>(place), imports.begin(), imports.end());
  }

  static bool has_word(const std::string& text, std::string_view word) {
    for (size_t at = 0; (at = text.find(word, at)) != std::string::npos; ++at) {
      const size_t end = at + word.size();
      const bool is_start = at == 0 || (!is_word_char(text[at - 1]) && text[at - 1] != '.');
      if (is_start && (end >= text.size() || !is_word_char(text[end]))) return true;
    }
    return false;
  }

  // Constants that nothing uses any more.
  void drop_unused(std::vector<Node>& body) {
    for (bool has_changed = true; has_changed;) {
      has_changed = false;
      for (size_t i = 0; i < body.size(); ++i) {
        if (!body[i].is("Assign") || !body[i][0].is("Name") || body[i][0].text == "logger") continue;
        bool is_used = false;
        for (size_t k = 0; k < body.size() && !is_used; ++k) {
          if (k == i) continue;
          is_used = any_of(body[k], [&](const Node& n) { return n.is("Name", body[i][0].text); });
        }
        if (is_used) continue;
        body.erase(body.begin() + static_cast<long>(i));
        while (i > 0 && body[i - 1].is("Comment") && (i >= body.size() || !body[i].is("Assign")) && i > 16) {
          body.erase(body.begin() + static_cast<long>(--i));
        }
        has_changed = true;
        break;
      }
    }
  }

  std::vector<Node> import_statements(const std::string& text) const {
    std::map<std::string, std::set<std::string>> from;
    std::set<std::string> plain;
    for (const auto& [as, origin] : imports_) {
      if (!has_word(text, as) || is_torch_origin(origin.first)) continue;
      const bool is_renamed = origin.first != as && !origin.first.starts_with(as + ".");
      if (origin.second.empty())
        plain.insert(is_renamed ? origin.first + " as " + as : origin.first);
      else
        from[origin.first].insert(origin.second == as ? as : origin.second + " as " + as);
    }
    for (const auto& [word, module] : import_rules()) {
      if (has_word(text, word)) from[module].insert(word);
    }
    for (const auto& [output, facts] : source_.at("tf_outputs").items()) {
      if (facts.at("exists").get<bool>() && has_word(text, "TF" + output))
        from["transformers.modeling_tf_outputs"].insert("TF" + output);
    }
    if (has_word(text, "math")) plain.insert("math");
    std::vector<Node> made;
    const auto add_plain = [&](const std::string& one) {
      made.push_back(make("Import", "", {make("Alias", one, {name("")})}));
    };
    const auto add_from = [&](const std::string& module) {
      Node statement = make("From", module);
      for (const std::string& one : from[module]) statement.children.push_back(make("Alias", one, {name("")}));
      std::ranges::sort(statement.children,
                        [](const Node& a, const Node& b) { return sort_key(a.text) < sort_key(b.text); });
      made.push_back(statement);
    };
    const auto is_standard = [](const std::string& module) {
      static const std::set<std::string> kModules = {
          "math",      "os",   "warnings",        "dataclasses", "typing",  "collections",
          "functools", "copy", "collections.abc", "random",      "inspect", "itertools"};
      return kModules.contains(module);
    };
    for (const std::string& one : plain) {
      if (is_standard(one)) add_plain(one);
    }
    for (const auto& [module, names] : from) {
      if (is_standard(module)) add_from(module);
    }
    if (!made.empty()) made.push_back(make("Space"));
    if (has_word(text, "np")) add_plain("numpy as np");
    add_plain("tensorflow as tf");
    for (const auto& [module, names] : from) {
      if (!is_standard(module)) add_from(module);
    }
    return made;
  }

  // ruff's order: CONSTANTS, Classes, functions.
  static std::pair<int, std::string> sort_key(const std::string& text) {
    const bool is_constant =
        text.size() > 1 && std::ranges::none_of(text, [](unsigned char c) { return std::islower(c); });
    const bool is_class = std::isupper(static_cast<unsigned char>(text[0])) != 0;
    return {is_constant ? 0 : is_class ? 1 : 2, text};
  }

  const json& source_;
  Node module_;
  std::string file_;
  std::string base_;
  std::unique_ptr<Facts> facts_;
  std::map<std::string, std::pair<std::string, std::string>> imports_;  // name here: module, name there
  bool has_initializer_range_ = false;
  std::set<std::string> reachable_;
  std::vector<std::string> errors_, notes_, public_classes_;
  std::set<std::string> unexpected_, missing_outputs_;
  size_t pretrained_index_ = 0;

  // The class and function at hand.
  std::string class_, function_;
  bool in_init_ = false, is_main_layer_ = false, needs_config_ = false;
  int line_ = 0;
  std::map<std::string, std::set<std::string>> locals_;
  std::map<std::string, std::vector<std::string>> types_;
  std::set<std::string> parameters_;
  std::vector<Built> built_;
  std::vector<Weight> weights_;
  std::vector<Node> conditions_;      // that hold where the statement at hand stands, of `if` statements
  std::vector<Node> before_;          // statements that go before the one at hand
  std::set<std::string> kept_;        // `Class.attribute` that was added for `build`
  std::vector<std::string> pending_;  // build shapes of the layers in the statement at hand
  std::string layer_name_;            // of the attribute that is assigned
  Node list_index_;
  std::map<std::string, std::string> list_names_;
  std::map<std::string, std::set<std::string>> list_shapes_;
  Node base_text_, base_call_;
};

}  // namespace

PortedFile translate(const json& source) { return Translator(source).run(); }

}  // namespace crossload::port
