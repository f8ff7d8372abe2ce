"""Sizes of the zoo's tiny models may shrink; what makes an architecture what it is may not vanish."""

import classes
import mechanisms
import pytest


@pytest.fixture(scope="module")
def neutral_fields():
    return [found for model_type in classes.model_types() for found in mechanisms.neutral_fields(model_type)]


def test_no_mechanism_is_switched_off(neutral_fields):
    assert [found for found in neutral_fields if not mechanisms.is_allowed(found[0])] == []


def test_each_permission_is_needed(neutral_fields):
    """A permission that nothing needs any more would hide the next loss of its name."""
    assert [p.pattern for p, _ in mechanisms.ALLOWED if not any(p.search(path) for path, _, _ in neutral_fields)] == []


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"n_group": 1, "topk_group": 1}, "n_group"),  # experts in groups
        ({"n_shared_experts": 0}, "n_shared_experts"),
        ({"q_lora_rank": None}, "q_lora_rank"),
        ({"norm_topk_prob": False}, "norm_topk_prob"),
    ],
)
def test_a_mechanism_that_is_switched_off_is_found(monkeypatch, change, field):
    assert not mechanisms.lost("deepseek_v3")
    monkeypatch.setattr(mechanisms, "exception", lambda model_type: {"config": change})
    assert f"deepseek_v3.{field}" in [path for path, _, _ in mechanisms.lost("deepseek_v3")]


def test_a_lost_kind_of_layer_and_an_interval_that_is_not_reached_are_found(monkeypatch):
    change = {"num_hidden_layers": 2, "layer_types": ["sliding_attention"] * 2}
    monkeypatch.setattr(mechanisms, "exception", lambda model_type: {"config": change})
    assert [path for path, _, _ in mechanisms.lost("gemma3_text")] == ["gemma3_text.layer_types"]
    monkeypatch.setattr(mechanisms, "exception", lambda model_type: {"config": {"encoder_sparse_step": 4}})
    assert [path for path, _, _ in mechanisms.lost("nllb-moe")] == ["nllb-moe.encoder_sparse_step"]


def test_groups_of_experts_choose():
    import tiny_configs

    config = tiny_configs.tiny_config("deepseek_v3")
    assert (config.n_routed_experts, config.n_group, config.topk_group, config.num_experts_per_tok) == (8, 4, 2, 2)


def test_the_last_layers_share_keys_and_values():
    import tiny_configs

    config = tiny_configs.tiny_config("gemma3n_text")
    first = config.num_hidden_layers - config.num_kv_shared_layers
    assert 0 < first < config.num_hidden_layers
    assert set(config.layer_types[first:]) <= set(config.layer_types[:first])
