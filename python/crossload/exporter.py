"""The exporter backend `tensorflow` of Transformers: `TensorFlowExporter` beside its ONNX and OpenVINO exporters.

A component is exported by Transformers' own DynamoExporter, converted and compared by the engine. It is saved as a
SavedModel folder: `model.savedmodel/` with `saved_model.pb`, `variables/`, and the report in `assets.extra/`.
"""

import contextlib
import copy
import json
import os
import re
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import torch
from transformers.exporters import utils as exporters_utils
from transformers.exporters.configs import DynamoConfig
from transformers.exporters.exporter_dynamo import DynamoExporter
from transformers.exporters.runners.base import ModelRunner

from . import native
from .api import as_attributes, convert_exported, tensorflow_folder
from .errors import CrossloadError
from .program.pytree_names import output_names
from .session import Loaded
from .trace.export import export_faithfully

REPORT = "assets.extra/crossload.json"
FILES = ("saved_model.pb", "variables/variables.index", "variables/variables.data-00000-of-00001", REPORT)


@dataclass
class TensorFlowConfig(DynamoConfig):
    """How to export to TensorFlow: DynamoConfig's fields and these.

    verify: compare with PyTorch before the program is handed out; max_error: the limit on the outputs; frozen: weights
    as constants of the graph; jit: let XLA compile the graph.
    """

    export_format: str = "tensorflow"

    verify: bool = True
    max_error: float = 1e-5
    frozen: bool = False
    jit: bool = False


class TensorFlowProgram:
    """A SavedModel and what is known of it.

    path: the SavedModel's folder, for `tf.saved_model.load`. One that was just exported lies in a temporary folder
    that goes with this object. report: crossload.json's content as attributes.
    """

    def __init__(self, path, temporary=None):
        self.path = Path(path)
        self._temporary = temporary
        self.report = as_attributes(json.loads((self.path / REPORT).read_text(encoding="utf-8")))

    def __repr__(self):
        return f"TensorFlowProgram({str(self.path)!r}, verdict={self.report.verdict!r})"


class TensorFlowExporter(DynamoExporter):
    """Exports a Transformers model to a TensorFlow SavedModel that computes the same.

    exported = TensorFlowExporter().export(model, inputs, TensorFlowConfig(dynamic=True))
    exported(**inputs).last_hidden_state    # what the model returns, computed by TensorFlow
    exported.save_pretrained("out")         # out/model.savedmodel/, export.json, config.json
    """

    export_format = "tensorflow"
    config_class = TensorFlowConfig
    program_suffix = ".savedmodel"

    min_versions = MappingProxyType({"torch": "2.13.0"})
    tested_versions = MappingProxyType({"torch": "2.13.0"})

    def export_program(self, model, sample_inputs, config):
        """The TensorFlowProgram of one graph, and its metadata.

        Raises what torch.export raises, and CrossloadError: of kind unsupported when operations are missing, mismatch
        when the program was compared and does not compute what the model does.
        """
        # The exporter takes them out of the inputs and puts them into the config for the time of the export.
        flags = {name: sample_inputs[name] for name in exporters_utils._OUTPUT_FLAGS if name in sample_inputs}
        recorded = []

        def export():
            program, metadata = super(TensorFlowExporter, self).export_program(
                model, {**sample_inputs, **flags}, config=config
            )
            recorded.append(metadata)
            return program

        with _evaluating(model):
            program = export_faithfully(Loaded(model, type(model).__name__), export, {"output_flags": flags})
            metadata = recorded[-1]
            _record_constants(program, metadata)
            return _converted(model, program, flags, config), metadata

    @classmethod
    def save_program(cls, program, path):
        """Copy the SavedModel folder to `path`; one that was saved there before is replaced, anything else is not.

        `ExportedModel.save_pretrained` calls this with a path in a temporary folder and then moves the result to its
        final path with `os.replace`, which cannot replace a folder: so an earlier SavedModel of ours is removed there.
        """
        path = Path(path)
        if path.exists() and path.samefile(program.path):
            return
        if _is_saved_program(path):
            shutil.rmtree(path)
        shutil.copytree(program.path, path)
        target = path.parent.parent / path.name
        if _is_staging(path.parent) and _is_saved_program(target):
            shutil.rmtree(target)

    @classmethod
    def load_program(cls, path):
        return TensorFlowProgram(path)

    @classmethod
    def program_files(cls, filename):
        return [f"{filename}/{name}" for name in FILES]

    def export_for_generation(self, model, sample_inputs, config, *, generation_config=None, multi_token_decode=False):
        """As Transformers' exporters do it: one component a stage of generation, named `prefill` and `decode`, or
        `language_model`, `lm_head` and `decode`. What `generate` runs once beforehand is a component as well: the
        `encoder`, or `image_encoder`, `audio_encoder` and the projector.
        """
        exported = super().export_for_generation(
            model,
            sample_inputs,
            config,
            generation_config=generation_config,
            multi_token_decode=multi_token_decode,
        )
        for name, (module, inputs) in _run_beforehand(model, sample_inputs, generation_config).items():
            if name not in exported.components:
                if isinstance(config, dict) and name not in config:
                    raise ValueError(f"config: has no entry for the component `{name}`; add one")
                chosen = config[name] if isinstance(config, dict) else config
                exported.components[name] = self._export_component(module, inputs, chosen)
        return exported


