"""Reference values: cases, noise runs, truth, and every node's value."""

import json
import math
import zipfile

import pytest
import torch
from crossload.inputs.cases import is_mask, tiled
from crossload.session import Session
from safetensors.torch import load_file


@pytest.fixture(scope="module")
def traced(tiny, tmp_path_factory):
    """(model folder, trace folder) of a tiny BERT, made once."""
    from crossload.worker import handle

    folder, out = tiny("bert", "BertForSequenceClassification"), tmp_path_factory.mktemp("trace")
    handle({"do": "trace", "model": str(folder), "out": str(out)}, lambda *a: None, Session())
    return folder, out


def test_fresh_worker_equals_eager_model(traced, tmp_path, ask):
    import transformers

    folder, trace = traced
    done = ask(do="reference", model=folder, trace=trace, out=tmp_path / "r", stages=True)
    assert [c["label"] for c in done["cases"]] == ["2 x 13", "1 x 1", "2 x 16", "3 x 33", "5 x 40", "17 x 13"]
    assert [c["traced"] for c in done["cases"]] == [True] + [False] * 5
    model = transformers.BertForSequenceClassification.from_pretrained(folder).eval()
    for case in done["cases"]:
        assert case["skipped"] is None and case["truth"] == "exported program"
        kinds = ["eager model", "exported program", "eager attention", "other kernels"]
        assert case["runs"] == kinds
        values = load_file(tmp_path / "r" / case["file"])
        inputs = {n.removeprefix("input/"): v for n, v in values.items() if n.startswith("input/")}
        assert {n: list(v.shape) for n, v in inputs.items()} == case["inputs"]
        with torch.no_grad():
            expected = model(**inputs).logits
        torch.testing.assert_close(values["run/0/logits"], expected, rtol=0, atol=1e-6)
        exact = values["truth/logits"]
        assert exact.dtype == torch.float64
        for k in range(len(kinds)):
            assert (values[f"run/{k}/logits"] - exact).abs().max() < 1e-5
        mask = inputs["attention_mask"]
        assert bool(mask[0].all()) and (len(mask) == 1 or not bool(mask.all()))
        assert int(inputs["input_ids"].max()) < 99


def test_thorough_runs_differ_in_rounding_only(traced, tmp_path, ask):
    folder, trace = traced
    done = ask(do="reference", model=folder, trace=trace, out=tmp_path / "r", effort="most")
    assert done["cases"][0]["runs"][4:] == ["sums in sequence", *["sums in another order"] * 10]
    values = load_file(tmp_path / "r" / done["cases"][0]["file"])
    distances = [float((values[f"run/{k}/logits"] - values["truth/logits"]).abs().max()) for k in range(15)]
    assert all(0 < d < 1e-5 for d in distances) and len(set(distances[4:])) > 1


def test_a_large_model_is_run_for_its_noise_only_where_that_is_asked_for(traced, tmp_path, ask, monkeypatch):
    from crossload.reference import request

    folder, trace = traced
    monkeypatch.setattr(request, "MANY_WEIGHTS", 1000)
    session = Session()
    first = ask(session, do="reference", model=folder, trace=trace, out=tmp_path / "r")
    assert first["effort"] == "least"
    for case in first["cases"]:
        assert case["runs"] == ["eager model", "exported program"]
        assert case["truth"] == ("exported program" if case["traced"] else None)
    traced_case, other = first["cases"][0], first["cases"][2]
    earlier = {c["label"]: {**c, "file": str(tmp_path / "r" / c["file"])} for c in (traced_case, other)}
    more = ask(session, do="reference", model=folder, trace=trace, out=tmp_path / "m", effort="usual", earlier=earlier)
    assert [c["label"] for c in more["cases"]] == [traced_case["label"], other["label"]]
    assert [c["runs"] for c in more["cases"]] == [["eager attention", "other kernels"]] * 2
    assert [c["truth"] for c in more["cases"]] == [None, "exported program"]
    values = load_file(tmp_path / "m" / more["cases"][1]["file"])
    assert set(values) == {"run/0/logits", "run/1/logits", "truth/logits"}
    exact = values["truth/logits"]
    of_first = load_file(tmp_path / "r" / other["file"])["run/0/logits"]
    assert 0 < float((of_first - exact).abs().max()) < 1e-5
    earlier[other["label"]]["runs"] = [*other["runs"], *more["cases"][1]["runs"]]
    most = ask(session, do="reference", model=folder, trace=trace, out=tmp_path / "n", effort="more", earlier=earlier)
    assert [c["runs"] for c in most["cases"]] == [
        ["eager attention", "other kernels", "sums in sequence"],
        ["sums in sequence"],
    ]


