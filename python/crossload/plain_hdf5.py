"""The request `plain_hdf5`: Keras's weights in HDF5, written again in the form that the engine reads.

The engine reads the form that h5py and Keras use unless told otherwise. h5py reads all others: chunks, compression,
newer versions of the format, big-endian numbers. Files may be hostile: no other file is opened, no filter that is a
plugin is run, and nothing becomes much larger than compression can make it.
"""

import json
import shutil
import sys
from pathlib import Path

from .errors import WorkerError, first_line

MOST_OF_ATTRIBUTE = 64512  # bytes; longer lists stand in several, as Keras writes them
MOST_AT_ONCE = 32 << 20  # bytes of a dataset that are read at a time
# Deflate, the best of those below, makes at most 1,032 bytes of one.
MOST_GROWTH = 1100
FILTERS = {1: "gzip", 2: "shuffle", 3: "fletcher32", 4: "szip", 6: "scaleoffset", 32000: "lzf"}
TOP_LEVEL = "top_level_model_weights"


def plain_hdf5(request, progress):
    """Write the file, or the shards of the index, `file` into the folder `out` under the same names.

    Returns {"file": the one to open}. kind environment without h5py or space, bad-input for what h5py cannot read and
    for links, external data and filters that are not followed.
    """
    try:
        import h5py
    except ImportError as error:
        seen = f"h5py cannot be imported ({first_line(error)})"
        raise WorkerError("environment", f"{sys.executable}: {seen}; install it with `pip install h5py`") from error
    source, out = Path(request["file"]), Path(request["out"])
    files = [source]
    if source.suffix == ".json":
        files = [source.parent / name for name in sorted(set(json.loads(source.read_text())["weight_map"].values()))]
        if any(file.parent != source.parent or file.name in ("", ".", "..") for file in files):
            raise WorkerError("bad-input", f"{source}: names a file outside of its folder; download it again")
        shutil.copyfile(source, out / source.name)
    for number, file in enumerate(files):
        progress("weights", f"reading {file.name} with h5py", number / len(files))
        try:
            with h5py.File(file, "r", locking=False) as old, h5py.File(out / file.name, "w") as new:
                _Copy(h5py, file, out).weights(old, new)
        except (OSError, LookupError, RuntimeError, ValueError, TypeError, AttributeError) as error:
            raise WorkerError(
                "bad-input", f"{file}: h5py cannot read it ({first_line(error)}); save it again"
            ) from error
    return {"file": str(out / source.name)}


class _Copy:
    """One file's weights: what `layer_names` and `weight_names` list, and nothing else."""

    def __init__(self, h5py, file, out):
        self.h5py, self.file, self.out = h5py, file, out

    def weights(self, old, new):
        root = old
        if not self._has(root, "layer_names") and "model_weights" in old:
            root = self._member(old, "model_weights")
        layers = self._texts(root, "layer_names")
        if layers is None:
            self._bad("has no attribute `layer_names`; give weights that Keras or Transformers saved")
        self._set_texts(new, "layer_names", layers)
        for name in ("backend", "keras_version"):
            if name in root.attrs:
                new.attrs[name] = root.attrs[name]
        if TOP_LEVEL in root and TOP_LEVEL not in layers:
            layers = [*layers, TOP_LEVEL]
        for layer in layers:
            member = self._member(root, layer)
            if isinstance(member, self.h5py.Dataset):
                self._copy(member, new, layer)
                continue
            weights = self._texts(member, "weight_names")
            if weights is None:
                self._bad(f"layer `{layer}` has no attribute `weight_names`; the file is damaged")
            group = new.require_group(layer)
            self._set_texts(group, "weight_names", weights)
            for weight in weights:
                self._copy(self._member(member, weight), group, weight)

    def _bad(self, seen):
        raise WorkerError("bad-input", f"{self.file}: {seen}")

    def _has(self, group, name):
        return name in group.attrs or f"{name}0" in group.attrs

    def _member(self, group, path):
        """What a path of hard links leads to."""
        found = group
        for name in path.split("/"):
            if name in ("", ".", "..") or not isinstance(found, self.h5py.Group) or name not in found:
                self._bad(f"`{path}` is listed in `{group.name}` but not there; the file is damaged")
            if not isinstance(found.get(name, getlink=True), self.h5py.HardLink):
                self._bad(
                    f"`{path}` is a link to another place, which is not followed; save it with the weights in place"
                )
            found = found[name]
        return found

    def _texts(self, group, name):
        if name in group.attrs:
            parts = [group.attrs[name]]
        else:
            parts = []
            while f"{name}{len(parts)}" in group.attrs:
                parts.append(group.attrs[f"{name}{len(parts)}"])
            if not parts:
                return None
        items = [item for part in parts for item in ([part] if isinstance(part, (str, bytes)) else part.tolist())]
        return [item.decode() if isinstance(item, bytes) else str(item) for item in items]

    def _set_texts(self, group, name, texts):
        import numpy

        array = numpy.array([text.encode() for text in texts])
        if array.nbytes <= MOST_OF_ATTRIBUTE:
            group.attrs[name] = array
            return
        parts = -(-array.nbytes // MOST_OF_ATTRIBUTE)
        for number, part in enumerate(numpy.array_split(array, parts)):
            group.attrs[f"{name}{number}"] = part

    def _copy(self, old, group, path):
        if path in group:  # listed twice: the reader of the copy says so
            return
        if not isinstance(old, self.h5py.Dataset):
            self._bad(f"`{old.name}` is no dataset, which it should be; the file is damaged")
        self._check(old)
        dtype = old.dtype.newbyteorder("<") if old.dtype.byteorder == ">" else old.dtype
        new = group.create_dataset(path, old.shape, dtype)
        if old.ndim == 0 or old.size == 0:
            if old.size:
                new[()] = old[()]
            return
        row = max(1, old.size // old.shape[0] * dtype.itemsize)
        rows = max(1, MOST_AT_ONCE // row)
        if old.chunks:  # each is unpacked once
            rows = max(1, rows // old.chunks[0]) * old.chunks[0]
        for begin in range(0, old.shape[0], rows):
            new[begin : begin + rows] = old[begin : begin + rows]

    def _check(self, old):
        settings = old.id.get_create_plist()
        if old.external or old.is_virtual:
            self._bad(f"`{old.name}` keeps its data in another file, which is never opened; save it again")
        filters = [settings.get_filter(i)[0] for i in range(settings.get_nfilters())]
        if unknown := [number for number in filters if number not in FILTERS]:
            self._bad(
                f"`{old.name}` is packed with filter {unknown[0]}, which is not run; save it with gzip or as it is"
            )
        if old.dtype.kind not in "fiubV" or old.dtype.names or old.shape is None:
            self._bad(f"`{old.name}` holds items of type {old.dtype}, which is not read; save it as floats or integers")
        stored = old.id.get_storage_size()
        if old.size and (stored == 0 or old.nbytes > MOST_GROWTH * stored):
            self._bad(f"`{old.name}` has {stored} bytes; shape {list(old.shape)} {old.dtype} needs {old.nbytes}")
        free = shutil.disk_usage(self.out).free
        if old.nbytes > free:
            seen = f"has {free} bytes free; `{old.name}` needs {old.nbytes}"
            raise WorkerError("environment", f"{self.out}: {seen}; set TMPDIR to a place with more room")
