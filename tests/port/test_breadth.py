"""Architectures without TensorFlow classes in Transformers: written, loaded by name, compared with all their task classes."""

import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
PICTURES = {"image_size": 32, "patch_size": 8, "num_channels": 3}
GROUPED = {"num_key_value_heads": 2}
# What is changed in the small configuration of conftest.py. Each is verified; bert and llama are in test_port.py.
VERIFIED = {
    "stablelm": GROUPED,
    "splinter": {},
    "opt": {"ffn_dim": 37, "word_embed_proj_dim": 32},
    "yolos": {**PICTURES, "image_size": [32, 24], "num_detection_tokens": 5},
    "bloom": {"n_layer": 2, "n_head": 4},
    "beit": PICTURES,
    "biogpt": {},
    "codegen": {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 64, "rotary_dim": 4},
    "cohere": {**GROUPED, "eos_token_id": 2},
    "data2vec-text": {},
    "dinov2": PICTURES,
    "ernie": {},
    "falcon": {},
    "gemma": {**GROUPED, "head_dim": 8},
    "gpt_bigcode": {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 64, "n_inner": 37},
    "gpt_neox": {},
    "megatron-bert": {},
    "mistral": GROUPED,
    "mixtral": {**GROUPED, "num_local_experts": 4},
    "nystromformer": {},
    "olmo": {**GROUPED, "eos_token_id": 2},
    "phi": {},
    "phi3": {**GROUPED, "pad_token_id": 0, "eos_token_id": 2},
    "qwen2": GROUPED,
    "qwen2_moe": {**GROUPED, "num_experts": 4, "moe_intermediate_size": 16, "shared_expert_intermediate_size": 24},
    "vit_msn": PICTURES,
}
ENCODER_AND_DECODER = {
    "d_model": 32,
    "num_hidden_layers": 2,
    "encoder_layers": 2,
    "decoder_layers": 2,
    "encoder_attention_heads": 4,
    "decoder_attention_heads": 4,
    "encoder_ffn_dim": 37,
    "decoder_ffn_dim": 41,
    "max_position_embeddings": 64,
    "vocab_size": 99,
}
# Configurations with other names for their sizes.
WITH_OWN_SIZES = {
    "glpn": {
        "hidden_sizes": [16, 32, 32, 48],
        "depths": [1, 2, 1, 1],
        "num_attention_heads": [1, 2, 2, 3],
        "decoder_hidden_size": 16,
    },
    "m2m_100": ENCODER_AND_DECODER,
    "plbart": ENCODER_AND_DECODER,
    "poolformer": {"hidden_sizes": [16, 32, 32, 48], "depths": [1, 2, 1, 1]},
    "squeezebert": {
        "vocab_size": 99,
        "hidden_size": 32,
        "embedding_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "intermediate_size": 48,
        "max_position_embeddings": 64,
        "q_groups": 2,
        "k_groups": 2,
        "v_groups": 2,
        "intermediate_groups": 2,
        "output_groups": 2,
    },
}


@pytest.mark.slow
@pytest.mark.parametrize("model_type", [*VERIFIED, *WITH_OWN_SIZES])
def test_every_class_computes_what_pytorch_does(port, model_folder, tmp_path, model_type):
    folder = model_folder(model_type, **VERIFIED.get(model_type, {}))
    if model_type in WITH_OWN_SIZES:
        (folder / "config.json").write_text(json.dumps({"model_type": model_type, **WITH_OWN_SIZES[model_type]}))
    code, answer, errors = port(folder, tmp_path)
    assert code == 0, errors
    assert answer["verdict"] == "verified"
    assert answer["missing"] == answer["unexpected"] == []
    assert len(answer["rows"]) > 15 and 0 < answer["max_error"] <= 1e-5
    assert {head["verdict"] for head in answer["heads"]} <= {"verified"}


def test_the_documented_architectures_are_those_that_are_tested():
    table = (ROOT / "docs/port.md").read_text().split("All task classes, verified", 1)[1].split("\n\n")[1]
    documented = set(re.findall(r"^\| `([\w-]+)` \|", table, re.M))
    assert documented == set(VERIFIED) | set(WITH_OWN_SIZES) | {"bert", "llama"}
    assert f"{len(documented)} architectures" in (ROOT / "docs/port.md").read_text()
