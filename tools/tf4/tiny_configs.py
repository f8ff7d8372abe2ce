"""Tiny configurations of the model types that Transformers 4.46 has in TensorFlow.

Fields of a default configuration that are sizes become small ones by their names; what that gets wrong for a type stands
in CHANGES. VARIANTS are further configurations of a type that give its classes other weights: other parts, other names.
"""

import re

WIDTH, FEED_FORWARD, VOCABULARY = 32, 40, 96

# (pattern of a field's name, its small value); the first that matches decides. Only whole numbers above it change.
RULES = [
    (r"token_id|_index$|num_labels|num_channels|_stride$|stride$|patch_size|num_hidden_groups|inner_group_num", None),
    (r"vocab_size$", VOCABULARY),
    (r"decoder_layers$|^x_layers$|^r_layers$|num_decoder_layers$|decoder_num_hidden_layers", 3),
    (r"hidden_layers$|^n_layers?$|num_layers$|encoder_layers$|^l_layers$|resampler_depth", 2),
    (r"^d_kv$|d_head$|head_dim$", 8),
    (r"heads?$", 4),
    (r"ffn_dim$|intermediate_size$|^d_ff$|^dff$|^d_inner$|^hidden_dim$|mlp_dim$|projection_intermediate_dim", FEED_FORWARD),
    (r"hidden_size$|d_model$|d_embed$|n_embd$|^dim$|emb_dim$|embed_dim$|embedding_size$|projection_dim$|_proj_dim$|_proj_size$"
     r"|conv_channels|codevector_dim|visual_feat_dim|bottleneck_size|output_channels|aspp_out_channels|auxiliary_channels", WIDTH),
    (r"position_embeddings$|n_positions|_positions$|position", 64),
    (r"num_(qa|object|attr)_labels", 7),
    (r"coordinate_size|shape_size", 5),
    (r"resampler_n_latents|num_queries", 6),
    (r"num_conv_pos_embeddings", 16),
    (r"num_conv_pos_embedding_groups", 2),
    (r"mem_len", 16),
    (r"rotary_dim", 4),
    (r"attention_window", 4),
]  # fmt: skip
RULES = [(re.compile(pattern), value) for pattern, value in RULES]

STAGES = {"hidden_sizes": [16, 24, 32, 40], "depths": [1, 2, 1, 1]}
LANGUAGE = {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}

