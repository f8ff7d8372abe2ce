"""A trace that takes two weights for one is not used for a checkpoint in which they differ."""

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("tensorflow")

import tiny_models
from crossload_command import run
from safetensors.torch import load_file, save_file


@pytest.fixture
def folders(tmp_path):
    """Two checkpoints of one architecture with the same names and shapes: the head equals the embeddings, or not."""
    model = tiny_models.create("gpt2", "GPT2LMHeadModel")
    model.save_pretrained(tmp_path / "equal")
    model.save_pretrained(tmp_path / "differs")
    weights = load_file(tmp_path / "equal/model.safetensors")
    embeddings = weights["transformer.wte.weight"]
    save_file({**weights, "lm_head.weight": embeddings.clone()}, tmp_path / "equal/model.safetensors", {"format": "pt"})
    save_file(
        {**weights, "lm_head.weight": embeddings.flip(0).contiguous()},
        tmp_path / "differs/model.safetensors",
        {"format": "pt"},
    )
    return tmp_path


def test_equal_bytes_are_asked_for_again(folders):
    cache = {"CROSSLOAD_CACHE": str(folders / "cache")}
    first, again, other = (
        run("convert", folders / model, folders / f"{model}-tf", *options, "--json", environment=cache)
        for model, options in (("equal", ["--no-verify"]), ("equal", ["--no-verify"]), ("differs", []))
    )
    assert [p.document["trace_cache"] for p in (first, again, other)] == ["miss", "hit", "miss"]
    assert other.code == 0 and other.document["verdict"] == "verified", other.document["notes"]
    assert other.document["weights"]["count"] == first.document["weights"]["count"] + 1
