#include "port/fold.h"

#include <algorithm>
#include <map>
#include <optional>
#include <vector>

namespace crossload::port {
namespace {

// Calls that are always false in a TensorFlow model.
const std::set<std::string> kFalseCalls = {"is_torchdynamo_compiling",    "torch._dynamo.is_compiling",
                                           "torch.compiler.is_compiling", "torch.jit.is_tracing",
                                           "is_torch_fx_proxy",           "torch.is_autocast_enabled",
                                           "is_deepspeed_zero3_enabled",  "torch.onnx.is_in_onnx_export",
                                           "torch.jit.is_scripting",      "is_flash_attn_2_available",
                                           "is_fsdp_managed_module"};
// Kinds of caches that only PyTorch has.
const std::set<std::string> kForeignCaches = {"StaticCache", "SlidingWindowCache", "EncoderDecoderCache",
                                              "HybridCache", "QuantizedCache",     "OffloadedCache"};
// Contexts that only PyTorch needs.
const std::set<std::string> kContexts = {"torch.no_grad", "torch.autocast", "torch.cuda.amp.autocast",
                                         "torch.amp.autocast", "torch.cuda.device"};

Node constant(bool value) { return make("Const", value ? "True" : "False"); }
bool is_true(const Node& n) { return n.is("Const", "True"); }
bool is_false(const Node& n) { return n.is("Const", "False"); }

class Folder {
 public:
  explicit Folder(const Node& module) {
    for_each(module, [&](const Node& n) {
      if (n.is("Assign") && n.size() == 2 && n[0].is("Attr") && n[1].is("Attr", "_attn_implementation")) {
        kernel_aliases_.insert(n[0].text);
      }
    });
  }

  void block(Node& block) {
    std::vector<Node> kept;
    for (Node& s : block.children) statement(std::move(s), kept);
    block.children = std::move(kept);
  }

  void function(Node& function) {
    const auto before = locals_;
    locals_.clear();
    assigned_.clear();
    for_each(function, [&](const Node& n) {
      if (n.is("Assign") || n.is("AugAssign")) {
        for (size_t i = 0; i + 1 < n.size(); ++i) {
          for_each(n[i], [&](const Node& t) {
            if (t.is("Name")) ++assigned_[t.text];
          });
        }
      }
      if (n.is("Param")) ++assigned_[n.text];
    });
    block(function[3]);
    locals_ = before;
  }

 private:
  void statement(Node s, std::vector<Node>& kept) {
    if (s.is("Def")) {
      function(s);
    } else if (s.is("Class")) {
      block(s[2]);
    } else if (s.is("If")) {
      return if_statement(std::move(s), kept);
    } else if (s.is("With")) {
      bool is_foreign = true;
      for (size_t i = 0; i < s[0].size(); i += 2) {
        const Node& item = s[0][i];
        is_foreign = is_foreign && item.is("Call") && kContexts.contains(dotted(item[0]));
      }
      block(s[1]);
      if (is_foreign) {
        for (Node& inner : s[1].children) kept.push_back(std::move(inner));
        return;
      }
    } else if (s.is("For")) {
      expression(s[1]);
      for (size_t i = 2; i < s.size(); ++i) block(s[i]);
    } else if (s.is("While")) {
      expression(s[0]);
      block(s[1]);
    } else {
      if (is_foreign_statement(s)) return;
      const bool was_constant = s.is("Assign") && s.children.back().is("Const");
      for (Node& child : s.children) expression(child);
      if (s.is("Assign") && s.size() == 2 && s[0].is("Name") && !was_constant && assigned_[s[0].text] == 1 &&
          (is_true(s[1]) || is_false(s[1]))) {
        locals_[s[0].text] = is_true(s[1]);
        return;
      }
    }
    kept.push_back(std::move(s));
  }

  bool is_foreign_statement(const Node& s) const {
    if (!s.is("Assign") || s.size() != 2) return false;
    if (s[0].is("Attr", "gradient_checkpointing") || s[0].is("Attr", "pruned_heads")) return true;
    if (s[0].is("Attr") && kernel_aliases_.contains(s[0].text)) return true;
    return s[0].is("Attr") && s[0].text.starts_with("_use_");
  }

