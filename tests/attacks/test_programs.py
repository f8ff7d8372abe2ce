"""Programs that are damaged, made to do harm, or more than crossload or PyTorch can do."""

import json
import pickle
import shutil
import zipfile

import pytest
import torch


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.dense = torch.nn.Linear(6, 4)

    def forward(self, x):
        return self.dense(x).relu()


def saved(module, inputs, path):
    dynamic = tuple({0: torch.export.Dim.AUTO} for _ in inputs)
    with torch.no_grad():
        torch.export.save(torch.export.export(module.eval(), inputs, dynamic_shapes=dynamic), str(path))
    return path


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    torch.manual_seed(0)
    return saved(Net(), (torch.randn(3, 6),), tmp_path_factory.mktemp("pt2") / "net.pt2")


def rewritten(source, target, edit=lambda name, data: data, extra=None):
    """A copy of an archive with entries changed by edit(name below the root, bytes) and `extra` {full name: bytes}."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as new:
        for info in old.infolist():
            new.writestr(info.filename, edit(info.filename.split("/", 1)[1], old.read(info)))
        for name, data in (extra or {}).items():
            new.writestr(zipfile.ZipInfo(name), data)
    return target


def only(wanted, change):
    return lambda name, data: change(data) if name == wanted else data


def json_edit(change):
    def edited(data):
        content = json.loads(data)
        change(content)
        return json.dumps(content).encode()

    return edited


def test_good_one_converts(place, good):
    assert place.run("convert", good, place.out).code == 0


@pytest.mark.parametrize(
    "name",
    [
        "/etc/crossload-evil",
        "../evil",
        "net/../../evil",
        "net/data/../../../evil",
        "..",
        "C:\\evil",
        "net/\x1b[31mevil/../x",
    ],
)
def test_names_that_leave_the_archive(place, good, tmp_path, name):
    path = rewritten(good, tmp_path / "net.pt2", extra={name: b"x"})
    place.refused_convert(path, code=2, seen="leaves the archive")
    assert not (tmp_path.parent / "evil").exists() and not (tmp_path / "evil").exists()


@pytest.mark.parametrize("version", [{"major": 99, "minor": 1}, {"major": 0, "minor": 0}])
def test_unknown_schema(place, good, tmp_path, version):
    change = json_edit(lambda model: model["schema_version"].update(version))
    path = rewritten(good, tmp_path / "net.pt2", only("models/model.json", change))
    place.refused_convert(path, code=2, seen=[f"{version['major']}.{version['minor']}", "schema"])


def test_unknown_archive_version(place, good, tmp_path):
    path = rewritten(good, tmp_path / "net.pt2", only("archive_version", lambda data: b"99"))
    place.refused_convert(path, code=2, seen="archive_version")


@pytest.mark.parametrize("size", [0, 10, 1000, -1, -30])
def test_truncated(place, good, tmp_path, size):
    path = tmp_path / "cut.pt2"
    path.write_bytes(good.read_bytes()[:size])
    place.refused_convert(path, code=2, seen="cut.pt2")


def test_program_is_no_json(place, good, tmp_path):
    for number, text in enumerate([b"{", b"[]", b"[" * 300_000, b'{"graph_module": {}}']):
        path = rewritten(good, tmp_path / f"n{number}.pt2", only("models/model.json", lambda data, text=text: text))
        place.refused_convert(path, code=2, seen="model.json")


def test_entry_twice(place, good, tmp_path):
    with zipfile.ZipFile(good) as old:
        name = next(n for n in old.namelist() if n.endswith("models/model.json"))
    with pytest.warns(UserWarning):
        path = rewritten(good, tmp_path / "net.pt2", extra={name: b"{}"})
    place.refused_convert(path, code=2, seen="twice")


def test_weight_bytes_do_not_fit(place, good, tmp_path):
    path = rewritten(good, tmp_path / "net.pt2", only("data/weights/weight_0", lambda data: data[:8]))
    place.refused_convert(path, code=2, seen="net.pt2")


class Touch:
    """Unpickling this makes a file."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return (open, (self.path, "w"))


def test_pickles_are_never_opened(place, good, tmp_path):
    """The sample inputs of every `.pt2` are a pickle: a hostile one is not even looked at."""
    marker = tmp_path / "executed"
    evil = pickle.dumps(Touch(marker))
    pickle.loads(evil).close()
    assert marker.exists()  # it does what it should
    marker.unlink()
    path = rewritten(good, tmp_path / "net.pt2", only("data/sample_inputs/model.pt", lambda data: evil))
    finished = place.run("convert", path, place.out, "--json")
    assert finished.code == 0 and finished.document["verdict"] == "verified"
    assert not marker.exists()


def test_pickled_weights_are_refused(place, good, tmp_path):
    marker = tmp_path / "executed"
    evil = pickle.dumps(Touch(marker))

    def change(name, data):
        if name == "data/weights/model_weights_config.json":
            return json_edit(lambda c: c["config"]["dense.weight"].update(use_pickle=True))(data)
        return evil if name.startswith("data/weights/weight_") else data

    place.refused_convert(rewritten(good, tmp_path / "net.pt2", change), code=2, seen="pickle")
    assert not marker.exists()


