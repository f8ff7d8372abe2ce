"""One's own torch.nn.Modules, in memory and as `.pt2` files."""

import collections
import dataclasses
import subprocess
import sys

import crossload
import numpy
import pytest
import torch
from torch import nn

LIMIT = 1e-5


def trained(module, seed=0):
    """Weights at trained scale, normalization statistics as after training, evaluation mode."""
    random = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for value in module.parameters():
            noise = torch.randn(value.shape, generator=random)
            value.copy_(noise * value[0].numel() ** -0.5 if value.dim() > 1 else 1 + 0.1 * noise)
        for layer in module.modules():
            if isinstance(layer, nn.modules.batchnorm._BatchNorm):
                layer.running_mean.copy_(torch.randn(layer.num_features, generator=random))
                layer.running_var.copy_(torch.rand(layer.num_features, generator=random) * 3 + 0.2)
                layer.num_batches_tracked.fill_(1234)
    return module.eval()


def check(module, inputs, out, other, **options):
    """Converts and verifies; compares once more at `other` inputs, of other sizes."""
    conversion = crossload.convert(trained(module), out, inputs, **options)
    report = conversion.report
    assert report.verdict == "verified", [(o.name, o.max_error) for o in report.outputs]
    assert report.dynamic and all(s.max_error <= LIMIT for s in report.shapes)
    assert report.weights.unused == [] and report.weights.missing == []
    args, kwargs = (other, {}) if isinstance(other, tuple) else ((), other)
    with torch.no_grad():
        wanted = module(*args, **kwargs)
    wanted = wanted if isinstance(wanted, (tuple, dict)) else (wanted,)
    names = wanted if isinstance(wanted, dict) else [f"output.{i}" for i in range(len(wanted))]
    values = list(wanted.values()) if isinstance(wanted, dict) else list(wanted)
    named = kwargs or dict(zip(parameters_of(module), args, strict=False))
    got = conversion.run(**named)
    assert sorted(got) == sorted(names)
    for name, value in zip(names, values, strict=True):
        assert got[name].shape == tuple(value.shape)
        numpy.testing.assert_allclose(got[name], value.numpy(), rtol=0, atol=LIMIT)
    return conversion


def parameters_of(module):
    import inspect

    return list(inspect.signature(module.forward).parameters)


