"""Exceptions of the zoo's rules for parts of models: vision towers, prompt encoders, mask decoders, image tokenizers.

See __init__.py for what an entry may hold. Parts that Transformers does not offer as classes of their own, or whose work
is done by another method than `forward`, are made by the functions below; they stand where an entry names a class.
"""

import torch
import transformers

from .made import floats, ints, ones, padded_mask

BATCH = 2

# Classes


def chameleon_vqgan(config):
    from transformers.models.chameleon.modeling_chameleon import ChameleonVQVAE

    return _encoding(ChameleonVQVAE, config)


def glm_image_vqmodel(config):
    from transformers.models.glm_image.modeling_glm_image import GlmImageVQVAE

    return _encoding(GlmImageVQVAE, config)


def emu3_vqgan(config):
    """Emu3's image tokenizer with a forward: pictures to tokens, and tokens back to pictures."""
    from transformers.models.emu3.modeling_emu3 import Emu3VQVAE

    def forward(self, pixel_values):
        sizes = [tuple(pixel_values.shape[-2:])] * len(pixel_values)
        tokens = torch.stack(self.encode(pixel_values, image_sizes=sizes).image_tokens)
        return tokens, self.decode(tokens)

    return _with_forward(Emu3VQVAE, forward)._from_config(config)


def gemma4_unified_vision(config):
    """The embedder of picture patches, which takes the text model's configuration too."""
    from transformers.models.gemma4_unified.modeling_gemma4_unified import Gemma4UnifiedVisionEmbedder

    return Gemma4UnifiedVisionEmbedder(config, transformers.Gemma4UnifiedTextConfig(hidden_size=48))


def pp_chart2table_vision(config):
    """PP-Chart2Table has no modeling file: it is a GOT-OCR2."""
    from transformers.models.got_ocr2.modeling_got_ocr2 import GotOcr2VisionEncoder

    return GotOcr2VisionEncoder._from_config(config)


