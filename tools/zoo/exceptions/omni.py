"""Exceptions for models of audio, images and text together, and their parts. See __init__.py for what an entry may hold."""

import torch
import transformers
from inputs.omni import (
    dots3_note_inputs,
    gemma3n_inputs,
    gemma4_inputs,
    inkling_inputs,
    muse_spark_inputs,
    nemotron_h_omni_inputs,
    omni_inputs,
    pe_inputs,
)
from inputs.tensors import floats, ints, padded_mask
from transformers import Gemma3nVisionConfig

from .audio import PE_AUDIO_VIDEO
from .multimodal import resnet


def quieten(model):
    """Keeps a vocoder's waveform away from -1 and 1, where it is cut off."""
    for name, module in model.named_modules():
        if name.endswith("conv_post"):
            module.weight.data *= 0.05


def qwen2_5_omni_thinker(config):
    """The part of Qwen2.5-Omni that takes audio, images and text and writes text."""
    return transformers.Qwen2_5OmniThinkerForConditionalGeneration(config.thinker_config)


def qwen3_omni_moe_thinker(config):
    """The part of Qwen3-Omni that takes audio, images and text and writes text."""
    return transformers.Qwen3OmniMoeThinkerForConditionalGeneration(config.thinker_config)


OMNI_TOKENS = {
    "audio_start_token_id": 120,
    "audio_end_token_id": 121,
    "vision_start_token_id": 122,
    "vision_end_token_id": 123,
    "user_token_id": 126,
}


OMNI_THINKER = {
    **OMNI_TOKENS,
    "audio_token_index": 124,
    "image_token_index": 125,
    "video_token_index": 127,
    "audio_config": {"n_window": 20},
    "vision_config": {"fullatt_block_indexes": [1], "window_size": 56},
}


OMNI3_THINKER = {
    **OMNI_TOKENS,
    "audio_token_id": 124,
    "image_token_id": 125,
    "video_token_id": 127,
    "audio_config": {"n_window_infer": 100},
    "vision_config": {"deepstack_visual_indexes": [0], "num_position_embeddings": 36},
}


OMNI_DIT = {
    "hidden_size": 64,
    "num_attention_heads": 4,
    "head_dim": 16,
    "emb_dim": 48,
    "num_hidden_layers": 3,
    "look_ahead_layers": [1],
    "look_backward_layers": [0],
    "block_size": 6,
    "num_embeds": 128,
    "enc_dim": 24,
    "enc_emb_dim": 40,
    "enc_channels": [32, 32, 32, 32, 96],
    "enc_attention_channels": 24,
    "enc_se_channels": 24,
}


class Gemma3nResNetConfig(Gemma3nVisionConfig):
    """A ResNet where only Gemma3n's own configuration is allowed; auto classes go by the name of the class."""


Gemma3nResNetConfig.__name__ = "ResNetConfig"


