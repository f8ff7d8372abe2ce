#include "port/facts.h"

#include <algorithm>

#include "port/rules.h"

namespace crossload::port {

Facts::Facts(const Node& module) {
  for (const Node& s : module.children) {
    if (s.is("Def")) functions_[s.text] = &s;
    if (s.is("Assign") && s[0].is("Name") && s[1].is("Dict")) {
      for (size_t i = 0; i + 1 < s[1].size(); i += 2) {
        if (s[1][i].is("Str", "\"eager\"") && s[1][i + 1].is("Name")) eager_[s[0].text] = s[1][i + 1].text;
      }
    }
    if (!s.is("Class")) continue;
    ClassFacts facts;
    facts.node = &s;
    for (const Node& base : s[1].children) {
      const std::string name = dotted(base);
      if (name == "nn.Module" || name == "torch.nn.Module") facts.is_module = true;
      const bool has_weights = std::ranges::any_of(module_rules(), [&](const ModuleRule& rule) {
        return !rule.build.empty() && name.starts_with("nn.") && rule.torch.starts_with(name.substr(3) + "(");
      });
      if (has_weights) {
        facts.leaf = name.substr(3);
        facts.is_module = true;
      }
      if (name == "torch.autograd.Function") facts.is_function = true;
      if (name == "PreTrainedModel") facts.is_module = facts.is_model = true;
      const auto known = classes_.find(name);
      if (known == classes_.end()) continue;
      facts.base = name;
      facts.is_module = facts.is_module || known->second.is_module;
      facts.is_model = facts.is_model || known->second.is_model;
    }
    for (const Node& member : s[2].children) {
      if (member.is("Def")) facts.methods[member.text] = &member;
    }
    classes_[s.text] = facts;
  }
  for (auto& [class_name, facts] : classes_) {
    const auto init = facts.methods.find("__init__");
    if (init == facts.methods.end()) continue;
    std::map<std::string, std::set<std::string>> appended;  // a local list of modules
    const auto made_in = [&](const Node& value) {
      std::set<std::string> made;
      for_each(value, [&](const Node& n) {
        if (n.is("Name") && appended.contains(n.text)) made.merge(std::set(appended[n.text]));
        if (!n.is("Call")) return;
        const std::string function = dotted(n[0]);
        if (classes_.contains(function))
          made.insert(function);
        else if (function.starts_with("nn."))
          made.insert(function);
        else if (!eager_class(n[0]).empty())
          made.insert(eager_class(n[0]));
      });
      return made;
    };
    for_each(*init->second, [&](const Node& n) {
      if (n.is("Call") && n[0].is("Attr", "append") && n[0][0].is("Name") && n.size() == 2) {
        appended[n[0][0].text].merge(made_in(n[1]));
      }
      if (!n.is("Assign") || !n[0].is("Attr") || !n[0][0].is("Name", "self")) return;
      facts.modules[n[0].text].merge(made_in(n.children.back()));
    });
  }
  find_trained(module);
}

const ClassFacts* Facts::find(const std::string& name) const {
  const auto found = classes_.find(name);
  return found == classes_.end() ? nullptr : &found->second;
}

const Node* Facts::function(const std::string& name) const {
  const auto found = functions_.find(name);
  return found == functions_.end() ? nullptr : found->second;
}

std::string Facts::owner_of(const std::string& class_name, const std::string& method) const {
  for (std::string at = class_name; !at.empty();) {
    const ClassFacts* facts = find(at);
    if (facts == nullptr) return {};
    if (facts->methods.contains(method)) return at;
    at = facts->base;
  }
  return {};
}

std::set<std::string> Facts::modules_of(const std::string& class_name, const std::string& attribute) const {
  for (std::string at = class_name; !at.empty();) {
    const ClassFacts* facts = find(at);
    if (facts == nullptr) return {};
    const auto found = facts->modules.find(attribute);
    if (found != facts->modules.end()) return found->second;
    at = facts->base;
  }
  return {};
}

std::string Facts::eager_class(const Node& n) const {
  if (!n.is("Sub") || !n[0].is("Name")) return {};
  const auto found = eager_.find(n[0].text);
  return found == eager_.end() ? std::string() : found->second;
}

std::set<std::string> Facts::callees(const Node& call, const std::string& class_name,
                                     const std::map<std::string, std::set<std::string>>& locals) const {
  std::set<std::string> found;
  const auto add_module = [&](const std::string& module) {
    if (module.starts_with("nn.")) {
      found.insert(module);
    } else {
      const std::string owner = owner_of(module, "forward");
      found.insert(owner.empty() ? "nn." + module : owner + ".forward");
    }
  };
  const Node& f = call[0];
  for (const std::string& module : Kinds(f.types).modules()) {
    if (find(module) != nullptr)
      add_module(module);
    else
      found.insert("nn." + module);
  }
  if (f.is("Name")) {
    if (function(f.text) != nullptr) found.insert(f.text);
    const auto local = locals.find(f.text);
    if (local != locals.end()) {
      for (const std::string& module : local->second) add_module(module);
    }
  } else if (f.is("Attr") && f[0].is("Name", "self")) {
    const std::string owner = owner_of(class_name, f.text);
    if (!owner.empty()) found.insert(owner + "." + f.text);
    for (const std::string& module : modules_of(class_name, f.text)) add_module(module);
  } else if (f.is("Attr") && f[0].is("Call") && f[0][0].is("Name", "super")) {
    const ClassFacts* facts = find(class_name);
    const std::string owner = facts == nullptr ? "" : owner_of(facts->base, f.text);
    if (!owner.empty()) found.insert(owner + "." + f.text);
  } else if (f.is("Sub") && f[0].is("Attr") && f[0][0].is("Name", "self")) {
    for (const std::string& module : modules_of(class_name, f[0].text)) {
      if (module != "nn.ModuleList") add_module(module);
    }
  }
  if (f.is("Name", "apply_chunking_to_forward") && call.size() > 1 && call[1].is("Attr")) {
    const std::string owner = owner_of(class_name, call[1].text);
    if (!owner.empty()) found.insert(owner + "." + call[1].text);
  }
  return found;
}

std::map<std::string, std::set<std::string>> Facts::module_locals(const Node& function,
                                                                  const std::string& class_name) const {
  std::map<std::string, std::set<std::string>> locals;
  for_each(function, [&](const Node& n) {
    if (!n.is("For")) return;
    const Node* iterated = &n[1];
    const Node* target = &n[0];
    if (iterated->is("Call") && (*iterated)[0].is("Name", "enumerate") && target->is("Tuple") && target->size() == 2) {
      iterated = &(*iterated)[1];
      target = &(*target)[1];
    }
    if (!iterated->is("Attr") || !(*iterated)[0].is("Name", "self") || !target->is("Name")) return;
    for (const std::string& module : modules_of(class_name, iterated->text)) {
      if (module != "nn.ModuleList") locals[target->text].insert(module);
    }
  });
  return locals;
}

void Facts::find_trained(const Node& module) {
  std::map<std::string, std::set<std::string>> calls;
  const auto look_at = [&](const std::string& key, const Node& function, const std::string& class_name) {
    const auto locals = module_locals(function, class_name);
    for_each(function[3], [&](const Node& n) {
      if (n.is("Attr", "training")) trained_.insert(key);
      if (n.is("Call")) calls[key].merge(callees(n, class_name, locals));
    });
  };
  for (const Node& s : module.children) {
    if (s.is("Def")) look_at(s.text, s, "");
  }
  for (const auto& [class_name, facts] : classes_) {
    for (const auto& [method, node] : facts.methods) {
      if (method != "__init__") look_at(class_name + "." + method, *node, class_name);
    }
  }
  for (const char* leaf : {"nn.Dropout", "nn.Dropout2d", "nn.BatchNorm2d", "nn.BatchNorm1d"}) trained_.insert(leaf);
  for (bool has_grown = true; has_grown;) {
    has_grown = false;
    for (const auto& [key, called] : calls) {
      if (trained_.contains(key)) continue;
      for (const std::string& callee : called) {
        if (!trained_.contains(callee)) continue;
        trained_.insert(key);
        has_grown = true;
        break;
      }
    }
  }
}

}  // namespace crossload::port
