"""The requests `example_inputs` and `class_of`, which `crossload pt-to-tf` asks beside its judge."""

from pathlib import Path

from ..errors import WorkerError, first_line
from .example_inputs import example_inputs


def write_example_inputs(request, progress, session):
    """Write the example inputs of the request's model to the file `out` (.npz); returns {"notes"}."""
    import numpy

    from ..model.loading import load

    loaded = load(request, session, progress)
    inputs, notes = example_inputs(loaded.folder, loaded.model.config, loaded.model)
    numpy.savez(request["out"], **inputs)
    return {"notes": notes}


def class_of(request, progress):
    """{"class": the PyTorch class that the auto class `class` chooses for the folder `model`}; bad-input for none."""
    import transformers

    name, folder = request["class"], Path(request["model"])
    mapping = getattr(getattr(transformers, name, None), "_model_mapping", None)
    if mapping is None:
        seen = f"is no auto class of Transformers {transformers.__version__}"
        raise WorkerError("bad-input", f"--override-model-class: `{name}` {seen}; check the name")
    try:
        config = transformers.AutoConfig.from_pretrained(str(folder), local_files_only=True)
    except Exception as error:
        raise WorkerError("bad-input", f"{folder}/config.json: {first_line(error)}; check the file") from error
    if type(config) not in mapping:
        seen = f"`{name}` has no class for `{config.model_type}`"
        raise WorkerError("bad-input", f"--override-model-class: {seen}; name the class itself")
    found = mapping[type(config)]
    found = found if isinstance(found, (list, tuple)) else [found]
    names = [each.__name__ for each in found]
    return {"class": next((each for each in config.architectures or [] if each in names), names[0])}
