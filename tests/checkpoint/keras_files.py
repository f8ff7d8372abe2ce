"""HDF5 files as Keras 2 and Transformers 4.46 write them, through h5py."""

import h5py


def read(path):
    """{layer: {weight name: array}} of a file in one piece."""
    with h5py.File(path) as file:
        return {
            layer: {name: file[layer][name][()] for name in texts(file[layer].attrs["weight_names"])}
            for layer in [*texts(file.attrs["layer_names"]), "top_level_model_weights"]
        }


def texts(attribute):
    return [text.decode() if isinstance(text, bytes) else str(text) for text in attribute]


def write(path, layers, **options):
    """The opposite of `read`, with texts as h5py stores lists of bytes: of variable length."""
    with h5py.File(path, "w", **options) as file:
        file.attrs["layer_names"] = [name.encode() for name in layers if name != "top_level_model_weights"]
        file.attrs["backend"] = b"tensorflow"
        file.attrs["keras_version"] = b"2.15.0"
        for layer, weights in layers.items():
            group = file.create_group(layer)
            group.attrs["weight_names"] = [name.encode() for name in weights]
            for name, value in weights.items():
                group.create_dataset(name, data=value)