class Image(nn.Module):
    """Convolution, batch normalization, a parameter of its own, two positional inputs, a tuple as output."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, 8, 3, stride=2, padding=1)
        self.normal = nn.BatchNorm2d(8)
        self.second = nn.Conv2d(8, 5, 1, bias=False)
        self.scale = nn.Parameter(torch.ones(5, 1, 1))
        self.register_buffer("offset", torch.linspace(-1, 1, 5).view(5, 1, 1))

    def forward(self, image, weight):
        hidden = self.normal(self.first(image)).relu()
        result = self.second(hidden) * self.scale + self.offset
        return result, result.mean((2, 3)) * weight


def test_convolution_and_batch_normalization(tmp_path):
    inputs = (torch.randn(2, 3, 11, 14), torch.randn(2, 5))
    conversion = check(Image(), inputs, tmp_path / "out", (torch.randn(3, 3, 8, 9), torch.randn(3, 5)))
    report = conversion.report
    assert getattr(report, "class") == "Image" and report.model_type == ""
    assert [o.name for o in report.outputs] == ["output.0", "output.1"]
    assert {s.module: getattr(s, "class") for s in report.stages if s.module}["normal"] == "BatchNorm2d"


class Block(nn.Module):
    """Depthwise and pointwise convolution with a residual connection and max pooling: a MobileNet in small."""

    def __init__(self):
        super().__init__()
        self.depthwise = nn.Conv2d(6, 6, 3, padding=1, groups=6)
        self.norm1 = nn.BatchNorm2d(6, eps=1e-3)
        self.pointwise = nn.Conv2d(6, 6, 1)
        self.norm2 = nn.BatchNorm2d(6)
        self.pool = nn.MaxPool2d(3, stride=2, padding=1)
        self.head = nn.Linear(6, 4)

    def forward(self, image):
        hidden = nn.functional.hardswish(self.norm1(self.depthwise(image)))
        hidden = self.norm2(self.pointwise(hidden)) + image
        return self.head(self.pool(hidden).flatten(2).mean(2))


def test_depthwise_residual_and_pooling(tmp_path):
    check(Block(), (torch.randn(2, 6, 13, 10),), tmp_path / "out", (torch.randn(5, 6, 7, 16),))


class Grouped(nn.Module):
    """What convolutions have beside: groups, dilation, one axis, transposed."""

    def __init__(self):
        super().__init__()
        self.grouped = nn.Conv2d(4, 6, 3, padding=2, dilation=2, groups=2)
        self.line = nn.Conv1d(6, 5, 4, stride=3)
        self.norm = nn.BatchNorm1d(5)

    def forward(self, image):
        return self.norm(self.line(self.grouped(image).flatten(2)))


def test_grouped_and_one_dimensional(tmp_path):
    check(Grouped(), (torch.randn(2, 4, 7, 9),), tmp_path / "out", (torch.randn(3, 4, 8, 5),))


class Slices(nn.Module):
    """Writes into a slice of its own copy of the input."""

    def __init__(self):
        super().__init__()
        self.dense = nn.Linear(6, 6)

    def forward(self, x):
        y = x.clone()
        y[:, 1:3] = self.dense(y[:, 1:3]) * 2
        y[:, 0].mul_(3)
        y[..., -1] += 1
        return y


def test_mutation_of_slices(tmp_path):
    check(Slices(), (torch.randn(2, 5, 6),), tmp_path / "out", (torch.randn(3, 4, 6),))


class Named(nn.Module):
    """Keyword inputs and a dict as output; the weights of one layer in two places."""

    def __init__(self):
        super().__init__()
        self.encode = nn.Linear(7, 7)
        self.again = self.encode
        self.norm = nn.LayerNorm(7)
        self.table = nn.Embedding(11, 7)

    def forward(self, features, ids):
        hidden = self.norm(self.again(nn.functional.gelu(self.encode(features)))) + self.table(ids)
        return {"hidden": hidden, "largest": hidden.argmax(-1)}


def test_keyword_inputs_and_dict_output(tmp_path):
    inputs = {"features": torch.randn(2, 5, 7), "ids": torch.randint(0, 11, (2, 5))}
    check(Named(), inputs, tmp_path / "out", {"features": torch.randn(3, 4, 7), "ids": torch.randint(0, 11, (3, 4))})


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)

    def forward(self, x):
        return self.layer(x + self.attention(x, x, x, need_weights=False)[0])


Pair = collections.namedtuple("Pair", ["first", "second"])


class Contained(nn.Module):
    def __init__(self, container):
        super().__init__()
        self.container = container

    def forward(self, x):
        return self.container(x)


@dataclasses.dataclass
class Found:
    boxes: torch.Tensor
    scores: torch.Tensor | None = None
    masks: torch.Tensor | None = None


def in_defaultdict(x):
    found = collections.defaultdict(list)
    found["boxes"], found["scores"] = x * 2, x.sum(-1)
    return found


@pytest.mark.parametrize(
    ("container", "names"),
    [
        (in_defaultdict, ["boxes", "scores"]),
        (lambda x: Pair(x * 2, x.sum(-1)), ["first", "second"]),
        (lambda x: torch.max(x, -1), ["values", "indices"]),
        (lambda x: Found(x * 2, masks=x > 0), ["boxes", "masks"]),
        (lambda x: {"1": x * 2, 1: x.sum(-1)}, ["1", "1_2"]),
    ],
    ids=["defaultdict", "namedtuple", "return_types", "dataclass", "keys that read alike"],
)
def test_outputs_in_a_container_have_its_names(container, names, tmp_path):
    module, x = Contained(container), torch.randn(3, 5, generator=torch.Generator().manual_seed(1))
    conversion = crossload.convert(module, tmp_path / "out", (torch.randn(2, 4),), verify=False)
    wanted = container(x)
    if isinstance(wanted, Found):
        wanted = (wanted.boxes, wanted.masks)
    wanted = list(wanted.values()) if isinstance(wanted, dict) else list(wanted)
    got = conversion.run(x=x)
    assert sorted(got) == sorted(names)
    for name, value in zip(names, wanted, strict=True):
        numpy.testing.assert_allclose(got[name], value.numpy(), rtol=0, atol=LIMIT)


def test_a_dataclass_in_an_archive(tmp_path):
    """Whoever reads the archive later does not know the class."""
    torch.export.register_dataclass(Found, serialized_type_name="elsewhere.Boxes")
    module, x = Contained(lambda x: Found(x * 2, masks=x > 0)), torch.randn(2, 4)
    torch.export.save(torch.export.export(module, (x,)), tmp_path / "x.pt2")
    done = subprocess.run(
        [sys.executable, "-c", "import crossload, sys; c = crossload.convert(sys.argv[1], sys.argv[2]); print(c.report.verdict, "
         "[o.name for o in c.report.outputs])", tmp_path / "x.pt2", tmp_path / "out"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stdout == "verified ['boxes', 'masks']\n", done.stderr


@pytest.mark.parametrize(
    ("returns", "said"),
    [
        (lambda x: {x * 2}, "returns a `builtins.set`, which PyTorch's export does not take apart; return tensors in"),
        (lambda x: None, "the model returns no tensor, of 1 outputs"),
    ],
    ids=["set", "none"],
)
def test_results_without_tensors(returns, said, tmp_path):
    with pytest.raises(crossload.CrossloadError) as caught:
        crossload.convert(Contained(returns), tmp_path / "out", (torch.randn(2, 4),), verify=False)
    assert caught.value.kind == "unsupported" and said in caught.value.message
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU, nn.RNN])
def test_recurrent_layers_take_any_length(kind, tmp_path):
    class Recurrent(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = kind(4, 6, num_layers=2, bidirectional=True, batch_first=True)

        def forward(self, x):
            return self.layer(x)[0]

    check(Recurrent(), (torch.randn(2, 5, 4),), tmp_path / "out", (torch.randn(3, 11, 4),))


def test_sizes_that_an_operation_needs_are_fixed(tmp_path):
    """The channels of each picture are groups: their number must be known, height and width need not."""

    class Correlation(nn.Module):
        def forward(self, x, kernel):
            n, c = x.shape[:2]
            y = nn.functional.conv2d(x.reshape(1, n * c, *x.shape[2:]), kernel.reshape(n * c, 1, 3, 3), groups=n * c)
            return y.view(n, c, *y.shape[2:])

    given = (torch.randn(2, 3, 9, 8), torch.randn(2, 3, 3, 3))
    conversion = check(Correlation(), given, tmp_path / "out", (torch.randn(2, 3, 12, 7), given[1]))
    fixed = {(axis.input, axis.axis): axis for axis in conversion.report.fixed_axes}
    assert {("x", 0), ("x", 1)} <= set(fixed) and not {("x", 2), ("x", 3)} & set(fixed)
    assert fixed["x", 0].size == 2 and "needs its size" in fixed["x", 0].reason


def test_complex_inputs_and_outputs(tmp_path):
    class Filter(nn.Module):
        def forward(self, x, response):
            spectrum = torch.fft.rfft(x)
            return spectrum, spectrum * response

    random = torch.Generator().manual_seed(1)

    def given(rows):
        return torch.randn(rows, 8, generator=random), torch.randn(5, generator=random, dtype=torch.complex64)

    check(Filter(), given(2), tmp_path / "out", given(3))


def test_a_complex_output_that_differs_is_a_mismatch(tmp_path):
    class Scaled(nn.Module):
        def __init__(self, scale):
            super().__init__()
            self.scale = nn.Parameter(torch.tensor(scale))

        def forward(self, x):
            return torch.fft.rfft(x) * self.scale

    x = torch.randn(2, 8, generator=torch.Generator().manual_seed(2))
    conversion = crossload.convert(Scaled(1.0).eval(), tmp_path / "out", (x,))
    assert conversion.report.verdict == "verified"
    report = crossload.verify(Scaled(1.5).eval(), conversion, (x,))
    assert report.verdict == "mismatch"
    assert report.outputs[0].dtype == "complex64"
    # An output's shape is where its error arose; which shape that is depends on the random numbers of the run.
    compared = [shape.inputs.x for shape in report.shapes]
    assert report.outputs[0].shape in [[rows, columns // 2 + 1] for rows, columns in compared]
    spectrum = torch.fft.rfft(x)
    largest = 0.5 * torch.view_as_real(spectrum).abs().max()  # at the traced shape; others may be larger
    assert report.outputs[0].max_error >= float(largest) * 0.99


def test_places_of_repeated_samples(tmp_path):
    """Other sizes repeat the sample; of equal numbers PyTorch's topk may take any."""

    class Best(nn.Module):
        def forward(self, x):
            return torch.topk(x, 2)

    for seed in range(3):
        torch.manual_seed(seed)
        report = crossload.convert(Best(), tmp_path / f"{seed}", (torch.randn(2, 4),)).report
        assert report.verdict == "verified", report.notes