def test_a_model_is_widened_module_by_module(tiny):
    import copy

    import transformers
    from crossload.model.wide import widened

    folder = tiny("bert", "BertForSequenceClassification")
    model = transformers.BertForSequenceClassification.from_pretrained(folder).eval()
    before = {name: (id(p), p.dtype) for name, p in model.named_parameters()}
    ids = torch.tensor([[5, 7, 9], [8, 3, 4]])
    at_once = []
    layers = model.bert.encoder.layer
    layers[1].register_forward_pre_hook(
        lambda *_: at_once.append({p.dtype for layer in layers for p in layer.parameters()})
    )
    with torch.no_grad():
        expected = copy.deepcopy(model).double()(ids).logits
        at_once.clear()
        with widened(model) as wide:
            found = wide(ids).logits
    assert found.dtype == torch.float64 and torch.equal(found, expected)
    assert at_once == [{torch.float32}]  # between two modules nothing is wide
    assert {name: (id(p), p.dtype) for name, p in model.named_parameters()} == before
    with torch.no_grad(), pytest.raises(IndexError), widened(model) as wide:
        wide(torch.tensor([[10**6]]))
    assert {name: (id(p), p.dtype) for name, p in model.named_parameters()} == before
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules() if m is not layers[1])


@pytest.mark.parametrize("shape", [(6, 11), (6, 11, 9)])
def test_convolutions_as_products(shape):
    from crossload.reference.interpret import convolution_by, product_in_sequence

    random = torch.Generator().manual_seed(1)
    x = torch.randn(2, *shape, generator=random)
    weight = torch.randn(4, 3, *[3, 2][: len(shape) - 1], generator=random)
    bias = torch.randn(4, generator=random)
    convolution = torch.nn.functional.conv1d if len(shape) == 2 else torch.nn.functional.conv2d
    options = [[2], [1], [2], 2] if len(shape) == 2 else [[2, 1], [1, 0], [1, 2], 2]
    expected = convolution(x.double(), weight.double(), bias.double(), *options)
    found = convolution_by(product_in_sequence, x, weight, bias, *options)
    torch.testing.assert_close(found.double(), expected, rtol=0, atol=1e-5)


def test_stage_names_are_those_of_the_archive(traced, tmp_path, ask):
    folder, trace = traced
    ask(do="reference", model=folder, trace=trace, out=tmp_path / "r", stages=True)
    stages = load_file(tmp_path / "r" / "stages.safetensors")
    with zipfile.ZipFile(trace / "program.pt2") as archive:
        graph = json.loads(archive.read("program/models/model.json"))["graph_module"]["graph"]
    weights = {n for n in graph["tensor_values"] if n.startswith(("p_", "b_", "c_"))}
    assert {n.removeprefix("value/") for n in stages if n.startswith("value/")} == set(graph["tensor_values"]) - weights
    floating = {n.removeprefix("value/") for n, v in stages.items() if n.startswith("value/") and v.is_floating_point()}
    for kind in ("noise/", "offset/"):
        assert {n.removeprefix(kind) for n in stages if n.startswith(kind)} == floating
        assert all(stages[kind + n].dtype == torch.float32 for n in floating)
    for name in floating:  # PyTorch's own run is one of those that the noise is the worst of
        assert bool((stages["offset/" + name].abs() <= stages["noise/" + name]).all())
    worst = max(float(v.max()) for n, v in stages.items() if n.startswith("noise/") and v.numel())
    assert 0 < worst < 1e-4 and math.isfinite(worst)


