// The values of one module are two sequences, the artefact's and the program's; what stands in both in the same order
// (longest common subsequence of the names without their numbers) is paired. Between two pairs other operations compute
// the same thing: the last values before the next pair, which leave the stretch, are paired as well.
#include "verify/claims.h"

#include <algorithm>
#include <cctype>
#include <map>
#include <set>
#include <string>

namespace crossload::verify {
namespace {

using program::Program;
using savedmodel::Flow;
using savedmodel::PtClaim;

constexpr std::size_t kLongest = 2000;  // values of one module that are paired

/// `linear_12` → `linear`
std::string base_of(std::string name) {
  const std::size_t bar = name.rfind('_');
  if (bar != name.npos && bar + 1 < name.size() &&
      std::all_of(name.begin() + static_cast<std::ptrdiff_t>(bar) + 1, name.end(),
                  [](unsigned char c) { return std::isdigit(c) != 0; })) {
    name.resize(bar);
  }
  return name;
}

using Pairs = std::vector<std::pair<std::size_t, std::size_t>>;

Pairs common_subsequence(const std::vector<std::string>& a, const std::vector<std::string>& b) {
  std::vector<std::vector<int>> best(a.size() + 1, std::vector<int>(b.size() + 1, 0));
  for (std::size_t i = a.size(); i-- > 0;) {
    for (std::size_t j = b.size(); j-- > 0;) {
      best[i][j] = a[i] == b[j] ? best[i + 1][j + 1] + 1 : std::max(best[i + 1][j], best[i][j + 1]);
    }
  }
  Pairs pairs;
  for (std::size_t i = 0, j = 0; i < a.size() && j < b.size();) {
    if (a[i] == b[j]) {
      pairs.emplace_back(i++, j++);
    } else if (best[i + 1][j] >= best[i][j + 1]) {
      ++i;
    } else {
      ++j;
    }
  }
  return pairs;
}

/// The program's name of each of the artefact's values of one module.
void pair_module(const std::vector<std::string>& artefact, const std::vector<std::string>& program,
                 std::map<std::string, std::string>& renamed) {
  if (artefact.size() > kLongest || program.size() > kLongest) return;
  std::vector<std::string> a, b;
  for (const std::string& name : artefact) a.push_back(base_of(name));
  for (const std::string& name : program) b.push_back(base_of(name));
  Pairs pairs = common_subsequence(a, b);
  for (const auto& [i, j] : pairs) renamed[artefact[i]] = program[j];
  pairs.emplace_back(a.size(), b.size());
  std::size_t i = 0, j = 0;
  for (const auto& [next_i, next_j] : pairs) {
    if (next_i > i && next_j > j) renamed[artefact[next_i - 1]] = program[next_j - 1];
    i = next_i + 1;
    j = next_j + 1;
  }
}

}  // namespace

std::vector<PtClaim> claims_for(const Program& program, const Flow& flow) {
  std::map<std::string, std::string> module_of;  // of the program's values that nodes make
  std::map<std::string, std::vector<std::string>> in_program;
  for (const program::Node& node : program.main.nodes) {
    const std::string module =
        node.call_site < 0 ? "" : program.call_sites[static_cast<std::size_t>(node.call_site)].module;
    for (const program::Result& result : node.results) {
      for (const std::string& value : result.tensors) {
        if (value.empty()) continue;
        module_of[value] = module;
        in_program[module].push_back(value);
      }
    }
  }
  std::set<std::string> inputs;
  for (const program::ProgramInput& input : program.inputs) inputs.insert(input.value);
  // Weights have names of their own.
  const auto is_numbered = [&](const PtClaim& claim) {
    return claim.module && !inputs.contains(claim.pt_value) &&
           flow.nodes[static_cast<std::size_t>(claim.value.node)].def.op() != "ReadVariableOp";
  };
  const auto fits = [&](const PtClaim& claim) {
    if (!is_numbered(claim)) return true;
    const auto found = module_of.find(claim.pt_value);
    return found != module_of.end() && found->second == *claim.module;
  };
  if (std::ranges::all_of(flow.claims, fits)) return flow.claims;

  std::vector<PtClaim> claims = flow.claims;
  std::ranges::stable_sort(claims, {}, &PtClaim::order);
  std::map<std::string, std::vector<std::string>> in_artefact;
  std::set<std::string> seen;
  for (const PtClaim& claim : claims) {
    if (is_numbered(claim) && seen.insert(claim.pt_value).second) {
      in_artefact[*claim.module].push_back(claim.pt_value);
    }
  }
  std::map<std::string, std::string> renamed;
  for (const auto& [module, values] : in_artefact) {
    const auto is_there = [&](const std::string& value) {
      const auto found = module_of.find(value);
      return found != module_of.end() && found->second == module;
    };
    // A module whose values are all there under their names is the same one; what is moved is not all there.
    if (std::ranges::all_of(values, is_there)) {
      for (const std::string& value : values) renamed[value] = value;
    } else {
      pair_module(values, in_program[module], renamed);
    }
  }
  std::vector<PtClaim> result;
  for (PtClaim& claim : claims) {
    if (is_numbered(claim)) {
      const auto found = renamed.find(claim.pt_value);
      if (found == renamed.end()) continue;
      claim.pt_value = found->second;
    }
    result.push_back(std::move(claim));
  }
  return result;
}

}  // namespace crossload::verify
