"""What a stage computes otherwise in TensorFlow is found by changing PyTorch's: TensorFlow's values are made up here."""

import math
import re
from pathlib import Path

import pytest
import torch
from crossload.reference.counterfactuals.request import MAKERS
from crossload.reference.counterfactuals.search import explain
from crossload.reference.counterfactuals.stage import Stage
from crossload.reference.interpret import Run, arguments, double_graph
from torch import nn

SOURCE = Path(__file__).parents[2] / "src" / "verify" / "diagnosis" / "causes.cc"


def rows():
    """The table of causes as the engine has it: (cause, counterfactual, names of operations)."""
    text = SOURCE.read_text()
    names = {k: " ".join(re.findall(r'"([^"]*)"', v)) for k, v in re.findall(r"string_view (k\w+) =\s*([^;]*);", text)}
    table = text[text.index("kRows[]") :]
    for cause, change, operations in re.findall(r'\{"([\w-]+)", "([\w-]+)",\s*((?:"[^"]*"\s*)+|k\w+)\}', table):
        yield cause, change, names.get(operations) or " ".join(re.findall(r'"([^"]*)"', operations))


def concerns(operations, target):
    return not operations or any(re.match(re.escape(o.strip()) + r"($|[._0-9])", target) for o in operations.split())


def stage_of(module, inputs, tensorflow, read=None):
    """The whole module as one stage; tensorflow: what TensorFlow makes of the inputs, or a module that computes it."""
    program = torch.export.export(module.eval(), inputs)
    state = module.state_dict(keep_vars=True)
    named = {f"x{i}": x for i, x in enumerate(inputs)}
    names = [s.arg.name for s in program.graph_signature.input_specs if s.kind.name == "USER_INPUT"]
    named = dict(zip(names, inputs, strict=True))
    run = Run(program.graph_module, arguments(program, state, named))
    values = {name: run.step(node) for name, node in run.nodes.items() if node.op != "output"}
    values = {n: v for n, v in values.items() if isinstance(v, torch.Tensor)}
    output = program.graph_signature.user_outputs[0]
    if isinstance(tensorflow, nn.Module):
        with torch.no_grad():
            tensorflow = tensorflow.eval()(*inputs)
    nodes = [n.name for n in program.graph.nodes if n.op not in ("placeholder", "output")]
    stage = Stage(program, double_graph(program.graph_module), state, named, nodes,
                  lambda n: values.get(n) if n not in nodes else None, {output: tensorflow}, {}, read or {})  # fmt: skip
    targets = {n.name: str(n.target) for n in program.graph.nodes}
    tries = []
    for cause, change, operations in rows():
        found = [n for n in nodes if concerns(operations, targets[n])]
        if found or not operations:
            tries.append({"cause": cause, "counterfactual": change, "nodes": found})
    return stage, tries


def causes(module, inputs, tensorflow, read=None):
    stage, tries = stage_of(module, inputs, tensorflow, read)
    assert stage.error > stage.floor
    found = explain(stage, tries, MAKERS)
    assert all(error <= stage.error for _, _, error, _ in found)
    return [cause for cause, *_ in found]


def twin(make, change=None):
    """Two modules with equal weights; the second is changed."""
    torch.manual_seed(3)
    first = make()
    torch.manual_seed(3)
    second = make()
    if change:
        change(second)
    return first, second


def data(*shape, seed=5):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def placeholders(module, names):
    """{placeholder: weight} as the program of `module` names them."""
    return {"p_" + n.replace(".", "_"): v for n, v in names.items()}


class Attention(nn.Module):
    def __init__(self, scale=None, mask=True, axis=-1, causal=False):
        super().__init__()
        self.scale, self.mask, self.axis, self.causal = scale, mask, axis, causal

    def forward(self, q, k, v, mask):
        if self.axis != -1:
            scores = q @ k.transpose(-2, -1) * (self.scale or q.shape[-1] ** -0.5)
            return scores.masked_fill(~mask, -3e38).softmax(self.axis) @ v
        return nn.functional.scaled_dot_product_attention(
            q, k, v, mask if self.mask else None, scale=self.scale, is_causal=self.causal
        )


class Written(nn.Module):
    """Attention by single operations."""

    def __init__(self, scale=8.0, mask=True):
        super().__init__()
        self.scale, self.mask = scale, mask

    def forward(self, q, k, v, mask):
        scores = q @ k.transpose(-2, -1) / self.scale
        return (scores + mask if self.mask else scores).softmax(-1) @ v


def attention_inputs(additive=False):
    mask = torch.ones(2, 1, 5, 5, dtype=torch.bool)
    mask[1, :, :, 3:] = False
    mask = torch.where(mask, 0.0, -1e4) if additive else mask
    return (data(2, 3, 5, 64), data(2, 3, 5, 64, seed=6), data(2, 3, 5, 64, seed=7), mask)


class Function(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, *inputs):
        return self.function(*inputs)