def test_same_worker_gives_the_same_names(tiny, tmp_path, ask):
    """Names of the program in memory and of the program read back are one."""
    folder, session = tiny("gpt2", "GPT2LMHeadModel"), Session()
    ask(session, do="trace", model=folder, out=tmp_path / "t")
    program = session.program
    ask(session, do="reference", model=folder, trace=tmp_path / "t", out=tmp_path / "a", stages=True)
    assert session.program is program
    ask(do="reference", model=folder, trace=tmp_path / "t", out=tmp_path / "b", stages=True)
    first, second = (load_file(tmp_path / d / "stages.safetensors") for d in "ab")
    assert set(first) == set(second) and all(torch.equal(first[n], second[n]) for n in first if n.startswith("value/"))


def test_images(tiny, tmp_path, ask):
    folder = tiny("vit", "ViTForImageClassification")
    ask(do="trace", model=folder, out=tmp_path / "t")
    done = ask(do="reference", model=folder, trace=tmp_path / "t", out=tmp_path / "r")
    assert [c["label"] for c in done["cases"]] == ["2", "3", "1", "17"] and done["stages"] is None


def test_half_precision_keeps_its_dtype(tmp_path, ask):
    import tiny_models

    model = tiny_models.create("gpt2", "GPT2LMHeadModel").to(torch.bfloat16)
    model.save_pretrained(tmp_path / "m")
    trace = ask(do="trace", model=tmp_path / "m", out=tmp_path / "t")
    assert trace["checkpoint"]["transformer.wte.weight"]["dtype"] == "BF16"
    done = ask(do="reference", model=tmp_path / "m", trace=tmp_path / "t", out=tmp_path / "r", stages=True)
    values = load_file(tmp_path / "r" / done["cases"][0]["file"])
    assert values["run/0/logits"].dtype == torch.bfloat16 and values["truth/logits"].dtype == torch.float64
    assert (values["run/0/logits"] - values["truth/logits"]).abs().max() > 1e-3


