// A node's call site names its innermost module and which call of it. The calls of the modules around it follow from
// counts: when a module is called a times and one below it b times, call k below lies in call k * a / b.
#include "verify/modules.h"

#include <algorithm>
#include <optional>
#include <set>
#include <string_view>

#include "base/permutation.h"

namespace crossload::verify {
namespace {

using program::CallSite;
using program::Program;

constexpr std::string_view kContainers[] = {"ModuleList", "ModuleDict", "ParameterList", "ParameterDict"};

std::optional<std::string> parent_path(const std::string& path) {
  if (path.empty()) return std::nullopt;
  const std::size_t dot = path.rfind('.');
  return dot == std::string::npos ? std::string() : path.substr(0, dot);
}

int call_number(const CallSite& site) {
  const std::size_t at = site.call.rfind('@');
  if (at == std::string::npos || at < site.module.size()) return 0;
  int number = 0;
  for (const char c : site.call.substr(at + 1)) {
    if (c < '0' || c > '9' || number > 1'000'000) return 0;
    number = number * 10 + (c - '0');
  }
  return number;
}

struct Module {
  std::string module_class;
  std::optional<std::string> parent;  // the next module that is called
  std::set<std::string> children;
  int direct_calls = 0;
  int calls = 0;
};

class TreeBuilder {
 public:
  TreeBuilder(const Program& program, const std::map<std::string, std::string>& classes)
      : program_(program), classes_(classes) {}

  ModuleTree run() {
    find_modules();
    count_calls("");
    place_nodes();
    put_in_order();
    find_outputs();
    return std::move(tree_);
  }

 private:
  const CallSite* call_site_of(int node) const {
    const int site = program_.main.nodes[static_cast<std::size_t>(node)].call_site;
    return site < 0 ? nullptr : &program_.call_sites[static_cast<std::size_t>(site)];
  }

  void find_modules() {
    std::set<std::string> direct, all = {""};
    for (const program::Node& node : program_.main.nodes) {
      if (node.call_site < 0) continue;
      const CallSite& site = program_.call_sites[static_cast<std::size_t>(node.call_site)];
      direct.insert(site.module);
      Module& module = modules_[site.module];
      if (module.module_class.empty()) module.module_class = site.module_class;
      module.direct_calls = std::max(module.direct_calls, call_number(site) + 1);
      for (std::optional<std::string> path = site.module; path; path = parent_path(*path)) all.insert(*path);
    }
    std::map<std::string, bool> only_numbers;  // whether all that lies below a path is numbered
    for (const std::string& path : all) {
      if (path.empty()) continue;
      const std::string name = path.substr(path.rfind('.') + 1);
      const bool is_number = name.find_first_not_of("0123456789") == std::string::npos;
      const auto [it, is_new] = only_numbers.try_emplace(*parent_path(path), is_number);
      if (!is_new) it->second = it->second && is_number;
    }
    for (const std::string& path : all) {
      const auto known = classes_.find(path);
      if (!path.empty() && !direct.contains(path)) {
        const bool is_container = known != classes_.end()
                                      ? std::ranges::find(kContainers, known->second) != std::end(kContainers)
                                      : only_numbers[path];
        if (is_container) continue;
      }
      Module& module = modules_[path];
      if (module.module_class.empty() && known != classes_.end()) module.module_class = known->second;
    }
    for (auto& [path, module] : modules_) {
      for (auto above = parent_path(path); above; above = parent_path(*above)) {
        const auto found = modules_.find(*above);
        if (found == modules_.end()) continue;
        module.parent = *above;
        found->second.children.insert(path);
        break;
      }
    }
  }

  int count_calls(const std::string& path) {
    Module& module = modules_.at(path);
    int fewest = 0;
    for (const std::string& child : module.children) {
      const int calls = count_calls(child);
      fewest = fewest == 0 ? calls : std::min(fewest, calls);
    }
    module.calls = path.empty() ? 1 : std::max(1, module.direct_calls > 0 ? module.direct_calls : fewest);
    return module.calls;
  }

  /// The call of a module, made when it is met first, and those around it.
  int call_index(const std::string& path, int number) {
    const auto found = made_.find({path, number});
    if (found != made_.end()) return found->second;
    const Module& module = modules_.at(path);
    int parent = -1;
    if (module.parent) {
      const int64_t around = modules_.at(*module.parent).calls;
      parent = call_index(*module.parent,
                          static_cast<int>(std::min<int64_t>(int64_t{number} * around / module.calls, around - 1)));
    }
    const int index = static_cast<int>(tree_.calls.size());
    ModuleCall& call = tree_.calls.emplace_back();
    call.module = path;
    call.module_class = module.module_class;
    call.call = number;
    call.parent = parent;
    call.first_node = -1;
    children_.emplace_back();
    if (parent >= 0) {
      call.depth = tree_.calls[static_cast<std::size_t>(parent)].depth + 1;
      children_[static_cast<std::size_t>(parent)].push_back(index);
    }
    made_[{path, number}] = index;
    return index;
  }

