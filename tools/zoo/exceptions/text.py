"""Exceptions of the zoo's rules; see __init__.py for what an entry may hold."""

import torch
from transformers import DonutSwinConfig, MBartConfig

from .made import floats, ints, ones, padded_mask


def _idefics_resampler(config):
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


def _layoutlm_encoder(config):
    from transformers.models.layoutlmv2.modeling_layoutlmv2 import LayoutLMv2Encoder

    return LayoutLMv2Encoder(config)


def _layoutlm_encoder_inputs(config):
    """What LayoutLMv2Model gives its encoder: 13 tokens of text followed by the cells of the page's picture."""
    high, wide = config.image_feature_pool_shape[:2]
    cells = high * wide
    mask = torch.cat([padded_mask(2, 13), ones(2, cells)], 1)[:, None, None].float()
    corners = ints(1000, 2, 13 + cells, 2, 2).sort(2).values
    return {
        "hidden_states": floats(2, 13 + cells, config.hidden_size),
        "attention_mask": (1 - mask) * torch.finfo(torch.float32).min,
        "bbox": corners.flatten(2),
        "position_ids": torch.cat([torch.arange(13), torch.arange(cells)]).repeat(2, 1),
    }


def _series_config(**more):
    """A forecaster of one series: 17 known steps (14 and the longest lag), 5 to come, 3 time features."""
    return {
        "prediction_length": 5,
        "context_length": 14,
        "lags_sequence": [1, 2, 3],
        "num_time_features": 3,
        "num_static_real_features": 2,
        "num_static_categorical_features": 1,
        "cardinality": [7],
        "embedding_dimension": [6],
        **more,
    }


def _series_inputs(config):
    known, coming = config.context_length + max(config.lags_sequence), config.prediction_length
    observed = torch.ones(2, known)
    observed[1, 2:4] = 0
    return {
        "past_values": floats(2, known) * observed,
        "past_time_features": floats(2, known, config.num_time_features),
        "past_observed_mask": observed,
        "static_categorical_features": ints(config.cardinality[0], 2, 1),
        "static_real_features": floats(2, config.num_static_real_features),
        "future_time_features": floats(2, coming, config.num_time_features),
    }


def _windows_inputs(config):
    """A series in windows of `patch_length`; the second row begins later, and what is before it is padding."""
    length = 5 * config.patch_length
    padding = torch.zeros(2, length)
    padding[1, : 2 * config.patch_length + 3] = 1
    return {"past_values": floats(2, length) * (1 - padding), "past_values_padding": padding}


def _channels_inputs(config, mask):
    """Series side by side; of the second row some values were not observed."""
    observed = torch.ones(2, config.context_length, config.num_input_channels)
    observed[1, 3:9, 1] = 0
    return {"past_values": floats(*observed.shape) * observed, mask: observed.bool()}


def _image_codes():
    """Chameleon's names of tokens that stand for codes of its picture coder: digits are written as letters."""
    letters = {str(digit): chr(ord("A") + digit) for digit in range(10)}
    codes = {"IMGIMG" + "".join(letters[d] for d in str(code)) + "Z": 64 + code for code in range(32)}
    return {"<image>": 100, **codes}


def _esmfold_msa_inputs(config):
    """7 residues, an alignment of 5 sequences; the last two residues of the second row are padding."""
    mask = padded_mask(2, 7)[:, :, None].repeat(1, 1, 5).float()
    letters = torch.nn.functional.one_hot(ints(config.num_res_types, 2, 7, 5), config.num_res_types)
    return {
        "pair_states": floats(2, 7, 7, config.pairwise_hidden_size),
        "single_inputs": floats(2, 7, config.single_inputs_size),
        "msa_one_hot": letters * mask[..., None],
        "has_deletion": ints(2, 2, 7, 5).float(),
        "deletion_value": floats(2, 7, 5).abs(),
        "msa_attention_mask": mask,
    }


_PALIGEMMA = {
    "text_config": {"num_key_value_heads": 1},
    "vision_config": {"patch_size": 14, "image_size": 42, "vision_use_head": False},
    "image_token_id": 127,
    "projection_dim": 64,
}