class OnlyUpToFour(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.table = torch.nn.Embedding(4, 6)

    def forward(self, x):
        return self.table(torch.arange(x.shape[0])) + x


def test_a_shape_at_which_pytorch_fails_is_skipped(tmp_path, ask):
    session = Session(module=OnlyUpToFour(), sample_inputs=(torch.ones(4, 6),))
    ask(session, do="trace", out=tmp_path / "t")
    done = ask(session, do="reference", trace=tmp_path / "t", out=tmp_path / "r")
    skipped = [c for c in done["cases"] if c["skipped"]]
    assert [c["label"] for c in skipped] == ["5", "17"] and skipped[0]["file"] is None
    assert not (tmp_path / "r" / "case_1.safetensors").exists()


def test_tiling_and_masks():
    assert tiled(torch.arange(3), [5]).tolist() == [0, 1, 2, 0, 1]
    assert tiled(torch.arange(3), [2], offset=2).tolist() == [2, 0]
    assert is_mask("attention_mask", torch.ones(2, 3, dtype=torch.long))
    assert not is_mask("input_ids", torch.ones(2, 3, dtype=torch.long))
    assert not is_mask("attention_mask", torch.full((2, 3), -1e9))


def test_lengths_of_caches_and_masks_change_together():
    """What a decoder attends to is what its cache holds and what is new: other lengths keep the difference."""
    from crossload.inputs.cases import make_cases

    class Decoder(torch.nn.Module):
        def forward(self, ids, attention_mask, cache):
            every = torch.cat([cache["keys"], ids.float()], 1)
            return every * attention_mask

    sample = {
        "ids": torch.ones(2, 1, dtype=torch.int64),
        "attention_mask": torch.tensor([[0] + [1] * 9, [1] * 10]),
        "cache.keys": torch.randn(2, 9),
    }
    inputs = (sample["ids"], sample["attention_mask"], {"keys": sample["cache.keys"]})
    auto = torch.export.Dim.AUTO
    shapes = ({0: auto}, {0: auto, 1: auto}, {"keys": {0: auto, 1: auto}})
    program = torch.export.export(Decoder(), inputs, dynamic_shapes=shapes)
    found, dropped = make_cases(program, sample)
    assert not dropped
    assert len({len(case.inputs["ids"]) for case in found}) > 1
    lengths = {(c.inputs["attention_mask"].shape[1], c.inputs["cache.keys"].shape[1]) for c in found}
    assert len(lengths) > 1 and all(mask == cache + 1 for mask, cache in lengths)


def test_a_vector_into_a_linear_layer_runs_with_every_order_of_addition():
    import torch
    from crossload.reference.interpret import Run, product_in_sequence

    program = torch.export.export(torch.nn.Linear(4, 2), (torch.zeros(4),))
    x = torch.tensor([1.0, -2.0, 3.0, 0.5])
    weight, bias = program.state_dict["weight"], program.state_dict["bias"]
    named = dict(zip([s.arg.name for s in program.graph_signature.input_specs], (weight, bias, x), strict=True))
    (found,) = Run(program.graph_module, named, False, product_in_sequence).outputs()
    assert found.shape == (2,)
    assert torch.allclose(found, weight @ x + bias)


@pytest.mark.parametrize(
    ("compute", "along"),
    [
        (lambda x: torch.topk(x, 3, dim=1), True),
        (lambda x: torch.topk(x, 2), True),
        (lambda x: torch.sort(x, dim=0), True),
        (lambda x: torch.sort(x, stable=True, descending=True), True),
        (lambda x: x.max(1), True),
        (lambda x: x.min(0, keepdim=True), True),
        (lambda x: (torch.floor(x), x > 0.5), False),
        (lambda x: (x.argmax(), (3 * x).to(torch.int64)), False),
    ],
)
def test_a_run_takes_the_choices_of_another(compute, along):
    from crossload.reference.interpret import Run
    from crossload.reference.request import _outputs_with_choices

    class Choosing(torch.nn.Module):
        def forward(self, x):
            return tuple(compute(2 * x))

    x = torch.rand(5, 7, generator=torch.Generator().manual_seed(3))
    y = torch.rand(5, 7, generator=torch.Generator().manual_seed(4))
    module = torch.export.export(Choosing(), (x,)).graph_module
    first, other = Choosing()(x), Choosing()(y)
    values = _outputs_with_choices(Run(module, {"x": y}), Run(module, {"x": x}))
    assert not torch.equal(first[1], other[1])
    assert torch.equal(values[1], first[1]) and values[0].shape == first[0].shape
    if not along:
        assert torch.equal(values[0], first[0])
        return
    wide = [v.unsqueeze(1) if v.dim() == 1 else v for v in values]
    found = [bool((2 * y).gather(a, wide[1]).equal(wide[0])) for a in range(2) if wide[1].max() < y.shape[a]]
    assert any(found)


def test_the_truth_takes_the_choices_of_the_float32_run(tmp_path):
    """Pairs of scores that are equal but for rounding: a float64 run by itself would take others."""
    from crossload.worker import handle

    class Queries(torch.nn.Module):
        def __init__(self):
            super().__init__()
            torch.manual_seed(1)
            half = torch.randn(256) / 16
            self.score = torch.nn.Parameter(torch.cat([half, half.flip(0)]))

        def forward(self, x):
            places = torch.cat([x, x.flip(-1)], 1)
            best = torch.topk(places @ self.score, 16, dim=1).indices
            return places.gather(1, best[..., None].expand(-1, -1, 512))

    inputs = {"x": torch.randn(2, 40, 512, generator=torch.Generator().manual_seed(2))}
    model = Queries().eval()
    assert not torch.equal(model(**inputs), model.double()(inputs["x"].double()).float())
    session = Session(module=model.float(), sample_inputs=inputs)
    for folder in ("t", "r"):
        (tmp_path / folder).mkdir()
    handle({"do": "trace", "model": "", "out": str(tmp_path / "t")}, lambda *a: None, session)
    ask = {"do": "reference", "model": "", "trace": str(tmp_path / "t"), "out": str(tmp_path / "r"), "choices": True}
    done = handle(ask, lambda *a: None, session)
    for case in done["cases"]:
        values = load_file(tmp_path / "r" / case["file"])
        assert torch.equal(values["truth/output.0"], values["run/0/output.0"].double())
    names = set(load_file(tmp_path / "r" / done["cases"][0]["choices"]))
    assert {"value/matmul", "offset/matmul", "noise/matmul", "value/getitem_1", "value/gather"} <= names
    assert "value/cat" not in names