EXCEPTIONS = {
    "dots3_note": {
        "reason": "widths of the parts must match, and the sliding layers have widths of their own",
        "config": {
            "text_config": {
                "num_hidden_layers": 3,
                "layer_types": ["indexed_attention", "sliding_attention", "indexed_attention"],
                "mlp_layer_types": ["dense", "sparse", "sparse"],
                "qk_nope_head_dim": 16,
                "v_head_dim": 16,
                "head_dim": 24,
                "index_head_dim": 16,
                "index_topk": 7,
                "sliding_window": 9,
                "num_key_value_heads": 4,
                "n_group": 1,
                "shared_experts_intermediate_size": 32,
                "moe_intermediate_size": 32,
                "swa_num_attention_heads": 2,
                "swa_num_key_value_heads": 2,
                "swa_q_lora_rank": 24,
                "swa_kv_lora_rank": 24,
                "swa_head_dim": 32,
                "swa_qk_nope_head_dim": 24,
                "swa_v_head_dim": 16,
            },
            "vision_config": {"adapter_in_dim": 64, "adapter_out_dim": 64},
            "audio_config": {"adapter_input_size": 64, "adapter_out_dim": 64, "feature_size": 32},
        },
        "inputs": dots3_note_inputs,
    },
    "gemma3n": {
        "reason": "its vision part is timm's, a ResNet stands for it; each kind of token has its own range of ids",
        "config": {
            "vision_soft_tokens_per_image": 12,
            "audio_soft_tokens_per_image": 8,
            "image_token_id": 97,
            "boi_token_id": 94,
            "eoi_token_id": 96,
            "audio_token_id": 113,
            "boa_token_id": 95,
            "eoa_token_id": 112,
            "text_config": {
                "vocab_size_per_layer_input": 96,
                "intermediate_size": [96] * 4,
                "num_kv_shared_layers": 2,
                "laurel_rank": 16,
            },
            "vision_config": resnet(Gemma3nResNetConfig, hidden_size=32, vocab_size=16, vocab_offset=96),
            "audio_config": {
                "vocab_size": 16,
                "vocab_offset": 112,
                "input_feat_size": 32,
                "sscp_conv_channel_size": [16, 8],
            },
        },
        "inputs": gemma3n_inputs,
    },
    "gemma4": {
        "reason": "images and audio are optional parts; kinds of layers and their heads' width vary by layer",
        "config": {
            "text_config": {
                "vocab_size_per_layer_input": 128,
                "global_head_dim": 32,
                "num_hidden_layers": 4,
                "layer_types": ["sliding_attention", "full_attention"] * 2,
                "num_kv_shared_layers": 2,
            },
            "vision_config": {
                "model_type": "gemma4_vision",
                "hidden_size": 64,
                "intermediate_size": 96,
                "num_hidden_layers": 2,
                "num_attention_heads": 4,
                "num_key_value_heads": 4,
                "head_dim": 16,
                "patch_size": 4,
                "position_embedding_size": 64,
            },
            "audio_config": {
                "model_type": "gemma4_audio",
                "hidden_size": 64,
                "num_hidden_layers": 2,
                "num_attention_heads": 4,
                "subsampling_conv_channels": [32, 8],
                "output_proj_dims": 48,
            },
        },
        "inputs": gemma4_inputs,
    },
    "inkling_mm_model": {
        "reason": "an image is given as one block of frames for each placeholder in the text, audio as quantized bins",
        "config": {
            "vision_config": {"patch_size": 8},
            "audio_config": {"n_mel_bins": 12, "mel_vocab_size": 16},
        },
        "inputs": inkling_inputs,
    },
    "muse_spark": {
        "reason": "the audio part must be as wide as the text part; a token of audio stands for product(patch_sizes) values",
        "config": {
            "out_hidden_size": 256,
            "text_config": {"eos_token_id": 1, "bos_token_id": 2},
            "audio_config": {
                "patch_sizes": [4, 3, 2, 2],
                "hidden_sizes": [16, 24, 32, 48],
                "depths": [1, 1, 2, 1],
                "num_hidden_layers": 4,
                "out_hidden_size": 64,
            },
        },
        "inputs": muse_spark_inputs,
    },
    "nemotron_h_omni": {
        "reason": "parts must agree in video_temporal_patch_size; audio is optional; n_groups must divide the heads",
        "config": {
            "vision_config": {"video_temporal_patch_size": 2, "max_img_size": 128},
            "text_config": {"n_groups": 2},
            "audio_config": transformers.ParakeetEncoderConfig(
                hidden_size=64,
                num_hidden_layers=2,
                num_attention_heads=4,
                intermediate_size=96,
                subsampling_conv_channels=32,
                attention_bias=False,
                scale_input=False,
                projection_hidden_size=48,
                projection_bias=False,
            ),
            "image_token_id": 125,
            "video_token_id": 126,
            "audio_token_id": 127,
        },
        "inputs": nemotron_h_omni_inputs,
    },
    "pe_audio_video": {
        "reason": "its image model comes from timm, which is not installed here; a ViT of Transformers stands for it",
        "config": {"audio_video_config": PE_AUDIO_VIDEO},
        "inputs": lambda config: {
            "input_ids": ints(120, 2, 13, low=5),
            "attention_mask": padded_mask(2, 13),
            **pe_inputs(),
        },
    },
    "pe_audio_video_encoder": {
        "reason": "its image model comes from timm, which is not installed here; a ViT of Transformers stands for it",
        "config": PE_AUDIO_VIDEO,
        "inputs": lambda config: pe_inputs(),
    },
    "qwen2_5_omni": {
        "reason": "the whole model has no forward, it only generates; its thinker with the head stands for it",
        "class": qwen2_5_omni_thinker,
        "config": {"thinker_config": OMNI_THINKER},
        "inputs": lambda config: omni_inputs(config, (26, 17), 14),
    },
    "qwen2_5_omni_audio_encoder": {
        "reason": "takes the audio clips of a batch one after the other, and their lengths",
        "config": {"n_window": 20},
        "inputs": lambda config: {
            "input_features": floats(config.num_mel_bins, 174),
            "feature_lens": torch.tensor([104, 70]),
            "aftercnn_lens": torch.tensor([52, 35]),
        },
    },
    "qwen2_5_omni_bigvgan": {
        "reason": "takes a spectrogram; widths halve six times",
        "config": {"upsample_initial_channel": 128},
        "prepare": quieten,
        "inputs": lambda config: {"mel_spectrogram": floats(2, config.mel_dim, 13)},
    },
    "qwen2_5_omni_dit": {
        "reason": "takes noise, codes and what they depend on; numbers of layers stand in lists",
        "config": OMNI_DIT,
        "inputs": lambda config: {
            "hidden_states": floats(2, 13 * config.repeats, config.mel_dim),
            "condition_vector": floats(2, 31, config.mel_dim),
            "speaker_embedding": floats(2, 1, config.enc_emb_dim).repeat(1, 13 * config.repeats, 1),
            "quantized_code": ints(config.num_embeds, 2, 13),
            "time_step": torch.tensor([0.25, 0.6]),
        },
    },
    "qwen2_5_omni_thinker": {
        "reason": "audio and images stand between markers in the text; the marker of images has no default",
        "config": OMNI_THINKER,
        "inputs": lambda config: omni_inputs(config, (26, 17), 14),
    },
    "qwen2_5_omni_token2wav": {
        "reason": "takes codes and a speaker's voice; starts from noise of its own, so each run gives another waveform",
        "config": {"dit_config": OMNI_DIT, "bigvgan_config": {"upsample_initial_channel": 128}},
        "prepare": quieten,
        "inputs": lambda config: {
            "code": ints(config.dit_config.num_embeds, 2, 13),
            "conditioning": floats(2, config.dit_config.enc_emb_dim),
            "reference_mel": floats(2, 31, config.dit_config.mel_dim),
            "num_steps": 3,
        },
    },
    "qwen3_omni_moe": {
        "reason": "the whole model has no forward, it only generates; its thinker with the head stands for it",
        "class": qwen3_omni_moe_thinker,
        "config": {"thinker_config": OMNI3_THINKER},
        "inputs": lambda config: omni_inputs(config, (14, 9), 16),
    },
    "qwen3_omni_moe_audio_encoder": {
        "reason": "takes the audio clips of a batch one after the other, and their lengths",
        "config": {"n_window_infer": 100},
        "inputs": lambda config: {
            "input_features": floats(config.num_mel_bins, 174),
            "feature_lens": torch.tensor([104, 70]),
        },
    },
    "qwen3_omni_moe_talker_code_predictor": {
        "reason": "takes vectors, not token ids",
        "config": {"num_code_groups": 5},
        "inputs": lambda config: {
            "inputs_embeds": floats(2, 13, config.hidden_size),
            "attention_mask": padded_mask(2, 13),
        },
    },
    "qwen3_omni_moe_talker_text": {
        "reason": "takes vectors, not token ids; shared_expert_intermediate_size has no default",
        "config": {"shared_expert_intermediate_size": 48},
        "inputs": lambda config: {
            "inputs_embeds": floats(2, 13, config.hidden_size),
            "attention_mask": padded_mask(2, 13),
        },
    },
    "qwen3_omni_moe_thinker": {
        "reason": "audio and images stand between markers in the text; the marker of images has no default",
        "config": OMNI3_THINKER,
        "inputs": lambda config: omni_inputs(config, (14, 9), 16),
    },
}
