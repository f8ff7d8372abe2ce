"""Generation: `generate` with TensorFlow in the place of every forward gives PyTorch's greedy tokens.

The programs are exported at one batch and prompt, saved, loaded, and run at others. PyTorch's own `generate` drives
them, so caches come out of one program and go into the next exactly as they do between PyTorch's forwards.
"""

import contextlib
import copy
import inspect
from collections.abc import Callable
from types import MappingProxyType
from typing import NamedTuple

import crossload
import pytest
import torch
from tiny_models import set_trained_scale

LIMIT = 1e-5
STEPS = 24
TEXT = {
    "vocab_size": 99, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
    "intermediate_size": 37, "max_position_embeddings": 80, "bos_token_id": 97, "eos_token_id": 98, "pad_token_id": 0,
}  # fmt: skip
IMAGE_TOKEN = 95
IMAGE_TOKENS = 25


def gpt2():
    from transformers import GPT2Config, GPT2LMHeadModel

    return GPT2LMHeadModel(
        GPT2Config(vocab_size=99, n_positions=80, n_embd=32, n_layer=2, n_head=4, n_inner=37, bos_token_id=97,
                   eos_token_id=98, pad_token_id=0)
    )  # fmt: skip


def llama():
    from transformers import LlamaConfig, LlamaForCausalLM

    return LlamaForCausalLM(LlamaConfig(**TEXT))


def qwen2():
    from transformers import Qwen2Config, Qwen2ForCausalLM

    return Qwen2ForCausalLM(Qwen2Config(**TEXT))


def mistral():
    from transformers import MistralConfig, MistralForCausalLM

    return MistralForCausalLM(MistralConfig(**TEXT, sliding_window=5))


def mamba():
    from transformers import MambaConfig, MambaForCausalLM

    return MambaForCausalLM(
        MambaConfig(vocab_size=99, hidden_size=32, state_size=5, num_hidden_layers=2, conv_kernel=4, time_step_rank=3,
                    tie_word_embeddings=False, bos_token_id=97, eos_token_id=98, pad_token_id=0)
    )  # fmt: skip


def t5():
    from transformers import T5Config, T5ForConditionalGeneration

    return T5ForConditionalGeneration(
        T5Config(vocab_size=99, d_model=32, d_kv=8, d_ff=37, num_layers=3, num_heads=4, decoder_start_token_id=0,
                 eos_token_id=98, pad_token_id=0)
    )  # fmt: skip


def whisper():
    from transformers import WhisperConfig, WhisperForConditionalGeneration

    return WhisperForConditionalGeneration(
        WhisperConfig(vocab_size=99, d_model=32, encoder_layers=2, decoder_layers=2, encoder_attention_heads=4,
                      decoder_attention_heads=4, encoder_ffn_dim=37, decoder_ffn_dim=37, num_mel_bins=8,
                      max_source_positions=20, max_target_positions=80, bos_token_id=97, eos_token_id=98,
                      pad_token_id=0, decoder_start_token_id=96, suppress_tokens=None, begin_suppress_tokens=None)
    )  # fmt: skip


def llava():
    from transformers import CLIPVisionConfig, LlamaConfig, LlavaConfig, LlavaForConditionalGeneration

    vision = CLIPVisionConfig(hidden_size=24, intermediate_size=37, num_hidden_layers=3, num_attention_heads=4,
                              image_size=30, patch_size=6, projection_dim=16)  # fmt: skip
    return LlavaForConditionalGeneration(
        LlavaConfig(vision_config=vision, text_config=LlamaConfig(**TEXT), image_token_index=IMAGE_TOKEN)
    )


def text(batch, length, random, padded=True):
    ids = torch.randint(1, 90, (batch, length), generator=random)
    mask = torch.ones_like(ids)
    if padded:
        mask[-1, :2] = 0  # on the left, as generation has it
    return {"input_ids": ids, "attention_mask": mask}


def unpadded(batch, length, random):
    return text(batch, length, random, padded=False)


def text_to_text(batch, length, random):
    inputs = text(batch, length, random)
    # Three tokens and more, so that no axis of the sample has size 1.
    return inputs | {"decoder_input_ids": torch.randint(1, 90, (batch, 3), generator=random)}


def speech(batch, length, random):
    return {
        "input_features": torch.randn(batch, 8, 40, generator=random),
        "decoder_input_ids": torch.randint(1, 90, (batch, length), generator=random),
    }


def image_and_text(batch, length, random):
    ids = torch.randint(1, 90, (batch, length), generator=random)
    ids = torch.cat([ids[:, :1], torch.full((batch, IMAGE_TOKENS), IMAGE_TOKEN), ids[:, 1:]], 1)
    pixels = torch.randn(batch, 3, 30, 30, generator=random)
    return {"input_ids": ids, "attention_mask": torch.ones_like(ids), "pixel_values": pixels}


class Case(NamedTuple):
    build: Callable
    inputs: Callable
    exported: int  # length of the prompt that is exported with
    run: int  # and of the one that is generated from
    components: frozenset = frozenset({"prefill", "decode"})
    seed: int = 0  # of the weights: tiny models like to repeat one token, those of these seeds do not
    settings: dict = MappingProxyType({})


