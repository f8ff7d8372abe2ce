"""The exporter backend `tensorflow` of Transformers: registration, export, saving and loading, the runner, errors."""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import tiny_models
import torch

LIMIT = 1e-5
pytestmark = pytest.mark.usefixtures("native_module")


@pytest.fixture(scope="module")
def bert():
    return tiny_models.create("bert", "BertForSequenceClassification")


@pytest.fixture(scope="module")
def exported(bert, native_module):
    import crossload

    return crossload.TensorFlowExporter().export(bert, text(2, 13), crossload.TensorFlowConfig(dynamic=True))


def text(batch, length):
    random = torch.Generator().manual_seed(batch * length)
    mask = torch.ones(batch, length, dtype=torch.int64)
    mask[0, length - 2 :] = 0
    return {"input_ids": torch.randint(1, 99, (batch, length), generator=random), "attention_mask": mask}


def check(exported, model, inputs, name="logits", limit=LIMIT):
    """The export returns an object of the class that the model returns, with the same numbers."""
    with torch.no_grad():
        wanted = model(**inputs)
    got = exported(**inputs)
    assert type(got) is type(wanted) and list(got) == list(wanted)
    assert got[name].dtype == wanted[name].dtype and got[name].shape == wanted[name].shape
    difference = float((got[name].float() - wanted[name].float()).abs().max())
    assert difference <= limit
    return difference


# Registration

REGISTERED = """
from transformers.exporters import AutoExportConfig, AutoHfExporter
exporter = AutoHfExporter.from_config({"export_format": "tensorflow"})
config = AutoExportConfig.from_dict({"export_format": "tensorflow", "dynamic": True, "max_error": 1e-4})
assert type(exporter) is crossload.TensorFlowExporter and type(config) is crossload.TensorFlowConfig
assert config.dynamic and config.max_error == 1e-4
assert type(AutoHfExporter.from_config(config)) is crossload.TensorFlowExporter
assert "tensorflow" not in sys.modules
"""


@pytest.mark.parametrize("first", ["crossload", "transformers.exporters.auto"])
def test_registration(first):
    """Importing crossload is enough, before or after Transformers, and imports neither PyTorch nor Transformers."""
    lines = ["import sys", f"import {first}", f"imported = 'torch' in sys.modules and {first == 'crossload'}"]
    lines += ["assert not imported", "import crossload", REGISTERED]
    folders = [str(Path(__file__).parent.parent.parent / "python"), os.environ.get("PYTHONPATH", "")]
    finished = subprocess.run(
        [sys.executable, "-c", "\n".join(lines)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(folders)},
        capture_output=True,
        text=True,
    )
    assert finished.returncode == 0, finished.stderr


# Export and run


def test_export(exported, bert):
    report = exported.program.report
    assert report.verdict == "verified" and report.dynamic and len(report.shapes) > 1
    assert exported.components["model"].metadata.export_config["export_format"] == "tensorflow"
    assert (exported.program.path / "saved_model.pb").is_file()
    for batch, length in ((2, 13), (3, 7), (1, 5)):
        check(exported, bert, text(batch, length))


def test_saved_model_is_tensorflows(exported, bert):
    import tensorflow

    serve = tensorflow.saved_model.load(str(exported.program.path)).signatures["serving_default"]
    inputs = text(3, 6)
    got = serve(**{name: tensorflow.constant(value.int().numpy()) for name, value in inputs.items()})["logits"]
    with torch.no_grad():
        wanted = bert(**inputs).logits
    assert float((torch.from_numpy(got.numpy()) - wanted).abs().max()) <= LIMIT


def test_output_flags_and_frozen_weights(bert):
    """A flag among the inputs is one of the config for the export, as in Transformers' exporters; training mode stays."""
    import crossload
    import tensorflow

    bert.train()
    config = {"dynamic": True, "frozen": True}
    exported = crossload.TensorFlowExporter().export(bert, {**text(2, 13), "output_hidden_states": True}, config)
    assert bert.training and bert.bert.encoder.training
    bert.eval()
    assert bert.config.output_hidden_states is False
    assert not tensorflow.saved_model.load(str(exported.program.path)).variables
    inputs = text(3, 7)
    with torch.no_grad():
        wanted = bert(**inputs, output_hidden_states=True).hidden_states
    got = exported(**inputs).hidden_states
    assert len(got) == len(wanted) == 3
    assert all(float((a - b).abs().max()) <= LIMIT for a, b in zip(got, wanted, strict=True))
    assert all((exported.program.path.parent / file).is_file() for file in files_of(exported))


