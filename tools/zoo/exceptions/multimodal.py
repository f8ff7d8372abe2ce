"""Exceptions of the zoo's rules; see __init__.py for what an entry may hold."""

import torch
from transformers import (
    Blip2QFormerConfig,
    Gemma3nVisionConfig,
    Gemma4TextConfig,
    Gemma4UnifiedTextConfig,
    ResNetConfig,
    SwinConfig,
    ViTConfig,
)
from transformers.modeling_outputs import BaseModelOutput

from .made import floats, ints
from .vision import HIERA_STAGES

WORDS = 13
TILES = {
    "vision_config": {"image_size": 56, "patch_size": 14},
    "image_grid_pinpoints": [[56, 112], [112, 56], [112, 112]],
}
THREE_AXES = {
    "rope_type": "default",
    "rope_theta": 10000.0,
    "partial_rotary_factor": 0.5,
    "mrope_section": [2, 1, 1],
}
MODERNBERT_TOKENS = {"pad_token_id": 0, "cls_token_id": 1, "bos_token_id": 1, "sep_token_id": 2, "eos_token_id": 2}
NO_LAYER_INPUTS = {"hidden_size_per_layer_input": 0, "vocab_size_per_layer_input": 0}


def prompt(*runs, words=WORDS, high=100):
    """Token ids and their mask, [2, words and places]: a word, then runs of places for features, each (token, how many)
    or (token, (how many in row 0, in row 1)), then words. The last third of the second row's words is padding."""
    rows = []
    most = sum(max(count) if isinstance(count, tuple) else count for _, count in runs)
    text = ints(high, 2, words + most, low=8)
    for row in range(2):
        counts = [(token, count[row] if isinstance(count, tuple) else count) for token, count in runs]
        places = torch.tensor([token for token, count in counts for _ in range(count)], dtype=torch.int64)
        rows.append(torch.cat([text[row, :1], places, text[row, 1 : 1 + words + most - 1 - len(places)]]))
    ids = torch.stack(rows)
    mask = torch.ones_like(ids)
    mask[1, -(words // 3) :] = 0
    return {"input_ids": ids, "attention_mask": mask}


def question(words=9):
    """The instruction that a Q-Former reads, with its mask."""
    return {f"qformer_{name}": value for name, value in prompt(words=words).items()}


def picture(config):
    """Pictures [2, 3, size, size] of the size that a vision configuration says."""
    return floats(2, 3, config.image_size, config.image_size)


def packed(config_of_vision, high=4, wide=6, frames=1, shape=None):
    """Two pictures of high * wide patches each, packed in one row, with their grids."""
    patch = config_of_vision.patch_size
    values = shape or (3 * frames * patch * patch,)
    return {
        "pixel_values": floats(2 * high * wide, *values),
        "image_grid_thw": torch.tensor([[1, high, wide]] * 2),
    }


def kinds(ids, *tokens):
    """mm_token_type_ids: the number of the first of the tokens is 1, of the second 2; text is 0."""
    return sum(kind * (ids == token).long() for kind, token in enumerate(tokens, 1))


def cells(high, wide, batch=2):
    """The column and row of each cell of a grid, [batch, high * wide, 2]."""
    rows, columns = torch.meshgrid(torch.arange(high), torch.arange(wide), indexing="ij")
    return torch.stack([columns.flatten(), rows.flatten()], -1).expand(batch, -1, -1).contiguous()


def resnet(config_class=ResNetConfig, **options):
    """The configuration of a small ResNet; its last map is a 32nd of the picture in height and width, 32 deep."""
    return config_class(
        num_channels=3,
        embedding_size=8,
        hidden_sizes=[8, 16, 24, 32],
        depths=[1, 1, 1, 1],
        layer_type="basic",
        hidden_act="relu",
        downsample_in_first_stage=False,
        downsample_in_bottleneck=False,
        **options,
    )


def open_gates(model):
    """Parameters that are all zero, as new models have them and trained ones do not, become numbers around a half."""
    with torch.no_grad():
        for value in model.parameters():
            if not value.any():
                value.copy_(0.5 + 0.1 * floats(*value.shape))


def spread_codes(model):
    """Brings a picture and the codes that it is looked up among to one scale, so that it has many of them; of a single
    picture's frames most are padding in the convolutions over time."""
    coder = getattr(model, "model", model).vqmodel
    with torch.no_grad():
        for layer in coder.encoder.time_conv:
            layer.conv.conv.weight.mul_(4)
        coder.quantize.embedding.weight.mul_(0.5)


class Gemma3nResNetConfig(Gemma3nVisionConfig):
    """A ResNet where only Gemma3n's own configuration is allowed; auto classes go by the name of the class."""


Gemma3nResNetConfig.__name__ = "ResNetConfig"


class StageMaps(torch.nn.Module):
    """A ResNet whose `last_hidden_state` is the list of its stages' maps, as timm's wrapper gives them."""

    def __init__(self, backbone):
        super().__init__()
        self.backbone = backbone

    def forward(self, pixel_values, **options):
        found = self.backbone(pixel_values, output_hidden_states=True)
        return BaseModelOutput(last_hidden_state=list(found.hidden_states[1:]))


def wrap_backbone(model):
    encoder = model.vision_encoder
    encoder.backbone = StageMaps(encoder.backbone)


def assistant(config_class, **options):
    """The configuration of the text part of an assistant; see `share_all_layers`."""
    return config_class(
        vocab_size=128,
        hidden_size=64,
        intermediate_size=96,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=16,
        global_head_dim=32,
        max_position_embeddings=128,
        layer_types=["sliding_attention", "full_attention"],
        **options,
    )


def share_all_layers(model):
    """Makes every layer read its keys and values from those of the model that it assists, as its configuration says."""
    for layer in model.model.layers:
        attention = layer.self_attn
        attention.is_kv_shared_layer = True
        for name in ("k_proj", "v_proj", "k_norm", "v_norm"):
            delattr(attention, name)


def assistant_inputs(config):
    mask = torch.ones(2, 13, dtype=torch.int64)
    mask[1, :4] = 0
    return {
        "inputs_embeds": floats(2, 3, 2 * config.backbone_hidden_size),
        "attention_mask": mask,
        "position_ids": torch.tensor([[13, 14, 15]] * 2),
        "shared_kv_states": {
            "sliding_attention": (floats(2, 2, 13, 16), floats(2, 2, 13, 16) + 0.1),
            "full_attention": (floats(2, 2, 13, 32), floats(2, 2, 13, 32) + 0.1),
        },
    }


def deepseek_ocr2_inputs(config):
    return {
        **prompt((config.image_token_id, 2 * 144 + 1)),
        "pixel_values": floats(2, 3, 64, 64),
        "pixel_values_local": floats(2, 3, 48, 48),
        "num_local_patches": torch.tensor([1, 1]),
    }


def deepseek_vl_hybrid_inputs(config):
    return {**deepseek_vl_inputs(config), "high_res_pixel_values": picture(config.high_res_vision_config)}


def deepseek_vl_inputs(config):
    vision = config.vision_config
    return {
        **prompt((config.image_token_id, (vision.image_size // vision.patch_size) ** 2)),
        "pixel_values": picture(vision),
    }


def diffusion_gemma_inputs(config):
    text = prompt((config.image_token_id, 6))
    return {
        **text,
        "pixel_values": floats(2, 54, 3 * config.vision_config.patch_size**2).sigmoid(),
        "image_position_ids": cells(6, 9),
        "decoder_input_ids": ints(100, 2, config.canvas_length, low=8),
        "self_conditioning_logits": floats(2, config.canvas_length, config.text_config.vocab_size),
        "decoder_attention_mask": torch.cat([text["attention_mask"], torch.ones(2, config.canvas_length).long()], 1),
    }


def dots3_note_inputs(config):
    return {
        **prompt((config.image_token_id, 6), (config.audio_token_id, (5, 3))),
        "pixel_values": floats(48, 3 * config.vision_config.patch_size**2),
        "image_grid_thw": torch.tensor([[1, 4, 6]] * 2),
        "input_features": floats(2, config.audio_config.feature_size, 40),
        "chunk_sample_lengths": torch.tensor([40 * 160, 22 * 160]),
    }


def edgetam_memory_inputs(config):
    high, wide = config.memory_attention_rope_feat_sizes
    queries, width = high * wide, config.memory_attention_hidden_size
    memory = 2 * 14 + 4
    return {
        "current_vision_features": floats(queries, 2, width),
        "current_vision_position_embeddings": floats(queries, 2, width).tanh(),
        "memory": floats(memory, 2, 64),
        "memory_posision_embeddings": floats(memory, 2, 64).tanh(),
        "num_object_pointer_tokens": 4,
        "num_spatial_memory_tokens": 2,
    }


def emu3_inputs(config):
    return {
        **prompt((config.image_token_id, 2 * (3 + 1))),
        "pixel_values": floats(2, 3, 16, 24),
        "image_sizes": torch.tensor([[16, 24]] * 2),
    }


def florence2_inputs(config):
    return {
        **prompt((config.image_token_id, 2 * 3 + 1)),
        "pixel_values": floats(2, 3, 64, 96),
        "decoder_input_ids": ints(100, 2, 7, low=8),
    }


def gemma3n_inputs(config):
    sound = torch.ones(2, 91, dtype=torch.bool)
    sound[1, 60:] = False
    return {
        **prompt((config.image_token_id, 12), (config.audio_token_id, config.audio_soft_tokens_per_image), high=96),
        "pixel_values": floats(2, 3, 128, 96),
        "input_features": floats(2, 91, config.audio_config.input_feat_size),
        "input_features_mask": sound,
    }


def gemma4_inputs(config):
    sound = torch.ones(2, 50, dtype=torch.bool)
    sound[1, 34:] = False
    text = prompt((config.image_token_id, 6), (config.audio_token_id, (13, 9)))
    return {
        **text,
        "mm_token_type_ids": kinds(
            text["input_ids"], config.image_token_id, config.video_token_id, config.audio_token_id
        ),
        "pixel_values": floats(2, 54, 3 * config.vision_config.patch_size**2).sigmoid(),
        "image_position_ids": cells(6, 9),
        "input_features": floats(2, 50, config.audio_config.subsampling_conv_channels[0]),
        "input_features_mask": sound,
    }


def glm_image_inputs(config):
    width = config.vision_config.patch_size
    return {
        **prompt((config.image_start_token_id, 1), (config.image_token_id, 6), (config.image_end_token_id, 1)),
        "pixel_values": floats(12, 3 * width * width),
        "image_grid_thw": torch.tensor([[1, 2, 3], [1, 4, 2]] * 2),
        "images_per_sample": torch.tensor([2, 2]),
    }


def granite_docling_inputs(config):
    size = config.vision_config.image_size
    tiles = torch.ones(2, 5, dtype=torch.bool)
    tiles[1, 3:] = False
    return {
        **prompt((config.image_token_id, (20, 12))),
        "pixel_values": floats(2, 5, 3, size, size),
        "pixel_attention_mask": tiles,
    }


def inkling2_inputs(config):
    vision = config.vision_config
    size = vision.patch_size * vision.spatial_merge_size
    return {
        **prompt((config.image_token_id, 6)),
        "pixel_values": floats(12, size, size, 3).tanh(),
        "image_grid_thw": torch.tensor([[1, 2, 3]] * 2),
    }


def inkling_inputs(config):
    vision, audio = config.vision_config, config.audio_config
    frames = torch.ones(2, 7, dtype=torch.int64)
    frames[1, 5:] = 0
    return {
        **prompt((config.image_token_id, 6), (config.audio_token_id, (7, 5))),
        "pixel_values": floats(12, vision.temporal_patch_size, vision.patch_size, vision.patch_size, 3),
        "audio_input_ids": ints(audio.mel_vocab_size, 2, 7, audio.n_mel_bins),
        "audio_input_ids_mask": frames,
    }


def jev_inputs(config):
    return {
        "input_ids": ints(100, 1, WORDS, low=8),
        "marks": torch.tensor([[4, 8, 13]]),
        "num_options": torch.tensor([[2, 5, 7]]),
        "question_type_ids": torch.tensor([[0, 1, 2]]),
    }


def kosmos2_5_inputs(config):
    patches = floats(2, 24, 2 + config.vision_config.patch_embed_hidden_size)
    patches[..., :2] = cells(4, 6).flip(-1) + 1
    return kosmos_inputs(config, flattened_patches=patches)


def kosmos_inputs(config, **pictures):
    text = prompt((120, config.latent_query_num))
    return {**text, "image_embeds_position_mask": (text["input_ids"] == 120).long(), **pictures}


def llava_next_inputs(config, *more):
    """Pictures of 70 by 100 points: a thumbnail and four tiles, of whose 8 by 8 features the 6 middle rows are kept, each
    with a feature for its end. more: runs of places after those of the picture."""
    size = config.vision_config.image_size
    return {
        **prompt((config.image_token_index, 16 + 6 * (8 + 1)), *more),
        "pixel_values": floats(2, 5, 3, size, size),
        "image_sizes": torch.tensor([[70, 100]] * 2),
    }


def memory_inputs(config):
    """A frame's features and the memory of two frames and four pointers to objects, the sequence first."""
    high, wide = config.memory_attention_rope_feat_sizes
    width, depth = config.memory_attention_hidden_size, config.memory_encoder_output_channels
    queries, memory = high * wide, 2 * high * wide + 4
    return {
        "current_vision_features": floats(queries, 2, width),
        "current_vision_position_embeddings": floats(queries, 2, width).tanh(),
        "memory": floats(memory, 2, depth),
        "memory_posision_embeddings": floats(memory, 2, depth).tanh(),
        "num_object_pointer_tokens": 4,
    }


def minicpm_inputs(config):
    patch = config.vision_config.patch_size
    text = prompt((config.image_start_id, 1), (config.image_token_id, 6), (config.image_end_id, 1))
    return {
        **text,
        "mm_token_type_ids": kinds(text["input_ids"], config.image_token_id),
        "pixel_values": floats(1, 3, patch, patch * 2 * 8 * 12),
        "target_sizes": torch.tensor([[8, 12]] * 2),
    }


def mllama_pictures(config, count):
    """`count` pictures a row in tiles, and the shapes in which their tiles lie; config is the vision part's."""
    ratio_mask = torch.ones(2, count, config.max_num_tiles, dtype=torch.int64)
    ratio_mask[1, 1, 2:] = ratio_mask[1, 3:4, 3:] = 0
    return {
        "pixel_values": floats(2, count, config.max_num_tiles, 3, config.image_size, config.image_size),
        "aspect_ratio_ids": torch.tensor([[6, 4, 4, 6, 8], [6, 2, 6, 3, 4]])[:, :count],
        "aspect_ratio_mask": ratio_mask,
    }


def mllama_inputs(config):
    text, pictures = prompt((config.image_token_index, 5)), mllama_pictures(config.vision_config, 5)
    length, ratio_mask = text["input_ids"].shape[1], pictures["aspect_ratio_mask"]
    seen = torch.ones(2, length, *ratio_mask.shape[1:], dtype=torch.int64) * ratio_mask[:, None]
    seen[:, 0] = 0
    return {**text, **pictures, "cross_attention_mask": seen}


def molmo2_inputs(config):
    text = prompt((config.image_start_token_id, 1), (config.image_patch_id, 8), (config.image_end_token_id, 1))
    vision = config.vision_config
    squares = torch.tensor([[0, 1, 4, 5], [2, 3, 6, 7], [8, 9, 12, 13], [10, 11, 14, 15]])
    pooling = torch.cat([squares + 16 * crop for crop in range(4)])
    pooling[-1, 2:] = -1
    return {
        **text,
        "mm_token_type_ids": kinds(text["input_ids"], config.image_patch_id),
        "pixel_values": floats(4, vision.num_position_embeddings, 3 * vision.patch_size**2),
        "image_token_pooling": pooling,
        "image_grids": torch.tensor([[2, 2, 2, 2]] * 2),
        "image_num_crops": torch.tensor([2, 2]),
    }


def muse_spark_inputs(config):
    points = config.audio_config.samples_per_token
    heard = torch.ones(2, 7 * points, dtype=torch.int64)
    heard[1, 5 * points - 3 :] = 0
    return {
        **prompt((config.image_token_id, 6), (config.audio_token_id, (7, 5))),
        **packed(config.vision_config, frames=config.vision_config.patch_temporal),
        "input_values": floats(2, 7 * points) * 0.1,
        "input_values_mask": heard,
    }


def omdet_inputs(config):
    classes, tasks = prompt(words=7), prompt(words=9)
    return {
        "pixel_values": floats(2, 3, 64, 64),
        "classes_input_ids": ints(100, 5, 7, low=8),
        "classes_attention_mask": torch.cat([classes["attention_mask"]] * 3)[:5],
        "tasks_input_ids": tasks["input_ids"],
        "tasks_attention_mask": tasks["attention_mask"],
        "classes_structure": torch.tensor([3, 2]),
    }


def paddleocr_inputs(config):
    patch = config.vision_config.patch_size
    text = prompt((config.image_token_id, 6))
    return {
        **text,
        **packed(config.vision_config, shape=(3, patch, patch)),
        "mm_token_type_ids": kinds(text["input_ids"], config.image_token_id),
    }


def pe_video_inputs(config):
    frames = torch.ones(2, 5, dtype=torch.int64)
    frames[1, 3:] = 0
    return {**prompt(), "pixel_values_videos": floats(2, 5, 3, 64, 96), "padding_mask_videos": frames}


def points_inputs(config):
    size = config.prompt_encoder_config.image_size
    return {
        "pixel_values": floats(2, 3, size, size),
        "input_points": floats(2, 3, 5, 2).sigmoid() * size,
        "input_labels": ints(2, 2, 3, 5),
    }


def step3p7_inputs(config):
    return {
        **prompt((config.image_token_id, (16, 12))),
        "pixel_values": picture(config.vision_config),
        "pixel_values_local": floats(5, 3, 84, 84),
        "num_local_patches": torch.tensor([3, 2]),
    }


EXCEPTIONS = {
    "aria": {
        "reason": "the projector has so many queries for each number of patches that its table says",
        "config": {"projector_patch_to_query_dict": {16: 6}},
    },
    "blip-2": {
        "reason": "image_token_index has no default; the model does not check the number of places",
        "config": {"image_token_index": 127},
        "for_class": {
            "Blip2ForImageTextRetrieval": {
                "qformer_config": Blip2QFormerConfig(
                    hidden_size=48,
                    num_attention_heads=4,
                    num_hidden_layers=2,
                    intermediate_size=96,
                    vocab_size=128,
                    encoder_hidden_size=64,
                    use_qformer_text_input=True,
                ),
                "image_text_hidden_size": 24,
            }
        },
        "inputs_for": {"Blip2ForImageTextRetrieval": lambda c: {**prompt(), "pixel_values": picture(c.vision_config)}},
        "inputs": lambda c: {
            **prompt((c.image_token_index, c.num_query_tokens)),
            "pixel_values": picture(c.vision_config),
        },
    },
    "cohere_compass": {
        "reason": "the rotary embedding's parameters stand by kind of layer; the end token must not be the picture's",
        "config": {
            "text_config": {
                "eos_token_id": 3,
                "rope_parameters": {
                    "full_attention": {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [2, 3, 3]}
                },
            },
            "vision_config": {"out_hidden_size": 64, "deepstack_visual_indexes": [0, 1], "num_position_embeddings": 64},
        },
    },
    "deepseek_ocr2": {
        "reason": "mlp_layer_types and num_experts_per_tok have no default; the vision part's width stands in three places",
        "config": {
            "text_config": {"mlp_layer_types": ["dense", "sparse"], "num_experts_per_tok": 2},
            "vision_config": {
                "sam_config": {"downsample_channels": [48, 64], "global_attn_indexes": [1], "window_size": 3},
            },
        },
        "inputs": deepseek_ocr2_inputs,
    },
    "deepseek_vl": {
        "reason": "what the model says of places that do not match counts values, not features",
        "inputs": deepseek_vl_inputs,
    },
    "deepseek_vl_hybrid": {
        "reason": "each picture is given in two sizes; the index of the global layer must be one of the layers",
        "config": {"high_res_vision_config": {"global_attn_indexes": [1], "window_size": 3, "image_size": 96}},
        "prepare": open_gates,
        "inputs": deepseek_vl_hybrid_inputs,
    },
    "diffusion_gemma": {
        "reason": "the experts have no default; the canvas is drawn at random unless it is given",
        "config": {
            "canvas_length": 7,
            "text_config": {
                "global_head_dim": 32,
                "num_experts": 4,
                "top_k_experts": 2,
                "moe_intermediate_size": 32,
            },
        },
        "inputs": diffusion_gemma_inputs,
    },
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
    "edgetam": {
        "reason": "its backbone is timm's; a ResNet stands for it, wrapped so that it gives the maps of its stages",
        "config": {
            "vision_config": {
                "backbone_config": resnet(),
                "backbone_channel_list": [32, 24, 16, 8],
                "backbone_feature_sizes": [[16, 16], [8, 8], [4, 4]],
                "fpn_hidden_size": 64,
            },
        },
        "prepare": wrap_backbone,
        "inputs": points_inputs,
    },
    "edgetam_video": {
        "reason": "the whole model takes an inference session; the memory attention is the part of it that is its own",
        "class": "EdgeTamVideoMemoryAttention",
        "config": {"memory_attention_rope_feat_sizes": [4, 6], "memory_attention_rope_k_sizes": [3, 3]},
        "inputs": edgetam_memory_inputs,
    },
    "emu3": {
        "reason": "vocabulary_map has no default; the norms have 32 groups",
        "config": {
            "vocabulary_map": {
                **{f"<|visual token {i:06d}|>": 64 + i for i in range(32)},
                "<|extra_200|>": 120,
                "<image>": 121,
            },
            "vq_config": {"codebook_size": 32, "base_channels": 32, "num_res_blocks": 1, "hidden_size": 128},
        },
        "prepare": spread_codes,
        "inputs": emu3_inputs,
    },
    "ernie4_5_vl_moe": {
        "reason": "of the rotary embedding's sections the first two are for the height and the width, and as long",
        "config": {
            "text_config": {
                "rope_parameters": {"rope_type": "default", "rope_theta": 500000.0, "mrope_section": [3, 3, 2]},
                "moe_intermediate_size": [32, 16],
            },
        },
    },
    "fast_vlm": {
        "reason": "its vision part is timm's; a ResNet stands for it",
        "config": {"vision_config": resnet(hidden_size=32)},
    },
    "florence2": {
        "reason": "widths of the vision part stand in lists, and its projection must be as wide as the text part",
        "config": {
            "vision_config": {
                "embed_dim": [16, 32, 48, 64],
                "num_heads": [1, 2, 3, 4],
                "num_groups": [1, 2, 3, 4],
                "window_size": 3,
                "projection_dim": 64,
            },
        },
        "inputs": florence2_inputs,
    },
    "gemma3": {
        "reason": "the projector pools the patches to mm_tokens_per_image",
        "config": {"mm_tokens_per_image": 4},
        "extra": lambda c, found: {"token_type_ids": kinds(found["input_ids"], c.image_token_id)},
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
        "reason": "pictures and sound are optional parts; kinds of layers and their heads' width vary by layer",
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
    "gemma4_assistant": {
        "reason": "Transformers' check of shared keys and values refuses that all are, as must be: made so after",
        "config": {
            "backbone_hidden_size": 48,
            "text_config": assistant(Gemma4TextConfig, num_kv_shared_layers=2, **NO_LAYER_INPUTS),
        },
        "for_class": {"Gemma4AssistantForCausalLM": {"text_config": assistant(Gemma4TextConfig, **NO_LAYER_INPUTS)}},
        "prepare": share_all_layers,
        "inputs": assistant_inputs,
    },
    "gemma4_unified_assistant": {
        "reason": "Transformers' check of shared keys and values refuses that all are, as must be: made so after",
        "config": {"backbone_hidden_size": 48},
        "for_class": {"Gemma4UnifiedAssistantForCausalLM": {"text_config": assistant(Gemma4UnifiedTextConfig)}},
        "prepare": share_all_layers,
        "inputs": assistant_inputs,
    },
    "glm5_next": {
        "reason": "the padding token must not be the picture's; few enough keys that the indexer leaves some out",
        "config": {"text_config": {"pad_token_id": 0, "index_topk": 8, "index_kpool": 4}},
        "prepare": open_gates,
    },
    "glm_image": {
        "reason": "grids name the pictures that are given and those that are to be made, so many a row",
        "config": {"text_config": {"pad_token_id": 0, "eos_token_id": 1}},
        "inputs": glm_image_inputs,
    },
    "granite_docling": {
        "reason": "pictures are given in tiles with a mask of them; deepstack features come from named layers",
        "config": {
            "text_config": {"pad_token_id": 0, "eos_token_id": 1, "bos_token_id": 2},
            "vision_config": {"image_size": 128, "deepstack_visual_indexes": [0, 1]},
        },
        "inputs": granite_docling_inputs,
    },
    "inkling2": {
        "reason": "a picture is given as one square for each place in the text",
        "config": {"vision_config": {"patch_size": 4, "posemb_grid_size": 5}, "text_config": {"eos_token_id": 1}},
        "prepare": open_gates,
        "inputs": inkling2_inputs,
    },
    "inkling_mm_model": {
        "reason": "a picture is given as one block of frames for each place in the text, sound as quantized bins",
        "config": {
            "vision_config": {"patch_size": 8},
            "audio_config": {"n_mel_bins": 12, "mel_vocab_size": 16},
        },
        "inputs": inkling_inputs,
    },
    "instructblip": {
        "reason": "image_token_index has no default; the model does not check the number of places",
        "config": {"image_token_index": 127},
        "inputs": lambda c: {
            **prompt((c.image_token_index, c.num_query_tokens)),
            **question(),
            "pixel_values": picture(c.vision_config),
        },
    },
    "instructblipvideo": {
        "reason": "video_token_index has no default; each frame has the same number of places",
        "config": {"video_token_index": 127},
        "inputs": lambda c: {
            **prompt((c.video_token_index, 5 * c.num_query_tokens)),
            **question(),
            "pixel_values": floats(2, 5, 3, c.vision_config.image_size, c.vision_config.image_size),
        },
    },
    "janus": {
        "reason": "what the model says of places that do not match counts values, not features",
        "config": {
            "vision_config": {"num_image_tokens": 16},
            "vq_config": {"base_channels": 32, "num_res_blocks": 1},
        },
        "inputs": deepseek_vl_inputs,
    },
    "jev": {
        "reason": "it takes one prompt, with the places and the kinds of the questions in it",
        "config": {"text_config": {"rope_parameters": THREE_AXES}},
        "inputs": jev_inputs,
    },
    "kimi_k25": {
        "reason": "patches are given as pictures, not as rows of values",
        "inputs": lambda c: {
            **prompt((c.image_token_id, 6)),
            **packed(c.vision_config, shape=(3, c.vision_config.patch_size, c.vision_config.patch_size)),
        },
    },
    "kosmos-2": {
        "reason": "a mask says where the features of the picture go",
        "inputs": lambda c: kosmos_inputs(c, pixel_values=picture(c.vision_config)),
    },
    "kosmos-2.5": {
        "reason": "patches come with their row and column; a mask says where the features of the picture go",
        "config": {"vision_config": {"patch_embed_hidden_size": 48, "max_num_patches": 32}},
        "inputs": kosmos2_5_inputs,
    },
    "lfm3_vl": {
        "reason": "the padding token must not be the picture's",
        "config": {"text_config": {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}},
    },
    "llama4": {
        "reason": "the projector joins pixel_shuffle_ratio**-2 features of the vision part",
        "config": {"vision_config": {"intermediate_size": 256, "projector_input_dim": 64, "projector_output_dim": 64}},
    },
    "llava_next": {
        "reason": "a picture is given as a thumbnail and tiles, after the sizes in image_grid_pinpoints",
        "config": TILES,
        "inputs": llava_next_inputs,
    },
    "llava_next_video": {
        "reason": "a picture is given as a thumbnail and tiles, after the sizes in image_grid_pinpoints; films are pooled",
        "config": TILES,
        "inputs": lambda c: {
            **llava_next_inputs(c, (c.video_token_index, 4 * 4)),
            "pixel_values_videos": floats(2, 4, 3, c.vision_config.image_size, c.vision_config.image_size),
        },
    },
    "llava_onevision": {
        "reason": "a picture is given as a thumbnail and tiles, after the sizes in image_grid_pinpoints; films are pooled",
        "config": TILES,
        "inputs": lambda c: {
            **llava_next_inputs(c, (c.video_token_index, 4 * 4 + 1)),
            "pixel_values_videos": floats(2, 4, 3, c.vision_config.image_size, c.vision_config.image_size),
        },
    },
    "minicpmv4_7": {
        "reason": "the markers around a picture have no default; pictures are given as one row of patches",
        "config": {
            "image_token_id": 127,
            "video_token_id": 126,
            "image_start_id": 120,
            "image_end_id": 121,
            "slice_start_id": 122,
            "slice_end_id": 123,
            "newline_id": 124,
            "insert_layer_id": 0,
            "vision_config": {"image_size": 64, "patch_size": 4},
            "text_config": {"rope_parameters": THREE_AXES},
        },
        "inputs": minicpm_inputs,
    },
    "mllama": {
        "reason": "indices of layers must be among the layers; tiles come with the shape in which they lie",
        "config": {
            "text_config": {
                "num_hidden_layers": 3,
                "cross_attention_layers": [1],
                "bos_token_id": 1,
                "eos_token_id": 2,
                "pad_token_id": 3,
            },
            "vision_config": {"intermediate_layers_indices": [0, 1], "vision_output_dim": 192},
        },
        "prepare": open_gates,
        "inputs_for": {"MllamaVisionModel": lambda c: mllama_pictures(c, 2)},
        "inputs": mllama_inputs,
    },
    "modernvbert": {
        "reason": "the padding token must not be the picture's; a picture must have a patch for each place",
        "config": {
            "pixel_shuffle_factor": 2,
            "text_config": MODERNBERT_TOKENS,
        },
    },
    "molmo2": {
        "reason": "indices of layers must be among the layers; pictures come with what each place pools",
        "config": {
            "image_start_token_id": 128,
            "image_end_token_id": 129,
            "image_patch_id": 130,
            "low_res_image_start_token_id": 131,
            "frame_start_token_id": 132,
            "frame_end_token_id": 133,
            "text_config": {"additional_vocab_size": 8},
            "vision_config": {"image_size": [56, 56], "num_position_embeddings": 16},
            "adapter_config": {"vision_feature_layer": [1, 0], "text_hidden_size": 64},
        },
        "inputs": molmo2_inputs,
    },
    "muse_glimmer": {
        "reason": "a patch holds patch_temporal frames; the end token must not be the picture's",
        "config": {"out_hidden_size": 256, "text_config": {"eos_token_id": 1, "bos_token_id": 2}},
        "inputs": lambda c: {
            **prompt((c.image_token_id, 6)),
            **packed(c.vision_config, frames=c.vision_config.patch_temporal),
        },
    },
    "muse_spark": {
        "reason": "the audio part must be as wide as the text part; a token of sound stands for product(patch_sizes) values",
        "config": {
            "out_hidden_size": 256,
            "text_config": {"eos_token_id": 1, "bos_token_id": 2},
            "audio_config": {
                "patch_sizes": [4, 3, 2, 2],
                "hidden_sizes": [16, 24, 32, 48],
                "depths": [1, 1, 1, 1],
                "num_hidden_layers": 4,
                "out_hidden_size": 64,
            },
        },
        "inputs": muse_spark_inputs,
    },
    "omdet-turbo": {
        "reason": "its backbone is timm's, Transformers' Swin stands for it; classes must be wider than the decoder",
        "config": {
            "use_timm_backbone": False,
            "apply_layernorm_after_vision_backbone": False,
            "backbone_config": SwinConfig(
                image_size=64,
                embed_dim=16,
                depths=[1, 1, 1, 1],
                num_heads=[1, 2, 2, 4],
                window_size=4,
                out_indices=[2, 3, 4],
            ),
            "encoder_in_channels": [32, 64, 128],
            "encoder_hidden_dim": 32,
            "encoder_attention_heads": 2,
            "vision_features_channels": [32, 32, 32],
            "decoder_hidden_dim": 32,
            "decoder_num_heads": 2,
            "text_projection_in_dim": 64,
            "text_config": {"bos_token_id": 3, "eos_token_id": 4},
        },
        "inputs": omdet_inputs,
    },
    "paddleocr_vl": {
        "reason": "patches are given as pictures, not as rows of values",
        "inputs": paddleocr_inputs,
    },
    "paligemma": {
        "reason": "heads and patches of its parts are not their classes' defaults",
        "config": {"text_config": {"num_key_value_heads": 1}, "vision_config": {"patch_size": 14, "image_size": 56}},
    },
    "pe_video": {
        "reason": "its picture part is timm's; a ResNet stands for it",
        "config": {
            "video_config": {"vision_config": resnet(num_labels=48)},
            "text_config": MODERNBERT_TOKENS,
        },
        "inputs": pe_video_inputs,
    },
    "perception_lm": {
        "reason": "its vision part is timm's; Transformers' ViT stands for it",
        "config": {
            "projector_pooling_ratio": 2,
            "vision_config": ViTConfig(
                hidden_size=48,
                intermediate_size=96,
                num_hidden_layers=2,
                num_attention_heads=3,
                image_size=64,
                patch_size=16,
                model_args={"embed_dim": 48},
            ),
        },
        "inputs": lambda c: {**prompt((c.image_token_id, 5 * 4)), "pixel_values": floats(2, 5, 3, 64, 64)},
    },
    "qwen2_5_vl": {
        "reason": "the begin and end tokens must not be the picture's; one layer sees the whole picture",
        "config": {
            "text_config": {"bos_token_id": 1, "eos_token_id": 2},
            "vision_config": {"fullatt_block_indexes": [1]},
        },
    },
    "qwen2_vl": {
        "reason": "the begin and end tokens must not be the picture's",
        "config": {"text_config": {"bos_token_id": 1, "eos_token_id": 2}},
    },
    "qwen4_exp": {
        "reason": "the indexer has no defaults; the embeddings of word groups have 20 million rows for each head",
        "config": {
            "text_config": {
                "eos_token_id": 1,
                "hc_lowrank": 16,
                "ple_layer_ids": [1],
                "ple_embed_dim": 64,
                "heads_per_ngram": 2,
                "ngram_vocab_size_base": 61,
                "make_ngram_vocab_size_divisible_by": 8,
                "split_ngram_parts": 4,
                "indexer_n_heads": 2,
                "indexer_kv_heads": 1,
                "indexer_head_dim": 16,
                "indexer_budget": 8,
                "indexer_compress_ratio": 4,
            },
            "vision_config": {"num_position_embeddings": 64},
        },
    },
    "sam2": {
        "reason": "sizes of the vision part's stages stand in lists, in three places",
        "config": {
            "vision_config": {
                "backbone_config": HIERA_STAGES,
                "backbone_channel_list": [64, 48, 32, 16],
                "backbone_feature_sizes": [[16, 16], [8, 8], [4, 4]],
                "fpn_hidden_size": 64,
            },
        },
        "inputs": points_inputs,
    },
    "sam2_video": {
        "reason": "the whole model takes an inference session; the memory attention is the part of it that is its own",
        "class": "Sam2VideoMemoryAttention",
        "config": {"memory_attention_rope_feat_sizes": [4, 6]},
        "inputs": memory_inputs,
    },
    "sam3_tracker": {
        "reason": "sizes of the vision part's maps stand in a list; one layer sees the whole picture, one windows of it",
        "config": {
            "vision_config": {
                "backbone_config": {"window_size": 3, "global_attn_indexes": [1], "pretrain_image_size": 28},
                "backbone_feature_sizes": [[16, 16], [8, 8], [4, 4]],
            },
        },
        "inputs": points_inputs,
    },
    "sam3_tracker_video": {
        "reason": "the whole model takes an inference session; the memory attention is the part of it that is its own",
        "class": "Sam3TrackerVideoMemoryAttention",
        "config": {"image_size": 70},
        "inputs": memory_inputs,
    },
    "shieldgemma2": {
        "reason": "the projector pools the patches to mm_tokens_per_image",
        "config": {"mm_tokens_per_image": 4, "yes_token_index": 5, "no_token_index": 6},
        "extra": lambda c, found: {"token_type_ids": kinds(found["input_ids"], c.image_token_index)},
    },
    "step3p7": {
        "reason": "sliding layers are an option that the model's masks need; pictures come with tiles of them",
        "config": {
            "text_config": {
                "layer_types": ["full_attention", "sliding_attention"],
                "sliding_window": 8,
                "num_sliding_attention_heads": 2,
                "share_expert_dim": 32,
                "moe_intermediate_size": 32,
            },
            "vision_config": {"image_size": 112, "max_position_embeddings": 64},
        },
        "inputs": step3p7_inputs,
    },
    "unlimited_ocr": {
        "reason": "the maps of the first vision part are the patches of the second",
        "config": {
            "vision_config": {
                "sam_config": {
                    "downsample_channels": [48, 64],
                    "global_attn_indexes": [1],
                    "window_size": 3,
                    "image_size": 128,
                },
            },
        },
        "inputs": lambda c: {**prompt((c.image_token_id, 2 * 3 + 1)), "pixel_values": floats(2, 3, 128, 128)},
    },
    "video_llama_3": {
        "reason": "pictures come with the number of patches that are merged to a place",
        "inputs": lambda c: {
            **prompt((c.image_token_id, 6)),
            **packed(c.vision_config),
            "image_merge_sizes": torch.tensor([2, 2]),
        },
    },
    "vipllava": {
        "reason": "indices of layers must be among the layers; patches of its vision part are not its class's default",
        "config": {
            "vision_feature_layer": [-2, -1, 1],
            "vision_config": {"num_hidden_layers": 3, "image_size": 56, "patch_size": 14},
        },
    },
}
