#include <algorithm>
#include <map>
#include <set>

#include "base/error.h"
#include "names/classes.h"
#include "names/namer.h"
#include "names/names.h"
#include "names/wholeness.h"

namespace crossload::names {
namespace {

/// Whether a variable's name begins with the model's, which is no part of its path. Its first component is then not the
/// layer's own, unless a whole model is a layer of a functional one.
bool has_scope(const TfTensor& tensor, std::string_view name, const std::vector<Layer>& layers) {
  // Flat names have lost their scope already, but for those that hold `model.`, see flat_name.
  if (tensor.group.empty()) return name.find("model.") != name.npos;
  const Path path = split(name, '/');
  if (path[0] != tensor.group) return true;
  return path.size() > 2 && std::ranges::find(layers, path[0], &Layer::name) == layers.end() &&
         std::ranges::find(layers, path[1], &Layer::name) != layers.end();
}

/// A variable's name without the model's scope, as Namer wants it.
std::string path_of(const TfTensor& tensor, const Namer& namer, const std::vector<Layer>& layers) {
  std::string_view name = tensor.name;
  if (name.ends_with(":0")) name.remove_suffix(2);
  if (namer.is_outside_scope(name)) return "/" + std::string(name);
  const std::size_t slash = name.find('/');
  return std::string(slash != name.npos && has_scope(tensor, name, layers) ? name.substr(slash + 1) : name);
}

/// Whether a variable is one that the layer holds or shares. Shared embeddings were called `weight` in older files.
bool has_place(const Layer& layer, const std::string& path) {
  if (path.substr(0, path.find('/')) == layer.name || layer.shares(path)) return true;
  constexpr std::string_view kOlder = "/weight";
  return path.ends_with(kOlder) && layer.shares(path.substr(0, path.size() - kOlder.size()) + "/embeddings");
}

bool pt_has_none(const ClassRow& row, const std::string& path) {
  return std::ranges::any_of(tf_only_rows(), [&](const TfOnlyRow& only) {
    return names_type(only.classes, row.pt_class) && path.starts_with(std::string(only.tf) + "/");
  });
}

/// Weights that PyTorch's class wants under both names of a tie get the other name as well.
void add_tied(const Namer& namer, PtPlan& plan, std::set<std::string>& names) {
  std::vector<PtWeight> more;
  for (const auto& tie : namer.ties()) {
    if (!tie.pt_wants_both) continue;
    for (const auto& weight : plan.weights) {
      const auto match = tie.same_as.match_at(split(weight.name, '.'), 0);
      if (!match) continue;
      std::string other = filled(tie.pt_text, match->captured);
      if (names.insert(other).second) more.push_back({std::move(other), weight.source, weight.layout, {}});
    }
  }
  plan.weights.insert(plan.weights.end(), more.begin(), more.end());
}

/// Notes missing and foreign weights, judged by layers and configuration; foreign weights are kept.
void tell_wholeness(const Model& model, PtPlan& plan) {
  std::vector<PtTensor> named;
  std::map<std::string, std::string> sources;
  for (const PtWeight& weight : plan.weights) {
    if (weight.source.empty()) continue;
    named.push_back({weight.name, weight.layout.dtype, weight.layout.dims});
    sources[weight.name] = weight.source;
  }
  Wholeness found = wholeness_of(model, named);
  for (std::string& name : found.missing) plan.missing.push_back({std::move(name), Reason::kAbsent, {}});
  std::set<std::string> told;
  for (const Note& note : plan.unused) told.insert(note.name);
  for (const std::string& name : found.foreign) {
    const std::string& source = sources.at(name);
    if (told.insert(source).second) plan.unused.push_back({source, Reason::kNoPlace, {}});
  }
}

}  // namespace

PtPlan to_pt(const Model& model, std::span<const TfTensor> tensors) {
  const ClassRow& row = class_of(model);
  const Namer namer(model);
  const std::vector<Layer> layers = layers_of(row, {});
  PtPlan plan;
  plan.class_name = row.pt_class;
  std::set<std::string> seen, names, layers_with_weights;
  const std::string main(row.main_layer);
  bool is_known = false;
  for (const auto& tensor : tensors) {
    check_name(tensor.name);
    if (!seen.insert(tensor.name).second) continue;  // shared by several layers
    const std::string path = path_of(tensor, namer, layers);
    if (pt_has_none(row, path)) {
      plan.unused.push_back({tensor.name, Reason::kPtHasNone, {}});
      continue;
    }
    Rules::Name name = namer.to_pt(path, tensor.dtype, tensor.dims);
    Path pt_path = namer.without_main_layers(split(name.path, '.'));
    if (row.is_bare && pt_path.size() > 1 && pt_path[0] == main) pt_path.erase(pt_path.begin());
    name.path = join(pt_path, '.');
    if (name.path.empty() || !names.insert(name.path).second) {
      bad_input("`{}` becomes PyTorch's `{}`{}", tensor.name, name.path,
                name.path.empty() ? ", which is no name" : " as another weight does; the file must hold one of them");
    }
    const auto layer = std::ranges::find_if(layers, [&](const Layer& one) { return has_place(one, path); });
    if (layer == layers.end()) {
      plan.unused.push_back({tensor.name, Reason::kNoPlace, {}});
    } else {
      layers_with_weights.insert(layer->name);
      const bool has_known_part = is_of_main_layer(row, path);
      is_known |= has_known_part;
      if (!has_known_part) plan.unused.push_back({tensor.name, Reason::kNoPlace, {}});
    }
    if (pt_path.back() == "running_var") {
      Path counter = pt_path;
      counter.back() = "num_batches_tracked";
      plan.weights.push_back({join(counter, '.'), {}, {{}, {}, DType::kInt64}, {}});
    }
    plan.weights.push_back({std::move(name.path), tensor.name, std::move(name.layout), {}});
  }
  add_tied(namer, plan, names);
  for (auto& computed : namer.computed_for(Side::kPt)) {
    std::string name = computed.pt_name;
    if (row.is_bare && name.starts_with(main + ".")) name.erase(0, main.size() + 1);
    if (!names.insert(name).second) continue;
    plan.weights.push_back({std::move(name), {}, {{}, computed.dims, DType::kFloat32}, std::move(computed.values)});
  }
  if (!is_known) {
    if (tensors.empty()) bad_input("the file holds no weights; {} needs some", row.pt_class);
    bad_input("none of {} weights, such as `{}`, belongs to TF{}; check `architectures` in config.json", tensors.size(),
              tensors[0].name, row.pt_class);
  }
  for (const auto& layer : layers) {
    if (layer.presence == Layer::Presence::kHasWeights && !layers_with_weights.contains(layer.name) &&
        layer.name != kTopLevel) {
      plan.missing.push_back({layer.name, Reason::kAbsent, {}});
    }
  }
  tell_wholeness(model, plan);
  return plan;
}

}  // namespace crossload::names