class TensorFlowModelRunner(ModelRunner):
    """Runs a SavedModel through TensorFlow's C library on the CPU; torch tensors go in and come out.

    Raises CrossloadError: of kind environment when TensorFlow is not installed, bad-input when inputs do not fit.
    """

    def __init__(self, metadata, program):
        super().__init__(metadata)
        self.program = program
        # This signature takes and gives int64 as PyTorch does.
        self._engine = native.engine().Runner(str(program.path), str(tensorflow_folder()), "int64_serving")
        names = output_names(self.out_spec)
        self._outputs = [name for index, name in enumerate(names) if index not in self.out_constants]

    @property
    def device(self):
        return torch.device("cpu")

    @classmethod
    def from_program(cls, program, metadata, device=None):
        if device is not None and torch.device(device).type != "cpu":
            raise CrossloadError("bad-input", f"device: is `{device}`; programs run on `cpu` here, or serve the folder")
        return cls(metadata, program)

    def __call__(self, share_inputs=True, share_outputs=False, **kwargs):
        for name, value in self.metadata.in_constants.items():
            if name in kwargs and kwargs[name] is not value and kwargs[name] != value:
                raise CrossloadError(
                    "bad-input", f"inputs: `{name}` is {kwargs[name]!r}; the program was exported with {value!r}"
                )
        given = exporters_utils.get_leaf_tensors(kwargs)
        wanted = self._engine.inputs
        if set(given) != set(wanted):
            raise CrossloadError(
                "bad-input",
                f"inputs: tensors {sorted(given)} were given; the program takes {sorted(wanted)}, as it was exported",
            )
        arrays = {name: _to_numpy(given[name], dtype) for name, dtype in wanted.items()}
        values = self._engine.run(arrays)
        # TensorFlow may return the memory of its own constants.
        outputs = [_from_numpy(values[name]) for name in self._outputs]
        return self.unflatten(outputs if share_outputs else [output.clone() for output in outputs])


def _converted(model, program, flags, config):
    temporary = tempfile.TemporaryDirectory(prefix="crossload-")
    options = {"max_error": float(config.max_error), "frozen": config.frozen, "jit": config.jit}
    out = Path(temporary.name) / "out"
    conversion = convert_exported(
        model, program, out, output_flags=flags, verify=config.verify, stages=False, **options
    )
    if conversion.report.verdict == "mismatch":
        # Convert again, to tell where the difference begins.
        conversion = convert_exported(model, program, out, output_flags=flags, verify=True, stages=True, **options)
        raise _mismatch(type(model).__name__, conversion.report)
    path = Path(temporary.name) / "program"
    os.rename(conversion.saved_model, path)
    (path / REPORT).parent.mkdir(exist_ok=True)
    os.rename(out / "crossload.json", path / REPORT)
    shutil.rmtree(out)
    return TensorFlowProgram(path, temporary)


def _mismatch(name, report):
    over = [output for output in report.outputs if not _within(output.max_error, report.limit)]
    details = [f"{output.name}: max |pt - tf| {output.max_error}" for output in over]
    details += [f"first stage over the limit: {stage.module}" for stage in report.stages if stage.first_over_limit]
    return CrossloadError(
        "mismatch",
        f"{name}: max |pt - tf| is {report.max_error}, {report.limit} the limit; raise `max_error`, or export with "
        "`verify=False` to look at the program",
        details,
    )


def _within(error, limit):
    return isinstance(error, (int, float)) and error <= limit


def _record_constants(program, metadata):
    """Record in the metadata the outputs that are no tensors, which a SavedModel cannot return."""
    specs = [spec for spec in program.graph_signature.output_specs if spec.kind.name == "USER_OUTPUT"]
    values = {node.name: node.meta.get("val") for node in program.graph.nodes}
    metadata.out_constants = []
    for index, spec in enumerate(specs):
        if type(spec.arg).__name__ == "TensorArgument":
            continue
        value = getattr(spec.arg, "value", None)
        if type(spec.arg).__name__.startswith("Sym"):
            # A number that depends on the inputs' sizes, such as a cache's length: as it was in the sample.
            value = values[spec.arg.name].node.hint
        metadata.out_constants.append([index, value])


def _run_beforehand(model, sample_inputs, generation_config):
    """{component name: (module, its keyword inputs)} of the encoders and projectors that `generate` calls."""
    modules = exporters_utils._find_multimodal_submodules(model)
    if not modules and getattr(model.config, "is_encoder_decoder", False):
        modules = {"encoder": model.get_encoder()}
    if not modules:
        return {}
    settings = copy.deepcopy(generation_config if generation_config is not None else model.generation_config)
    settings.max_new_tokens = settings.min_new_tokens = 1
    with contextlib.ExitStack() as stack, torch.no_grad():
        calls = {name: stack.enter_context(exporters_utils._capture_forward(m)) for name, m in modules.items()}
        model.generate(**copy.deepcopy(dict(sample_inputs)), generation_config=settings)
    return {name: (module, calls[name][0]) for name, module in modules.items() if calls[name]}


@contextlib.contextmanager
def _evaluating(model):
    """The model in evaluation mode, which is what is compared."""
    training = [module for module in model.modules() if module.training]
    model.eval()
    try:
        yield
    finally:
        for module in training:
            module.training = True


def _is_saved_program(folder):
    return (folder / REPORT).is_file() and (folder / "saved_model.pb").is_file()


def _is_staging(folder):
    """Whether a folder is one that `tempfile` made."""
    return re.fullmatch(r"tmp[a-z0-9_]{8}", folder.name) is not None and folder.stat().st_mode & 0o777 == 0o700


def _to_numpy(tensor, dtype):
    tensor = tensor.detach().cpu().contiguous()
    if tensor.dtype == torch.bfloat16:
        tensor = tensor.view(torch.int16)
        return tensor.numpy().view(dtype) if dtype.itemsize == 2 else tensor.view(torch.bfloat16).float().numpy()
    return tensor.numpy().astype(dtype, copy=False)


def _from_numpy(array):
    if array.dtype.name == "bfloat16":
        return torch.from_numpy(array.view("int16")).view(torch.bfloat16)
    return torch.from_numpy(array)
