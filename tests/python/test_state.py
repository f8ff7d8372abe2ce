"""A module that changes its state as it runs has its old state back afterwards, and is compared in that state."""

import pytest

torch = pytest.importorskip("torch")

import crossload
from crossload.model.state import state_kept


class Restless(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("calls", torch.zeros(()))
        self.register_buffer("seen", torch.tensor([float("nan"), 1.0]))
        self.inner = torch.nn.Sequential(torch.nn.BatchNorm1d(4), torch.nn.Dropout(0.5))
        self.scale = torch.nn.Parameter(torch.ones(4))
        self.cache = None
        self.history, self.options = [], {"scale": 1}
        self.plain = torch.zeros(2)

    def forward(self, x):
        if not hasattr(self, "hooked"):
            self.hooked = self.inner.register_forward_hook(lambda *_: None)
        self.history.append(len(self.history))
        self.options["scale"] += 1
        self.plain += 1
        self.calls += 1
        self.seen = self.seen + self.calls
        self.cache = x * 2
        self.fresh = x
        with torch.no_grad():
            self.scale.mul_(2)
        return self.inner(x) * self.scale + self.calls


def test_everything_is_put_back():
    module = Restless()
    module.inner[1].eval()
    module.inner[0].weight.requires_grad_(False)
    before = {name: value.clone() for name, value in module.state_dict().items()}
    seen = module.seen
    with state_kept(module):
        module(torch.randn(3, 4))
        module.eval()
        module.extra = torch.nn.Linear(2, 2)
        module.requires_grad_(False)
    assert module.training and module.inner.training and module.inner[0].training and not module.inner[1].training
    assert not module.inner[0].weight.requires_grad and module.inner[0].bias.requires_grad
    assert module.cache is None and not hasattr(module, "fresh") and not hasattr(module, "extra")
    assert module.history == [] and module.options == {"scale": 1} and torch.equal(module.plain, torch.zeros(2))
    assert not hasattr(module, "hooked") and not module.inner._forward_hooks
    assert module.seen is seen and set(dict(module.named_children())) == {"inner"}
    after = module.state_dict()
    assert list(after) == list(before)
    for name, value in before.items():
        assert torch.equal(after[name].nan_to_num(7), value.nan_to_num(7)), name


def test_it_is_put_back_after_an_error():
    module = Restless()
    with pytest.raises(ValueError), state_kept(module):
        module.calls += 5
        raise ValueError
    assert module.calls == 0


def test_tied_buffers_stay_tied():
    module = torch.nn.Module()
    whole = torch.arange(6.0)
    module.register_buffer("whole", whole)
    module.register_buffer("part", whole[2:4])
    with state_kept(module):
        module.part += 10
    assert torch.equal(module.whole, torch.arange(6.0)) and module.part.data_ptr() == whole[2:].data_ptr()


def test_a_large_parameter_that_is_written_into_is_named():
    module = torch.nn.Linear(600, 600)
    with state_kept(module) as written, torch.no_grad():
        module.weight += 1
    assert written == ["weight"]


class Counts(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("calls", torch.zeros(()))
        self.norm = torch.nn.BatchNorm1d(4)

    def forward(self, x):
        self.calls += 1
        return self.norm(x) + self.calls


def test_conversion_compares_with_the_state_at_its_start(tmp_path):
    pytest.importorskip("tensorflow")
    module = Counts().train()
    module.calls += 3
    conversion = crossload.convert(module, tmp_path / "out", (torch.randn(2, 4),))
    assert conversion.report.verdict == "verified", conversion.report.notes
    assert module.calls == 3 and module.training and module.norm.training and module.norm.num_batches_tracked == 0


def test_a_dictionary_that_forbids_changes_is_left_alone():
    """Configurations of diffusers are such."""

    class Frozen(dict):
        def update(self, *_):
            raise TypeError("frozen")

    module = torch.nn.Linear(2, 2)
    module.settings = Frozen(a=1)
    with state_kept(module):
        pass
    assert module.settings == {"a": 1}
