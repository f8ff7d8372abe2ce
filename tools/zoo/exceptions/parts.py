"""Exceptions for parts of models: vision towers, image tokenizers, text decoders.

See __init__.py for what an entry may hold. Parts that Transformers does not offer as classes of their own, or whose work
is done by another method than `forward`, are made by the functions below; they stand where an entry names a class.
"""

import torch
import transformers
from inputs.parts import (
    BATCH,
    blt_decoder_inputs,
    blt_encoder_inputs,
    granite_inputs,
    kosmos_inputs,
    mllama_inputs,
    muse_inputs,
    packed_inputs,
    patch_positions,
    perceiver_inputs,
    same_grids,
)
from inputs.tensors import floats, ints, padded_mask


def sapiens_head(config):
    """The head of a Sapiens model, which is made from the whole model's configuration."""
    from transformers import Sapiens2Config
    from transformers.models.sapiens2.modeling_sapiens2 import Sapiens2Head

    return Sapiens2Head(Sapiens2Config(head_config=config, hidden_size=64, num_labels=5))


def chameleon_vqgan(config):
    from transformers.models.chameleon.modeling_chameleon import ChameleonVQVAE

    return _encoding(ChameleonVQVAE, config)


def glm_image_vqmodel(config):
    from transformers.models.glm_image.modeling_glm_image import GlmImageVQVAE

    return _encoding(GlmImageVQVAE, config)


def emu3_vqgan(config):
    """Emu3's image tokenizer with a forward: images to tokens, and tokens back to images."""
    from transformers.models.emu3.modeling_emu3 import Emu3VQVAE

    def forward(self, pixel_values):
        sizes = [tuple(pixel_values.shape[-2:])] * len(pixel_values)
        tokens = torch.stack(self.encode(pixel_values, image_sizes=sizes).image_tokens)
        return tokens, self.decode(tokens)

    return _with_forward(Emu3VQVAE, forward)._from_config(config)


def gemma4_unified_vision(config):
    """The embedder of image patches, which takes the text model's configuration too."""
    from transformers.models.gemma4_unified.modeling_gemma4_unified import Gemma4UnifiedVisionEmbedder

    return Gemma4UnifiedVisionEmbedder(config, transformers.Gemma4UnifiedTextConfig(hidden_size=48))


def pp_chart2table_vision(config):
    """PP-Chart2Table has no modeling file: it is a GOT-OCR2."""
    from transformers.models.got_ocr2.modeling_got_ocr2 import GotOcr2VisionEncoder

    return GotOcr2VisionEncoder._from_config(config)


def _with_forward(base, forward):
    return type(base.__name__, (base,), {"forward": forward, "__module__": base.__module__})


def _encoding(base, config):
    """A model whose forward is its `encode`."""
    return _with_forward(base, base.encode)._from_config(config)


def open_gates(model):
    """Gates that are zero in a new model and switch off what they stand for."""
    with torch.no_grad():
        for name, value in model.named_parameters():
            if "gate" in name.rpartition(".")[2]:
                value.fill_(0.5)


PACKED_TOWER = {
    "reason": "images are joined along the width; the window merger must come after a layer that there is",
    "config": {"insert_layer_id": 0},
    "inputs": packed_inputs,
}


MUSE_TOWER = {
    "reason": "`patch_temporal` frames a patch; windows of `pos_emb_height` patches, smaller than the image",
    "config": {"pos_emb_height": 4, "pos_emb_width": 4},
    "inputs": muse_inputs,
}


SAM_TOWER = {
    "reason": "no main input name; one layer with windows that do not fill the image, and one that sees it whole",
    "config": {"global_attn_indexes": [1], "window_size": 3},
    "inputs": lambda config: {"pixel_values": floats(BATCH, 3, config.image_size, config.image_size)},
}


