"""At which shapes a conversion is compared, which are dropped, and which axes are fixed."""

import pytest

torch = pytest.importorskip("torch")

import crossload
from crossload.inputs.cases import make_cases
from crossload.program.guards import broken_guard
from crossload.trace.request import fixed_axes

AUTO = torch.export.Dim.AUTO


def exported(module, *inputs):
    shapes = tuple(dict.fromkeys(range(x.dim()), AUTO) for x in inputs)
    return torch.export.export(module.eval(), inputs, dynamic_shapes=shapes)


@pytest.mark.parametrize(
    "guard, broken",
    [
        ("L['x'].size()[1] % 2 == 0", [(2, 7)]),
        ("(L['x'].size()[0] // 2) != 1", [(2, 4), (3, 4)]),
        ("4 <= L['x'].size()[1] and not L['x'].size()[1] == 6", [(2, 3), (2, 6)]),
        ("max(L['x'].size()[0], -L['x'].size()[1] + 8) < 5", [(5, 8), (2, 3)]),
        ("L['x'].size()[0] == 2 or L['x'].size()[0] == 5", [(3, 4)]),
    ],
)
def test_guards_are_integer_expressions_over_sizes(guard, broken):
    tried = [(2, 4), (2, 7), (3, 4), (2, 3), (2, 6), (5, 8), (5, 4)]
    found = [s for s in tried if broken_guard([guard], {"x": torch.zeros(s)}) is not None]
    value = {s: eval(guard, {"L": {"x": torch.zeros(s)}, "max": max}) for s in tried}
    assert found == [s for s in tried if not value[s]] and set(broken) <= set(found)


@pytest.mark.parametrize(
    "guard",
    ["__import__('os').system('false')", "L['x'].size()[9] == 1", "L['y'].size()[0] == 1", "1 // 0 == 1", "x +"],
)
def test_what_is_not_understood_breaks_nothing(guard):
    assert broken_guard([guard], {"x": torch.zeros(2, 3)}) is None


def test_a_nested_input_is_found_by_its_path():
    inputs = {"cache.keys": torch.zeros(2, 9)}
    assert broken_guard(["L['cache']['keys'].size()[1] == 9"], inputs) is None
    assert broken_guard(["L['cache']['keys'].size()[1] == 8"], inputs) is not None


def test_a_shape_that_breaks_a_guard_is_dropped_with_it():
    x = torch.randn(3, 8)
    cases, dropped = make_cases(exported(torch.nn.ReLU(), x), {"input": x}, guards=["L['input'].size()[1] % 8 == 0"])
    assert all(c.inputs["input"].shape[1] % 8 == 0 for c in cases)
    assert [d.guard for d in dropped] == ["L['input'].size()[1] % 8 == 0"] and dropped[0].inputs["input"][1] % 8


def test_when_one_shape_is_left_its_neighbours_are_tried():
    x = torch.randn(2, 8)
    keeps = "L['input'].size()[0] * 4 == L['input'].size()[1]"
    cases, dropped = make_cases(exported(torch.nn.ReLU(), x), {"input": x}, guards=[keeps])
    assert [tuple(c.inputs["input"].shape) for c in cases] == [(2, 8), (4, 16)] and len(dropped) >= 2
    none = ["L['input'].size()[0] == 2 and L['input'].size()[1] == 8"]
    cases, dropped = make_cases(exported(torch.nn.ReLU(), x), {"input": x}, guards=none)
    assert len(cases) == 1 and len(dropped) > 5


def test_small_models_are_compared_at_seventeen_rows():
    x = torch.randn(2, 8)
    program = exported(torch.nn.ReLU(), x)

    def rows(**options):
        return {len(c.inputs["input"]) for c in make_cases(program, {"input": x}, **options)[0]}

    assert rows() == {1, 2, 3, 17} and rows(weights=200_000_000) == {1, 2, 3}
    wide = torch.randn(2, 200_000)
    assert 17 not in {len(c.inputs["input"]) for c in make_cases(program, {"input": wide})[0]}


def test_masks_pad_in_the_sense_of_the_sample():
    class Masked(torch.nn.Module):
        def forward(self, x, mask):
            return x.masked_fill(mask.bool(), 0)

    x = torch.randn(2, 6)
    for mask, hidden in (([[1] * 6, [1] * 4 + [0] * 2], 0), ([[0] * 6, [0] * 4 + [1] * 2], 1), ([[0] * 6] * 2, None)):
        sample = {"x": x, "mask": torch.tensor(mask)}
        for case in make_cases(exported(Masked(), x, sample["mask"]), sample)[0]:
            made = case.inputs["mask"]
            assert bool((made[0] == mask[0][0]).all())
            if hidden is not None and len(made) > 1 and made.shape[1] > 1:
                assert made[1, -1] == hidden and made[1, 0] != hidden