class Rms(nn.Module):
    def __init__(self, eps):
        super().__init__()
        self.weight, self.eps = nn.Parameter(1 + 0.1 * data(16)), eps

    def forward(self, x):
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.eps) * self.weight


class Residual(nn.Module):
    def __init__(self, before):
        super().__init__()
        self.norm, self.dense, self.before = nn.LayerNorm(16), nn.Linear(16, 16), before

    def forward(self, x):
        return x + self.dense(self.norm(x)) if self.before else self.norm(x + self.dense(x))


def set_epsilon(value):
    return lambda module: setattr(module, "eps", value)


def drop(module, x):
    y = module(x).detach()
    return nn.functional.dropout(y, 0.2)


@pytest.mark.parametrize("eps", [1e-5, 1e-3, 4.2e-4])
def test_epsilon(eps):
    first, second = twin(lambda: nn.LayerNorm(16, 1e-12), set_epsilon(eps))
    assert causes(first, (0.05 * data(4, 16),), second) == ["epsilon"]
    assert causes(Rms(1e-6), (0.05 * data(4, 16),), Rms(eps)) == ["epsilon"]


def test_epsilon_of_batch_normalization():
    def fill(module):
        module.running_var.copy_(0.01 * data(6).abs() + 0.001)

    first, second = twin(lambda: nn.BatchNorm2d(6))
    fill(first), fill(second)
    second.eps = 1e-3
    assert causes(first, (data(2, 6, 5, 5),), second) == ["epsilon"]


def test_batch_statistics():
    norm = nn.BatchNorm2d(6)
    x = 2 * data(3, 6, 5, 5) + 1
    assert causes(norm, (x,), nn.functional.batch_norm(x, None, None, norm.weight, norm.bias, True).detach()) == [
        "batchnorm-statistics"
    ]


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (nn.GELU(), nn.GELU("tanh")),
        (nn.GELU("tanh"), nn.GELU()),
        (nn.ReLU(), nn.GELU()),
        (nn.SiLU(), Function(lambda x: x * torch.sigmoid(1.702 * x))),
        (Function(lambda x: x * torch.sigmoid(1.702 * x)), nn.GELU()),
        (Function(lambda x: 0.5 * x * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))), nn.GELU()),
        (nn.Tanh(), Function(lambda x: x.clone())),
    ],
)
def test_activation_form(ours, theirs):
    assert causes(ours, (2 * data(4, 32),), theirs) == ["activation-form"]


def test_attention_scale():
    inputs = attention_inputs()
    for scale in (1.0, 0.25, 0.19):
        assert causes(Attention(), inputs, Attention(scale)) == ["attention-scale"]
    assert causes(Written(), attention_inputs(True), Written(1.0)) == ["attention-scale"]


def test_mask():
    inputs = attention_inputs()
    assert causes(Attention(), inputs, Attention(mask=False)) == ["mask"]
    assert causes(Attention(), inputs, Attention(mask=False, causal=True)) == ["mask"]
    assert causes(Attention(mask=False, causal=True), inputs, Attention(mask=False)) == ["mask"]
    assert causes(Written(), attention_inputs(True), Written(mask=False)) == ["mask"]


def test_softmax_axis():
    assert causes(Attention(), attention_inputs(), Attention(axis=-2)) == ["softmax-axis"]
    assert causes(nn.Softmax(-1), (data(2, 3, 4, 5),), nn.Softmax(1)) == ["softmax-axis"]


def test_kernel_transposed():
    first, second = twin(lambda: nn.Linear(16, 16), lambda m: setattr(m, "weight", nn.Parameter(m.weight.t())))
    assert causes(first, (data(4, 16),), second) == ["kernel-transposed"]
    read = placeholders(first, {"weight": second.weight.detach()})
    assert causes(first, (data(4, 16),), second, read) == ["kernel-transposed"]
    first, second = twin(
        lambda: nn.Conv2d(3, 5, 3), lambda m: setattr(m, "weight", nn.Parameter(m.weight.transpose(2, 3)))
    )
    assert causes(first, (data(2, 3, 7, 7),), second) == ["kernel-transposed"]


class Two(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(16, 16), nn.Linear(16, 16)

    def forward(self, x):
        return self.b(torch.relu(self.a(x)))


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        (lambda m: m.a.weight.data[3, 4].add_(0.5), "weight-value"),
        (lambda m: m.a.weight.data.zero_(), "weight-not-loaded"),
        (lambda m: m.a.weight.data.copy_(0.02 * data(16, 16, seed=9)), "weight-not-loaded"),
        (lambda m: m.a.weight.data.copy_(m.b.weight.data.clone()), "weights-swapped"),
        (lambda m: m.a.weight.data.copy_(m.a.weight.data.half()), "precision"),
        (lambda m: m.a.weight.data.mul_(1.01), "weight-value"),
        (lambda m: m.a.bias.data.zero_(), "weight-not-loaded"),
        (lambda m: m.a.weight.data.copy_(m.a.weight.data.reshape(2, 4, 2, 16).transpose(1, 2).reshape(16, 16)), "rotary-layout"),
    ],
)  # fmt: skip
def test_weights(change, cause):
    first, second = twin(Two, change)
    read = placeholders(first, {n: p.detach() for n, p in second.named_parameters()})
    assert causes(first, (data(4, 16),), second, read) == [cause]


