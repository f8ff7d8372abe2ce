"""`verify --gradients`: right conversions have PyTorch's gradients, and faults that outputs do not show are found."""

import shutil

import crossload
import numpy
import plant
import pytest
import subjects
import torch
from crossload_command import run


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    base = tmp_path_factory.mktemp("bert")
    folder = subjects.build("bert", base / "model")
    return folder, crossload.convert(folder, base / "out", verify=False).out


def planted(bert, tmp_path, change):
    model, out = bert
    out = shutil.copytree(out, tmp_path / "out")
    with plant.Graph(out) as graph:
        change(graph)
    return run("verify", model, out, "--gradients", "--json")


def test_right_conversion(bert):
    model, out = bert
    finished = run("verify", model, out, "--gradients", "--json")
    assert finished.code == 0, finished.err
    document = finished.document
    assert document["verdict"] == "verified"
    gradients = document["gradients"]
    from transformers import AutoModel

    names = [name for name, _ in AutoModel.from_pretrained(model).named_parameters()]
    compared = {one["name"]: one for one in gradients["parameters"]}
    assert [*compared] == [name for name in names if name in compared]
    assert sorted([*compared, *gradients["without"]]) == sorted(names)
    assert gradients["only_pytorch"] == gradients["only_tensorflow"] == gradients["untied"] == []
    assert all(one["max_error"] <= document["limit"] and one["noise"] > 0 for one in compared.values())
    # Adding the same number to all scores of a row changes no softmax.
    nothing = [name for name, one in compared.items() if one["verdict"] == "unverified"]
    assert nothing == [f"encoder.layer.{i}.attention.self.key.bias" for i in (0, 1)]
    assert all(compared[name]["largest"] < 1e-6 for name in nothing)
    assert "2 of" in document["verdict_note"]


def test_gradient_that_is_cut_off(bert, tmp_path):
    """Forward nothing changes: only the gradients tell."""

    def cut(graph):
        node = graph.nodes("encoder.layer.1.intermediate.dense", "MatMul")[0]
        kind = node.attr["T"].type
        node.input[0] = graph.add("planted/stop", "StopGradient", [node.input[0]], "output", T=kind)

    finished = planted(bert, tmp_path, cut)
    assert finished.code == 1
    document = finished.document
    assert document["verdict"] == "mismatch" and document["max_error"] <= document["limit"]
    verdicts = {one["name"]: one["verdict"] for one in document["gradients"]["parameters"]}
    # What lies behind the cut, seen from the inputs, is as it was; what lies before it lacks one of two ways back.
    assert verdicts["encoder.layer.1.output.dense.weight"] == "verified"
    assert verdicts["encoder.layer.1.intermediate.dense.weight"] == "verified"
    assert verdicts["encoder.layer.1.attention.output.dense.weight"] == "mismatch"
    assert verdicts["embeddings.word_embeddings.weight"] == "mismatch"
    first = [one["name"] for one in document["gradients"]["parameters"] if one["first_over_limit"]]
    assert first in (
        ["encoder.layer.1.attention.output.LayerNorm.weight"],
        ["encoder.layer.1.attention.output.LayerNorm.bias"],
    )
    assert "gradients are a mismatch" in document["verdict_note"]


def test_parameter_without_gradient(bert, tmp_path):
    def cut(graph):
        node = graph.nodes("pooler.dense", "MatMul")[0]
        kind = node.attr["T"].type
        node.input[1] = graph.add("planted/stop", "StopGradient", [node.input[1]], "output", T=kind)

    finished = planted(bert, tmp_path, cut)
    assert finished.code == 1
    assert finished.document["gradients"]["only_pytorch"] == ["pooler.dense.weight"]


def test_terminal_names_what_differs(bert, tmp_path):
    model, out = bert
    out = shutil.copytree(out, tmp_path / "out")
    with plant.Graph(out) as graph:
        node = graph.nodes("pooler.dense", "MatMul")[0]
        stop = graph.add("planted/stop", "StopGradient", [node.input[1]], "output", T=node.attr["T"].type)
        node.input[1] = stop
    finished = run("verify", model, out, "--gradients")
    assert finished.code == 1
    assert "Gradients" in finished.out and "gradient in PyTorch only: 1 (pooler.dense.weight)" in finished.out


class Tied(torch.nn.Module):
    """One matrix twice, one that is not used, one that does not train, and convolutions with kernels of equal sizes."""

    def __init__(self):
        super().__init__()
        self.table = torch.nn.Embedding(8, 8)
        self.head = torch.nn.Linear(8, 8, bias=False)
        self.head.weight = self.table.weight
        self.unused = torch.nn.Linear(3, 3)
        self.fixed = torch.nn.Parameter(torch.randn(8, 8) * 0.3, requires_grad=False)
        self.convolution = torch.nn.Conv1d(3, 3, 3, padding=1)

    def forward(self, ids, signal):
        return self.head(torch.tanh(self.table(ids) @ self.fixed)), self.convolution(signal).relu()


@pytest.mark.parametrize("form", ["module", "program"])
def test_plain_module(tmp_path, form):
    torch.manual_seed(3)
    module = Tied().eval()
    inputs = {"ids": torch.tensor([[1, 5, 2], [0, 7, 7]]), "signal": torch.randn(2, 3, 5)}
    source = module
    if form == "program":
        torch.export.save(torch.export.export(module, (), inputs), tmp_path / "tied.pt2")
        numpy.savez(tmp_path / "in.npz", **{name: value.numpy() for name, value in inputs.items()})
        source, inputs = tmp_path / "tied.pt2", tmp_path / "in.npz"
    conversion = crossload.convert(source, tmp_path / "out", inputs, verify=False)
    report = crossload.verify(source, conversion, inputs, gradients=True)
    assert report.verdict == "verified"
    compared = {one.name: one for one in report.gradients.parameters}
    assert {"convolution.weight", "convolution.bias", "fixed"} < set(compared)
    assert len({"table.weight", "head.weight"} & set(compared)) == 1
    assert report.gradients.without == ["unused.weight", "unused.bias"]
    if form == "module":
        assert report.gradients.frozen == ["fixed"]
    assert all(one.max_error < 1e-6 < one.largest for one in compared.values())
    assert module.fixed.requires_grad is False and module.fixed.grad is None and module.head.weight.grad is None


def test_constants_have_no_gradient(tmp_path):
    module = torch.nn.Linear(4, 3).eval()
    inputs = (torch.randn(2, 4),)
    conversion = crossload.convert(module, tmp_path / "out", inputs, verify=False, frozen=True)
    with pytest.raises(crossload.CrossloadError, match="--frozen") as caught:
        crossload.verify(module, conversion, inputs, gradients=True)
    assert caught.value.kind == "bad-input"
