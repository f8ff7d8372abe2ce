// Functions and their blocks. A block that no probe ran, and that has no rule, becomes NotImplementedError.
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "port/calls.h"
#include "port/print.h"
#include "port/rules.h"
#include "port/translator.h"

namespace crossload::port {

// `unpack_inputs` refuses arguments that are not named, so what looks into `**rest` finds nothing.
Node Translator::without_looks_at_rest(const Node& given) {
  Node s = given;
  for (const Node& p : given[1].children) {
    if (!p.is("KwParam")) continue;
    std::erase_if(s[3].children, [&](const Node& member) {
      return member.is("If") && member.size() == 2 && any_of(member[0], [&](const Node& n) {
               const bool is_popped = n.is("Call") && n[0].is("Attr", "pop") && n[0][0].is("Name", p.text);
               const bool is_counted =
                   n.is("Call") && n[0].is("Name", "len") && n.size() == 2 && n[1].is("Name", p.text);
               return is_popped || is_counted;
             });
    });
  }
  return s;
}

Node Translator::function(const Node& given, const std::string& key) {
  const bool is_unpacked = (is_main_layer_ || is_head_) && given.text == "forward";
  const Node s = is_unpacked ? without_looks_at_rest(given) : given;
  function_ = key;
  in_init_ = s.text == "__init__" && !class_.empty();
  locals_ = facts_->module_locals(s, class_);
  types_.clear();
  parameters_.clear();
  has_config_ = false;
  for (const Node& p : s[1].children) {
    parameters_.insert(p.text);
    has_config_ = has_config_ || (p.is("Param", "config") && p[1].is("Empty"));
  }
  for_each(s, [&](const Node& n) {
    if (!n.is("Name") || n.types.empty()) return;
    std::set<std::string> all(types_[n.text].begin(), types_[n.text].end());
    all.insert(n.types.begin(), n.types.end());
    types_[n.text] = std::vector<std::string>(all.begin(), all.end());
  });
  find_list_names(s);
  size_names_.clear();
  for_each(s, [&](const Node& n) {
    if (n.is("Assign") && n[0].is("Name") && is_one_size(n.children.back())) size_names_.insert(n[0].text);
  });
  line_ = s.line;

  Node made = s;
  made.text = s.text == "forward" ? "call" : s.text;
  made[0].children.clear();
  for (const Node& d : s[0].children) {
    const std::string decorator = d.is("Call") ? dotted(d[0]) : dotted(d);
    if (decorator.starts_with("torch.") || (is_for_keras_ && is_of_transformers(d))) continue;
    Node kept = d;
    rename_texts(kept);
    for_each(kept, [&](Node& n) {
      if (n.is("Name")) n = name(output_name(n.text));
    });
    made[0].children.push_back(kept);
  }
  std::vector<Node> parameters;
  bool has_rest = false;
  // `unpack_inputs` takes none but those that are named; what the body itself looks into stays.
  dropped_rest_.clear();
  for (const Node& p : s[1].children) {
    if (p.is("Param", "device")) continue;
    if (p.is("Param", "ctx") && facts_->find(class_) != nullptr && facts_->find(class_)->is_function) continue;
    if (p.is("KwParam") && is_unpacked) {
      long named = 0, passed_on = 0;
      for_each(s[3], [&](const Node& n) {
        named += n.is("Name", p.text);
        passed_on += n.is("Keyword", "") && n[0].is("Name", p.text);
      });
      if (named == passed_on) {
        dropped_rest_ = p.text;
        continue;
      }
    }
    Node kept = p;
    for (Node& part : kept.children) annotation(part);
    has_rest = has_rest || p.is("KwParam");
    parameters.push_back(kept);
  }
  const bool is_layer = !class_.empty() && facts_->find(class_)->is_module;
  if (in_init_ && is_head_) {
    const auto rest = std::ranges::find_if(parameters, [](const Node& p) { return p.is("KwParam"); });
    parameters.insert(rest, make("VarParam", "inputs", {make("Empty"), make("Empty")}));
  }
  if (in_init_ && is_layer && !has_rest)
    parameters.push_back(make("KwParam", "kwargs", {make("Empty"), make("Empty")}));
  // The main layer always takes it: `unpack_inputs` and Keras hand it over.
  if (facts_->needs_training(key) || is_unpacked) {
    Node training = make("Param", "training", {name("bool"), make("Const", "False")});
    const auto rest = std::ranges::find_if(parameters, [](const Node& p) { return p.is("KwParam"); });
    parameters.insert(rest, training);
  }
  made[1].children = parameters;
  annotation(made[2]);
  needs_config_ = false;
  if (in_init_ && !is_head_ && facts_->find(class_)->is_model && parameters_.contains("config")) need_config();
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

void Translator::find_list_names(const Node& s) {
  list_names_.clear();
  sequences_.clear();
  for_each(s, [&](const Node& n) {
    if (!n.is("Assign") || !n[0].is("Attr") || !n.children.back().is("Call")) return;
    const Node& value = n.children.back();
    const bool is_list = dotted(value[0]) == "nn.ModuleList";
    // Appended to before, or, where it begins empty, after.
    const std::string list = !is_list ? "" : value.size() == 1 ? list_key(n[0]) : list_key(value[1]);
    if (!list.empty()) list_names_[list] = n[0].text;
    if (dotted(value[0]) == "nn.Sequential" && value.size() == 2 && value[1].is("Starred") && value[1][0].is("Name")) {
      list_names_[value[1][0].text] = n[0].text;
      sequences_.insert(value[1][0].text);
    }
  });
  // A list of lists: `blocks.append(nn.ModuleList(layers))`.
  for_each(s, [&](const Node& n) {
    if (!n.is("Call") || !n[0].is("Attr", "append") || n.size() != 2 || !n[1].is("Call")) return;
    const auto outer = list_names_.find(list_key(n[0][0]));
    if (outer == list_names_.end() || dotted(n[1][0]) != "nn.ModuleList" || n[1].size() != 2) return;
    if (!n[1][1].is("Name")) return;
    const std::string attr = outer->second;
    nested_lists_.insert(class_ + "." + renamed_attribute(attr));
    list_names_[n[1][1].text] = attr + "_._{len(" + print_expression(n[0][0]) + ")}";
  });
}

std::string Translator::list_key(const Node& n) {
  if (n.is("Name")) return n.text;
  return n.is("Attr") && n[0].is("Name", "self") ? "self." + n.text : "";
}

void Translator::annotation(Node& part) const {
  for_each(part, [&](Node& n) {
    const std::string dots = dotted(n);
    const auto found = name_rules().find(dots);
    if (found != name_rules().end())
      n = parse_expression(found->second);
    else if (dots.starts_with("nn.") || dots.starts_with("torch.nn."))
      n = parse_expression("keras.layers.Layer");
    else if (n.is("Name"))
      n = name(output_name(tf_name(n.text)));
    else if (n.is("Str") || n.is("Concat"))
      n = Node(n);
  });
}

bool Translator::has_observed_start(const Node& block, const Node& statement) {
  for (const Node& s : block.children) {
    if (&s == &statement) return false;
    if (any_of(s, [](const Node& n) { return !n.types.empty(); })) return true;
  }
  return false;
}

Node Translator::not_ported(size_t errors) {
  const std::string first = errors_[errors];
  const std::string where = first.substr(0, first.find(": ")), reason = first.substr(first.find(": ") + 2);
  notes_.push_back(fmt::format("{}: not ported, raises NotImplementedError there: {}", where, reason));
  errors_.resize(errors);
  std::string text = where + " is not ported: ";
  for (const char c : reason.substr(0, 60)) text += c == '"' || c == '\\' || c == '\n' ? '\'' : c;
  return make("Raise", "", {call(name("NotImplementedError"), {text_literal(text)})});
}

Node Translator::block(const Node& s, const std::string& where) {
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
    if (translated.empty()) {
      // What was said of it goes too.
      while (!made.children.empty() && made.children.back().is("Comment")) made.children.pop_back();
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

}  // namespace crossload::port