@pytest.mark.parametrize("text", ["__import__('os').system('touch {}')", "Symbol.__class__", "s0 + (lambda: 1)()"])
def test_formulas_execute_nothing(place, good, tmp_path, text):
    marker = tmp_path / "executed"

    def change(model):
        model["graph_module"]["graph"]["tensor_values"]["x"]["sizes"][0]["as_expr"]["expr_str"] = text.format(marker)

    path = rewritten(good, tmp_path / "net.pt2", only("models/model.json", json_edit(change)))
    place.refused_convert(path, code=2, seen="net.pt2")
    assert not marker.exists()


# More than crossload can do

LIBRARY = torch.library.Library("crossload_attack", "FRAGMENT")
LIBRARY.define("strange(Tensor x) -> Tensor")
LIBRARY.impl("strange", lambda x: x * 2, "CompositeExplicitAutograd")


class Strange(torch.nn.Module):
    def forward(self, x):
        return torch.ops.crossload_attack.strange(x)


class Airy(torch.nn.Module):
    def forward(self, x):
        return torch.special.airy_ai(x)


class Unheard(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second, self.third = Strange(), Airy(), Strange()

    def forward(self, x):
        return self.third(self.second(self.first(x)))


def test_operations_without_lowering_are_told_together(place, tmp_path):
    path = saved(Unheard(), (torch.randn(3, 6),), tmp_path / "unheard.pt2")
    finished = place.refused_convert(path, code=3, seen="2 operations")
    lines = [line for line in finished.details if "test_programs.py:" in line]
    assert len(lines) == 3 and all("no lowering" in line for line in lines), finished.details
    for module, op in (("first", "strange"), ("second", "airy_ai"), ("third", "strange")):
        assert [line for line in lines if module in line and op in line], lines
    as_json = place.run("convert", path, place.out, "--json")
    assert as_json.code == 3 and len(as_json.document["error"]["details"]) >= 3
    checked = place.run("check", path, "--json")
    assert checked.code == 0
    assert {o["op"]: o["uses"] for o in checked.document["missing_ops"]} == {
        "crossload_attack.strange.default": 2, "aten.special_airy_ai.default": 1,
    }  # fmt: skip


def test_operations_without_lowering_in_process(place):
    import crossload

    with pytest.raises(crossload.CrossloadError, match="2 operations") as caught:
        crossload.convert(Unheard(), place.out, (torch.randn(3, 6),))
    assert caught.value.kind == "unsupported" and len(caught.value.details) == 3
    place.check_nothing_left()


OWN_CODE = """
import torch
from transformers import PretrainedConfig, PreTrainedModel


class OwnConfig(PretrainedConfig):
    model_type = "own"
    vocab_size = 50


class OwnModel(PreTrainedModel):
    config_class = OwnConfig

    def __init__(self, config):
        super().__init__(config)
        self.table = torch.nn.Embedding(50, 4)
        self.post_init()

    def forward(self, input_ids):
        hidden = self.table(input_ids)
        if hidden.sum().item() > 0:
            return hidden
        return -hidden
"""


def test_model_that_pytorch_cannot_export(place, tmp_path):
    from safetensors.torch import save_file

    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "code_here.py").write_text(OWN_CODE)
    own = {"AutoConfig": "code_here.OwnConfig", "AutoModel": "code_here.OwnModel"}
    (folder / "config.json").write_text(
        json.dumps({"model_type": "own", "architectures": ["OwnModel"], "auto_map": own})
    )
    save_file({"table.weight": torch.randn(50, 4)}, folder / "model.safetensors", {"format": "pt"})
    line = 1 + OWN_CODE.splitlines().index("        if hidden.sum().item() > 0:")
    environment = {"HF_HOME": str(tmp_path / "hf")}
    finished = place.refused_convert(
        folder, "--trust-remote-code", code=3, environment=environment,
        seen=["OwnModel", f"code_here.py:{line}", "PyTorch cannot export the model"],
    )  # fmt: skip
    assert finished.details


def test_module_that_pytorch_cannot_export(place):
    import crossload

    class Data(torch.nn.Module):
        def forward(self, x):
            return x if x.sum().item() > 0 else -x

    with pytest.raises(crossload.CrossloadError, match=r"Data \(test_programs.py:\d+\)") as caught:
        crossload.convert(Data(), place.out, (torch.ones(3, 5),))
    assert caught.value.kind == "unsupported" and caught.value.details
    place.check_nothing_left()


def test_model_that_fails_on_its_own_sample(place, model, tmp_path):
    import numpy

    numpy.savez(tmp_path / "in.npz", input_ids=numpy.full((2, 200), 3))
    place.refused_convert(model, "--inputs", tmp_path / "in.npz", code=2, seen="fails on the sample inputs")
    (tmp_path / "in.npz").write_bytes(b"nothing")
    place.refused_convert(model, "--inputs", tmp_path / "in.npz", code=2, seen="in.npz")


def test_verify_of_something_else(place, with_cache, model, good, tmp_path):
    """OUT of another model, a foreign folder, a damaged SavedModel."""
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    place.refused("verify", model, foreign, code=2, seen="saved_model.pb")
    place.refused("verify", model, tmp_path / "nowhere", code=2, seen="saved_model.pb")
    assert place.run("convert", good, place.out, "--no-verify").code == 0
    place.refused("verify", model, place.out, code=2, seen="`x`")
    (place.out / "saved_model/1/saved_model.pb").write_bytes(b"\xff" * 100)
    place.refused("verify", good, place.out, code=2, seen="saved_model.pb")
    shutil.rmtree(place.out / "saved_model/1/variables")
