// Which layer of a TensorFlow model is which module of the PyTorch model, by their names.
#pragma once

#include <map>
#include <string>
#include <vector>

namespace crossload::verify {

/// A layer in the tree of a Keras model. One that several layers hold is listed under each, with the same `id`.
struct Layer {
  int id = 0;
  int parent = -1;                 // index in the list; -1 for the model itself, which comes first
  std::vector<std::string> names;  // by which its parent may know it, `layer.0` among them
  std::string path;                // `bert.encoder.layer.0`
  std::string layer_class;
};

struct Pairing {
  std::map<int, std::string> module_of;  // by the layer's id
  std::vector<std::string> alone;        // paths of layers without a module, none below them with one either; each once
};

/// The model is the model; a layer below a paired one is the module of that name below the module. What has no module
/// is passed over: its own layers are looked for where it stands, with and without its name (a wrapper around a main
/// layer). A module is given to one layer only. `map` comes first: path of a layer → path of a module; all below it
/// moves along.
/// Throws `kBadInput` for a path in `map` that names no layer or no module, with those there are.
Pairing pair_layers(const std::vector<std::string>& modules, const std::vector<Layer>& layers,
                    const std::map<std::string, std::string>& map);

}  // namespace crossload::verify