def sam_prompt_encoder(config):
    from transformers.models.sam.modeling_sam import SamPromptEncoder

    vision = {"hidden_size": 32, "num_pos_feats": config.hidden_size // 2}
    return SamPromptEncoder(transformers.SamConfig(prompt_encoder_config=config, vision_config=vision))


def sam_hq_prompt_encoder(config):
    from transformers.models.sam_hq.modeling_sam_hq import SamHQPromptEncoder

    vision = {"hidden_size": 32, "num_pos_feats": config.hidden_size // 2}
    return SamHQPromptEncoder(transformers.SamHQConfig(prompt_encoder_config=config, vision_config=vision))


def _with_forward(base, forward):
    return type(base.__name__, (base,), {"forward": forward, "__module__": base.__module__})


def _encoding(base, config):
    """A model whose forward is its `encode`."""
    return _with_forward(base, base.encode)._from_config(config)


class FeatureMaps(torch.nn.Module):
    """A backbone as EdgeTAM's timm model: the feature maps of all its stages are its last hidden state."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, pixel_values, **kwargs):
        states = self.model(pixel_values, output_hidden_states=True).hidden_states
        return transformers.modeling_outputs.BaseModelOutput(last_hidden_state=list(states[1:]), hidden_states=states)


# What is set in a model once it is made


def give_feature_maps(model):
    model.backbone = FeatureMaps(model.backbone)


def open_gates(model):
    """Gates that are zero in a new model and switch off what they stand for."""
    with torch.no_grad():
        for name, value in model.named_parameters():
            if "gate" in name.rpartition(".")[2]:
                value.fill_(0.5)


# Inputs


def same_grids(*grid):
    """The same number of patches along each axis for every picture: attention is exported in equal segments."""
    return torch.tensor([grid] * BATCH)


def causal_mask(mask):
    """[batch, 1, length, length] of a padding mask: True where a place is seen."""
    length = mask.shape[1]
    return torch.ones(length, length, dtype=torch.bool).tril() & mask[:, None, None, :].bool()


def blt_patches(length=13, patches=5):
    """For every byte the patch that it belongs to."""
    ids = [[i * patches // length for i in range(length)], [min(i // 2, patches - 1) for i in range(length)]]
    return torch.tensor(ids)


def blt_cross_mask(patch_ids, patches, copies, patches_ask):
    """[batch, 1, asking, asked], 0 where a byte belongs to a patch, else the least number."""
    same = patch_ids[:, :, None] == torch.arange(patches)
    same = same.repeat_interleave(copies, 2)
    same = same.transpose(1, 2) if patches_ask else same
    return torch.where(same, 0.0, torch.finfo(torch.float32).min)[:, None]


def blt_encoder_inputs(config):
    ids = blt_patches()
    return {
        "input_ids": ints(config.vocab_size, BATCH, 13, low=5),
        "attention_mask": causal_mask(padded_mask(BATCH, 13)),
        "encoder_attention_mask": blt_cross_mask(ids, 5, config.cross_attn_k, True),
        "num_patches": 5,
        "patch_ids": ids,
    }


def blt_decoder_inputs(config):
    return {
        "inputs_embeds": floats(BATCH, 13, config.hidden_size),
        "patch_embeds": floats(BATCH, 5, config.hidden_size_global),
        "attention_mask": causal_mask(padded_mask(BATCH, 13)),
        "encoder_attention_mask": blt_cross_mask(blt_patches(), 5, config.cross_attn_k, False),
    }


def patch_positions(grids, patches):
    """[batch, patches, 2]: column and row of each patch of a picture, -1 where it has none."""
    found = torch.full((len(grids), patches, 2), -1)
    for row, (height, width) in enumerate(grids):
        places = torch.arange(height * width)
        found[row, : height * width] = torch.stack([places % width, places // width], 1)
    return found


def kosmos_inputs(config):
    places = torch.arange(24)
    corners = torch.stack([places // 6 + 1, places % 6 + 1], 1).expand(BATCH, -1, -1)
    pixels = floats(BATCH, 24, config.patch_embed_hidden_size)
    return {"flattened_patches": torch.cat([corners, pixels], 2), "attention_mask": padded_mask(BATCH, 24).float()}


def mllama_inputs(config):
    mask = ones(BATCH, 3, config.max_num_tiles)
    mask[1, :, 2:] = 0
    return {
        "pixel_values": floats(BATCH, 3, config.max_num_tiles, 3, config.image_size, config.image_size),
        "aspect_ratio_ids": ints(config.max_aspect_ratio_id + 1, BATCH, 3, low=1),
        "aspect_ratio_mask": mask,
    }


def packed_inputs(config):
    """Pictures of 4 by 6 patches, joined along the width."""
    size = config.patch_size
    pixels = floats(1, 3, size, BATCH * 24 * size)
    return {"pixel_values": pixels, "target_sizes": same_grids(4, 6).int()}


def muse_inputs(config):
    count = BATCH * 32
    pixels = floats(count, config.patch_temporal * 3 * config.patch_size**2)
    return {"pixel_values": pixels, "grid_thw": same_grids(1, 4, 8)}


def granite_inputs(config):
    """Pictures of two tiles and an overview: 16 features for it, 4 rows of 8 and a line end for the tiles."""
    count, size = 16 + 4 * 9, config.vision_config.image_size
    mask = padded_mask(BATCH, count + 13)
    ids = ints(100, BATCH, count + 13, low=5)
    ids[:, 1 : count + 1] = config.image_token_id
    mask[:, : count + 2] = 1
    return {
        "input_ids": ids,
        "attention_mask": mask,
        "pixel_values": floats(BATCH, 3, 3, size, size),
        "image_sizes": torch.tensor([[size, 2 * size]] * BATCH),
    }


def perceiver_inputs(config):
    """Tokens, pictures, or for the model without a preprocessor features of `d_model`."""
    modality = getattr(config, "modality", None)
    if modality == "picture":
        return {"pixel_values": floats(BATCH, 3, config.image_size, config.image_size)}
    mask = padded_mask(BATCH, 13)
    if modality == "text":
        return {"input_ids": ints(config.vocab_size, BATCH, 13, low=5), "attention_mask": mask}
    return {"inputs": floats(BATCH, 13, config.d_model), "attention_mask": mask}


def prompts(config):
    """Points, boxes and a mask for three objects on each picture, places in pixels."""
    size, grid = config.image_size, config.image_size // config.patch_size
    corners = ints(size, BATCH, 3, 2, 2).sort(2).values
    labels = ints(2, BATCH, 3, 5)
    labels[0, :, 4], labels[1, :, 3:] = -1, -10  # no point, padding
    return {
        "input_points": ints(size, BATCH, 3, 5, 2).float(),
        "input_labels": labels,
        "input_boxes": corners.flatten(2).float(),
        "input_masks": floats(BATCH, 1, 4 * grid, 4 * (grid + 1)),
    }


def mask_decoder_inputs(config):
    """A picture of 5 by 6 features and seven prompts for each of three objects, as SAM gives them."""
    width = config.hidden_size
    return {
        "image_embeddings": floats(BATCH, width, 5, 6),
        "image_positional_embeddings": floats(BATCH, width, 5, 6),
        "sparse_prompt_embeddings": floats(BATCH, 3, 7, width),
        "dense_prompt_embeddings": floats(BATCH, width, 5, 6),
        "multimask_output": True,
    }


def mask_decoder_inputs_2(config):
    """The same for SAM 2, which adds finer features: a list, since they differ in size."""
    width = config.hidden_size
    fine = [floats(BATCH, width // 8, 20, 24), floats(BATCH, width // 4, 10, 12)]
    return {**mask_decoder_inputs(config), "high_resolution_features": fine}


def mask_decoder_inputs_hq(config):
    """The same for SAM-HQ, which adds features of its vision tower: a list with an entry a layer."""
    features = [floats(BATCH, 5, 6, config.vit_dim)]
    return {**mask_decoder_inputs(config), "hq_token_only": False, "intermediate_embeddings": features}


def sam3_detr_encoder_inputs(config):
    return {
        "vision_features": [floats(BATCH, config.hidden_size, 5, 6)],
        "text_features": floats(BATCH, 13, config.hidden_size),
        "vision_pos_embeds": [floats(BATCH, config.hidden_size, 5, 6) / 2],
        "text_mask": padded_mask(BATCH, 13).bool(),
    }


def sam3_detr_decoder_inputs(config):
    return {
        "vision_features": floats(BATCH, 30, config.hidden_size),
        "text_features": floats(BATCH, 13, config.hidden_size),
        "vision_pos_encoding": floats(BATCH, 30, config.hidden_size) / 2,
        "text_mask": padded_mask(BATCH, 13).bool(),
        "spatial_shapes": torch.tensor([[5, 6]]),
    }


def sam3_mask_decoder_inputs(config):
    width = config.hidden_size
    return {
        "decoder_queries": floats(BATCH, 7, width),
        "backbone_features": [floats(BATCH, width, 20, 24), floats(BATCH, width, 10, 12), floats(BATCH, width, 5, 6)],
        "encoder_hidden_states": floats(BATCH, 30, width),
        "prompt_features": floats(BATCH, 13, width),
        "prompt_mask": padded_mask(BATCH, 13).bool(),
    }


# Entries that several types share

PROMPT_ENCODER = {"reason": "a plain module: it takes points, boxes and masks", "inputs": prompts}
MASK_DECODER = {
    "reason": "a plain module: it takes a picture's features and a prompt encoder's results",
    "config": {"iou_head_depth": 3},
    "inputs": mask_decoder_inputs_2,
}
PACKED_TOWER = {
    "reason": "pictures are joined along the width; the window merger must come after a layer that there is",
    "config": {"insert_layer_id": 0},
    "inputs": packed_inputs,
}
MUSE_TOWER = {
    "reason": "`patch_temporal` frames a patch; windows of `pos_emb_height` patches, smaller than the picture",
    "config": {"pos_emb_height": 4, "pos_emb_width": 4},
    "inputs": muse_inputs,
}
SAM_TOWER = {
    "reason": "no main input name; one layer with windows that do not fill the picture, and one that sees it whole",
    "config": {"global_attn_indexes": [1], "window_size": 3},
    "inputs": lambda config: {"pixel_values": floats(BATCH, 3, config.image_size, config.image_size)},
}
SAM3_DETR_DECODER = {"reason": "takes an encoder's results", "inputs": sam3_detr_decoder_inputs}
SAM3_DETR_ENCODER = {"reason": "takes the features of a vision and a text tower", "inputs": sam3_detr_encoder_inputs}
SAM3_GEOMETRY_ENCODER = {
    "unbuilt": "pools boxes by torchvision's roi_align, and torchvision does not load with the CPU's torch"
}
SAM3_MASK_DECODER = {"reason": "takes the results of three other parts", "inputs": sam3_mask_decoder_inputs}

EXCEPTIONS = {
    "aya_vision": {
        "reason": "pictures of an even number of patches, as the projector halves it; no text token may be the image's",
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
        "reason": "no text token may be the image's",
        "config": {"text_config": {"eos_token_id": 6}},
    },
    "deepseek_ocr2_encoder": {
        "reason": "takes embeddings of patches and queries, and how many of them are patches",
        "inputs": lambda config: {"inputs_embeds": floats(BATCH, 15, config.hidden_size), "num_patches": 9},
    },
    "deepseek_ocr2_vision": {
        "reason": "the last of `downsample_channels` is the encoder's width; a picture of 2 by 2 patches after sampling",
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
    "edgetam_mask_decoder": MASK_DECODER,
    "edgetam_prompt_encoder": PROMPT_ENCODER,
    "edgetam_video_mask_decoder": MASK_DECODER,
    "edgetam_video_prompt_encoder": PROMPT_ENCODER,
    "edgetam_vision_model": {
        "reason": "its backbone is timm's, which is not there: a ResNet that gives the feature maps of its stages",
        "config": {
            "backbone_config": transformers.ResNetConfig(
                embedding_size=16, hidden_sizes=[16, 24, 32, 48], depths=[1, 1, 1, 1], layer_type="basic"
            ),
            "backbone_channel_list": [48, 32, 24, 16],
            "fpn_hidden_size": 64,
        },
        "prepare": give_feature_maps,
        "inputs": lambda config: {"pixel_values": floats(BATCH, 3, 64, 96)},
    },
    "emu3_vqgan": {
        "reason": "has no forward: its work is `encode` and `decode`; widths are multiples of `base_channels`",
        "class": emu3_vqgan,
        "config": {"base_channels": 32, "hidden_size": 128},
        "inputs": lambda config: {"pixel_values": floats(BATCH, 3, 32, 48)},
    },
    "florence_vision": {
        "reason": "pictures are its `hidden_states`; narrower stages, and windows that do not fill the picture",
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
        "reason": "takes patches and their places; 3 by 3 of them are pooled",
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
            "vision_config": {"image_size": 64, "patch_size": 8},
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
        "reason": "one picture piece a text token, with channels last, and grids counted in them",
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
        "reason": "`num_patches` is the side of the picture's grid after 16-fold sampling",
        "config": {"base_channels": 32, "num_patches": 4},
        "inputs": lambda config: {"pixel_values": floats(BATCH, 3, 64, 64)},
    },
    "kimi_k25_vision": {
        "reason": "patches come as pictures",
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
        "reason": "tiles of several pictures a row; layers whose results are kept must be there; gates start shut",
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
        "reason": "takes pictures cut into patches",
        "inputs": lambda config: {"pixel_values": floats(BATCH, 16, 3 * config.patch_size**2)},
    },
    "muse_glimmer_vision": MUSE_TOWER,
    "muse_spark_vision": MUSE_TOWER,
    "paddleocr_vl_vision": {
        "reason": "patches come as pictures, in one row; its rotary embedding has no sections",
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
        "reason": "all its latents' widths come from `d_latents`; pictures have 261 or 322 channels, so one head; "
        "`modality` is read by its inputs alone",
        "config": {
            "d_latents": 64,
            "d_model": 48,
            "num_self_attends_per_block": 2,
            "num_cross_attention_heads": 1,
            "image_size": 24,
        },
        "for_class": {
            "PerceiverForImageClassificationConvProcessing": {"modality": "picture"},
            "PerceiverForImageClassificationFourier": {"modality": "picture"},
            "PerceiverForImageClassificationLearned": {"modality": "picture"},
            "PerceiverForMaskedLM": {"modality": "text"},
            "PerceiverForSequenceClassification": {"modality": "text"},
        },
        "inputs": perceiver_inputs,
    },
    "pp_chart2table_vision": {**SAM_TOWER, "class": pp_chart2table_vision},
    "sam2_mask_decoder": MASK_DECODER,
    "sam2_prompt_encoder": PROMPT_ENCODER,
    "sam2_video_mask_decoder": MASK_DECODER,
    "sam2_video_prompt_encoder": PROMPT_ENCODER,
    "sam3_detr_decoder": SAM3_DETR_DECODER,
    "sam3_detr_encoder": SAM3_DETR_ENCODER,
    "sam3_geometry_encoder": SAM3_GEOMETRY_ENCODER,
    "sam3_lite_text_detr_decoder": SAM3_DETR_DECODER,
    "sam3_lite_text_detr_encoder": SAM3_DETR_ENCODER,
    "sam3_lite_text_geometry_encoder": SAM3_GEOMETRY_ENCODER,
    "sam3_lite_text_mask_decoder": SAM3_MASK_DECODER,
    "sam3_mask_decoder": SAM3_MASK_DECODER,
    "sam3_tracker_mask_decoder": MASK_DECODER,
    "sam3_tracker_prompt_encoder": PROMPT_ENCODER,
    "sam3_tracker_video_mask_decoder": MASK_DECODER,
    "sam3_tracker_video_prompt_encoder": PROMPT_ENCODER,
    "sam_hq_mask_decoder": {
        **MASK_DECODER,
        "config": {"iou_head_depth": 3, "vit_dim": 48},
        "inputs": mask_decoder_inputs_hq,
    },
    "sam_hq_prompt_encoder": {**PROMPT_ENCODER, "class": sam_hq_prompt_encoder},
    "sam_mask_decoder": {**MASK_DECODER, "inputs": mask_decoder_inputs},
    "sam_prompt_encoder": {**PROMPT_ENCODER, "class": sam_prompt_encoder},
    "t5gemma2_decoder": {
        "reason": "its dropout is a field of the whole model's configuration; takes an encoder's results",
        "config": {"dropout_rate": 0.0},
        "extra": lambda config, inputs: {
            "encoder_hidden_states": floats(BATCH, 11, config.hidden_size),
            "encoder_attention_mask": padded_mask(BATCH, 11),
        },
    },
    "t5gemma2_encoder": {
        "reason": "its dropout is a field of the whole model's configuration; four features a picture of 4 by 4 patches",
        "config": {"mm_tokens_per_image": 4, "text_config": {"dropout_rate": 0.0}},
    },
    "unlimited_ocr_vision_encoder": {
        "reason": "takes another tower's patch embeddings",
        "inputs": lambda config: {"patch_embeds": floats(BATCH, config.hidden_size, 4, 6)},
    },
    "xclip_vision_model": {
        "reason": "the frames of a film are joined along the batch",
        "config": {"num_frames": 3},
        "inputs": lambda config: {
            "pixel_values": floats(BATCH * config.num_frames, 3, config.image_size, config.image_size)
        },
    },
}