# What the rules cannot know, by model type. Nested for parts.
CHANGES = {
    "bart": LANGUAGE,
    "blip": {
        "image_text_hidden_size": 24,
        "text_config": {"bos_token_id": 1, "eos_token_id": 2, "sep_token_id": 2, "projection_dim": 24},
        "vision_config": {"image_size": 32, "num_channels": 3},
    },
    "clip": {"text_config": {"eos_token_id": 2, "bos_token_id": 1}, "vision_config": {"image_size": 64}},
    "convbert": {"conv_kernel_size": 5, "embedding_size": 24},
    "convnext": {**STAGES, "image_size": 64, "layer_scale_init_value": 0.5},
    "convnextv2": {**STAGES, "image_size": 64},
    "ctrl": {"pad_token_id": 0},
    "cvt": {"embed_dim": [16, 24, 32], "num_heads": [1, 2, 4], "depth": [1, 2, 3], "image_size": 64},
    "data2vec-vision": {
        "image_size": 96, "patch_size": 8, "num_hidden_layers": 4, "out_indices": [0, 1, 2, 3], "use_relative_position_bias": True,
        "drop_path_rate": 0.0,
    },
    "deberta": {"type_vocab_size": 2, "relative_attention": True, "pos_att_type": ["c2p", "p2c"], "position_biased_input": True},
    "deberta-v2": {"type_vocab_size": 2, "relative_attention": True, "pos_att_type": ["c2p", "p2c"], "norm_rel_ebd": "layer_norm"},
    "deit": {"image_size": 32, "patch_size": 8, "encoder_stride": 8},
    "dpr": {"projection_dim": 0},
    "efficientformer": {
        "hidden_sizes": [16, 24, 32, 40], "depths": [1, 1, 2, 2], "dim": 40, "num_attention_heads": 2, "num_meta3d_blocks": 1,
        "image_size": 64, "resolution": 2, "key_dim": 8, "layer_scale_init_value": 0.5, "hidden_size": 40,
    },
    "electra": {"embedding_size": 24, **LANGUAGE},
    "esm": {"vocab_size": VOCABULARY, "mask_token_id": 4, "pad_token_id": 1, "position_embedding_type": "absolute"},
    "flaubert": {"initializer_range": 0.02},
    "funnel": {"block_sizes": [1, 2, 1], "num_decoder_layers": 2},
    "gpt-sw3": LANGUAGE,
    "gpt2": LANGUAGE,
    "gptj": LANGUAGE,
    "groupvit": {
        "text_config": {"eos_token_id": 2, "bos_token_id": 1},
        "vision_config": {"image_size": 64, "depths": [1, 2, 1], "num_group_tokens": [8, 4, 0], "num_output_groups": [8, 4, 4]},
        "projection_dim": 24,
    },
    "hubert": {"conv_dim": [16, 16, 16], "conv_stride": [5, 2, 2], "conv_kernel": [10, 3, 3], "num_feat_extract_layers": 3},
    "idefics": {
        "additional_vocab_size": 4, "cross_layer_interval": 2, "qk_layer_norms": False, "vision_config": {"image_size": 28},
        "perceiver_config": {"use_resampler": True}, "use_resampler": True, "alpha_initializer": "ones",
    },
    "layoutlmv3": {"input_size": 32, "coordinate_size": 5, "shape_size": 6, **LANGUAGE},
    "led": {**LANGUAGE, "attention_window": 4},
    "longformer": {"attention_window": 4},
    "lxmert": {"l_layers": 2, "r_layers": 1, "x_layers": 1},
    "marian": {**LANGUAGE, "decoder_start_token_id": 3, "pad_token_id": 3, "decoder_vocab_size": VOCABULARY},
    "mbart": LANGUAGE,
    "mistral": {"num_key_value_heads": 2, "head_dim": 8, **LANGUAGE},
    "mobilebert": {"embedding_size": 24, "intra_bottleneck_size": 16, "num_feedforward_networks": 2},
    "mobilevit": {"hidden_sizes": [16, 24, 32], "neck_hidden_sizes": [4, 8, 8, 16, 16, 24, 32], "image_size": 64},
    "openai-gpt": {"pad_token_id": 0},
    "opt": {**LANGUAGE, "word_embed_proj_dim": 24},
    "regnet": {"embedding_size": 8, "hidden_sizes": [8, 16, 24, 32], "depths": [1, 2, 1, 1], "groups_width": 8},
    "rembert": {"input_embedding_size": 24, "output_embedding_size": 20},
    "resnet": {"embedding_size": 8, "hidden_sizes": [16, 24, 32, 40], "depths": [1, 2, 1, 1]},
    "roformer": {"embedding_size": 24},
    "sam": {
        "vision_config": {"image_size": 64, "output_channels": 16, "window_size": 2, "global_attn_indexes": [1], "num_pos_feats": 8,
                          "mlp_dim": 40},
        "prompt_encoder_config": {"image_size": 64, "image_embedding_size": 4, "hidden_size": 16},
        "mask_decoder_config": {"hidden_size": 16, "iou_head_hidden_dim": 24, "num_attention_heads": 2},
    },
    "segformer": {"hidden_sizes": [8, 16, 24, 32], "depths": [1, 2, 1, 1], "num_attention_heads": [1, 2, 2, 4],
                  "drop_path_rate": 0.0},
    "speech_to_text": {**LANGUAGE, "input_feat_per_channel": 12},
    "swiftformer": {"embed_dims": [8, 16, 24, 32], "depths": [1, 2, 1, 1], "image_size": 64, "layer_scale_init_value": 0.5},
    "swin": {"embed_dim": 16, "depths": [1, 2], "num_heads": [2, 4], "image_size": 64, "window_size": 4, "encoder_stride": 8,
             "out_features": ["stage2"]},
    "tapas": {"type_vocab_sizes": [3, 8, 8, 2, 8, 8, 10], "num_aggregation_labels": 4},
    "transfo-xl": {"pad_token_id": 0, "cutoffs": [20, 50], "div_val": 2, "tie_projs": [False, True, True], "clamp_len": 15},
    "vit": {"image_size": 32, "patch_size": 8},
    "vit_mae": {"image_size": 32, "patch_size": 8},
    "wav2vec2": {"conv_dim": [16, 16, 16], "conv_stride": [5, 2, 2], "conv_kernel": [10, 3, 3], "num_feat_extract_layers": 3},
    "whisper": {**LANGUAGE, "decoder_start_token_id": 3, "num_mel_bins": 20, "max_source_positions": 20, "begin_suppress_tokens": None,
                "suppress_tokens": None},
    "xglm": LANGUAGE,
    "xlm": {"initializer_range": 0.02},
}  # fmt: skip

