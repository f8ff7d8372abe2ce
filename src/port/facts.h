// What is known of a modeling file before it is translated: its classes, what their attributes are, who needs
// `training`.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "port/node.h"

namespace crossload::port {

struct ClassFacts {
  const Node* node = nullptr;
  std::string base;                                      // of this file, or empty
  std::string leaf;                                      // of torch.nn that it is derived from: `Linear`
  bool is_function = false;                              // derived from torch.autograd.Function
  bool is_module = false;                                // derived from nn.Module
  bool is_model = false;                                 // derived from PreTrainedModel
  std::map<std::string, std::set<std::string>> modules;  // attribute: classes of this file, or `nn.<leaf>`
  std::map<std::string, const Node*> methods;
};

class Facts {
 public:
  explicit Facts(const Node& module);

  const std::map<std::string, ClassFacts>& classes() const { return classes_; }
  const ClassFacts* find(const std::string& name) const;
  const Node* function(const std::string& name) const;
  /// The class that defines a method, the class itself or one that it is derived from; empty when none does.
  std::string owner_of(const std::string& class_name, const std::string& method) const;
  std::set<std::string> modules_of(const std::string& class_name, const std::string& attribute) const;
  /// `BERT_SELF_ATTENTION_CLASSES[config._attn_implementation]` is `BertSelfAttention`; empty for anything else.
  std::string eager_class(const Node& subscript) const;
  /// What a call runs: `Class.method`, `function`, or `nn.<leaf>`; several where it depends.
  std::set<std::string> callees(const Node& call, const std::string& class_name,
                                const std::map<std::string, std::set<std::string>>& locals) const;
  /// Locals of a function that hold modules: `for layer in self.layers`.
  std::map<std::string, std::set<std::string>> module_locals(const Node& function, const std::string& class_name) const;
  /// Whether `Class.method` or `function` uses `training`, itself or in what it calls.
  bool needs_training(const std::string& callee) const { return trained_.contains(callee); }

 private:
  void find_trained(const Node& module);

  std::map<std::string, ClassFacts> classes_;
  std::map<std::string, const Node*> functions_;
  std::map<std::string, std::string> eager_;  // table of attention classes: the eager one
  std::set<std::string> trained_;
};

}  // namespace crossload::port