def test_pytorchs_own_transformer(tmp_path):
    check(Recurrent(), (torch.randn(2, 5, 8),), tmp_path / "out", (torch.randn(3, 7, 8),))


@pytest.mark.parametrize("dtype", [torch.float64, torch.int32])
def test_other_dtypes(tmp_path, dtype):
    class Sum(nn.Module):
        def forward(self, a, b):
            return a * 2 + b, (a > b)

    def sample(n):
        return (torch.arange(n * 3).reshape(n, 3) % 7).to(dtype), (torch.arange(n * 3).reshape(n, 3) % 5).to(dtype)

    conversion = check(Sum(), sample(4), tmp_path / "out", sample(5))
    assert [o.dtype for o in conversion.report.outputs] == [str(dtype).removeprefix("torch."), "bool"]


def test_dynamic_shapes_are_respected(tmp_path):
    """Only the batch varies when the user says so."""
    inputs = (torch.randn(2, 3, 8, 9), torch.randn(2, 5))
    batch = torch.export.Dim("batch")
    shapes = {"image": {0: batch}, "weight": {0: batch}}
    other = (torch.randn(4, 3, 8, 9), torch.randn(4, 5))
    conversion = check(Image(), inputs, tmp_path / "out", other, dynamic_shapes=shapes)
    assert all(vars(s.inputs)["image"][1:] == [3, 8, 9] for s in conversion.report.shapes)


