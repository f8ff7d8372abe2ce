"""The checkpoint location of each parameter of a program: a key in a checkpoint file, a parameter that it is tied to,
or none, so that the trace carries its values.

A location is found by name (the checkpoint key itself, or what Transformers' own renaming makes of it) and confirmed by
bytes. It is never found by bytes alone: a trace is reused for other checkpoints of the same architecture.
"""

import json
from contextlib import ExitStack
from dataclasses import dataclass, field

from ..errors import WorkerError
from .tensor_file import DTYPES, raw_bytes


@dataclass
class Locations:
    """weights: {FQN: {"key": K} | {"carried": True} | {"tied_to": FQN}}, where a tied one may have a `key` as well, whose
    tensor must equal that of the parameter that it is tied to; checkpoint: {key: dtype, shape, file};
    unused: checkpoint keys; missing: FQNs; carried: {FQN: tensor}."""

    weights: dict = field(default_factory=dict)
    checkpoint: dict = field(default_factory=dict)
    unused: list = field(default_factory=list)
    missing: list = field(default_factory=list)
    carried: dict = field(default_factory=dict)


def find_locations(loaded, names):
    """Locations of the program's parameters and persistent buffers `names` (FQNs in loaded.model's state_dict)."""
    state = loaded.model.state_dict(keep_vars=True)
    with ExitStack() as files:
        checkpoint = _open_checkpoint(loaded.folder, files)
        renamed = _renamed_keys(loaded.model, checkpoint) if checkpoint else {}
        key_of = {}
        for key, name in renamed.items():
            if name in state and _same_bytes(checkpoint[key][1].get_tensor(key), state[name]):
                key_of.setdefault(name, key)
        locations = Locations(checkpoint={key: entry[0] for key, entry in checkpoint.items()})
        canonical = _canonical_names(loaded.model, state, key_of)
        for name in names:
            owner = canonical.get(name, name)
            if owner != name:
                # Its own key, where the file has one, is noted as well: in another checkpoint the two may differ.
                own = {"key": key_of[name]} if name in key_of and key_of[name] != key_of.get(owner) else {}
                locations.weights[name] = {"tied_to": owner, **own}
            if owner not in locations.weights:
                if owner in key_of:
                    locations.weights[owner] = {"key": key_of[owner]}
                else:
                    locations.weights[owner] = {"carried": True}
                    locations.carried[owner] = state[owner].detach()
        unexpected = set(loaded.unexpected)
        locations.unused = sorted(key for key, name in renamed.items() if name in unexpected)
        locations.missing = sorted(name for name in loaded.missing if canonical.get(name, name) == name)
    return locations


def _open_checkpoint(folder, files):
    """{key: ({"dtype","shape","file"}, open file)} of a folder's safetensors or PyTorch files; {} where there are none.

    The choice among several is the engine's, too: src/checkpoint/weight_files.cc.
    """
    from pathlib import Path

    if folder is None:
        return {}
    folder = Path(folder)
    for name in ("model.safetensors", "pytorch_model.bin"):
        index = folder / f"{name}.index.json"
        if (folder / name).is_file():
            shards = [name]
        elif index.is_file():
            shards = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
        else:
            continue
        found = {}
        for shard in shards:
            read = _safetensors_entries if shard.endswith(".safetensors") else _pickled_entries
            found.update(read(folder / shard, files))
        return found
    return {}


def _safetensors_entries(path, files):
    from safetensors import SafetensorError, safe_open

    found = {}
    try:
        opened = files.enter_context(safe_open(str(path), framework="pt"))
        for key in opened.keys():
            view = opened.get_slice(key)
            found[key] = ({"dtype": view.get_dtype(), "shape": list(view.get_shape()), "file": path.name}, opened)
    except (OSError, SafetensorError) as error:
        raise WorkerError("bad-input", f"{path}: cannot be read ({error}); download it again") from error
    return found


@dataclass
class _StateDict:
    """What torch.load gives, with the one method of safetensors' files that is used here."""

    tensors: dict

    def get_tensor(self, key):
        return self.tensors[key]


def _pickled_entries(path, _files):
    import pickle
    import zipfile

    import torch

    try:
        # Only the zip format can be mapped.
        tensors = torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        raise WorkerError("bad-input", f"{path}: cannot be read ({error}); download it again") from error
    opened = _StateDict(tensors)
    return {
        key: ({"dtype": DTYPES[str(t.dtype)], "shape": list(t.shape), "file": path.name}, opened)
        for key, t in tensors.items()
        if isinstance(t, torch.Tensor) and str(t.dtype) in DTYPES
    }


def _renamed_keys(model, checkpoint):
    """{checkpoint key: name in the model}, by Transformers' own renaming; keys that it merges or splits are absent,
    unless no tensor of the model would be theirs (so that unused ones are still reported)."""
    from transformers import core_model_loading as engine
    from transformers.conversion_mapping import get_model_conversion_mapping

    mapping = get_model_conversion_mapping(model)
    renamings = [entry for entry in mapping if isinstance(entry, engine.WeightRenaming)]
    converters = [entry for entry in mapping if isinstance(entry, engine.WeightConverter)]
    prefix = model.base_model_prefix
    state = model.state_dict()
    renamed = {}
    for key in sorted(checkpoint, key=engine.dot_natural_key):
        name, converter = engine.rename_source_key(key, renamings, converters, prefix, state)
        if name not in state and key in state:
            name, converter = engine.rename_source_key(key, [], [], prefix, state)
        if converter is None or name not in state:
            renamed[key] = name
    return renamed


def _same_bytes(stored, value):
    import torch

    if stored.dtype != value.dtype or stored.shape != value.shape:
        return False
    return torch.equal(raw_bytes(stored), raw_bytes(value))


def _canonical_names(model, state, key_of):
    """{name: the name that stands for its storage}: one that the checkpoint holds, else the tie's source."""
    groups = {}
    for name, tensor in state.items():
        if hasattr(tensor, "untyped_storage") and tensor.numel():
            # With strides: a square matrix and its transpose are two tensors.
            storage = tensor.untyped_storage().data_ptr(), tensor.storage_offset()
            where = (*storage, tuple(tensor.shape), tensor.stride(), tensor.dtype)
            groups.setdefault(where, []).append(name)
    sources = set((getattr(model, "all_tied_weights_keys", None) or {}).values())
    canonical = {}
    for group in groups.values():
        best = min(group, key=lambda n: (n not in key_of, n not in sources, group.index(n)))
        canonical.update(dict.fromkeys(group, best))
    return canonical