def test_axes_that_cannot_vary_are_told():
    found = fixed_axes(exported(torch.nn.Conv1d(3, 4, 2), torch.randn(1, 3, 9)), None, {})
    assert [(f["axis"], f["size"]) for f in found] == [(0, 1), (1, 3)]
    assert "1 in the sample" in found[0]["reason"] and "fixes" in found[1]["reason"]


def report_of(module, inputs, tmp_path, **options):
    pytest.importorskip("tensorflow")
    return crossload.convert(module.eval(), tmp_path / "out", inputs, stages=False, **options).report_dict


def test_one_row_becomes_two_unless_the_model_refuses(tmp_path):
    report = report_of(torch.nn.Conv2d(3, 4, 3), (torch.randn(1, 3, 8, 8),), tmp_path)
    assert {s["inputs"]["input"][0] for s in report["shapes"]} >= {1, 2, 3}
    assert {"input": "input", "axis": 1, "size": 3} in [
        {k: f[k] for k in ("input", "axis", "size")} for f in report["fixed_axes"]
    ]

    class AcrossRows(torch.nn.Module):
        def forward(self, x):
            return x - x.mean(0, keepdim=True) + x.flatten()[:1]

    report = report_of(AcrossRows(), (torch.randn(1, 5),), tmp_path, force=True)
    assert [s["inputs"]["x"][0] for s in report["shapes"]].count(2) == 0
    assert any(f["axis"] == 0 and f["size"] == 1 for f in report["fixed_axes"])


class Multiples(torch.nn.Module):
    def forward(self, x):
        torch._check(x.shape[0] % 40 == 0)
        return x * 2


class OneLength(torch.nn.Module):
    def forward(self, x):
        length = x.shape[0]
        torch._check(length * length == 40 * length)
        return x * 2


def test_another_shape_that_keeps_the_guards_is_found(tmp_path):
    report = report_of(Multiples(), (torch.randn(40),), tmp_path)
    assert [s["inputs"] for s in report["shapes"]] == [{"x": [40]}, {"x": [80]}]
    assert {s["shape"] for s in report["dropped_shapes"]} >= {"41", "1"}
    assert all("% 40" in s["reason"] for s in report["dropped_shapes"])
    assert report["verdict"] == "verified" and report["verdict_note"] is None


def test_a_model_of_one_shape_says_so_beside_its_verdict(tmp_path):
    report = report_of(OneLength(), (torch.randn(40),), tmp_path)
    assert [s["inputs"] for s in report["shapes"]] == [{"x": [40]}]
    assert {s["shape"] for s in report["dropped_shapes"]} >= {"41", "1", "80"}
    assert report["verdict"] == "verified"
    assert report["verdict_note"].startswith("compared at one shape, 40; another one: breaks the program's guard")


@pytest.mark.parametrize("wrap", [torch.compile, torch.nn.DataParallel])
def test_wrappers_keep_their_inputs(tmp_path, wrap):
    report = report_of(wrap(torch.nn.Linear(4, 3)), (torch.randn(2, 4),), tmp_path)
    assert report["dynamic"] and report["verdict"] == "verified" and report["class"] == "Linear"
    assert list(report["shapes"][0]["inputs"]) == ["input"]


def test_any_number_of_positions_and_keywords(tmp_path):
    class Sum(torch.nn.Module):
        def forward(self, *xs, **more):
            return sum(xs) if xs else more["a"] + more["b"]

    for inputs in ((torch.randn(2, 4), torch.randn(2, 4)), {"a": torch.randn(2, 4), "b": torch.randn(4)}):
        module = Sum()
        own = module.forward
        report = report_of(module, inputs, tmp_path, force=True)
        assert report["dynamic"] and report["verdict"] == "verified" and module.forward == own


def test_a_matrix_and_its_transpose_are_two_tensors(tmp_path):
    class Tied(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.encode, self.decode = torch.nn.Linear(6, 6), torch.nn.Linear(6, 6)
            self.decode.weight = torch.nn.Parameter(self.encode.weight.t())

        def forward(self, x):
            return self.decode(torch.tanh(self.encode(x)))

    assert report_of(Tied(), (torch.randn(2, 6),), tmp_path)["verdict"] == "verified"
