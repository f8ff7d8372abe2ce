"""Exceptions for models of text. See __init__.py for what an entry may hold."""

import torch
from inputs.tensors import floats, ints, padded_mask
from inputs.text import esmfold_msa_inputs, questions

EXCEPTIONS = {
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
    "dbrx": {
        "reason": "attn_config.rope_theta has no default; one expert a token is the default, DBRX has several",
        "config": {
            "attn_config": {"rope_theta": 500000.0, "clip_qkv": 8, "kv_n_heads": 2},
            "ffn_config": {"moe_top_k": 2},
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
        "inputs": esmfold_msa_inputs,
    },
    "falcon_h1": {
        "reason": "mamba_n_heads * mamba_d_head must equal mamba_d_ssm",
        "config": {"mamba_d_ssm": 96, "mamba_n_heads": 6, "mamba_d_head": 16, "mamba_chunk_size": 8},
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
    "jamba": {
        "reason": "among two layers one must have attention",
        "config": {"attn_layer_period": 2, "attn_layer_offset": 1},
    },
    "lfm2_moe": {
        "reason": "layer_types has no default",
        "config": {"num_hidden_layers": 3, "layer_types": ["conv", "full_attention", "conv"]},
    },
    "longcat_flash": {
        "reason": "head_dim is the width of a head's rotary part and must equal qk_rope_head_dim",
        "config": {"head_dim": 8, "zero_expert_num": 2, "expert_ffn_hidden_size": 32},
    },
    "mamba2": {
        "reason": "num_heads * head_dim must equal expand * hidden_size",
        "config": {"hidden_size": 64, "num_heads": 8, "head_dim": 16, "n_groups": 2, "chunk_size": 8},
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
    "rwkv": {
        "reason": "weights are halved every six layers of many: here every layer",
        "config": {"rescale_every": 1},
    },
    "splinter": {
        "reason": "pretraining looks for question tokens",
        "inputs_for": {"SplinterForPreTraining": questions},
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
    "t5": {
        "reason": "the configuration has no first token of the decoder by default, and the published ones take the padding",
        "for_class": {"T5ForSequenceClassification": {"decoder_start_token_id": 0}},
    },
    "t5_gemma_module": {
        "reason": "the configuration of an encoder or a decoder; the whole model's sets dropout_rate in it",
        "class": "T5GemmaEncoder",
        "config": {"dropout_rate": 0.0, "query_pre_attn_scalar": 16, "sliding_window": 8},
    },
    "t5gemma": {
        "reason": "the encoder alone wants a configuration that says so",
        "for_class": {"T5GemmaEncoderModel": {"is_encoder_decoder": False}},
    },
    "t5gemma2_text": {
        "reason": "the whole model's configuration sets dropout_rate in it",
        "config": {"dropout_rate": 0.0, "query_pre_attn_scalar": 16, "sliding_window": 8},
    },
    "xlnet": {
        "reason": "d_head is d_model / n_head",
        "config": {"d_model": 64, "n_head": 4, "d_head": 16, "d_inner": 96},
    },
    "xlstm": {
        "reason": "widths of queries and values are rounded up to multiples of 64",
        "config": {"hidden_size": 128, "embedding_dim": 128, "chunk_size": 8},
    },
    "xmod": {
        "reason": "a model needs its language set before it is used",
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
}
