#include "port/translate.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "port/fold.h"
#include "port/print.h"
#include "port/rules.h"
#include "port/translator.h"

namespace crossload::port {

using nlohmann::json;

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

Translator::Translator(const json& source, const std::set<std::string>& heads)
    : source_(source),
      module_(node_from_json(source.at("tree"))),
      file_(source.at("file").get<std::string>()),
      is_for_keras_(source.value("home", "transformers") == "keras") {
  fold_module(module_);
  read_imports();
  // `LayerNorm` of `from torch.nn import LayerNorm` is `nn.LayerNorm`, as most files have it.
  if (imports_.contains("nn")) {
    for_each(module_, [&](Node& n) {
      const auto found = n.is("Name") ? imports_.find(n.text) : imports_.end();
      if (found == imports_.end() || found->second.first != "torch.nn" || found->second.second.empty()) return;
      Node whole = attribute(name("nn"), found->second.second);
      whole.types = n.types;
      whole.line = n.line;
      n = whole;
    });
  }
  // `torch.nn.Linear` in full.
  if (imports_.contains("nn")) {
    for_each(module_, [](Node& n) {
      if (n.is("Attr") && n[0].is("Attr", "nn") && n[0][0].is("Name", "torch")) n[0] = name("nn");
    });
  }
  // `nn.LayerNorm.forward(self, x)` of a class derived from it is `super().forward(x)`, and `layer.forward(x)` is
  // `layer(x)`.
  for_each(module_, [](Node& n) {
    const bool names_forward = n.is("Call") && n[0].is("Attr", "forward") && !n[0][0].is("Name", "self");
    if (names_forward && !Kinds(n[0][0].types).modules().empty()) n[0] = Node(n[0][0]);
    const bool is_base_call = n.is("Call") && n.size() > 1 && n[1].is("Name", "self") && n[0].is("Attr") &&
                              (n[0].text == "__init__" || n[0].text == "forward") && dotted(n[0][0]).starts_with("nn.");
    if (!is_base_call) return;
    n[0][0] = call(name("super"), {});
    n.children.erase(n.children.begin() + 1);
  });
  facts_ = std::make_unique<Facts>(module_);
  base_ = source.at("base").get<std::string>();
  read_initializer();
  read_heads(heads);
  for (const json& pattern : source.at("tied")) unexpected_.insert(pattern.get<std::string>());
}

PortedFile Translator::run() {
  find_reachable();
  std::vector<Node> body;
  for (const Node& s : module_.children) module_statement(s, body);
  if (!errors_.empty()) {
    std::ranges::sort(errors_);
    errors_.erase(std::unique(errors_.begin(), errors_.end()), errors_.end());
    throw Error(
        ErrorKind::kUnsupported,
        fmt::format("{}: {} places have no rule; add rows in src/port/rules.cc (docs/port.md)", file_, errors_.size()),
        errors_);
  }
  finish(body);
  PortedFile result;
  result.text = print_module(make("Block", "", body));
  result.classes = public_classes_;
  result.notes = notes_;
  return result;
}

void Translator::read_imports() {
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

void Translator::read_initializer() {
  for (const auto& [class_name, facts] : facts_->classes()) {
    const auto found = facts.methods.find("_init_weights");
    if (found == facts.methods.end()) continue;
    has_initializer_range_ = any_of(*found->second, [](const Node& n) { return n.is("Attr", "initializer_range"); });
  }
}

void Translator::read_heads(const std::set<std::string>& names) {
  for (const json& given : source_.at("heads")) {
    const auto text = [&](const json& of, const char* key) {
      const auto found = of.find(key);
      return found != of.end() && found->is_string() ? found->get<std::string>() : std::string();
    };
    Head head;
    head.name = text(given, "name");
    if (!names.contains(head.name)) continue;
    head.loss = text(given, "loss");
    head.generates = given.at("generates").get<bool>();
    head.takes_positions = given.at("positions").get<bool>();
    head.encodes = given.at("encodes").get<bool>();
    head.tied = given.at("tied").get<std::vector<std::string>>();
    if (const json& output = given.at("output"); output.is_object()) {
      head.output_path = text(output, "path");
      head.input_path = text(output, "input");
      output_layers_.insert(text(output, "class") + "." + text(output, "attribute"));
    }
    heads_[head.name] = head;
  }
  // `self.decoder.bias = self.bias`: the layer has none of its own.
  for (const auto& [class_name, facts] : facts_->classes()) {
    const auto init = facts.methods.find("__init__");
    if (init == facts.methods.end()) continue;
    for_each(*init->second, [&](const Node& n) {
      if (n.is("Assign") && n.size() == 2 && n[0].is("Attr", "bias") && n[0][0].is("Attr") &&
          n[0][0][0].is("Name", "self") && dotted(n[1]) == "self.bias") {
        shared_biases_.insert(class_name + "." + n[0][0].text);
      }
    });
  }
}

void Translator::find_reachable() {
  std::vector<std::string> open = {base_};
  const auto reach = [&](const std::string& name) {
    if (reachable_.insert(name).second) open.push_back(name);
  };
  reachable_.insert(base_);
  for (const auto& [head, facts] : heads_) reach(head);
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

void Translator::problem(const Node& at, const std::string& what) {
  const int line = at.line != 0 ? at.line : line_;
  errors_.push_back(fmt::format("{}:{}: {}", file_, line, what));
}

void Translator::module_statement(const Node& s, std::vector<Node>& body) {
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
    if (is_for_keras_) {
      for_each(kept, [](Node& n) {
        if (n.is("Call") && dotted(n[0]) == "logging.get_logger") n[0] = name("RepeatlessLogger");
      });
    }
    body.push_back(kept);
  }
}

bool Translator::is_of_transformers(const Node& decorator) const {
  const std::string dots = dotted(decorator.is("Call") ? decorator[0] : decorator);
  const auto found = imports_.find(dots.substr(0, dots.find('.')));
  return found != imports_.end() && found->second.first.starts_with("transformers.");
}

Node Translator::kept_decorators(const Node& decorators) const {
  Node kept = decorators;
  if (is_for_keras_) std::erase_if(kept.children, [&](const Node& d) { return is_of_transformers(d); });
  return kept;
}

void Translator::drop_comments(std::vector<Node>& body) {
  while (!body.empty() && body.back().is("Comment") && body.back().text.find("Copyright") == std::string::npos &&
         body.size() > 16) {
    body.pop_back();
  }
}

std::string Translator::tf_name(const std::string& name) const {
  if (facts_->find(name) != nullptr) return "TF" + name;
  return name;
}

std::string Translator::output_name(const std::string& text) const {
  const json& outputs = source_.at("tf_outputs");
  if (outputs.contains(text)) return "TF" + text;
  return tf_name(text);
}

std::string Translator::main_layer() const {
  const std::string stem = base_.ends_with("Model") ? base_.substr(0, base_.size() - 5) : base_;
  return "TF" + stem + "MainLayer";
}

std::string Translator::text_with_tf_names(const std::string& text) const {
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

Node Translator::comment(const Node& s) const {
  Node made = s;
  made.text = text_with_tf_names(s.text);
  return made;
}

void Translator::rename_texts(Node& tree) const {
  for_each(tree, [&](Node& n) {
    if (n.is("Str")) n.text = text_with_tf_names(n.text);
    if (!n.comment.empty()) n.comment = text_with_tf_names(n.comment);
  });
}

namespace {

// What a task class alone lacks: the first place, and how many more.
std::string reason_of(const Error& error) {
  if (error.details().empty()) return error.what();
  const size_t more = error.details().size() - 1;
  return more == 0 ? error.details()[0] : fmt::format("{} (and {} more places)", error.details()[0], more);
}

}  // namespace

PortedFile translate(const json& source) {
  std::set<std::string> heads;
  for (const json& head : source.at("heads")) heads.insert(head.at("name").get<std::string>());
  try {
    return Translator(source, heads).run();
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::kUnsupported || heads.empty()) throw;
  }
  // One class without a rule does not take the others with it.
  const std::string required = source.at("required").get<std::string>();
  PortedFile ported = Translator(source, {}).run();
  std::set<std::string> good;
  std::vector<std::string> notes;
  for (const std::string& head : heads) {
    try {
      Translator(source, {head}).run();
      good.insert(head);
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::kUnsupported || head == required) throw;
      notes.push_back(fmt::format("{} is left out: {}", head, reason_of(error)));
    }
  }
  if (!good.empty()) ported = Translator(source, good).run();
  ported.notes.insert(ported.notes.begin(), notes.begin(), notes.end());
  return ported;
}

}  // namespace crossload::port
