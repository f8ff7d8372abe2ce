"""Exceptions for models of images and text. See __init__.py for what an entry may hold."""

import torch
from inputs.multimodal import (
    assistant_inputs,
    deepseek_vl_hybrid_inputs,
    deepseek_vl_inputs,
    diffusion_gemma_inputs,
    emu3_inputs,
    florence2_inputs,
    glm_image_inputs,
    images,
    inkling2_inputs,
    jev_inputs,
    kinds,
    kosmos_inputs,
    llava_next_inputs,
    minicpm_inputs,
    mllama_images,
    mllama_inputs,
    molmo2_inputs,
    packed,
    pi0_inputs,
    pi0_policy_inputs,
    prompt,
    question,
    step3p7_inputs,
)
from inputs.tensors import floats, ints, ones, padded_mask
from transformers import Blip2QFormerConfig, Gemma4TextConfig, Gemma4UnifiedTextConfig, ResNetConfig


def idefics_resampler(config):
    """The resampler of Idefics, whose constructor takes its sizes one by one."""
    from transformers import IdeficsConfig
    from transformers.models.idefics.perceiver import IdeficsPerceiverResampler

    whole = IdeficsConfig(perceiver_config=config, vision_config={"embed_dim": 48})
    return IdeficsPerceiverResampler(
        whole,
        whole.vision_config.embed_dim,
        config.resampler_depth,
        config.resampler_n_heads,
        config.resampler_head_dim,
        config.resampler_n_latents,
    )


def image_codes():
    """Chameleon's names of tokens that stand for codes of its image tokenizer: digits are written as letters."""
    letters = {str(digit): chr(ord("A") + digit) for digit in range(10)}
    codes = {"IMGIMG" + "".join(letters[d] for d in str(code)) + "Z": 64 + code for code in range(32)}
    return {"<image>": 100, **codes}


PALIGEMMA = {
    "text_config": {"num_key_value_heads": 1},
    "vision_config": {"patch_size": 14, "image_size": 42, "vision_use_head": False},
    "image_token_id": 127,
    "projection_dim": 64,
}


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


