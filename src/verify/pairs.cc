#include "verify/pairs.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/error.h"

namespace crossload::verify {
namespace {

constexpr std::size_t kMostPlaces = 16;  // at which the layers of unpaired ones are looked for

std::string joined(const std::string& parent, const std::string& name) {
  return parent.empty() ? name : parent + "." + name;
}

}  // namespace

Pairing pair_layers(const std::vector<std::string>& modules, const std::vector<Layer>& layers,
                    const std::map<std::string, std::string>& map) {
  const std::set<std::string> known(modules.begin(), modules.end());
  std::vector<std::string> wrong;
  for (const auto& [path, module] : map) {
    if (std::ranges::find(layers, path, &Layer::path) == layers.end()) {
      wrong.push_back(fmt::format("there is no layer `{}`", path));
    }
    if (!known.contains(module)) wrong.push_back(fmt::format("there is no module `{}`", module));
  }
  if (!wrong.empty()) {
    for (const Layer& layer : layers) {
      if (wrong.size() < 60) wrong.push_back(fmt::format("layer `{}`, {}", layer.path, layer.layer_class));
    }
    throw Error(ErrorKind::kBadInput, "--map: " + wrong.front() + "; its keys are layers, its values modules", wrong);
  }

  Pairing result;
  std::map<std::string, int> layer_of;  // module → id
  const auto take = [&](const Layer& layer, const std::string& module) {
    if (!known.contains(module)) return false;
    const auto [owner, is_new] = layer_of.try_emplace(module, layer.id);
    if (!is_new && owner->second != layer.id) return false;
    result.module_of.try_emplace(layer.id, module);
    return true;
  };
  // What the map names is nobody else's.
  for (const auto& [path, module] : map) take(*std::ranges::find(layers, path, &Layer::path), module);

  std::vector<std::vector<std::string>> places(layers.size());  // where the layers below are looked for
  for (std::size_t i = 0; i < layers.size(); ++i) {
    const Layer& layer = layers[i];
    if (const auto given = map.find(layer.path); given != map.end()) {
      places[i] = {given->second};
      continue;
    }
    if (layer.parent < 0) {
      take(layer, "");
      places[i] = {""};
      continue;
    }
    const std::vector<std::string>& above = places[static_cast<std::size_t>(layer.parent)];
    for (const std::string& place : above) {
      for (const std::string& name : layer.names) {
        const std::string module = joined(place, name);
        if (places[i].empty() && take(layer, module)) places[i] = {module};
      }
    }
    if (!places[i].empty()) continue;
    places[i] = above;
    for (const std::string& place : above) {
      for (const std::string& name : layer.names) places[i].push_back(joined(place, name));
    }
    if (places[i].size() > kMostPlaces) places[i].resize(kMostPlaces);
  }

  std::set<int> told;
  for (const Layer& layer : layers) {  // around one that is paired there is nothing that lacks a partner
    if (!result.module_of.contains(layer.id)) continue;
    for (int above = layer.parent; above >= 0; above = layers[static_cast<std::size_t>(above)].parent) {
      told.insert(layers[static_cast<std::size_t>(above)].id);
    }
  }
  for (const Layer& layer : layers) {
    if (!result.module_of.contains(layer.id) && told.insert(layer.id).second) result.alone.push_back(layer.path);
  }
  return result;
}

}  // namespace crossload::verify
