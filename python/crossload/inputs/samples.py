"""Sample inputs: what a model is exported with, and the other shapes at which it is compared."""

from ..errors import WorkerError
from ..program.signature import user_inputs
from .synthetic import Synthetic


def sample_inputs(loaded, request, session):
    """The sample inputs of a request: a dict by keyword, or a tuple for positional inputs of a plain module.

    In order: the session's own tensors; `inputs` (an npz file, by name); `text` with the model's tokenizer; the model
    folder's tokenizer and image or audio processor; the config. Axis sizes are at least 2 and differ from each other.
    """
    if session.sample_inputs is not None:
        return session.sample_inputs
    if request.get("inputs"):
        return read_npz(request["inputs"])
    return Synthetic(loaded, request.get("text")).inputs()


def read_npz(path):
    """Arrays of an npz file as a dict of tensors; pickled objects are refused."""
    import numpy
    import torch

    try:
        with numpy.load(path, allow_pickle=False) as file:
            if not hasattr(file, "files"):
                raise ValueError("holds one array without a name")
            return {name: torch.from_numpy(numpy.asarray(file[name], order="C")) for name in file.files}
    except (OSError, ValueError, EOFError, AttributeError) as error:
        raise WorkerError("bad-input", f"{path}: cannot be read as npz ({error}); write it with numpy.savez") from error
    except Exception as error:
        raise WorkerError("bad-input", f"{path}: cannot be read as npz ({error}); write it with numpy.savez") from error


def named_tensors(program):
    """{input name: tensor} of a program's example inputs."""
    import torch

    args, kwargs = program.example_inputs
    leaves = torch.utils._pytree.tree_leaves((args, kwargs))
    names = [name for name, _ in user_inputs(program)]
    if len(leaves) != len(names):
        raise WorkerError(
            "unsupported", f"sample inputs: {len(leaves)} values for {len(names)} program inputs; give fewer inputs"
        )
    return {name: leaf for name, leaf in zip(names, leaves, strict=True) if isinstance(leaf, torch.Tensor)}


def from_metadata(program):
    """{input name: tensor} made up from a program's own shapes: each symbol has the size that it was exported with.

    Integers are 0 or 1 (right for ids, masks and types alike), floats normal, booleans true; the same in every run.
    """
    import torch

    random = torch.Generator().manual_seed(20)
    found = {}
    for name, node in user_inputs(program):
        if node is None:
            continue
        value = node.meta["val"]
        if not isinstance(value, torch.Tensor):
            raise WorkerError("unsupported", f"input `{name}`: is no tensor; give a program whose inputs are tensors")
        shape = [size if isinstance(size, int) else size.node.hint for size in value.shape]
        if any(size is None for size in shape):
            raise WorkerError("bad-input", f"input `{name}`: its size depends on data; give --inputs FILE.npz")
        if value.dtype.is_floating_point or value.dtype.is_complex:
            found[name] = torch.randn(shape, generator=random, dtype=value.dtype)
        elif value.dtype == torch.bool or "mask" in name:
            found[name] = torch.ones(shape, dtype=value.dtype)
        else:
            found[name] = torch.randint(0, 2, shape, generator=random, dtype=value.dtype)
    return found
