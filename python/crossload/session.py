"""What a worker remembers between requests."""

from dataclasses import dataclass, field
from typing import Any

from .errors import WorkerError


@dataclass
class Loaded:
    """A PyTorch model in evaluation mode, and where it came from.

    folder is None for a module that was handed over in process; then no checkpoint is known.
    missing and unexpected are Transformers' loading report, in the model's (renamed) keys.
    """

    model: Any
    class_name: str
    folder: str | None = None
    model_type: str | None = None
    note: str | None = None
    missing: list = field(default_factory=list)
    unexpected: list = field(default_factory=list)


@dataclass
class Session:
    """Memory of one worker; `module`, `sample_inputs`, `exported` and `tf_model` are set only by callers in the same process.

    module: torch.nn.Module to use instead of loading one; sample_inputs: dict (by keyword) or tuple (positional) of
    tensors; exported: ExportedProgram of the module, to use instead of exporting it, whose example inputs are the
    sample; tf_model: Keras model that the module is compared with. The other fields are kept by the handlers: the model
    last loaded, the program last exported, and the two models that are compared.
    """

    module: Any = None
    sample_inputs: Any = None
    exported: Any = None
    loaded: Loaded | None = None
    loaded_key: Any = None
    tf_model: Any = None
    program: Any = None
    program_key: Any = None
    against: Any = None
    opened: Any = None
    seconds: dict = field(default_factory=dict)


def require_torch():
    """Import torch; WorkerError of kind environment where it is missing."""
    try:
        import torch

        return torch
    except ImportError as error:
        raise WorkerError(
            "environment", f"python: cannot import torch ({error}); run `pip install torch==2.13.0`"
        ) from error


def require_transformers():
    """Import transformers; WorkerError of kind environment where it or torch is missing."""
    require_torch()
    try:
        import transformers

        return transformers
    except ImportError as error:
        raise WorkerError(
            "environment", f"python: cannot import transformers ({error}); run `pip install transformers==5.23.0`"
        ) from error