def test_untied():
    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.table, self.head = nn.Embedding(20, 16), nn.Linear(16, 20, bias=False)

        def forward(self, ids):
            return self.head(self.table(ids))

    def tie(module):
        module.head.weight = module.table.weight

    first, second = twin(Tied, tie)
    read = placeholders(first, {"head.weight": second.table.weight.detach()})
    assert causes(first, (torch.arange(7),), second, read) == ["untied"]


def test_padding():
    x = data(2, 3, 8, 8)
    first, second = twin(lambda: nn.Conv2d(3, 5, 3, stride=2, padding=1))
    shifted = nn.functional.conv2d(nn.functional.pad(x, [0, 1, 0, 1]), second.weight, second.bias, 2).detach()
    assert causes(first, (x,), shifted) == ["padding"]
    first, second = twin(lambda: nn.Conv2d(3, 5, 3, padding=1), lambda m: setattr(m, "padding_mode", "x"))
    reflected = nn.functional.conv2d(nn.functional.pad(x, [1] * 4, "reflect"), second.weight, second.bias).detach()
    assert causes(first, (x,), reflected) == ["padding"]


def test_channel_order():
    first, second = twin(lambda: nn.Conv2d(3, 5, 3))
    assert causes(first, (data(2, 3, 7, 7),), second(data(2, 3, 7, 7).flip(1)).detach()) == ["channel-order"]


def test_position_offset():
    table = nn.Embedding(20, 8)
    ids = torch.arange(7).expand(2, 7)
    assert causes(table, (ids,), table(ids + 2).detach()) == ["position-offset"]


def test_resize_alignment():
    def resized(**how):
        return Function(lambda x: nn.functional.interpolate(x, size=(9, 11), mode="bilinear", **how))

    assert causes(resized(align_corners=False), (data(2, 3, 4, 5),), resized(align_corners=True)) == [
        "resize-alignment"
    ]


def test_rotary_layout():
    def half(x):
        return torch.cat([-x[..., 8:], x[..., :8]], -1)

    class Rotary(nn.Module):
        def __init__(self, turn=lambda x: x):
            super().__init__()
            self.turn = turn

        def forward(self, q, k, cos, sin):
            q, k = self.turn(q + 0), self.turn(k + 0)
            return (q * cos + half(q) * sin) @ (k * cos + half(k) * sin).transpose(-2, -1)

    angle = torch.arange(5.0)[:, None] * torch.logspace(0, -2, 8)[None]
    inputs = (data(2, 5, 16), data(2, 5, 16, seed=6), *(torch.cat([f(angle)] * 2, -1) for f in (torch.cos, torch.sin)))
    theirs = Rotary(lambda x: torch.cat([x[..., ::2], x[..., 1::2]], -1))
    assert causes(Rotary(), inputs, theirs) == ["rotary-layout"]


def test_normalization_placement():
    first, second = twin(lambda: Residual(True), lambda m: setattr(m, "before", False))
    assert causes(first, (data(4, 16),), second) == ["normalization-placement"]
    x = data(2, 6, 16)
    norm = nn.LayerNorm(16)
    other = ((x - x.mean(1, keepdim=True)) / (x.var(1, unbiased=False, keepdim=True) + norm.eps).sqrt()).detach()
    assert causes(norm, (x,), other) == ["normalization-placement"]


def test_dropout_on():
    norm = nn.LayerNorm(16)
    x = data(20, 16)
    torch.manual_seed(1)
    assert causes(norm, (x,), drop(norm, x)) == ["dropout-on"]


def test_precision():
    dense = nn.Linear(16, 16)
    x = data(20, 16)
    half = (x.half().float() @ dense.weight.half().float().t() + dense.bias.half().float()).detach()
    assert causes(dense, (x,), half) == ["precision"]


def test_two_causes_one_after_the_other():
    class Both(nn.Module):
        def __init__(self, eps, form):
            super().__init__()
            self.norm, self.form = nn.LayerNorm(16, eps), form

        def forward(self, x):
            return nn.functional.gelu(self.norm(x), approximate=self.form)

    found = causes(Both(1e-12, "none"), (0.02 * data(4, 16),), Both(1e-3, "tanh"))
    assert sorted(found) == ["activation-form", "epsilon"]


def test_what_nothing_explains_has_no_cause():
    x = data(4, 16)
    dense = nn.Linear(16, 16)
    assert causes(dense, (x,), (dense(x) + 0.1 * data(4, 16, seed=8)).detach()) == []


def test_rounding_is_no_fault():
    dense = nn.Linear(256, 16)
    x = data(4, 256)
    with torch.no_grad():
        y = (x[:, torch.arange(255, -1, -1)] @ dense.weight.t().flip(0)) + dense.bias
    stage, _ = stage_of(dense, (x,), y)
    assert stage.error <= stage.floor