def test_verify_in_process(tmp_path):
    """`crossload.verify` tells a changed module from the converted one, and asserts nothing itself."""
    module, inputs = trained(Image()), (torch.randn(2, 3, 11, 14), torch.randn(2, 5))
    conversion = crossload.convert(module, tmp_path / "out", inputs)
    assert crossload.verify(module, conversion, inputs).verdict == "verified"
    with torch.no_grad():
        module.second.weight.mul_(1.1)
    report = crossload.verify(module, tmp_path / "out", inputs)
    assert report.verdict == "mismatch"
    assert [s.module for s in report.stages if s.first_over_limit] == ["second"]


# A user's own program


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    """(module, `.pt2` with its weights inside)"""
    path = tmp_path_factory.mktemp("pt2") / "image.pt2"
    module = trained(Image())
    shapes = {"image": {0: torch.export.Dim.AUTO, 2: torch.export.Dim.AUTO}, "weight": {0: torch.export.Dim.AUTO}}
    exported = torch.export.export(module, (torch.randn(2, 3, 11, 14), torch.randn(2, 5)), dynamic_shapes=shapes)
    torch.export.save(exported, str(path))
    return module, path


def test_program_file(program, tmp_path):
    module, path = program
    conversion = crossload.convert(path, tmp_path / "out")
    report = conversion.report
    assert report.verdict == "verified" and report.dynamic and len(report.shapes) >= 2
    image, weight = torch.randn(3, 3, 8, 14), torch.randn(3, 5)
    with torch.no_grad():
        wanted = module(image, weight)
    got = conversion.run(image=image, weight=weight)
    for i in range(2):
        numpy.testing.assert_allclose(got[f"output.{i}"], wanted[i].numpy(), rtol=0, atol=LIMIT)


def test_program_file_by_the_command(program, tmp_path):
    from crossload_command import run

    numpy.savez(tmp_path / "in.npz", image=numpy.ones((2, 3, 11, 14), numpy.float32))
    finished = run("convert", program[1], tmp_path / "out", "--inputs", tmp_path / "in.npz", "--json")
    assert finished.code == 0, finished.err
    assert finished.document["verdict"] == "verified"


@pytest.mark.slow
def test_program_file_verified_again(program, tmp_path):
    from crossload_command import run

    assert run("convert", program[1], tmp_path / "out", "--no-verify").code == 0
    again = run("verify", program[1], tmp_path / "out", "--json")
    assert again.code == 0 and again.document["verdict"] == "verified"