  void place_nodes() {
    call_index("", 0);
    const auto& nodes = program_.main.nodes;
    for (std::size_t i = 0; i < nodes.size(); ++i) {
      const int node = static_cast<int>(i);
      const CallSite* site = call_site_of(node);
      const int index = site == nullptr || site->module.empty() ? 0 : call_index(site->module, call_number(*site));
      tree_.call_of_node.push_back(index);
      tree_.calls[static_cast<std::size_t>(index)].nodes.push_back(node);
      for (int up = index; up >= 0; up = tree_.calls[static_cast<std::size_t>(up)].parent) {
        ModuleCall& call = tree_.calls[static_cast<std::size_t>(up)];
        if (call.first_node < 0) call.first_node = node;
        call.last_node = node;
      }
      for (const program::Result& result : nodes[i].results) {
        for (const std::string& value : result.tensors) {
          if (!value.empty()) tree_.node_of_value[value] = node;
        }
      }
    }
    for (const program::ProgramInput& input : program_.inputs) tree_.node_of_value.try_emplace(input.value, -1);
  }

  void put_in_order() {
    std::vector<int> order, stack = {0};
    while (!stack.empty()) {
      const int index = stack.back();
      stack.pop_back();
      order.push_back(index);
      const auto& children = children_[static_cast<std::size_t>(index)];
      stack.insert(stack.end(), children.rbegin(), children.rend());
    }
    const std::vector<int> renamed = inverse(order);
    std::vector<ModuleCall> calls;
    for (const int index : order) calls.push_back(std::move(tree_.calls[static_cast<std::size_t>(index)]));
    for (std::size_t i = calls.size(); i-- > 0;) {
      ModuleCall& call = calls[i];
      call.end = std::max(call.end, static_cast<int>(i) + 1);
      if (call.parent < 0) continue;
      call.parent = renamed[static_cast<std::size_t>(call.parent)];
      ModuleCall& parent = calls[static_cast<std::size_t>(call.parent)];
      parent.end = std::max(parent.end, call.end);
    }
    tree_.calls = std::move(calls);
    for (int& call : tree_.call_of_node) call = renamed[static_cast<std::size_t>(call)];
  }

  void find_outputs() {
    std::set<std::pair<int, std::string>> seen;
    // A value leaves all calls around its node that are not around its user.
    const auto use = [&](const std::string& value, int user_call) {
      const auto made = tree_.node_of_value.find(value);
      if (made == tree_.node_of_value.end() || made->second < 0) return;
      for (int call = tree_.call_of_node[static_cast<std::size_t>(made->second)]; call >= 0;) {
        ModuleCall& module = tree_.calls[static_cast<std::size_t>(call)];
        if (user_call >= call && user_call < module.end) return;
        if (seen.emplace(call, value).second) module.outputs.push_back(value);
        call = module.parent;
      }
    };
    const auto use_argument = [&](const program::Argument& argument, int user_call) {
      if (const auto* tensor = std::get_if<program::TensorRef>(&argument)) use(tensor->name, user_call);
      if (const auto* list = std::get_if<program::TensorList>(&argument)) {
        for (const auto& name : list->names) {
          if (name) use(*name, user_call);
        }
      }
    };
    for (std::size_t i = 0; i < program_.main.nodes.size(); ++i) {
      for (const auto& argument : program_.main.nodes[i].arguments) use_argument(argument.value, tree_.call_of_node[i]);
    }
    for (const program::ProgramOutput& output : program_.outputs) use_argument(output.value, -1);
  }

  const Program& program_;
  const std::map<std::string, std::string>& classes_;
  std::map<std::string, Module> modules_;
  std::map<std::pair<std::string, int>, int> made_;
  std::vector<std::vector<int>> children_;
  ModuleTree tree_;
};

}  // namespace

bool ModuleTree::is_inside(const std::string& value, int call) const {
  const auto made = node_of_value.find(value);
  if (made == node_of_value.end() || made->second < 0) return false;
  const int inner = call_of_node[static_cast<std::size_t>(made->second)];
  return inner >= call && inner < calls[static_cast<std::size_t>(call)].end;
}

ModuleTree module_tree(const Program& program, const std::map<std::string, std::string>& classes) {
  return TreeBuilder(program, classes).run();
}

}  // namespace crossload::verify
