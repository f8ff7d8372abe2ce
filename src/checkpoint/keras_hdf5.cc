// What Keras 2 saves with `save_weights("x.h5")`, and Transformers 4 with it:
//   /                        attributes layer_names, backend, keras_version
//   /<layer>                 attribute weight_names
//   /<layer>/<weight name>   the dataset; slashes in the name are groups
//   /top_level_model_weights as a layer, of weights that are in none
// A whole model (`model.save("x.h5")`) has all this in /model_weights. A list that is too long for one attribute stands
// in several: weight_names0, weight_names1, …. In shards of Transformers the root's layer_names are the datasets
// themselves.
#include <algorithm>
#include <set>

#include "base/error.h"
#include "checkpoint/hdf5_reader.h"

namespace crossload {
namespace {

using hdf5::Reader;
using Object = Reader::Object;

constexpr std::string_view kTopLevel = "top_level_model_weights";

class KerasReader {
 public:
  explicit KerasReader(const WeightFile& file) : file_(file), hdf5_(file) {}

  Checkpoint read() {
    Object root = hdf5_.root();
    auto layers = list(root, "layer_names");
    if (!layers) {
      if (const auto weights = hdf5_.find(root, "model_weights")) {
        root = *weights;
        layers = list(root, "layer_names");
      }
    }
    if (!layers && hdf5_.find(root, "layers")) {
      bad("was saved by Keras 3 (`layers`, without `layer_names`); Transformers' weights are Keras 2's: save them with "
          "`TF_USE_LEGACY_KERAS=1` set");
    }
    if (!layers) bad("has no attribute `layer_names`; give weights that Keras or Transformers saved");
    std::set<std::string_view> seen;
    for (const std::string& layer : *layers) {
      if (!seen.insert(layer).second) bad("layer `{}` is listed twice; the file is damaged", layer);
      const Object object = member(root, layer);
      if (hdf5_.is_group(object)) {
        add_layer(layer, object);
      } else {
        add({}, layer, object);
      }
    }
    if (const auto top = seen.contains(kTopLevel) ? std::nullopt : hdf5_.find(root, kTopLevel)) {
      add_layer(std::string(kTopLevel), *top);
    }

    std::vector<std::pair<std::string, StridedTensor>> tensors;
    std::map<std::string, std::string> layer_of;
    for (auto& [name, found] : found_) {
      tensors.emplace_back(name, std::move(found.tensor));
      if (!found.layer.empty()) layer_of[name] = found.layer;
    }
    return Checkpoint(std::move(tensors), file_->path(), metadata(root), layer_of);
  }

 private:
  struct Found {
    Tensor tensor;
    std::string path;
    std::string layer;
  };

  template <typename... Args>
  [[noreturn]] void bad(fmt::format_string<Args...> format, Args&&... args) const {
    bad_input("{}: {}", file_->path().string(), fmt::format(format, std::forward<Args>(args)...));
  }

  std::optional<std::vector<std::string>> list(const Object& object, const std::string& name) {
    if (auto whole = hdf5_.texts(object, name)) return whole;
    std::optional<std::vector<std::string>> result;
    for (std::size_t i = 0; auto part = hdf5_.texts(object, fmt::format("{}{}", name, i)); ++i) {
      if (!result) result.emplace();
      result->insert(result->end(), part->begin(), part->end());
    }
    return result;
  }

  Object member(const Object& group, const std::string& name) {
    auto object = hdf5_.find(group, name);
    if (!object) bad("`{}` is listed in `{}` but not there; the file is damaged", name, group.path);
    return *object;
  }

  void add_layer(const std::string& name, const Object& layer) {
    const auto weights = list(layer, "weight_names");
    if (!weights) bad("layer `{}` has no attribute `weight_names`; the file is damaged", layer.path);
    std::set<std::string_view> seen;
    for (const std::string& weight : *weights) {
      if (!seen.insert(weight).second)
        bad("weight `{}` is listed twice in `{}`; the file is damaged", weight, layer.path);
      add(name, weight, member(layer, weight));
    }
  }

  // A variable that several layers share is saved with each of them.
  void add(const std::string& layer, const std::string& name, const Object& dataset) {
    const Tensor tensor = hdf5_.tensor(dataset);
    const auto [entry, is_new] = found_.emplace(name, Found{tensor, dataset.path, layer});
    if (is_new) return;
    if (!have_same_value(entry->second.tensor, tensor)) {
      bad("weight `{}` stands twice with different values, as `{}` and `{}`; names must be unique", name,
          entry->second.path, dataset.path);
    }
  }

  Checkpoint::Metadata metadata(const Object& root) {
    Checkpoint::Metadata result = {{"format", "tf"}};
    for (const char* const name : {"backend", "keras_version"}) {
      const auto value = hdf5_.texts(root, name);
      if (value && value->size() == 1) result[name] = value->front();
    }
    return result;
  }

  WeightFile file_;
  Reader hdf5_;
  std::map<std::string, Found> found_;
};

}  // namespace

Checkpoint read_keras_hdf5(const WeightFile& file) { return KerasReader(file).read(); }

}  // namespace crossload
