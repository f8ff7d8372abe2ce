"""The request `judge_tf4`: a TensorFlow class of Transformers 4 with converted weights against its PyTorch class.

Runs where Transformers 4 lies, beside PyTorch, TensorFlow and tf-keras.
"""

import json
import os
import re
import shutil
import tempfile
from pathlib import Path

from ..errors import WorkerError, first_line, last_lines
from .example_inputs import example_inputs

PADDING_ADDED = 3  # tokens; the axes that grow with them are those that the attention mask is about


def judge(request, progress):
    """Compare all outputs and hidden states of `model`'s PyTorch class with those of the TensorFlow class, twice.

    Fields: model (folder); class (of PyTorch; null: AutoModel); weights (folder with config.json and tf_model.h5 or its
    shards); max_error. Once the TensorFlow class loads PyTorch's weights by itself (`crossload`), once those of
    `weights` (`conversion`). Returns {"class", "tf_class", "rows": [{"name", "shape", "crossload", "conversion",
    "padded", "noise", "excused"}], "unused", "missing", "notes", "versions"}. Differences are absolute, null for an
    infinite one. `padded` is the larger of the two at positions that the attention mask hides, which they leave out. A
    hidden state over the limit is `excused` when it is no further from PyTorch's float64 values than the `noise`, that
    of PyTorch's own float32 runs. kind mismatch when the two return different outputs, bad-input and unsupported for
    models that do not load or run.
    """
    os.environ["TF_USE_LEGACY_KERAS"] = "1"  # before TensorFlow is imported
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
    progress("judge", "importing Transformers 4", None)
    models = _Models(request)
    progress("judge", f"running {models.pt_class.__name__}", None)
    pytorch = models.pytorch()
    progress("judge", f"running {models.tf_class.__name__} with PyTorch's weights", None)
    crossload, _ = models.tensorflow(models.folder, from_pt=True)
    progress("judge", f"running {models.tf_class.__name__} with the converted weights", None)
    conversion, info = models.tensorflow(models.weights, use_safetensors=False)
    for found in (crossload, conversion):
        _split_stacked(found, pytorch)
        _scalars_alike(found, pytorch)
        if set(found) != set(pytorch):
            raise WorkerError(
                "mismatch",
                f"{models.folder}: the TensorFlow class returns other outputs than PyTorch's; convert with `crossload "
                "convert` instead",
                [f"only PyTorch: {name}" for name in sorted(set(pytorch) - set(found))]
                + [f"only TensorFlow: {name}" for name in sorted(set(found) - set(pytorch))],
            )
    rows = [models.row(name, value, crossload[name], conversion[name]) for name, value in pytorch.items()]
    if any(row["over"] and "hidden_states" in row["name"] for row in rows):
        progress("judge", "measuring PyTorch's own noise", None)
        models.excuse(rows, crossload, conversion)
    for row in rows:
        del row["over"]
    return {
        "class": models.pt_name,
        "tf_class": models.tf_name,
        "rows": rows,
        "unused": _with_weights(info["unexpected_keys"]),
        "missing": _with_weights(info["missing_keys"]),
        "notes": models.notes,
        "versions": models.versions,
    }