def test_bfloat16():
    import crossload

    model = tiny_models.create("vit", "ViTForImageClassification").to(torch.bfloat16)
    inputs = {"pixel_values": torch.randn(2, 3, 30, 30, dtype=torch.bfloat16)}
    config = crossload.TensorFlowConfig(dynamic=True, verify=False)
    exported = crossload.TensorFlowExporter().export(model, inputs, config)
    assert exported.program.report.verdict == "unverified" and exported.dtype is torch.bfloat16
    check(exported, model, inputs, limit=0.1)


def files_of(exported):
    import crossload

    return crossload.TensorFlowExporter.program_files(exported.program.path.name)


# A model of one's own

from transformers import PreTrainedConfig, PreTrainedModel
from transformers.utils import ModelOutput


@dataclass
class Sums(ModelOutput):
    total: torch.Tensor | None = None
    number: int | None = None
    large: torch.Tensor | None = None


class OwnConfig(PreTrainedConfig):
    model_type = "own"


class Own(PreTrainedModel):
    config_class = OwnConfig

    def __init__(self, compute):
        super().__init__(OwnConfig())
        self.compute = compute
        self.weight = torch.nn.Parameter(torch.ones(4))

    def forward(self, x, scale=None):
        return self.compute(x * self.weight)


def export(compute, **config):
    import crossload

    model = Own(compute).eval()
    inputs = {"x": torch.arange(12.0).reshape(3, 4)}
    return model, crossload.TensorFlowExporter().export(model, inputs, {"dynamic": True, **config})


def test_outputs_that_are_no_tensors_and_large_integers():
    model, exported = export(lambda x: Sums(total=x.sum(1), number=7, large=(x.sum(1).long() + 2**40)))
    x = torch.randn(5, 4) * 10
    wanted, got = model(x), exported(x=x)
    assert type(got) is Sums and got.number == 7
    assert got.large.dtype == torch.int64 and torch.equal(got.large, wanted.large)


def test_outputs_are_copies():
    """Writing into an output does not change what the next call gives, whatever memory TensorFlow used."""
    _, exported = export(lambda x: (x + 1, torch.arange(4.0)), verify=False)
    x = torch.ones(2, 4)
    exported(x=x)[1].fill_(-5)
    assert torch.equal(exported(x=x)[1], torch.arange(4.0))
    assert torch.equal(exported(x=x, share_outputs=True)[1], torch.arange(4.0))


# Saving and loading


def test_saved_twice_and_loaded(exported, bert, tmp_path):
    from transformers.exporters.base import ExportedModel

    out = tmp_path / "out"
    exported.save_pretrained(out)
    (out / "model.savedmodel" / "left.over").write_text("of the first time")
    exported.save_pretrained(out)
    assert sorted(p.name for p in out.iterdir()) == ["config.json", "export.json", "model.savedmodel"]
    saved = {str(p.relative_to(out)) for p in (out / "model.savedmodel").rglob("*") if p.is_file()}
    import crossload

    assert saved - {"model.savedmodel/fingerprint.pb"} == set(
        crossload.TensorFlowExporter.program_files("model.savedmodel")
    )
    loaded = ExportedModel.from_pretrained(out)
    assert loaded.program.report.verdict == "verified" and loaded.config.model_type == "bert"
    first = check(loaded, bert, text(3, 7))
    # A program saved over itself.
    loaded.save_pretrained(out)
    assert check(ExportedModel.from_pretrained(out), bert, text(3, 7)) == first


def test_program_saved_by_itself(exported, tmp_path):
    import crossload

    exporter, path = crossload.TensorFlowExporter, tmp_path / "tmpabcdefgh" / "one.savedmodel"
    # A program beside it is somebody's own, although the folder is named as a temporary one.
    beside = tmp_path / "one.savedmodel"
    exporter.save_program(exported.program, beside)
    exporter.save_program(exported.program, path)
    (path / "left.over").write_text("of the first time")
    exporter.save_program(exported.program, path)
    assert not (path / "left.over").exists() and (beside / "saved_model.pb").is_file()
    loaded = exporter.load_program(path)
    exporter.save_program(loaded, path)
    assert exporter.load_program(path).report.verdict == "verified"


def test_loaded_from_the_hub(exported, bert, tmp_path):
    """The Hub's cache holds links into a store of files."""
    from transformers.exporters.base import ExportedModel

    exported.save_pretrained(tmp_path / "saved")
    repository = tmp_path / "cache" / "models--me--tiny"
    snapshot = repository / "snapshots" / ("a" * 40)
    (repository / "refs").mkdir(parents=True)
    (repository / "blobs").mkdir()
    (repository / "refs" / "main").write_text("a" * 40)
    for number, file in enumerate(p for p in (tmp_path / "saved").rglob("*") if p.is_file()):
        link = snapshot / file.relative_to(tmp_path / "saved")
        link.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, repository / "blobs" / str(number))
        link.symlink_to(os.path.relpath(repository / "blobs" / str(number), link.parent))
    loaded = ExportedModel.from_pretrained("me/tiny", cache_dir=tmp_path / "cache", local_files_only=True)
    check(loaded, bert, text(3, 7))
    loaded.save_pretrained(tmp_path / "again")
    assert not any(p.is_symlink() for p in (tmp_path / "again").rglob("*"))