  void if_statement(Node s, std::vector<Node>& kept) {
    expression(s[0]);
    for (size_t i = 1; i < s.size(); ++i) block(s[i]);
    if (is_true(s[0]) || is_false(s[0])) {
      const size_t taken = is_true(s[0]) ? 1 : 2;
      if (taken < s.size()) {
        for (Node& inner : s[taken].children) kept.push_back(std::move(inner));
      }
      return;
    }
    const auto is_empty = [](const Node& block) {
      return std::ranges::all_of(block.children, [](const Node& n) { return n.is("Comment") || n.is("Space"); });
    };
    if (s.size() > 2 && is_empty(s[2])) s.children.pop_back();
    if (is_empty(s[1])) {
      if (s.size() == 2) return;
      s[1].children.push_back(make("Pass"));
    }
    kept.push_back(std::move(s));
  }

  bool is_kernel(const Node& n) const {
    return n.is("Attr", "_attn_implementation") || (n.is("Attr") && kernel_aliases_.contains(n.text)) ||
           (n.is("Name") && kernel_aliases_.contains(n.text));
  }

  std::optional<bool> decided(const Node& n) const {
    if (n.is("Attr", "gradient_checkpointing") || n.is("Attr", "is_gradient_checkpointing")) return false;
    if (n.is("Name")) {
      const auto found = locals_.find(n.text);
      if (found != locals_.end()) return found->second;
    }
    if (n.is("Attr") && (n.text.starts_with("_use_flash") || n.text.starts_with("_use_sdpa"))) return false;
    if (n.is("Compare") && n.size() == 2 && is_kernel(n[0])) {
      if (n.text == "==" && n[1].is("Str")) return n[1].text == "\"eager\"";
      if (n.text == "!=" && n[1].is("Str")) return n[1].text != "\"eager\"";
    }
    if (n.is("Compare", "is not") && n[0].is("Name", "device") && n[1].is("Const", "None")) return false;
    if (n.is("Compare", "is") && n[0].is("Name", "device") && n[1].is("Const", "None")) return true;
    if (n.is("Compare") && n.size() == 2 && (n[0].is("Attr", "device") || n[1].is("Attr", "device"))) {
      if (n.text == "!=") return false;
      if (n.text == "==") return true;
    }
    // The file is written for any device; what PyTorch does on a CPU is what it is compared with.
    if (n.is("Compare") && n.size() == 2 && n[0].is("Attr", "type") && n[0][0].is("Attr", "device") && n[1].is("Str")) {
      if (n.text == "==") return n[1].text == "\"cpu\"";
      if (n.text == "!=") return n[1].text != "\"cpu\"";
    }
    if (n.is("Call") && kFalseCalls.contains(dotted(n[0]))) return false;
    if (n.is("Call") && n[0].is("Name", "isinstance") && n.size() == 3 && n[2].is("Name") &&
        kForeignCaches.contains(n[2].text)) {
      return false;
    }
    if (n.is("Unary", "not ") && is_true(n[0])) return false;
    if (n.is("Unary", "not ") && is_false(n[0])) return true;
    return std::nullopt;
  }

  void expression(Node& n) {
    for (Node& child : n.children) expression(child);
    if (const auto value = decided(n)) {
      n = constant(*value);
      return;
    }
    if (n.is("Bool")) {
      const bool is_and = n.text == "and";
      std::vector<Node> kept;
      for (Node& child : n.children) {
        if (is_and ? is_true(child) : is_false(child)) continue;
        if (is_and ? is_false(child) : is_true(child)) {
          n = constant(!is_and);
          return;
        }
        kept.push_back(std::move(child));
      }
      if (kept.empty())
        n = constant(is_and);
      else if (kept.size() == 1)
        n = Node(kept[0]);
      else
        n.children = std::move(kept);
    } else if (n.is("IfExp") && (is_true(n[0]) || is_false(n[0]))) {
      n = Node(is_true(n[0]) ? n[1] : n[2]);
    }
  }

  std::set<std::string> kernel_aliases_;
  std::map<std::string, bool> locals_;
  std::map<std::string, int> assigned_;
};

// Transformers' `# Copied from` lines: its checks compare the code below with the class that is named, and what is
// written for TensorFlow is no copy of PyTorch's.
void drop_copy_notes(Node& tree) {
  std::erase_if(tree.children, [](const Node& n) { return n.is("Comment") && n.text.starts_with("# Copied from "); });
  for (Node& child : tree.children) drop_copy_notes(child);
}

}  // namespace

void fold_module(Node& module) {
  Folder(module).block(module);
  drop_copy_notes(module);
}

}  // namespace crossload::port
