"""Modules with conditions and loops in them: whatever way the data send them, and at other sizes."""

import crossload
import numpy
import pytest
import torch
from test_plain_modules import LIMIT, check, trained
from torch import nn
from torch._higher_order_ops.map import map as map_rows
from torch._higher_order_ops.scan import scan
from torch._higher_order_ops.while_loop import while_loop


class Recurrent(nn.Module):
    """A gated recurrence over time, a refinement that runs until it settles, and one of two heads."""

    def __init__(self):
        super().__init__()
        self.update, self.gate = nn.Linear(12, 8), nn.Linear(12, 8)
        self.refine = nn.Linear(8, 8)
        self.low, self.high = nn.Linear(8, 3), nn.Sequential(nn.Linear(8, 3), nn.Tanh())

    def forward(self, x, limit):
        def step(hidden, now):
            both = torch.cat([hidden, now], -1)
            gate = self.gate(both).sigmoid()
            hidden = gate * hidden + (1 - gate) * self.update(both).tanh()
            return hidden, hidden * 1

        last, states = scan(step, x.new_zeros(x.shape[0], 8), x, dim=1)
        turns, settled = while_loop(
            lambda i, y: (i < limit) & (y.abs().amax() > 1e-3),
            lambda i, y: (i + 1, self.refine(y).tanh() * 0.7),
            (torch.zeros((), dtype=torch.int64), last),
        )
        scores = torch.cond(x.sum() > 0, lambda s: self.high(s) + x.shape[1], lambda s: self.low(s), (settled,))
        return states, settled, turns, scores, map_rows(lambda row: row.softmax(0).T @ row, states)


@pytest.fixture(scope="module")
def converted(tmp_path_factory):
    module = Recurrent()
    folder = tmp_path_factory.mktemp("recurrent") / "out"
    inputs = (torch.randn(3, 5, 4), torch.tensor(4))
    return module, check(module, inputs, folder, (torch.randn(2, 9, 4), torch.tensor(6)))


def test_every_way_through(converted):
    module, conversion = converted
    signs = set()
    for seed in range(12):
        random = torch.Generator().manual_seed(seed)
        x = torch.randn(1 + seed % 4, 1 + 3 * (seed % 5), 4, generator=random)
        limit = torch.tensor((0, 1, 2, 300)[seed % 4])
        with torch.no_grad():
            wanted = module(x, limit)
        signs.add(bool(x.sum() > 0))
        got = conversion.run(x=x.numpy(), limit=limit.numpy())
        for i, value in enumerate(wanted):
            assert got[f"output.{i}"].shape == tuple(value.shape)
            numpy.testing.assert_allclose(got[f"output.{i}"], value.numpy(), rtol=0, atol=LIMIT)
    assert signs == {False, True}


def test_operations_with_bodies_are_compared(converted):
    _, conversion = converted
    compared = {op.op: op.isolated for stage in conversion.report.stages for op in stage.ops}
    for name in ("scan", "while_loop", "cond", "map_impl"):
        assert compared[f"higher_order.{name}"] <= LIMIT


def test_gradients(converted):
    """TensorFlow derives the loops and the condition as PyTorch does."""
    import tensorflow

    module, conversion = converted
    loaded = tensorflow.saved_model.load(str(conversion.saved_model))
    x = torch.randn(2, 6, 4, generator=torch.Generator().manual_seed(3))
    limit = torch.tensor(3)
    module.zero_grad()
    sum((value**2).sum() for value in module(x, limit) if value.is_floating_point()).backward()
    with tensorflow.GradientTape() as tape:
        outputs = loaded(tensorflow.constant(x.numpy()), tensorflow.constant(3, tensorflow.int32))
        loss = sum(tensorflow.reduce_sum(v**2) for v in outputs.values() if v.dtype.is_floating)
    names = {v.name.split(":")[0]: v for v in loaded.variables}
    gradients = tape.gradient(loss, names)
    for name, parameter in module.named_parameters():
        if parameter.grad is None or not parameter.grad.any():
            continue
        got = gradients[name].numpy()
        wanted = parameter.grad.numpy()
        numpy.testing.assert_allclose(got if got.shape == wanted.shape else got.T, wanted, rtol=1e-4, atol=1e-4)


class Halves(nn.Module):
    """What PyTorch wraps in a body of its own: another mode for gradients, and automatic bfloat16."""

    def __init__(self):
        super().__init__()
        self.first, self.second, self.third = nn.Linear(6, 8), nn.Linear(8, 8), nn.Linear(8, 5)

    def forward(self, x):
        with torch.no_grad():
            shift = x.mean(-1, keepdim=True)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            low = self.second(self.first(x - shift).relu())
        return self.third(low.float()), low


def test_modes_in_a_program_file(tmp_path):
    module = trained(Halves())
    axes = {"x": {0: torch.export.Dim.AUTO}}
    program = torch.export.export(module, (torch.randn(4, 6),), dynamic_shapes=axes)
    targets = {str(n.target) for n in program.graph.nodes}
    assert {"wrap_with_set_grad_enabled", "wrap_with_autocast"} <= targets
    torch.export.save(program, str(tmp_path / "halves.pt2"))
    conversion = crossload.convert(tmp_path / "halves.pt2", tmp_path / "out", max_error=2e-2)
    assert conversion.report.verdict in ("verified", "within-noise")
    x = torch.randn(9, 6)
    got = conversion.run(x=x.numpy())
    with torch.no_grad():
        wanted = module(x)
    assert got["output.1"].dtype.name == "bfloat16"
    # bfloat16 has 8 bits: a last bit of a number near 2 is 1.6e-2.
    numpy.testing.assert_allclose(got["output.0"], wanted[0].numpy(), rtol=0, atol=3e-2)
