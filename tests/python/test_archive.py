"""A user's own `.pt2`: it works, and a hostile one executes nothing."""

import json
import pickle
import zipfile

import pytest
import torch
from crossload.errors import WorkerError
from crossload.program.archive import open_program
from safetensors.torch import load_file


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.dense = torch.nn.Linear(6, 4)

    def forward(self, x):
        return self.dense(x).relu()


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    path = tmp_path_factory.mktemp("pt2") / "net.pt2"
    torch.manual_seed(0)
    dynamic = ({0: torch.export.Dim.AUTO},)
    torch.export.save(torch.export.export(Net().eval(), (torch.randn(3, 6),), dynamic_shapes=dynamic), str(path))
    return path


def rewritten(source, target, change):
    """A copy of an archive; change(name below the root, bytes) -> bytes, and change(None, None) -> {name: bytes}."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as new:
        for info in old.infolist():
            name = info.filename.split("/", 1)[1]
            new.writestr(info.filename, change(name, old.read(info)))
        for name, data in change(None, None).items():
            new.writestr(f"net/{name}", data)
    return target


class Touch:
    """Unpickling this makes a file."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return (open, (self.path, "w"))


def only(wanted, edit, extra=None):
    def change(name, data):
        if name is None:
            return extra or {}
        return edit(data) if name == wanted else data

    return change


def json_edit(edit):
    def edited(data):
        content = json.loads(data)
        edit(content)
        return json.dumps(content).encode()

    return edited


def test_reference_of_a_users_program(good, tmp_path, ask):
    done = ask(do="reference", model=good, trace=None, out=tmp_path / "r", stages=True)
    assert [c["label"] for c in done["cases"]] == ["3", "4", "1", "17"]
    assert done["cases"][0]["inputs"] == {"x": [3, 6]}
    values = load_file(tmp_path / "r" / "case_0.safetensors")
    program = torch.export.load(str(good))
    torch.testing.assert_close(values["run/0/output.0"], program.module()(values["input/x"]), rtol=0, atol=1e-6)
    assert "value/relu" in load_file(tmp_path / "r" / "stages.safetensors")


def test_sample_inputs_are_never_unpickled(good, tmp_path):
    marker = tmp_path / "executed"
    evil = pickle.dumps(Touch(marker))
    path = rewritten(good, tmp_path / "net.pt2", only("data/sample_inputs/model.pt", lambda data: evil))
    pickle.loads(evil).close()
    assert marker.exists()  # the pickle does what it should
    marker.unlink()
    assert open_program(path) is not None
    assert not marker.exists()


def expression(text):
    def edit(model):
        model["graph_module"]["graph"]["tensor_values"]["x"]["sizes"][0]["as_expr"]["expr_str"] = text

    return edit


def target(text):
    def edit(model):
        model["graph_module"]["graph"]["nodes"][0]["target"] = text

    return edit


def pickled(config):
    config["config"]["dense.weight"]["use_pickle"] = True


WEIGHTS = "data/weights/model_weights_config.json"
MODEL = "models/model.json"


@pytest.mark.parametrize(
    ("file", "edit", "extra", "seen"),
    [
        (WEIGHTS, pickled, {}, "is a pickle"),
        (MODEL, expression("__import__('os').system('touch {marker}')"), {}, "is not a formula"),
        (MODEL, expression("Symbol.__class__.__mro__"), {}, "is not a formula"),
        (MODEL, expression("[x for x in (1,)]"), {}, "is not a formula"),
        (MODEL, target("torch.hub.load"), {}, "is not one of torch.ops"),
        (MODEL, target("torch.ops.load_library"), {}, "is not one of torch.ops"),
        (MODEL, target("torch.ops.aten.__class__.x"), {}, "is not one of torch.ops"),
        (MODEL, lambda m: None, {"data/aotinductor/model/x.so": b"\x7fELF"}, "not plain tensor data"),
        (MODEL, lambda m: None, {"data/constants/custom_obj_0": b"x"}, "not plain tensor data"),
        (MODEL, lambda m: None, {"data/weights/model.pt": b"x"}, "not plain tensor data"),
    ],
)
def test_bad_archives_are_refused(good, tmp_path, file, edit, extra, seen):
    marker = tmp_path / "executed"
    path = rewritten(good, tmp_path / "net.pt2", only(file, json_edit(edit), extra))
    with pytest.raises(WorkerError) as caught:
        open_program(path)
    assert caught.value.kind == "bad-input" and seen in caught.value.message
    assert not marker.exists()


def test_bad_compressed_and_damaged_files(good, tmp_path):
    packed = tmp_path / "packed.pt2"
    with zipfile.ZipFile(good) as old, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as new:
        for info in old.infolist():
            new.writestr(info.filename, old.read(info), zipfile.ZIP_DEFLATED)
    cut = tmp_path / "cut.pt2"
    cut.write_bytes(good.read_bytes()[:2000])
    nested = rewritten(good, tmp_path / "n.pt2", only(MODEL, lambda data: b"[" * 200_000))
    for path, seen in ((packed, "compressed"), (cut, "readable archive"), (nested, "readable archive")):
        with pytest.raises(WorkerError, match=seen) as caught:
            open_program(path)
        assert caught.value.kind == "bad-input"


def test_traced_formulas_pass(tiny, tmp_path, ask):
    """Transformers' own programs hold no expression or operator that the check refuses."""
    ask(do="trace", model=tiny("gpt2", "GPT2LMHeadModel"), out=tmp_path / "t", cache=True)
    assert open_program(tmp_path / "t" / "program.pt2") is not None