class _Models:
    def __init__(self, request):
        try:
            import tensorflow
            import torch
            import transformers
        except ImportError as error:
            raise WorkerError(
                "environment", f"python: cannot import {error.name} ({error}); run `./dev setup --tf4`"
            ) from error
        self.torch, self.tensorflow_module, self.transformers = torch, tensorflow, transformers
        self.folder, self.weights = Path(request["model"]), Path(request["weights"])
        self.limit = request["max_error"]
        name = request.get("class") or "AutoModel"
        self.pt_name, self.tf_name = name, f"TF{name}"
        self.pt_class = self._class(self.pt_name)
        self.tf_class = self._class(self.tf_name)
        self.config = self._read_config()
        modules = {"transformers": transformers, "torch": torch, "tensorflow": tensorflow}
        self.versions = {name: module.__version__ for name, module in modules.items()}

    def _class(self, name):
        found = getattr(self.transformers, name, None)
        if not isinstance(found, type):
            raise WorkerError(
                "unsupported", f"{name}: Transformers {self.transformers.__version__} has no such class; check the name"
            )
        return found

    def _read_config(self):
        # By the class's own configuration class: AutoConfig does not know those of parts, such as BlipTextModel.
        config_class = getattr(self.pt_class, "config_class", None) or self.transformers.AutoConfig
        try:
            return config_class.from_pretrained(str(self.folder), local_files_only=True)
        except Exception as error:
            seen = f"Transformers {self.transformers.__version__} cannot read it for `{self.pt_name}`"
            raise WorkerError(
                "bad-input", f"{self.folder}/config.json: {seen} ({first_line(error)}); check file and class"
            ) from error

    def pytorch(self):
        """{output: array}; makes the inputs, and finds which axes of outputs the attention mask is about."""
        model, info = self._load(self.pt_class, self.folder, output_loading_info=True)
        self.pt_name = type(model).__name__
        self._require_whole(model, info["missing_keys"])
        self.notes = self._keep_what_loading_lost(model)
        dummy = self._dummy_inputs()
        self.inputs, notes = example_inputs(self.folder, self.config, model, dummy)
        self.notes += notes
        found = self._run_pytorch(model, self.inputs)
        self.has_hidden_states = any("hidden_states" in name for name in found)
        self.masked_axes = self._masked_axes(model, found)
        return found

    def _require_whole(self, model, missing):
        """kind bad-input for parameters that the files do not hold under any of their names: PyTorch makes them up."""
        parameters = dict(model.named_parameters(remove_duplicate=False))
        held = {tensor.data_ptr() for name, tensor in parameters.items() if name not in missing}
        lacking = sorted(n for n in missing if n in parameters and parameters[n].data_ptr() not in held)
        if not lacking:
            return
        seen = (
            f"{len(lacking)} weights of {self.pt_name} are not in its files, `{lacking[0]}` first, and would be made up"
        )
        raise WorkerError("bad-input", f"{self.folder}: {seen}; there is nothing to compare", lacking)

    def _keep_what_loading_lost(self, model):
        """Where the PyTorch class leaves out values that its files hold, give both files that they load completely.

        Some classes of Transformers 4 (AlbertForMaskedLM) set a bias to zero that a file holds under one of its two
        names only, as Transformers itself saves it. Returns notes. kind bad-input when the class cannot hold all that
        the files do, as it has one tensor for two that differ: it would be no reference for either.
        """
        state = model.state_dict()
        lost = dict(self._differing(model, state))
        if not lost:
            return []
        with self.torch.no_grad():
            for name, tensor in lost.items():
                state[name].copy_(tensor)  # the model's own, tied or not
        self._require_all(model, state)
        self.repaired = tempfile.TemporaryDirectory(prefix="crossload-")
        folder = Path(self.repaired.name)
        for file in self.folder.iterdir():
            if file.is_file() and file.suffix not in (".safetensors", ".bin", ".h5", ".msgpack"):
                if not file.name.endswith(".index.json"):
                    shutil.copy(file, folder)
        self.torch.save(model.state_dict(), folder / "pytorch_model.bin")
        self.folder = folder
        names = ", ".join(sorted(lost))
        return [
            f"Transformers {self.transformers.__version__} loses {names} while loading; both classes got them anyway"
        ]

    def _differing(self, model, state):
        """(name in the model, tensor in the files) of those whose values the model has not got."""
        torch, prefix = self.torch, f"{model.base_model_prefix}."
        for name, tensor in _stored(self.folder, torch):
            known = next((n for n in (name, prefix + name, name.removeprefix(prefix)) if n in state), None)
            if known is None or state[known].shape != tensor.shape:
                continue
            wanted = tensor.to(state[known].dtype)
            same = (state[known] == wanted) | ((state[known] != state[known]) & (wanted != wanted))  # NaN as well
            if not bool(torch.all(same)):
                yield known, tensor

    def _require_all(self, model, state):
        left = next(self._differing(model, state), None)
        if left is None:
            return
        name = left[0]
        others = [n for n, t in state.items() if n != name and t.data_ptr() == state[name].data_ptr()]
        seen = f"`{name}` differs from `{others[0]}`" if others else f"`{name}` is not what the file holds"
        holder = f"`{type(model).__name__}` of Transformers {self.transformers.__version__} has one tensor for both"
        raise WorkerError("bad-input", f"{self.folder}: {seen}, and {holder}; use `crossload convert`")

    def tensorflow(self, folder, **options):
        """({output: array}, Transformers' loading info)."""
        model, info = self._load(self.tf_class, folder, output_loading_info=True, **options)
        self.tf_name = type(model).__name__
        tensors = {
            name: self.tensorflow_module.constant(value.astype("int32") if value.dtype.kind == "i" else value)
            for name, value in self.inputs.items()
        }

        def run():
            return _flat(model(**tensors, output_hidden_states=True, training=False))

        try:
            found = run()
            if self.has_hidden_states and not any("hidden_states" in name for name in found):
                # Some lose the argument (TFCamembertForMultipleChoice passes it on as another one) but obey the
                # configuration.
                model.config.output_hidden_states = True
                found = run()
        except Exception as error:
            raise self._does_not_run(model, error) from error
        return found, info

    def row(self, name, pytorch, crossload, conversion):
        visible = self._visible(name, pytorch.shape)
        first, second = _difference(pytorch, crossload, visible), _difference(pytorch, conversion, visible)
        hidden = [_difference(pytorch, other, ~visible) for other in (crossload, conversion)]
        return {
            "name": name, "shape": list(pytorch.shape), "crossload": first, "conversion": second,
            "padded": max(hidden), "noise": None, "excused": False, "over": max(first, second) > self.limit,
        }  # fmt: skip

    def excuse(self, rows, crossload, conversion):
        """Fills `noise` and `excused` of the hidden states over the limit, where PyTorch's float64 run succeeds."""
        truth, runs = self._float64_and_other_runs()
        if truth is None:
            return
        for row in rows:
            name = row["name"]
            if not row["over"] or "hidden_states" not in name:
                continue
            visible = self._visible(name, truth[name].shape)
            noise = max(_difference(truth[name], run[name], visible) for run in runs)
            error = max(_difference(truth[name], other[name], visible) for other in (crossload, conversion))
            row["noise"], row["excused"] = noise, bool(error <= noise)

    def _float64_and_other_runs(self):
        torch = self.torch
        model = self._load(self.pt_class, self.folder)
        runs, threads = [self._run_pytorch(model, self.inputs)], torch.get_num_threads()
        try:
            torch.set_num_threads(1)
            runs.append(self._run_pytorch(model, self.inputs))
        finally:
            torch.set_num_threads(threads)
        with torch.backends.mkldnn.flags(enabled=False):
            runs.append(self._run_pytorch(model, self.inputs))
        eager = self._load(self.pt_class, self.folder, attn_implementation="eager")
        runs.append(self._run_pytorch(eager, self.inputs))
        wide = {n: v.astype("float64") if v.dtype.kind == "f" else v for n, v in self.inputs.items()}
        try:
            return self._run_pytorch(model.double(), wide), runs
        except WorkerError as error:
            # Masks of some decoders hold numbers of float64's range in float32: noise is unknown, nothing is excused.
            self.notes.append(
                f"PyTorch's noise is unknown, its float64 run fails: {first_line(error.__cause__ or error)}"
            )
            return None, runs

    def _load(self, model_class, folder, **options):
        try:
            found = model_class.from_pretrained(str(folder), local_files_only=True, **options)
        except Exception as error:
            seen = f"`{model_class.__name__}` of Transformers {self.transformers.__version__} cannot load it"
            raise WorkerError(
                "bad-input", f"{folder}: {seen} ({first_line(error)}); check the weight files", last_lines(error)
            ) from error
        if hasattr(found, "eval"):
            found.eval()
        return found

    def _dummy_inputs(self):
        """Names of the inputs that the TensorFlow class builds itself with."""
        from_config = getattr(self.tf_class, "from_config", None) or self.tf_class._from_config
        try:
            return list(from_config(self.config).dummy_inputs)
        except Exception as error:
            seen = f"`{self.tf_name}` cannot be built from it ({first_line(error)})"
            raise WorkerError("unsupported", f"{self.folder}/config.json: {seen}; check the class") from error

    def _run_pytorch(self, model, inputs):
        tensors = {name: self.torch.from_numpy(value) for name, value in inputs.items()}
        try:
            with self.torch.no_grad():
                return _flat(model(**tensors, output_hidden_states=True))
        except Exception as error:
            raise self._does_not_run(model, error) from error

    def _does_not_run(self, model, error):
        seen = f"`{type(model).__name__}` does not run on the example inputs ({first_line(error)})"
        return WorkerError("bad-input", f"{self.folder}: {seen}; check tokenizer and configuration", last_lines(error))

    def _masked_axes(self, model, found):
        """{output: axis that runs along the padded tokens}, by what grows when padding is added."""
        import numpy

        mask = self.inputs.get("attention_mask")
        if mask is None or mask.ndim != 2 or mask.all() or "input_ids" not in self.inputs:
            return {}
        grown = {
            name: numpy.pad(value, ((0, 0), (0, PADDING_ADDED)), mode="edge" if name == "input_ids" else "constant")
            if value.shape == mask.shape
            else value
            for name, value in self.inputs.items()
        }
        try:
            longer = self._run_pytorch(model, grown)
        except WorkerError:
            return {}  # no room for more tokens: then every position counts
        axes = {}
        for name, value in found.items():
            if value.ndim < 2 or name not in longer or longer[name].ndim != value.ndim:
                continue
            growth = [b - a for a, b in zip(value.shape, longer[name].shape, strict=True)]
            along = [axis for axis, by in enumerate(growth) if by == PADDING_ADDED]
            if len(along) == 1 and along[0] > 0 and value.shape[0] == len(mask):
                axes[name] = along[0]
        return axes

    def _visible(self, name, shape):
        import numpy

        visible = numpy.ones(shape, bool)
        axis = self.masked_axes.get(name)
        if axis is not None and shape[axis] == self.inputs["attention_mask"].shape[1]:
            sizes = [1] * len(shape)
            sizes[0], sizes[axis] = shape[0], shape[axis]
            visible &= self.inputs["attention_mask"].reshape(sizes) > 0
        return visible


