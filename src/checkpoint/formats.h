// One function for each format of weight files. It checks the file's whole structure before any weight is read, and
// throws `kBadInput` with file and offset for what is damaged or does not belong there.
#pragma once

#include <memory>

#include "base/mapped_file.h"
#include "checkpoint/checkpoint.h"

namespace crossload {

using WeightFile = std::shared_ptr<const MappedFile>;

/// Names, dtypes, byte counts against shapes, and that the tensors fill the file without gap or overlap.
Checkpoint read_safetensors(const WeightFile& file);

/// A state dict that torch.save wrote, as a zip archive (PyTorch 1.6 and newer) or as consecutive pickles.
/// Nothing is run: a pickle that asks for more than tensors is refused, with the name of what it asks for. Tensors that
/// share a storage share the mapped bytes; those that do not lie contiguously are views.
Checkpoint read_pytorch(const WeightFile& file);

/// Weights as Keras 2 writes them to HDF5: `layer_names` of the root lists groups, whose `weight_names` list datasets;
/// in shards of Transformers `layer_names` lists datasets. Names are those of the lists; a weight that several layers
/// list must be the same in all, and belongs to the first. Links other than hard ones are never followed.
Checkpoint read_keras_hdf5(const WeightFile& file);

/// The first bytes of each format.
bool looks_like_zip(const MappedFile& file);
bool looks_like_pickle(const MappedFile& file);
bool looks_like_hdf5(const MappedFile& file);

}  // namespace crossload
