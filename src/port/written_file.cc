// What a whole file needs besides its classes: imports, helpers, and no constants that nothing uses.
#include <algorithm>
#include <set>

#include "port/calls.h"
#include "port/print.h"
#include "port/rules.h"
#include "port/translator.h"

namespace crossload::port {

namespace {

/// Python source without comments and without strings that hold a space: words in them use nothing. Other strings stay,
/// since annotations may stand in quotes, and so do f-strings.
std::string without_prose(const std::string& text) {
  std::string kept;
  for (size_t at = 0; at < text.size();) {
    if (text[at] == '#') {
      at = std::min(text.find('\n', at), text.size());
    } else if (text[at] == '"' || text[at] == '\'') {
      const std::string quote =
          text.substr(at, 3) == std::string(3, text[at]) ? std::string(3, text[at]) : std::string(1, text[at]);
      size_t end = at + quote.size();
      while (end < text.size() && text.compare(end, quote.size(), quote) != 0) end += text[end] == '\\' ? 2 : 1;
      end = std::min(end + quote.size(), text.size());
      const std::string literal = text.substr(at, end - at);
      const bool may_use = literal.find_first_of(" \n") == std::string::npos || kept.ends_with('f');
      kept += may_use ? literal : "\"\"";
      at = end;
    } else {
      kept += text[at++];
    }
  }
  return kept;
}

}  // namespace

void Translator::finish(std::vector<Node>& body) {
  if (!unexpected_.empty()) {
    Node list = make("List");
    for (const std::string& one : unexpected_) list.children.push_back(make("Str", "r\"" + one + "\""));
    std::vector<Node>& members = body[pretrained_index_][2].children;
    members.push_back(make("Comment", "# buffers that PyTorch saves and this file computes"));
    members.push_back(make("Assign", "", {name("_keys_to_ignore_on_load_unexpected"), list}));
  }
  std::vector<Node> outputs;
  for (const std::string& one : missing_outputs_) outputs.push_back(output_class(one));
  body.insert(body.begin() + first_definition(body, false), outputs.begin(), outputs.end());
  drop_unused(body);
  // With what the helpers use themselves.
  const std::vector<std::pair<std::string, Node>> offered = brought_along();
  std::string uses = without_prose(print_module(make("Block", "", body)));
  std::set<std::string> used;
  for (bool has_changed = true; has_changed;) {
    has_changed = false;
    for (const auto& [word, definition] : offered) {
      if (!has_word(uses, word) || !used.insert(word).second) continue;
      uses += without_prose(print_module(make("Block", "", {definition})));
      has_changed = true;
    }
  }
  // Helpers come after the constants, before the first class; in a file that stands alone constants may need them.
  std::vector<Node> brought;
  for (const auto& [word, definition] : offered) {
    if (used.contains(word)) brought.push_back(definition);
  }
  body.insert(body.begin() + first_definition(body, is_for_keras_), brought.begin(), brought.end());
  std::vector<Node> imports = import_statements(print_module(make("Block", "", body)));
  // After the licence and the file's own text.
  size_t place = 0;
  while (place < body.size() &&
         (body[place].is("Comment") || body[place].is("Space") || (body[place].is("Expr") && body[place][0].is("Str"))))
    ++place;
  body.insert(body.begin() + static_cast<long>(place), imports.begin(), imports.end());
}

std::vector<std::pair<std::string, Node>> Translator::brought_along() const {
  std::vector<std::pair<std::string, Node>> all;
  std::set<std::string> names;
  if (is_for_keras_) {
    for (const nlohmann::json& given : source_.at("support")) {
      all.emplace_back(given.at("name").get<std::string>(), node_from_json(given.at("tree")));
      names.insert(all.back().first);
    }
  }
  for (const Helper& helper : helpers()) {
    const std::string word(helper.name);
    if (names.insert(word).second) all.emplace_back(word, make("Source", std::string(helper.source)));
  }
  return all;
}

long Translator::first_definition(const std::vector<Node>& body, bool may_be_constant) {
  const auto is_definition = [&](const Node& n) {
    return n.is("Class") || n.is("Def") || (may_be_constant && n.is("Assign"));
  };
  size_t first = 0;
  while (first < body.size() && !is_definition(body[first])) ++first;
  while (first > 0 && (body[first - 1].is("Comment") || body[first - 1].is("Space"))) --first;
  return static_cast<long>(first);
}

Node Translator::output_class(const std::string& output) const {
  const Node module = node_from_json(source_.at("tf_outputs").at(output).at("tree"));
  const auto found = std::ranges::find_if(module.children, [](const Node& s) { return s.is("Class"); });
  Node made = *found;
  made.text = "TF" + output;
  for (Node& member : made[2].children) {
    if (member.is("AnnAssign")) annotation(member[1]);
  }
  rename_texts(made);
  return made;
}

bool Translator::has_word(const std::string& text, std::string_view word) {
  for (size_t at = 0; (at = text.find(word, at)) != std::string::npos; ++at) {
    const size_t end = at + word.size();
    const bool is_start = at == 0 || (!is_word_char(text[at - 1]) && text[at - 1] != '.');
    if (is_start && (end >= text.size() || !is_word_char(text[end]))) return true;
  }
  return false;
}

void Translator::drop_unused(std::vector<Node>& body) {
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

std::vector<Node> Translator::import_statements(const std::string& source) const {
  const std::string text = without_prose(source);
  std::map<std::string, std::set<std::string>> from;
  std::set<std::string> plain;
  const auto is_left_out = [&](const std::string& module) {
    return is_for_keras_ && module.starts_with("transformers.");
  };
  for (const auto& [as, origin] : imports_) {
    if (!has_word(text, as) || is_torch_origin(origin.first) || is_left_out(origin.first)) continue;
    const bool is_renamed = origin.first != as && !origin.first.starts_with(as + ".");
    if (origin.second.empty())
      plain.insert(is_renamed ? origin.first + " as " + as : origin.first);
    else
      from[origin.first].insert(origin.second == as ? as : origin.second + " as " + as);
  }
  std::map<std::string, std::string> origins = import_rules();
  for (const auto& [output, facts] : source_.at("tf_outputs").items()) {
    if (facts.at("exists").get<bool>()) origins["TF" + output] = "transformers.modeling_tf_outputs";
  }
  for (const auto& [word, module] : origins) {
    if (!is_left_out(module) && has_word(text, word)) from[module].insert(word);
  }
  for (const char* module : {"dataclasses", "functools", "inspect", "json", "logging", "math", "os", "random", "re"}) {
    if (has_word(text, module) && !(imports_.contains(module) && !is_for_keras_)) plain.insert(module);
  }
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
    static const std::set<std::string> kModules = {"math",        "os",        "warnings", "dataclasses",     "typing",
                                                   "collections", "functools", "copy",     "collections.abc", "random",
                                                   "inspect",     "itertools", "json",     "logging",         "re"};
    return kModules.contains(module);
  };
  for (const std::string& one : plain) {
    if (is_standard(one)) add_plain(one);
  }
  for (const auto& [module, names] : from) {
    if (is_standard(module)) add_from(module);
  }
  if (!made.empty()) made.push_back(make("Space"));
  if (is_for_keras_) add_plain("keras");
  if (has_word(text, "np")) add_plain("numpy as np");
  add_plain("tensorflow as tf");
  for (const auto& [module, names] : from) {
    if (!is_standard(module)) add_from(module);
  }
  return made;
}

std::pair<int, std::string> Translator::sort_key(const std::string& text) {
  const bool is_constant =
      text.size() > 1 && std::ranges::none_of(text, [](unsigned char c) { return std::islower(c); });
  const bool is_class = std::isupper(static_cast<unsigned char>(text[0])) != 0;
  return {is_constant ? 0 : is_class ? 1 : 2, text};
}

}  // namespace crossload::port