def _stored(folder, torch):
    """(name, tensor) of all that a folder's PyTorch weights hold, of the files that Transformers reads."""
    from safetensors import safe_open

    for stem, extension in (("model", ".safetensors"), ("pytorch_model", ".bin")):
        index, whole = folder / f"{stem}{extension}.index.json", folder / f"{stem}{extension}"
        if whole.is_file():
            files = [whole]
        elif index.is_file():
            files = sorted({folder / name for name in json.loads(index.read_text())["weight_map"].values()})
        else:
            continue
        for file in files:
            if extension == ".bin":
                yield from torch.load(file, map_location="cpu", weights_only=True).items()
                continue
            with safe_open(str(file), "pt") as opened:
                for name in opened.keys():
                    yield name, opened.get_tensor(name)
        return


def _flat(value, name=""):
    """{name: array} of everything below an output, names joined by dots."""
    if hasattr(value, "numpy"):
        array = value.detach().numpy() if hasattr(value, "detach") else value.numpy()
        return {name: array}
    if value is None:
        return {}
    items = value.items() if hasattr(value, "items") else enumerate(value)
    found = {}
    for key, item in items:
        found |= _flat(item, f"{name}.{key}" if name else str(key))
    return found


def _scalars_alike(found, pytorch):
    """A loss is a number to PyTorch, a vector of one to TensorFlow's classes."""
    for name, value in found.items():
        if name in pytorch and value.size == pytorch[name].size == 1:
            found[name] = value.reshape(pytorch[name].shape)


def _split_stacked(found, pytorch):
    """What PyTorch returns as a tuple, keys and values of a layer, TensorFlow may have stacked."""
    for name, value in list(found.items()):
        parts = [f"{name}.{i}" for i in range(len(value))] if value.ndim and name not in pytorch else []
        if parts and set(parts) <= set(pytorch) and f"{name}.{len(parts)}" not in pytorch:
            del found[name]
            found |= dict(zip(parts, value, strict=True))


def _with_weights(layers):
    """Without the layers that Keras numbers and that hold nothing."""
    return sorted(name for name in layers if not re.fullmatch(r"dropout(_\d+)?", name))


def _difference(a, b, where):
    """max |a - b| at the positions `where`; infinite for other shapes, and where only one side is NaN or infinite."""
    import numpy

    if a.shape != b.shape:
        return float("inf")
    a, b = a[where].astype("float64"), b[where].astype("float64")
    alike = (a == b) | (numpy.isnan(a) & numpy.isnan(b))
    rest = numpy.abs(a[~alike] - b[~alike])
    return float("inf") if numpy.isnan(rest).any() else float(rest.max(initial=0.0))
