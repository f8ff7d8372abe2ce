"""Choices between near ties: PyTorch and TensorFlow may take the candidates in another order, and nothing is wrong."""

import pytest
import torch

WIDTH, EXPERTS, TOKENS = 512, 4, 96


class Mixture(torch.nn.Module):
    """A layer whose router scores two experts alike but for the order in which their terms are summed."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.router = torch.nn.Linear(WIDTH, EXPERTS, bias=False)
        self.experts = torch.nn.Parameter(torch.randn(EXPERTS, WIDTH, 8) / WIDTH**0.5)
        with torch.no_grad():
            first, second = torch.randn(2, WIDTH // 2) / WIDTH**0.5
            self.router.weight[0] = torch.cat([first, second])
            self.router.weight[1] = torch.cat([second.flip(0), first.flip(0)])  # of a mirrored input the same sum
            self.router.weight[2:] *= 0.1

    def forward(self, x):
        halves = torch.cat([x, x.flip(-1)], -1)
        scores = self.router(halves).softmax(-1)
        weights, chosen = torch.topk(scores, 1, dim=-1)
        return torch.einsum("tw,tkwo->to", halves, weights[..., None, None] * self.experts[chosen])


class Queries(torch.nn.Module):
    """The best of many places, as detectors take their queries: pairs of places have equal scores but for rounding."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(1)
        self.score = torch.nn.Linear(WIDTH, 1)
        self.box = torch.nn.Linear(WIDTH, 4)
        with torch.no_grad():
            half = torch.randn(WIDTH // 2) / WIDTH**0.5
            self.score.weight[0] = torch.cat([half, half.flip(0)])

    def forward(self, x):
        places = torch.cat([x, x.flip(-1)], 1)
        scores = self.score(places).squeeze(-1)
        best = torch.topk(scores, 16, dim=1).indices
        chosen = places.gather(1, best[..., None].expand(-1, -1, WIDTH))
        return self.box(chosen).sigmoid(), scores


@pytest.mark.parametrize(
    ("model", "shape"), [(Mixture, (TOKENS, WIDTH // 2)), (Queries, (2, 40, WIDTH))], ids=["experts", "queries"]
)
def test_near_ties_are_within_noise(model, shape, tmp_path):
    import crossload

    inputs = {"x": torch.randn(shape, generator=torch.Generator().manual_seed(2))}
    report = crossload.convert(model().eval(), tmp_path / "out", inputs).report_dict
    assert report["verdict"] == "within-noise"
    assert report["max_error"] > 1e-3
    assert "equal given the same choices" in report["verdict_note"]
    assert {choice["op"] for choice in report["choices"]} == {"aten.topk.default"}
    for choice in report["choices"]:
        assert choice["is_tie"] and choice["count"] > 0
        assert choice["margin"] <= choice["noise"] < 1e-4
        assert abs(choice["pt_scores"][0] - choice["pt_scores"][1]) == pytest.approx(choice["margin"])
