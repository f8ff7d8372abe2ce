#include "verify/modules.h"

#include <doctest/doctest.h>

namespace crossload::verify {
namespace {

using program::Node;
using program::Program;
using Names = std::vector<std::string>;

/// A node that reads values and makes one of its own name.
void add(Program& p, const std::string& name, const std::string& module, const std::string& call, const Names& inputs) {
  p.call_sites.push_back({module, module.empty() ? "Model" : "Class", call, "model.py:1"});
  Node node{"aten.add.Tensor", name, {}, {{{name}, "", false}}, static_cast<int>(p.call_sites.size()) - 1};
  for (const std::string& input : inputs) node.arguments.push_back({"x", program::TensorRef{input}});
  p.main.nodes.push_back(node);
  p.main.tensors[name] = {};
}

TEST_CASE("modules: the tree in order of execution, with values that leave each module") {
  Program p;
  p.inputs.push_back({program::InputKind::kUser, "x", "x", true, {}});
  add(p, "embedded", "embed", "embed", {"x"});
  add(p, "q", "encoder.layer.0.self", "encoder.layer.0.self", {"embedded"});
  add(p, "k", "encoder.layer.0.self", "encoder.layer.0.self", {"embedded"});
  add(p, "a", "encoder.layer.0.self", "encoder.layer.0.self", {"q", "k"});
  add(p, "r", "encoder.layer.0", "encoder.layer.0", {"a", "embedded"});
  add(p, "y", "", "", {"r"});
  p.outputs.push_back({"y", program::TensorRef{"y"}, false});
  const ModuleTree tree = module_tree(p, {{"encoder", "Encoder"}, {"encoder.layer", "ModuleList"}});
  Names names;
  for (const ModuleCall& call : tree.calls) names.push_back(std::string(call.depth, ' ') + call.module);
  CHECK(names == Names{"", " embed", " encoder", "  encoder.layer.0", "   encoder.layer.0.self"});
  CHECK(tree.calls[2].module_class == "Encoder");
  CHECK(tree.calls[0].module_class == "Model");
  CHECK(tree.calls[0].outputs == Names{"y"});
  CHECK(tree.calls[1].outputs == Names{"embedded"});
  CHECK(tree.calls[2].outputs == Names{"r"});
  CHECK(tree.calls[4].outputs == Names{"a"});
  CHECK(tree.calls[2].end == 5);
  CHECK(tree.is_inside("q", 2));
  CHECK(tree.is_inside("q", 3));
  CHECK_FALSE(tree.is_inside("embedded", 2));
  CHECK_FALSE(tree.is_inside("x", 0));
}

TEST_CASE("modules: without classes, what holds only numbered modules is a list") {
  Program p;
  add(p, "a", "blocks.0.fc", "blocks.0.fc", {});
  add(p, "b", "blocks.1.fc", "blocks.1.fc", {"a"});
  const ModuleTree tree = module_tree(p, {});
  Names names;
  for (const ModuleCall& call : tree.calls) names.push_back(call.module);
  CHECK(names == Names{"", "blocks.0", "blocks.0.fc", "blocks.1", "blocks.1.fc"});
}

TEST_CASE("modules: a layer that is called twice, with one below it that is called twice in each") {
  Program p;
  add(p, "l0", "layer", "layer", {});
  add(p, "a0", "layer.act", "layer.act", {"l0"});
  add(p, "a1", "layer.act", "layer.act@1", {"a0"});
  add(p, "l1", "layer", "layer@1", {"a1"});
  add(p, "a2", "layer.act", "layer.act@2", {"l1"});
  add(p, "a3", "layer.act", "layer.act@3", {"a2"});
  const ModuleTree tree = module_tree(p, {});
  REQUIRE(tree.calls.size() == 7);
  CHECK(tree.calls[1].call == 0);
  CHECK(tree.calls[4].module == "layer");
  CHECK(tree.calls[4].call == 1);
  CHECK(tree.calls[5].call == 2);
  CHECK(tree.calls[5].parent == 4);
  CHECK(tree.calls[1].outputs == Names{"a1"});
}

}  // namespace
}  // namespace crossload::verify
