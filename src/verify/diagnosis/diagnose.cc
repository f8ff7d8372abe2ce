#include "verify/diagnosis/diagnose.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <fstream>
#include <limits>
#include <map>
#include <set>

#include "base/error.h"
#include "base/scratch_folder.h"
#include "checkpoint/weight_writer.h"
#include "verify/diagnosis/causes.h"

namespace crossload::verify {
namespace {

bool concerns(const CauseRow& row, const std::string& target) {
  std::string_view rest = row.operations;
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find(' '), rest.size());
    const std::string_view name = rest.substr(0, end);
    // `aten.add` is no `aten.addmm`, but `aten.upsample` all of `aten.upsample_bilinear2d.vec`.
    if (target.starts_with(name) && (target.size() == name.size() || target[name.size()] == '.' ||
                                     target[name.size()] == '_' || std::isdigit(target[name.size()]) != 0)) {
      return true;
    }
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return false;
}

std::vector<Try> tries_for(const program::Program& program, const std::vector<std::string>& names) {
  const std::set<std::string> wanted(names.begin(), names.end());
  std::vector<Try> result;
  for (const CauseRow& row : cause_table()) {
    Try one{std::string(row.cause), std::string(row.counterfactual), {}};
    for (const program::Node& node : program.main.nodes) {
      if (wanted.contains(node.name) && concerns(row, node.target)) one.nodes.push_back(node.name);
    }
    if (row.operations.empty() || !one.nodes.empty()) result.push_back(std::move(one));
  }
  return result;
}

}  // namespace

Suspect suspect_of(const Request& request, const Stages& stages, int stage, bool whole,
                   const std::filesystem::path& folder) {
  const StageValues values = stages.values(stage, whole);
  const StageResult& result = stages.results()[static_cast<std::size_t>(stage)];
  Suspect suspect;
  suspect.module = result.module;
  suspect.module_class = result.module_class;
  suspect.nodes = values.nodes;
  suspect.values = folder / "model.safetensors";
  std::vector<NewTensor> tensors;
  const auto add = [&](const std::string& name, const Tensor& tensor) {
    NewTensor& one = tensors.emplace_back();
    one.name = name;
    one.dtype = tensor.dtype();
    one.dims = tensor.dims();
    one.source = [tensor] { return StridedTensor(tensor); };
  };
  for (const auto& [name, tensor] : values.outputs) {
    add("tf/" + name, tensor);
    const Visibility& visible = values.visible.at(name);
    if (!visible.rows.empty() && tensor.count() > 0) add("visible/" + name, visible_elements(visible, tensor.dims()));
  }
  for (const auto& [name, tensor] : values.weights) add("weight/" + name, tensor);
  if (whole) {
    for (const auto& [name, tensor] : values.feeds) add("feed/" + name, tensor);
    suspect.fetches = values.fetches;
    std::ofstream file(folder / "stage.pb", std::ios::binary);
    file << values.graph;
    file.close();
    if (!file)
      fail(ErrorKind::kEnvironment, "{}: cannot be written; is the disk full?", (folder / "stage.pb").string());
  } else {
    suspect.tries = tries_for(*request.program, values.nodes);
  }
  write_safetensors(folder, std::move(tensors), std::numeric_limits<uint64_t>::max(), {});
  return suspect;
}

void settle_layer_order(std::vector<Diagnosis>& diagnosis) {
  std::set<std::string> reordered;
  for (const Diagnosis& one : diagnosis) {
    if (one.cause == "layer-order") reordered.insert(one.module);
  }
  for (Diagnosis& one : diagnosis) {
    if (one.cause == "layer-order" && reordered.size() == 1) one.cause = "weights-swapped";
  }
}

void add_told(const std::string& module, const Explanation& found, std::vector<Diagnosis>& diagnosis) {
  for (const Confirmed& one : found.confirmed) diagnosis.push_back({module, one.cause, one.evidence, one.error});
  if (found.confirmed.empty()) diagnosis.push_back({module, "other", found.evidence, kUnknown});
}

std::vector<Diagnosis> diagnose(const Request& request, const Stages& stages, std::vector<std::string>& notes) {
  std::vector<Diagnosis> result;
  const std::vector<int>& sources = stages.sources();
  for (std::size_t i = 0; i < std::min(sources.size(), kMostDiagnosed); ++i) {
    const ScratchFolder folder;
    const StageResult& stage = stages.results()[static_cast<std::size_t>(sources[i])];
    const Explanation found = request.explain(suspect_of(request, stages, sources[i], false, folder.path()));
    add_told(stage.module, found, result);
  }
  settle_layer_order(result);
  if (sources.size() > kMostDiagnosed) {
    notes.push_back(fmt::format("diagnosis: {} more stages make an error by themselves and were not diagnosed",
                                sources.size() - kMostDiagnosed));
  }
  return result;
}

}  // namespace crossload::verify