def test_bad_place_taken_by_somebody_else(exported, tmp_path):
    """A folder of that name that is not ours is left alone."""
    taken = tmp_path / "out" / "model.savedmodel"
    taken.mkdir(parents=True)
    (taken / "thesis.txt").write_text("years of work")
    with pytest.raises(OSError):
        exported.save_pretrained(tmp_path / "out")
    assert (taken / "thesis.txt").read_text() == "years of work"


# Errors


def test_bad_inputs(exported):
    from crossload import CrossloadError

    with pytest.raises(CrossloadError, match=r"tensors \['input_ids'\] were given; the program takes \['attention_m"):
        exported(input_ids=torch.ones(2, 3, dtype=torch.int64))
    with pytest.raises(
        CrossloadError, match=r"run: `attention_mask` is \[2, 3, 4, 5\]; the program takes \[\?, \?\], as"
    ):
        exported(
            input_ids=torch.ones(2, 3, dtype=torch.int64), attention_mask=torch.ones(2, 3, 4, 5, dtype=torch.int64)
        )
    with pytest.raises(CrossloadError, match="device: is `cuda`"):
        exported.to("cuda")


def test_bad_size_of_a_fixed_axis():
    """Axes are fixed unless asked for otherwise; a size that would reshape into something is refused as well."""
    from crossload import CrossloadError

    _, exported = export(lambda x: (x.reshape(3, 4) * 2,), dynamic=False)
    assert not exported.program.report.dynamic
    assert torch.equal(exported(x=torch.ones(3, 4))[0], torch.full((3, 4), 2.0))
    with pytest.raises(CrossloadError, match=r"run: `x` is \[4, 3\]; the program takes \[3, 4\], as it was exported"):
        exported(x=torch.ones(4, 3))


def test_bad_constant_changed():
    from crossload import CrossloadError, TensorFlowExporter

    model = Own(lambda x: (x,)).eval()
    exported = TensorFlowExporter().export(model, {"x": torch.ones(3, 4), "scale": 2}, {"verify": False})
    assert torch.equal(exported(x=torch.ones(3, 4), scale=2)[0], torch.ones(3, 4))
    with pytest.raises(CrossloadError, match="`scale` is 3; the program was exported with 2"):
        exported(x=torch.ones(3, 4), scale=3)


def test_bad_export_that_computes_something_else():
    """A program that does not compute what the model does is not returned, unless asked not to compare."""
    from crossload import CrossloadError

    def compute(x):
        return (x * 3 if torch.compiler.is_exporting() else x * 2,)

    with pytest.raises(CrossloadError, match=r"Own: max \|pt - tf\| is 11.0, 1e-05 the limit") as caught:
        export(compute)
    assert caught.value.kind == "mismatch" and caught.value.details[0].startswith("output.0: max")
    _, exported = export(compute, verify=False)
    assert torch.equal(exported(x=torch.ones(3, 4))[0], torch.full((3, 4), 3.0))


def test_bad_operation():
    from crossload import CrossloadError

    with pytest.raises(CrossloadError, match="special_bessel_j0") as caught:
        export(lambda x: (torch.special.bessel_j0(x),))
    assert caught.value.kind == "unsupported"


def test_bad_configuration(bert):
    import crossload
    from transformers.exporters import OnnxConfig

    with pytest.raises(TypeError, match="TensorFlowConfig"):
        crossload.TensorFlowExporter().export(bert, text(2, 13), OnnxConfig())
    with pytest.raises(ValueError, match="labels"):
        crossload.TensorFlowExporter().export(bert, {**text(2, 13), "labels": torch.ones(2)}, {})


# The documentation


def test_code_of_the_page(minilm, tmp_path, monkeypatch, capsys):
    """docs/exporter.md prints what it says, but for the digits of differences."""
    page = (Path(__file__).parent.parent.parent / "docs" / "exporter.md").read_text(encoding="utf-8")
    (tmp_path / "all-MiniLM-L6-v2").symlink_to(minilm)
    monkeypatch.chdir(tmp_path)
    names = {}
    blocks = re.findall(r"```python\n(.*?)```\n\n```\n(.*?)```", page, re.DOTALL)
    assert len(blocks) == 2
    for code, printed in blocks:
        capsys.readouterr()
        exec(code, names)
        found = capsys.readouterr().out
        assert re.sub(r"\d\.\de-0[67]", "#", found) == re.sub(r"\d\.\de-0[67]", "#", printed)
