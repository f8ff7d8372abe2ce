#include "verify/claims.h"

#include <doctest/doctest.h>

namespace crossload::verify {
namespace {

using program::Node;
using program::Program;
using savedmodel::Flow;
using savedmodel::PtClaim;

void add(Program& p, const std::string& name, const std::string& module) {
  p.call_sites.push_back({module, "Class", module, "model.py:1"});
  p.main.nodes.push_back({"aten.x", name, {}, {{{name}, "", false}}, static_cast<int>(p.call_sites.size()) - 1});
  p.main.tensors[name] = {};
}

void add(Flow& flow, const std::string& name, const std::optional<std::string>& module, const std::string& op = "Add") {
  const int node = static_cast<int>(flow.nodes.size());
  flow.nodes.emplace_back().def.set_op(op);
  PtClaim claim{{node, 0}, name, {}};
  claim.module = module;
  claim.order = node;
  flow.claims.push_back(claim);
}

std::vector<std::string> names(const std::vector<PtClaim>& claims) {
  std::vector<std::string> result;
  for (const PtClaim& claim : claims) result.push_back(std::to_string(claim.value.node) + ":" + claim.pt_value);
  return result;
}

using Names = std::vector<std::string>;

TEST_CASE("claims: the artefact of this program") {
  Program p;
  p.inputs.push_back({program::InputKind::kParameter, "p_w", "w", true, {}});
  add(p, "linear", "a");
  add(p, "linear_1", "b");
  Flow flow;
  add(flow, "p_w", "", "ReadVariableOp");
  add(flow, "linear", "a");
  add(flow, "linear_1", "b");
  CHECK(names(claims_for(p, flow)) == Names{"0:p_w", "1:linear", "2:linear_1"});
}

TEST_CASE("claims: an operation that became several shifts the names of all later ones") {
  // gelu → pow, mul, tanh, mul_1; the tanh and mul of later modules are tanh_1 and mul_2 now.
  Program p;
  p.inputs.push_back({program::InputKind::kParameter, "p_w", "w", true, {}});
  for (const auto& [name, module] : std::vector<std::pair<std::string, std::string>>{{"linear", "dense"},
                                                                                     {"pow_1", "act"},
                                                                                     {"mul", "act"},
                                                                                     {"tanh", "act"},
                                                                                     {"mul_1", "act"},
                                                                                     {"linear_1", "out"},
                                                                                     {"mul_2", "out"},
                                                                                     {"tanh_1", "pool"}}) {
    add(p, name, module);
  }
  Flow flow;
  add(flow, "p_w", "", "ReadVariableOp");
  add(flow, "linear", "dense");
  add(flow, "gelu", "act");
  add(flow, "linear_1", "out");
  add(flow, "mul", "out");
  add(flow, "tanh", "pool");
  add(flow, "relu", "gone");
  CHECK(names(claims_for(p, flow)) == Names{"0:p_w", "1:linear", "2:mul_1", "3:linear_1", "4:mul_2", "5:tanh_1"});
}

TEST_CASE("claims: an artefact that does not say its modules is taken by its names") {
  Program p;
  add(p, "tanh", "act");
  Flow flow;
  add(flow, "gelu", std::nullopt);
  add(flow, "tanh", std::nullopt);
  CHECK(names(claims_for(p, flow)) == Names{"0:gelu", "1:tanh"});
}

}  // namespace
}  // namespace crossload::verify