# Model types that are put together from others: {field: model type}.
PARTS = {
    "encoder-decoder": {"encoder": "bert", "decoder": "bert"},
    "vision-encoder-decoder": {"encoder": "vit", "decoder": "bert"},
    "vision-text-dual-encoder": {"vision_config": "vit", "text_config": "bert"},
}
DECODER = {"is_decoder": True, "add_cross_attention": True}
CHANGES |= {
    "encoder-decoder": {"decoder": DECODER, "decoder_start_token_id": 1, "pad_token_id": 0},
    "vision-encoder-decoder": {"decoder": DECODER, "decoder_start_token_id": 1, "pad_token_id": 0},
}

# Configurations that give the classes of a type other weights.
VARIANTS = {
    "mt5": [{"tie_word_embeddings": True}],
    "t5": [{"tie_word_embeddings": False, "feed_forward_proj": "gated-gelu"}],
}

# Fields that make a model deeper where its number of layers is not a single integer.
DEEPER = {
    "albert": {"num_hidden_groups": 2, "num_hidden_layers": 4},
    "data2vec-vision": {"num_hidden_layers": 5},
    "idefics": {"num_hidden_layers": 4},  # a multiple of cross_layer_interval
    "funnel": {"block_sizes": [2, 1, 2], "num_decoder_layers": 3},
    "lxmert": {"l_layers": 3},
    "swin": {"depths": [2, 2]},
}


def model_types():
    """{model type: [TF class names]} of the TF auto classes, both sorted."""
    from transformers.models.auto import modeling_tf_auto as auto

    found = {}
    for name in dir(auto):
        if name.startswith("TF_MODEL_") and name.endswith("MAPPING_NAMES"):
            for model_type, entry in getattr(auto, name).items():
                found.setdefault(model_type, set()).update([entry] if isinstance(entry, str) else entry)
    return {t: sorted(found[t]) for t in sorted(found)}


def small(value, name, deeper):
    for pattern, size in RULES:
        if pattern.search(name):
            return value if size is None else min(value, size + (deeper if "layer" in name else 0))
    return value


def shrink(config, changes, deeper=0):
    """Changes a configuration in place."""
    from transformers import PretrainedConfig

    for name, value in list(vars(config).items()):
        if isinstance(value, PretrainedConfig):
            shrink(value, changes.get(name, {}), deeper)
        elif not name.startswith("_") and type(value) is int:
            setattr(config, config.attribute_map.get(name, name), small(value, name, deeper))
    for name, value in changes.items():
        if not isinstance(getattr(config, name, None), PretrainedConfig):
            setattr(config, name, value)


def merged(first, second):
    result = dict(first)
    for name, value in second.items():
        result[name] = merged(result.get(name) or {}, value) if isinstance(value, dict) else value
    return result


def tiny_config(model_type, changes=None, deeper=0):
    """A small configuration, `changes` (nested for parts) applied last. deeper: so many more layers."""
    from transformers import CONFIG_MAPPING

    changes = merged(CHANGES.get(model_type, {}), changes or {})
    changes |= DEEPER.get(model_type, {}) if deeper else {}
    if model_type in PARTS:
        parts = {n: tiny_config(t, changes.get(n), deeper).to_dict() for n, t in PARTS[model_type].items()}
        return CONFIG_MAPPING[model_type].from_dict(merged(changes, parts))
    config = CONFIG_MAPPING[model_type]()
    shrink(config, changes, deeper)
    # Through the constructor, which derives fields from others.
    return type(config).from_dict({k: v for k, v in config.to_dict().items() if k != "model_type"})


def variants():
    """(model type, changes) of every further configuration."""
    return [(t, changes) for t, found in VARIANTS.items() for changes in found]