def resnet(config_class=ResNetConfig, **options):
    """The configuration of a small ResNet; its last map is a 32nd of the image in height and width, 32 deep."""
    return config_class(
        num_channels=3,
        embedding_size=8,
        hidden_sizes=[8, 16, 24, 32],
        depths=[1, 1, 2, 1],
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
    """Brings an image and the codes that it is looked up among to one scale, so that it has many of them; most frames of
    a single image are padding in the convolutions over time."""
    coder = getattr(model, "model", model).vqmodel
    with torch.no_grad():
        for layer in coder.encoder.time_conv:
            layer.conv.conv.weight.mul_(4)
        coder.quantize.embedding.weight.mul_(0.5)


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


EXCEPTIONS = {
    "aria": {
        "reason": "the projector has so many queries for each number of patches that its table says",
        "config": {"projector_patch_to_query_dict": {16: 6}},
    },
    "blip-2": {
        "reason": "image_token_index has no default; the model does not check the number of placeholders",
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
        "inputs_for": {"Blip2ForImageTextRetrieval": lambda c: {**prompt(), "pixel_values": images(c.vision_config)}},
        "inputs": lambda c: {
            **prompt((c.image_token_index, c.num_query_tokens)),
            "pixel_values": images(c.vision_config),
        },
    },
    "blip_text_model": {
        "reason": "no auto class knows it; its cross-attention needs features of an image",
        "class": "BlipTextModel",
        "config": {"encoder_hidden_size": 48},
        "extra": lambda config, inputs: {
            "encoder_hidden_states": floats(2, 17, config.encoder_hidden_size),
            "encoder_attention_mask": ones(2, 17),
        },
    },
    "chameleon": {
        "reason": "vocabulary_map has no default: it says which tokens stand for codes of the image tokenizer",
        "config": {
            "vocabulary_map": image_codes(),
            "vq_config": {"num_embeddings": 32, "base_channels": 32, "resolution": 64},
        },
    },
    "cohere_compass": {
        "reason": "the rotary embedding's parameters stand by kind of layer; the end token must not be the image token",
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
    "deepseek_vl": {
        "reason": "the model's message about placeholders that do not match counts values, not features",
        "inputs": deepseek_vl_inputs,
    },
    "deepseek_vl_hybrid": {
        "reason": "each image is given in two sizes; the index of the global layer must be one of the layers",
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
    "flava": {"reason": "computes a loss by default, which cannot be exported", "config": {"return_loss": False}},
    "flava_multimodal_model": {
        "reason": "takes the features of images and text, joined in one sequence; a class token is put before them",
        "inputs": lambda config: {
            "hidden_states": floats(2, 17, config.hidden_size),
            "attention_mask": torch.cat([ones(2, 5), padded_mask(2, 13)], 1).float(),
        },
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
        "reason": "the padding token must not be the image token; few enough keys that the indexer leaves some out",
        "config": {"text_config": {"pad_token_id": 0, "index_topk": 8, "index_kpool": 4}},
        "prepare": open_gates,
    },
    "glm_image": {
        "reason": "the grids of a row are those of the images that are given and of those to be made",
        "config": {"text_config": {"pad_token_id": 0, "eos_token_id": 1}},
        "inputs": glm_image_inputs,
    },
    "idefics": {
        "reason": "needs a mask of the images each word sees; gates that start at 0 would hide the images",
        "config": {"alpha_initializer": "ones", "use_resampler": True, "qk_layer_norms": True},
        "inputs": lambda config: {
            "input_ids": ints(120, 2, 13, low=5),
            "attention_mask": padded_mask(2, 13),
            "pixel_values": floats(2, 3, 3, config.vision_config.image_size, config.vision_config.image_size),
            "image_attention_mask": torch.tensor([[1, 0, 0]] * 4 + [[1, 1, 0]] * 4 + [[1, 1, 1]] * 5).repeat(2, 1, 1),
        },
    },
    "idefics_perciever": {
        "reason": "a part that is a plain module; its constructor takes its sizes one by one",
        "class": idefics_resampler,
        "config": {"use_resampler": True, "qk_layer_norms_perceiver": True},
        "inputs": lambda config: {"context": floats(2, 17, 48)},
    },
    "inkling2": {
        "reason": "an image is given as one square for each placeholder in the text",
        "config": {"vision_config": {"patch_size": 4, "posemb_grid_size": 5}, "text_config": {"eos_token_id": 1}},
        "prepare": open_gates,
        "inputs": inkling2_inputs,
    },
    "instructblip": {
        "reason": "image_token_index has no default; the model does not check the number of placeholders",
        "config": {"image_token_index": 127},
        "inputs": lambda c: {
            **prompt((c.image_token_index, c.num_query_tokens)),
            **question(),
            "pixel_values": images(c.vision_config),
        },
    },
    "janus": {
        "reason": "the model's message about placeholders that do not match counts values, not features",
        "config": {
            "vision_config": {"num_image_tokens": 16},
            "vq_config": {"base_channels": 32, "num_res_blocks": 1},
        },
        "inputs": deepseek_vl_inputs,
    },
    "jev": {
        "reason": "it takes one prompt, with the positions and the kinds of the questions in it",
        "config": {"text_config": {"rope_parameters": THREE_AXES}},
        "inputs": jev_inputs,
    },
    "kimi_k25": {
        "reason": "patches are given as images, not as rows of values",
        "inputs": lambda c: {
            **prompt((c.image_token_id, 6)),
            **packed(c.vision_config, shape=(3, c.vision_config.patch_size, c.vision_config.patch_size)),
        },
    },
    "kosmos-2": {
        "reason": "a mask says where the features of the image go",
        "inputs": lambda c: kosmos_inputs(c, pixel_values=images(c.vision_config)),
    },
    "lfm3_vl": {
        "reason": "the padding token must not be the image token",
        "config": {"text_config": {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}},
    },
    "llama4": {
        "reason": "the projector joins pixel_shuffle_ratio**-2 features of the vision part",
        "config": {"vision_config": {"intermediate_size": 256, "projector_input_dim": 64, "projector_output_dim": 64}},
    },
    "llava_next": {
        "reason": "an image is given as a thumbnail and tiles, after the sizes in image_grid_pinpoints",
        "config": TILES,
        "inputs": llava_next_inputs,
    },
    "lxmert": {
        "reason": "needs features of an image's regions and their positions",
        "config": {"visual_feat_dim": 48},
        "extra": lambda config, inputs: {
            "visual_feats": floats(2, 7, config.visual_feat_dim),
            "visual_pos": floats(2, 7, config.visual_pos_dim).sigmoid(),
            "visual_attention_mask": padded_mask(2, 7),
        },
    },
    "minicpmv4_7": {
        "reason": "the markers around an image have no default; images are given as one row of patches",
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
        "inputs_for": {"MllamaVisionModel": lambda c: mllama_images(c, 2)},
        "inputs": mllama_inputs,
    },
    "modernvbert": {
        "reason": "the padding token must not be the image token; an image must have a patch for each placeholder",
        "config": {
            "pixel_shuffle_factor": 2,
            "text_config": MODERNBERT_TOKENS,
        },
    },
    "molmo2": {
        "reason": "indices of layers must be among the layers; images come with what each placeholder pools",
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
        "reason": "a patch holds patch_temporal frames; the end token must not be the image token",
        "config": {"out_hidden_size": 256, "text_config": {"eos_token_id": 1, "bos_token_id": 2}},
        "inputs": lambda c: {
            **prompt((c.image_token_id, 6)),
            **packed(c.vision_config, frames=c.vision_config.patch_temporal),
        },
    },
    "paligemma": {
        "reason": "heads and patches of its parts are not their classes' defaults",
        "config": {"text_config": {"num_key_value_heads": 1}, "vision_config": {"patch_size": 14, "image_size": 56}},
    },
    "pi0": {
        "reason": "takes actions beside images and text; both of its transformers must have the same heads",
        "config": {
            "chunk_size": 7,
            "vlm_config": PALIGEMMA,
            "dit_config": {"hidden_size": 32, "intermediate_size": 48, "num_key_value_heads": 1},
        },
        "inputs": pi0_inputs,
        "inputs_for": {"PI0ForConditionalGeneration": pi0_policy_inputs},
    },
    "qwen2_5_vl": {
        "reason": "the begin and end tokens must not be the image token; one layer sees the whole image",
        "config": {
            "text_config": {"bos_token_id": 1, "eos_token_id": 2},
            "vision_config": {"fullatt_block_indexes": [1]},
        },
    },
    "qwen2_vl": {
        "reason": "the begin and end tokens must not be the image token",
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
    "shieldgemma2": {
        "reason": "the projector pools the patches to mm_tokens_per_image",
        "config": {"mm_tokens_per_image": 4, "yes_token_index": 5, "no_token_index": 6},
        "extra": lambda c, found: {"token_type_ids": kinds(found["input_ids"], c.image_token_index)},
    },
    "step3p7": {
        "reason": "sliding layers are an option that the model's masks need; images come with tiles of them",
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
    "vilt": {
        "reason": "takes an image beside text; from pixels it draws the order of the patches at random, so that it is "
        "given their embeddings",
        "extra": lambda config, inputs: {
            "image_embeds": floats(2, 17, config.hidden_size),
            "pixel_mask": padded_mask(2, 17),
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