ENCODED = {"encoder", "prefill", "decode"}
IN_PARTS = {"image_encoder", "multi_modal_projector", "language_model", "lm_head", "decode"}
CASES = {
    "gpt2": Case(gpt2, text, 7, 11),
    "llama": Case(llama, text, 7, 11),
    "qwen2": Case(qwen2, text, 7, 11),
    # PyTorch's own export fixes the length of the prompt.
    "mamba": Case(mamba, unpadded, 7, 7),
    "t5": Case(t5, text_to_text, 7, 11, ENCODED, seed=29),
    "whisper": Case(whisper, speech, 3, 5, ENCODED),
    "llava": Case(llava, image_and_text, 7, 11, IN_PARTS),
    # Far past the window.
    "mistral": Case(mistral, text, 7, 11),
    "static-cache": Case(llama, text, 7, 11, settings={"cache_implementation": "static", "max_cache_len": 40}),
}


# The caches' sizes do not depend on how many tokens they hold.
WITHOUT_LENGTHS = {"mamba", "static-cache"}


def cache_lengths(report):
    """The lengths of the caches with which a program was compared."""
    compared = [vars(shape.inputs) for shape in report.shapes if shape.max_error is not None]
    return {shape[2] for inputs in compared for name, shape in inputs.items() if name.endswith(".0.keys")}


class Counted:
    """A component in the place of a module's forward, and how often it was called."""

    def __init__(self, runner):
        self.runner, self.calls = runner, 0

    def __call__(self, *args, **kwargs):
        self.calls += 1
        taken = self.runner.metadata.kwargs
        return self.runner(**dict(zip(taken, args)), **{n: v for n, v in kwargs.items() if n in taken})


@contextlib.contextmanager
def computed_by_tensorflow(model, exported):
    """The model with its forwards replaced by the export's components; yields {component: Counted}."""
    from transformers.exporters.utils import _find_multimodal_submodules

    found = {name: Counted(runner) for name, runner in exported.runners.items()}
    parts = {name: module for name, module in _find_multimodal_submodules(model).items() if name in found}
    if "encoder" in found:
        parts["encoder"] = model.get_encoder()
    originals = {module: module.forward for module in [model, *parts.values()]}

    def first_or_next(*args, **kwargs):
        if first_or_next.done:
            return found["decode"](*args, **kwargs)
        first_or_next.done = True
        return found["prefill"](*args, **kwargs) if "prefill" in found else originals[model](*args, **kwargs)

    first_or_next.done = False
    # `generate` looks there for what the model takes.
    first_or_next.__signature__ = inspect.signature(originals[model])
    try:
        for name, module in parts.items():
            module.forward = found[name]
        model.forward = first_or_next
        yield found
    finally:
        for module, forward in originals.items():
            module.forward = forward


def generate(model, inputs, settings):
    """(tokens, logits of every step)"""
    with torch.no_grad():
        result = model.generate(
            **inputs, **settings, max_new_tokens=STEPS, min_new_tokens=STEPS, do_sample=False, output_logits=True,
            return_dict_in_generate=True,
        )  # fmt: skip
    return result["sequences"], torch.stack([step for step in result["logits"]])


SLOW = {"mistral", "static-cache"}


@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.slow) if n in SLOW else n for n in CASES])
def test_greedy_tokens(name, tmp_path):
    from transformers.exporters.base import ExportedModel

    case = CASES[name]
    torch.manual_seed(0)
    model = case.build().eval()
    set_trained_scale(model, case.seed)
    random = torch.Generator().manual_seed(1)
    settings = copy.deepcopy(model.generation_config)
    settings.update(**case.settings)
    exported = crossload.TensorFlowExporter().export_for_generation(
        model,
        case.inputs(2, case.exported, random),
        crossload.TensorFlowConfig(dynamic=True),
        generation_config=settings,
    )
    assert set(exported.components) == case.components
    for component in exported.components.values():
        assert component.program.report.verdict == "verified" and component.program.report.dynamic
    if name not in WITHOUT_LENGTHS:
        assert len(cache_lengths(exported.components["decode"].program.report)) > 1
    exported.save_pretrained(tmp_path / "out")
    exported = ExportedModel.from_pretrained(tmp_path / "out")

    inputs = case.inputs(3, case.run, random)
    wanted, wanted_logits = generate(model, inputs, case.settings)
    with computed_by_tensorflow(model, exported) as found:
        tokens, logits = generate(model, inputs, case.settings)
    assert {n: c.calls for n, c in found.items()} == {n: STEPS - 1 if n == "decode" else 1 for n in case.components}
    for row in wanted:
        assert len(set(row[-STEPS:].tolist())) >= 6, "tokens that repeat prove little"
    assert torch.equal(tokens, wanted)
    difference = float((logits - wanted_logits).abs().max())
    print(f"{name}: {wanted.shape[0]} x {STEPS} tokens equal, logits differ by {difference:.1e} at most")
    assert difference <= LIMIT