EXCEPTIONS = {
    "aya_vision": {
        "reason": "images of an even number of patches, as the projector halves it; no text token may be the image token",
        "config": {
            "vision_config": {"image_size": 64, "patch_size": 16, "vision_use_head": False},
            "text_config": {"eos_token_id": 6},
        },
    },
    "blip_2_qformer": {
        "reason": "takes query embeddings and a vision tower's features",
        "config": {"encoder_hidden_size": 48},
        "inputs": lambda config: {
            "query_embeds": floats(BATCH, 7, config.hidden_size),
            "encoder_hidden_states": floats(BATCH, 11, config.encoder_hidden_size),
            "encoder_attention_mask": padded_mask(BATCH, 11),
        },
    },
    "blt_local_decoder": {
        "reason": "takes the encoder's bytes, the global transformer's patches, and ready-made masks",
        "config": {"hidden_size_global": 48},
        "inputs": blt_decoder_inputs,
    },
    "blt_local_encoder": {
        "reason": "takes ready-made masks and the patch of every byte",
        "config": {"num_hidden_layers": 2},
        "inputs": blt_encoder_inputs,
    },
    "chameleon_vqgan": {
        "reason": "has no forward: its work is `encode`",
        "class": chameleon_vqgan,
        "config": {"base_channels": 32},
    },
    "cohere2_vision": {
        "reason": "no text token may be the image token",
        "config": {"text_config": {"eos_token_id": 6}},
    },
    "deepseek_ocr2_encoder": {
        "reason": "takes embeddings of patches and queries, and how many of them are patches",
        "inputs": lambda config: {"inputs_embeds": floats(BATCH, 15, config.hidden_size), "num_patches": 9},
    },
    "deepseek_ocr2_vision": {
        "reason": "the last of `downsample_channels` is the encoder's width; an image of 2 by 2 patches after sampling",
        "config": {
            "sam_config": {
                "image_size": 128,
                "downsample_channels": [48, 64],
                "global_attn_indexes": [1],
                "window_size": 3,
            }
        },
    },
    "dots3_note_vision_encoder": {
        "reason": "`adapter_in_dim` is the width; experts are counted layer by layer",
        "config": {
            "hidden_size": 64,
            "num_attention_heads": 4,
            "num_hidden_layers": 2,
            "adapter_in_dim": 64,
            "adapter_out_dim": 48,
            "mlp_layer_types": ["dense", "sparse"],
            "per_layer_config": {1: {"num_local_experts": 4, "num_experts_per_tok": 2}},
        },
    },
    "emu3_vqgan": {
        "reason": "has no forward: its work is `encode` and `decode`; widths are multiples of `base_channels`",
        "class": emu3_vqgan,
        "config": {"base_channels": 32, "hidden_size": 128},
        "inputs": lambda config: {"pixel_values": floats(BATCH, 3, 32, 48)},
    },
    "florence_vision": {
        "reason": "images are its `hidden_states`; narrower stages, and windows that do not fill the image",
        "config": {
            "embed_dim": [32, 64, 96, 128],
            "num_heads": [2, 4, 6, 8],
            "num_groups": [2, 4, 6, 8],
            "window_size": 3,
        },
        "inputs": lambda config: {"hidden_states": floats(BATCH, 3, 64, 96)},
    },
    "gemma3n_vision": {
        "unbuilt": "is timm's MobileNetV5; timm needs torchvision, which does not load with the CPU's torch"
    },
    "gemma4_unified_vision": {
        "reason": "a plain module that takes the text model's configuration too",
        "class": gemma4_unified_vision,
        "config": {"patch_size": 4, "mm_embed_dim": 64, "output_proj_dims": 64, "mm_posemb_size": 20},
        "inputs": lambda config: {
            "pixel_values": floats(BATCH, 15, 3 * config.model_patch_size**2),
            "image_position_ids": patch_positions([(3, 5), (3, 4)], 15),
        },
    },
    "gemma4_vision": {
        "reason": "takes patches and their positions; 3 by 3 of them are pooled",
        "inputs": lambda config: {
            "pixel_values": floats(BATCH, 54, 3 * config.patch_size**2).sigmoid(),
            "pixel_position_ids": patch_positions([(6, 9), (6, 6)], 54),
        },
    },
    "glm_image_vqmodel": {
        "reason": "has no forward: its work is `encode`, of a vision tower's features",
        "class": glm_image_vqmodel,
        "config": {"embed_dim": 48},
        "inputs": lambda config: {"hidden_states": floats(BATCH, config.latent_channels, 5, 6)},
    },
    "got_ocr2_vision": SAM_TOWER,
    "granite4_vision": {
        "reason": "vision layers are mapped to text layers, and windows of 4 by 4 patches to queries of 2 by 2",
        "config": {
            "vision_config": {"image_size": 64, "patch_size": 8, "hidden_size": 128},  # a head of the Q-Former has 64
            "text_config": {"num_hidden_layers": 6},
            "qformer_config": {"num_hidden_layers": 1, "cross_attention_frequency": 1},
            "downsample_rate": "2/4",
            "deepstack_layer_map": [[-1, 0], [-2, 1]],
            "spatial_target_layers": [2, 3, 4, 5],
            "image_grid_pinpoints": [[64, 128], [128, 64], [128, 128]],
        },
        "inputs": granite_inputs,
    },
    "idefics2_perceiver": {
        "reason": "takes a vision tower's features",
        "config": {"num_key_value_heads": 2},
        "inputs": lambda config: {
            "context": floats(BATCH, 11, config.hidden_size),
            "attention_mask": padded_mask(BATCH, 11),
        },
    },
    "idefics_vision": {
        "reason": "a plain module of another file",
        "class": "IdeficsVisionTransformer",
        "inputs": lambda config: {"pixel_values": floats(BATCH, 3, config.image_size, config.image_size)},
    },
    "inkling2_vision": {
        "reason": "one piece of an image for each text token, with channels last, and grids counted in them",
        "config": {"posemb_grid_size": 8},
        "inputs": lambda config: {
            "pixel_values": floats(BATCH * 6, 2 * config.patch_size, 2 * config.patch_size, 3),
            "image_grid_thw": same_grids(1, 2, 3),
        },
    },
    "inkling_vision": {
        "reason": "pieces of `temporal_patch_size` frames with channels last, folded layer by layer",
        "config": {"patch_size": 6, "num_hidden_layers": 3},
        "inputs": lambda config: {
            "pixel_values": floats(7, config.temporal_patch_size, config.patch_size, config.patch_size, 3)
        },
    },
    "janus_vqgan": {
        "reason": "`num_patches` is the side of the image's grid after 16-fold sampling",
        "config": {"base_channels": 32, "num_patches": 4},
        "inputs": lambda config: {"pixel_values": floats(BATCH, 3, 64, 64)},
    },
    "kimi_k25_vision": {
        "reason": "patches come as images",
        "config": {"pos_emb_height": 8, "pos_emb_width": 8},
        "inputs": lambda config: {
            "pixel_values": floats(BATCH * 48, 3, config.patch_size, config.patch_size),
            "grid_thw": same_grids(2, 4, 6),
        },
    },
    "kosmos_2_5_vision_model": {
        "reason": "no main input name; `patch_embed_hidden_size` is the size of a patch",
        "config": {"max_num_patches": 48},
        "inputs": kosmos_inputs,
    },
    "llama4_vision_model": {
        "reason": "the adapter takes four patches at once (`intermediate_size`), and both its layers have one width",
        "config": {"intermediate_size": 256, "projector_input_dim": 48, "projector_output_dim": 48},
    },
    "minicpm_ocr_vision": PACKED_TOWER,
    "minicpmv4_6_vision": PACKED_TOWER,
    "minicpmv4_7_vision": PACKED_TOWER,
    "mllama_vision_model": {
        "reason": "tiles of several images a row; layers whose results are kept must be there; gates start shut",
        "config": {"intermediate_layers_indices": [0, 1]},
        "prepare": open_gates,
        "inputs": mllama_inputs,
    },
    "molmo2_adapter": {
        "reason": "takes features of two vision layers, and which of them each text token pools",
        "inputs": lambda config: {
            "image_features": floats(BATCH, 16, 2 * config.hidden_size),
            "pooled_patches_idx": torch.cat([ints(32, 5, 4), torch.tensor([[30, 31, -1, -1], [-1, -1, -1, -1]])]),
        },
    },
    "molmo2_vision": {
        "reason": "takes images cut into patches",
        "inputs": lambda config: {"pixel_values": floats(BATCH, 16, 3 * config.patch_size**2)},
    },
    "muse_glimmer_vision": MUSE_TOWER,
    "muse_spark_vision": MUSE_TOWER,
    "paddleocr_vl_vision": {
        "reason": "patches come as images, in one row; its rotary embedding has no sections",
        "config": {"rope_parameters": {"rope_theta": 10000.0, "rope_type": "axial"}},
        "inputs": lambda config: {
            "pixel_values": floats(1, BATCH * 24, 3, config.patch_size, config.patch_size),
            "grid_thw": same_grids(1, 4, 6),
        },
    },
    "pe_video_encoder": {
        "reason": "its vision tower is timm's, which is not there: a ViT with a classification head",
        "config": {
            "vision_config": transformers.ViTConfig(
                hidden_size=48,
                num_hidden_layers=2,
                num_attention_heads=3,
                intermediate_size=80,
                image_size=64,
                num_labels=24,
            )
        },
        "inputs": lambda config: {
            "pixel_values_videos": floats(BATCH, 5, 3, 64, 64),
            "padding_mask_videos": padded_mask(BATCH, 5),
        },
    },
    "perceiver": {
        "reason": "all its latents' widths come from `d_latents`; images have 261 or 322 channels, so one head; "
        "`modality` is read by its inputs alone",
        "config": {
            "d_latents": 64,
            "d_model": 48,
            "num_self_attends_per_block": 2,
            "num_cross_attention_heads": 1,
            "image_size": 24,
        },
        "for_class": {
            "PerceiverForImageClassificationConvProcessing": {"modality": "image"},
            "PerceiverForImageClassificationFourier": {"modality": "image"},
            "PerceiverForImageClassificationLearned": {"modality": "image"},
            "PerceiverForMaskedLM": {"modality": "text"},
            "PerceiverForSequenceClassification": {"modality": "text"},
        },
        "inputs": perceiver_inputs,
    },
    "pp_chart2table_vision": {**SAM_TOWER, "class": pp_chart2table_vision},
    "sapiens2_head": {
        "reason": "a part that is a plain module: it is made from the whole model's configuration",
        "class": sapiens_head,
        "config": {"upsample_out_channels": [48, 32], "conv_out_channels": [24, 16]},
        "inputs": lambda config: {"hidden_states": floats(2, 64, 4, 3)},
    },
    "t5gemma2_decoder": {
        "reason": "its dropout is a field of the whole model's configuration; takes an encoder's results",
        "config": {"dropout_rate": 0.0},
        "extra": lambda config, inputs: {
            "encoder_hidden_states": floats(BATCH, 11, config.hidden_size),
            "encoder_attention_mask": padded_mask(BATCH, 11),
        },
    },
    "t5gemma2_encoder": {
        "reason": "its dropout is a field of the whole model's configuration; four features an image of 4 by 4 patches",
        "config": {"mm_tokens_per_image": 4, "text_config": {"dropout_rate": 0.0}},
    },
    "unlimited_ocr_vision_encoder": {
        "reason": "takes another tower's patch embeddings",
        "inputs": lambda config: {"patch_embeds": floats(BATCH, config.hidden_size, 4, 6)},
    },
    "xclip_vision_model": {
        "reason": "the frames of a video are joined along the batch",
        "config": {"num_frames": 3},
        "inputs": lambda config: {
            "pixel_values": floats(BATCH * config.num_frames, 3, config.image_size, config.image_size)
        },
    },
}