def _colpali_inputs(config):
    vision = config.vlm_config.vision_config
    patches = (vision.image_size // vision.patch_size) ** 2
    ids = torch.cat([torch.full((2, patches), config.vlm_config.image_token_id), ints(120, 2, 13, low=5)], 1)
    return {
        "input_ids": ids,
        "pixel_values": floats(2, 3, vision.image_size, vision.image_size),
        "attention_mask": padded_mask(2, ids.shape[1]),
    }


def _pi0_inputs(config):
    """Two cameras a row, of which the second row has one; the state and the noisy actions as one sequence."""
    vision = config.vlm_config.vision_config
    size, patches = vision.image_size, (vision.image_size // vision.patch_size) ** 2
    image, cameras = config.vlm_config.image_token_id, torch.tensor([[True, True], [True, False]])
    ids = ints(64, 2, 2 * patches + 9, low=5)
    ids[0, : 2 * patches] = image
    ids[1, :patches] = image
    return {
        "action_embeds": floats(2, 1 + config.chunk_size, config.dit_config.hidden_size),
        "input_ids": ids,
        "pixel_values": floats(2, 2, 3, size, size),
        "attention_mask": padded_mask(2, ids.shape[1]),
        "pixel_attention_mask": cameras,
    }


def _pi0_policy_inputs(config):
    """The state, noise and its time (drawn inside where they are not given) instead of their embeddings."""
    made = _pi0_inputs(config)
    del made["action_embeds"]
    return {
        "state": floats(2, config.max_state_dim),
        "noise": floats(2, config.chunk_size, config.max_action_dim),
        "timestep": torch.tensor([0.3, 0.8]),
        **made,
    }


def _questions(config):
    """Two places to be filled in the first row, one in the second."""
    ids, mask = ints(100, 2, 13, low=5), padded_mask(2, 13)
    ids[0, [3, 7]] = ids[1, 2] = config.question_token_id
    ids[mask == 0] = config.pad_token_id
    return {"input_ids": ids, "attention_mask": mask}


def _nougat_parts():
    """The encoder and the decoder of Nougat: the one's last width is the other's."""
    encoder = DonutSwinConfig(image_size=(64, 96), embed_dim=32, depths=(2, 1), num_heads=(2, 4), window_size=4)
    decoder = MBartConfig(
        vocab_size=128,
        d_model=64,
        encoder_layers=2,
        decoder_layers=2,
        encoder_attention_heads=4,
        decoder_attention_heads=4,
        encoder_ffn_dim=96,
        decoder_ffn_dim=96,
        max_position_embeddings=64,
        scale_embedding=True,
        is_decoder=True,
        add_cross_attention=True,
    )
    return {"encoder": encoder, "decoder": decoder}


def _nougat(config):
    """Nougat's models are released with the configuration of their class; its own class is refused by it."""
    from transformers import VisionEncoderDecoderConfig, VisionEncoderDecoderModel

    joined = VisionEncoderDecoderConfig.from_encoder_decoder_configs(config.encoder, config.decoder)
    return VisionEncoderDecoderModel(joined)


def _udop_extra(config, inputs):
    """The picture of the page, and its words' boxes in parts of the page, as the processor gives them."""
    return {
        "bbox": inputs["bbox"].float() / 1000,
        "pixel_values": floats(2, 3, config.image_size, config.image_size),
    }


def _sapiens_head(config):
    """The head of a Sapiens model, which is made from the whole model's configuration."""
    from transformers import Sapiens2Config
    from transformers.models.sapiens2.modeling_sapiens2 import Sapiens2Head

    return Sapiens2Head(Sapiens2Config(head_config=config, hidden_size=64, num_labels=5))


EXCEPTIONS = {
    "autoformer": {
        "reason": "prediction_length has no default; a forecaster takes a series with its time features; what it was "
        "trained on would make it compute a loss",
        "config": _series_config(label_length=6, moving_average=5),
        "inputs": _series_inputs,
    },
    "bamba": {
        "reason": "mamba_n_heads * mamba_d_head must equal mamba_expand * hidden_size; by default no layer attends",
        "config": {
            "hidden_size": 64,
            "mamba_n_heads": 8,
            "mamba_d_head": 16,
            "mamba_chunk_size": 8,
            "attn_layer_indices": [1],
        },
    },
    "blip_text_model": {
        "reason": "no auto class knows it; its cross-attention needs features of a picture",
        "class": "BlipTextModel",
        "config": {"encoder_hidden_size": 48},
        "extra": lambda config, inputs: {
            "encoder_hidden_states": floats(2, 17, config.encoder_hidden_size),
            "encoder_attention_mask": ones(2, 17),
        },
    },
    "blt": {
        "reason": "its cache asks for num_hidden_layers, which the class does not declare; tables of hashes are large",
        "config": {
            "num_hidden_layers": 2,
            "encoder_hash_byte_group_vocab": 501,
            "local_attention_window_len": 8,
            "encoder_config": {"hidden_size_global": 64},
            "decoder_config": {"hidden_size_global": 64},
            "patcher_config": {"sliding_window": 8},
        },
    },
    "blt_global_transformer": {
        "reason": "takes embeddings of patches, not tokens",
        "inputs": lambda config: {
            "inputs_embeds": floats(2, 13, config.hidden_size),
            "position_ids": torch.arange(13)[None],
        },
    },
    "chameleon": {
        "reason": "vocabulary_map has no default: it says which tokens stand for codes of the picture coder",
        "config": {
            "vocabulary_map": _image_codes(),
            "vq_config": {"num_embeddings": 32, "base_channels": 32, "resolution": 64},
        },
    },
    "codegen": {
        "reason": "rotary_dim must not exceed a head's width",
        "config": {"rotary_dim": 8},
    },
    "cohere_compass_text": {
        "reason": "rope_parameters hold an entry for each kind of layer; all layers are of one kind by default",
        "config": {
            "num_hidden_layers": 2,
            "layer_types": ["sliding_attention", "full_attention"],
            "sliding_window": 8,
            "rope_parameters": {
                "sliding_attention": {"rope_type": "default", "rope_theta": 50000.0, "mrope_section": [4, 2, 2]},
                "full_attention": None,
            },
        },
    },
    "colpali": {
        "reason": "Gemma has one head of keys and values in PaliGemma; image tokens stand before the text",
        "config": {"vlm_config": _PALIGEMMA, "embedding_dim": 32},
        "inputs": _colpali_inputs,
    },
    "dbrx": {
        "reason": "attn_config.rope_theta has no default; one expert a token is the default, DBRX has several",
        "config": {
            "attn_config": {"rope_theta": 500000.0, "clip_qkv": 8, "kv_n_heads": 2},
            "ffn_config": {"moe_top_k": 2},
        },
    },
    "decision_transformer": {
        "reason": "takes states, actions and returns, not tokens",
        "config": {"max_ep_len": 64, "n_head": 4},
        "inputs": lambda config: {
            "states": floats(2, 7, config.state_dim),
            "actions": floats(2, 7, config.act_dim),
            "rewards": floats(2, 7, 1),
            "returns_to_go": floats(2, 7, 1),
            "timesteps": torch.arange(7) + torch.tensor([[0], [30]]),
            "attention_mask": padded_mask(2, 7),
        },
    },
    "deepseek_v2": {
        "reason": "num_experts_per_tok has no default; groups of experts and a dense layer as DeepSeek-V2 has them",
        "config": {
            "num_experts_per_tok": 2,
            "first_k_dense_replace": 1,
            "topk_method": "group_limited_greedy",
            "n_routed_experts": 8,
            "n_group": 4,
            "topk_group": 2,
        },
    },
    "diffusion_gemma_text": {
        "reason": "the numbers of experts have no default; heads of full attention are 512 wide by default; PyTorch's export keeps a cache's length when the text is longer than the window",
        "config": {
            "num_experts": 4,
            "top_k_experts": 2,
            "moe_intermediate_size": 32,
            "global_head_dim": 32,
            "num_global_key_value_heads": 1,
            "sliding_window": 256,
        },
    },
    "dots1": {
        "reason": "the numbers of experts have no default",
        "config": {
            "num_hidden_layers": 2,
            "layer_types": ["full_attention", "sliding_attention"],
            "n_routed_experts": 4,
            "n_shared_experts": 1,
            "num_experts_per_tok": 2,
            "first_k_dense_replace": 1,
            "sliding_window": 8,
        },
    },
    "ernie4_5_vl_moe_text": {
        "reason": "the first two parts of mrope_section, for height and width, must be equal",
        "config": {
            "rope_parameters": {"rope_type": "default", "rope_theta": 500000.0, "mrope_section": [3, 3, 2]},
            "moe_intermediate_size": [48, 32],
        },
    },
    "esm": {
        "reason": "vocab_size has no default; rotary positions and rescaled masked tokens as ESM-2 has them",
        "config": {
            "vocab_size": 33,
            "pad_token_id": 1,
            "mask_token_id": 32,
            "position_embedding_type": "rotary",
            "token_dropout": True,
            "emb_layer_norm_before": False,
        },
    },
    "esmfold2": {
        "reason": "the whole model's forward takes a bundle of tensors and starts from random pair states: "
        "its encoder of alignments is taken, which holds the layers of the trunk",
        "class": "EsmFold2MSAEncoder",
        "config": {
            "atom_encoder": {"output_dim": 384, "num_attention_heads": 2, "head_dim": 32},
            "structure_head": {"diffusion_module": {"atom_encoder": {"num_attention_heads": 2, "head_dim": 32}}},
        },
        "inputs": _esmfold_msa_inputs,
    },
    "falcon_h1": {
        "reason": "mamba_n_heads * mamba_d_head must equal mamba_d_ssm",
        "config": {"mamba_d_ssm": 96, "mamba_n_heads": 6, "mamba_d_head": 16, "mamba_chunk_size": 8},
    },
    "flava": {"reason": "computes a loss by default, which cannot be exported", "config": {"return_loss": False}},
    "flava_multimodal_model": {
        "reason": "takes the features of pictures and text, joined in one sequence; a class token is put before them",
        "inputs": lambda config: {
            "hidden_states": floats(2, 17, config.hidden_size),
            "attention_mask": torch.cat([ones(2, 5), padded_mask(2, 13)], 1).float(),
        },
    },
    "gemma4_text": {
        "reason": "both vocabularies must be equal; layers that reuse keys and values as Gemma 4 E2B has them",
        "config": {
            "num_hidden_layers": 4,
            "layer_types": ["sliding_attention", "full_attention", "sliding_attention", "full_attention"],
            "num_kv_shared_layers": 2,
            "use_double_wide_mlp": True,
            "vocab_size_per_layer_input": 128,
            "hidden_size_per_layer_input": 32,
            "global_head_dim": 32,
            "sliding_window": 8,
        },
    },
    "gpt_neo": {
        "reason": "attention_types must name as many layers as num_layers says",
        "config": {"num_layers": 2, "attention_types": [[["global", "local"], 1]], "window_size": 8},
    },
    "gptj": {
        "reason": "rotary_dim must not exceed a head's width",
        "config": {"rotary_dim": 8},
    },
    "granitemoehybrid": {
        "reason": "mamba_n_heads * mamba_d_head must equal mamba_expand * hidden_size; by default no layer attends",
        "config": {
            "hidden_size": 64,
            "num_hidden_layers": 2,
            "layer_types": ["linear_attention", "full_attention"],
            "mamba_n_heads": 8,
            "mamba_d_head": 16,
            "mamba_chunk_size": 8,
        },
    },
    "idefics_perciever": {
        "reason": "a part that is a plain module; its constructor takes its sizes one by one",
        "class": _idefics_resampler,
        "config": {"use_resampler": True, "qk_layer_norms_perceiver": True},
        "inputs": lambda config: {"context": floats(2, 17, 48)},
    },
    "informer": {
        "reason": "prediction_length has no default; a forecaster takes a series with its time features; series this "
        "short make its sampled attention keep every query, so that results do not depend on the sample",
        "config": _series_config(),
        "inputs": _series_inputs,
    },
    "jamba": {
        "reason": "among two layers one must have attention",
        "config": {"attn_layer_period": 2, "attn_layer_offset": 1},
    },
    "layoutlmv2": {
        "reason": "the whole model needs detectron2, which cannot be installed: its encoder is taken",
        "class": "LayoutLMv2Encoder",
        "config": {"image_feature_pool_shape": (2, 3, 64)},
        "inputs": _layoutlm_encoder_inputs,
    },
    "layoutxlm": {
        "reason": "of LayoutLMv2's classes, which need detectron2, which cannot be installed: the encoder is taken",
        "class": _layoutlm_encoder,
        "config": {"image_feature_pool_shape": (2, 3, 64)},
        "inputs": _layoutlm_encoder_inputs,
    },
    "lfm2_moe": {
        "reason": "layer_types has no default",
        "config": {"num_hidden_layers": 3, "layer_types": ["conv", "full_attention", "conv"]},
    },
    "longcat_flash": {
        "reason": "head_dim is the width of a head's rotary part and must equal qk_rope_head_dim",
        "config": {"head_dim": 8, "zero_expert_num": 2, "expert_ffn_hidden_size": 32},
    },
    "lxmert": {
        "reason": "needs features of a picture's regions and their places",
        "config": {"visual_feat_dim": 48},
        "extra": lambda config, inputs: {
            "visual_feats": floats(2, 7, config.visual_feat_dim),
            "visual_pos": floats(2, 7, config.visual_pos_dim).sigmoid(),
            "visual_attention_mask": padded_mask(2, 7),
        },
    },
    "mamba2": {
        "reason": "num_heads * head_dim must equal expand * hidden_size",
        "config": {"hidden_size": 64, "num_heads": 8, "head_dim": 16, "n_groups": 2, "chunk_size": 8},
    },
    "moonshine_streaming": {
        "reason": "the class does not declare num_key_value_heads, which its decoder asks for",
        "config": {"num_key_value_heads": 4},
        "extra": lambda config, inputs: {"input_values": floats(2, 5760) * 0.1, "attention_mask": padded_mask(2, 5760)},
    },
    "muse_glimmer_assistant": {
        "reason": "takes embeddings of a block to be denoised and hidden states of another model's layers",
        "config": {"block_size": 5, "target_layer_ids": [1, 3]},
        "inputs": lambda config: {
            "noise_embeds": floats(2, config.block_size, config.hidden_size),
            "context_hidden_states": floats(2, 7, config.hidden_size * len(config.target_layer_ids)),
            "attention_mask": padded_mask(2, 7 + config.block_size).flip(1),
        },
    },
    "nemotron_h": {
        "reason": "n_groups must divide mamba_num_heads",
        "config": {"n_groups": 2, "chunk_size": 8},
    },
    "nougat": {
        "reason": "has no classes of its own; its models are of VisionEncoderDecoderModel",
        "class": _nougat,
        "config": _nougat_parts(),
        "inputs": lambda config: {
            "pixel_values": floats(2, 3, 64, 96),
            "decoder_input_ids": ints(128, 2, 7, low=5),
        },
    },
    "oneformer": {
        "reason": "takes a picture and a task written in tokens",
        "config": {
            "task_seq_len": 13,
            "backbone_config": {
                "embed_dim": 16,
                "depths": [1, 1, 1, 1],
                "num_heads": [1, 2, 4, 8],
                "out_features": ["stage1", "stage2", "stage3", "stage4"],
            },
        },
        "inputs": lambda config: {
            "pixel_values": floats(2, 3, 64, 96),
            "task_inputs": ints(128, 2, config.task_seq_len),
            "pixel_mask": ones(2, 64, 96),
        },
    },
    "patchtsmixer": {
        "reason": "takes series of several channels",
        "config": {"num_input_channels": 3, "d_model": 16},
        "inputs": lambda config: _channels_inputs(config, "observed_mask"),
    },
    "patchtst": {
        "reason": "takes series of several channels; released models have longer windows than the one step by default",
        "config": {"num_input_channels": 3, "patch_length": 8, "patch_stride": 4},
        "inputs": lambda config: _channels_inputs(config, "past_observed_mask"),
    },
    "pi0": {
        "reason": "takes actions beside pictures and text; both of its transformers must have the same heads",
        "config": {
            "chunk_size": 7,
            "vlm_config": _PALIGEMMA,
            "dit_config": {"hidden_size": 32, "intermediate_size": 48, "num_key_value_heads": 1},
        },
        "inputs": _pi0_inputs,
        "inputs_for": {"PI0ForConditionalGeneration": _pi0_policy_inputs},
    },
    "pix2struct_text_model": {
        "reason": "the class does not declare initializer_range, which its model asks for",
        "config": {"initializer_range": 0.02},
    },
    "qwen4_exp_text": {
        "reason": "the sizes of the token indexer have no default, nor the layers with n-gram embeddings",
        "config": {
            "num_hidden_layers": 2,
            "layer_types": ["linear_attention", "indexed_attention"],
            "head_dim": 16,
            "hc_lowrank": 16,
            "ple_layer_ids": [1],
            "ple_embed_dim": 32,
            "heads_per_ngram": 2,
            "ngram_vocab_size_base": 101,
            "split_ngram_parts": 2,
            "make_ngram_vocab_size_divisible_by": 8,
            "eos_token_id": 2,
            "indexer_n_heads": 2,
            "indexer_kv_heads": 1,
            "indexer_head_dim": 16,
            "indexer_budget": 8,
            "indexer_compress_ratio": 4,
        },
    },
    "rag": {
        "reason": "its parts are no declared parts of its configuration; without a retriever it takes the documents",
        "config": {
            "n_docs": 3,
            "vocab_size": 128,
            "question_encoder": {
                "model_type": "dpr",
                "vocab_size": 128,
                "hidden_size": 64,
                "num_hidden_layers": 2,
                "num_attention_heads": 4,
                "intermediate_size": 96,
                "max_position_embeddings": 64,
            },
            "generator": {
                "model_type": "bart",
                "vocab_size": 128,
                "d_model": 64,
                "encoder_layers": 2,
                "decoder_layers": 2,
                "encoder_attention_heads": 4,
                "decoder_attention_heads": 4,
                "encoder_ffn_dim": 96,
                "decoder_ffn_dim": 96,
                "max_position_embeddings": 64,
            },
        },
        "inputs": lambda config: {
            "context_input_ids": ints(128, 2 * config.n_docs, 13, low=5),
            "context_attention_mask": padded_mask(2 * config.n_docs, 13),
            "doc_scores": floats(2, config.n_docs),
            "decoder_input_ids": ints(128, 2, 7, low=5),
        },
    },
    "recurrent_gemma": {
        "reason": "the third layer is the first with attention",
        "config": {
            "num_hidden_layers": 3,
            "block_types": ["recurrent", "recurrent", "attention"],
            "attention_window_size": 8,
        },
    },
    "reformer": {
        "reason": "its language model is one of decoders only",
        "for_class": {"ReformerModelWithLMHead": {"is_decoder": True}},
    },
    "splinter": {
        "reason": "pretraining looks for places to be filled",
        "inputs_for": {"SplinterForPreTraining": _questions},
    },
    "sapiens2_head": {
        "reason": "a part that is a plain module: it is made from the whole model's configuration",
        "class": _sapiens_head,
        "config": {"upsample_out_channels": [48, 32], "conv_out_channels": [24, 16]},
        "inputs": lambda config: {"hidden_states": floats(2, 64, 4, 3)},
    },
    "step3p5": {
        "reason": "sliding_window has no default; by default all layers attend fully, and the first three are dense",
        "config": {
            "num_hidden_layers": 2,
            "layer_types": ["full_attention", "sliding_attention"],
            "mlp_layer_types": ["dense", "sparse"],
            "num_sliding_attention_heads": 6,
            "sliding_window": 8,
            "share_expert_dim": 32,
            "swiglu_limits": [None, 7.0],
            "swiglu_limits_shared": [None, 7.0],
        },
    },
    "t5_gemma_module": {
        "reason": "the configuration of an encoder or a decoder; the whole model's sets dropout_rate in it",
        "class": "T5GemmaEncoder",
        "config": {"dropout_rate": 0.0, "query_pre_attn_scalar": 16, "sliding_window": 8},
    },
    "t5gemma2_text": {
        "reason": "the whole model's configuration sets dropout_rate in it",
        "config": {"dropout_rate": 0.0, "query_pre_attn_scalar": 16, "sliding_window": 8},
    },
    "time_series_transformer": {
        "reason": "prediction_length has no default; a forecaster takes a series with its time features",
        "config": _series_config(),
        "inputs": _series_inputs,
    },
    "t5": {
        "reason": "the configuration has no first token of the decoder by default, and the published ones take the padding",
        "for_class": {"T5ForSequenceClassification": {"decoder_start_token_id": 0}},
    },
    "t5gemma": {
        "reason": "the encoder alone wants a configuration that says so",
        "for_class": {"T5GemmaEncoderModel": {"is_encoder_decoder": False}},
    },
    "timesfm": {
        "reason": "takes a series in windows of patch_length; the forecaster takes plain series",
        "config": {"patch_length": 8},
        "inputs_for": {
            "TimesFmModelForPrediction": lambda c: {"past_values": floats(2, 50), "freq": torch.tensor([0, 2])}
        },
        "inputs": lambda config: {**_windows_inputs(config), "freq": torch.tensor([[0], [2]])},
    },
    "timesfm2_5": {
        "reason": "takes a series in windows of patch_length; the forecaster takes plain series",
        "inputs_for": {"TimesFm2_5ModelForPrediction": lambda c: {"past_values": floats(2, 50)}},
        "config": {"patch_length": 8},
        "inputs": _windows_inputs,
    },
    "tvp": {
        "reason": "takes text and films of max_img_size; its embeddings of the grid work for a batch of one only",
        "config": {
            "max_img_size": 128,
            "visual_prompt_size": 16,
            "num_frames": 3,
            "backbone_config": {
                "embedding_size": 16,
                "hidden_sizes": [16, 24, 32, 48],
                "depths": [1, 1, 1, 1],
                "out_features": ["stage4"],
            },
        },
        "inputs": lambda config: {
            "input_ids": ints(config.vocab_size, 1, 13, low=5),
            "attention_mask": padded_mask(2, 13)[1:],
            "pixel_values": floats(1, config.num_frames, 3, config.max_img_size, config.max_img_size),
        },
    },
    "udop": {
        "reason": "takes the picture of the page beside its words, whose boxes are parts of the page",
        "extra": _udop_extra,
    },
    "vilt": {
        "reason": "takes a picture beside text; from pixels it draws the order of the patches at random, so that it is "
        "given their embeddings",
        "extra": lambda config, inputs: {
            "image_embeds": floats(2, 17, config.hidden_size),
            "pixel_mask": padded_mask(2, 17),
        },
    },
    "xlstm": {
        "reason": "widths of queries and values are rounded up to multiples of 64",
        "config": {"hidden_size": 128, "embedding_dim": 128, "chunk_size": 8},
    },
    "xmod": {
        "reason": "a model is told its language before it is used",
        "config": {"languages": ("en_XX", "de_DE"), "default_language": "de_DE"},
    },
    "zamba": {
        "reason": "layers share one attention: two of them must have it",
        "config": {
            "num_hidden_layers": 3,
            "layers_block_type": ["linear_attention", "hybrid", "hybrid"],
            "attention_hidden_size": 128,
            "attention_head_dim": 32,
        },
    },
    "xlnet": {
        "reason": "d_head is d_model / n_head",
        "config": {"d_model": 64, "n_head": 4, "d_head": 16, "d_inner": 96},
    },
}
