"""Exceptions for models that find objects and their masks, whole and in parts; see __init__.py for what an entry may hold."""

import torch
import transformers
from inputs.parts import BATCH
from inputs.segmentation import (
    edgetam_memory_inputs,
    mask_decoder_inputs,
    mask_decoder_inputs_2,
    mask_decoder_inputs_hq,
    memory_inputs,
    omdet_inputs,
    points_inputs,
    prompts,
    sam3_detr_decoder_inputs,
    sam3_detr_encoder_inputs,
    sam3_mask_decoder_inputs,
)
from inputs.tensors import floats, ints, ones
from transformers import SwinConfig
from transformers.modeling_outputs import BaseModelOutput

from .multimodal import resnet

HIERA_STAGES = {
    "hidden_size": 16,
    "blocks_per_stage": [1, 1, 2, 1],
    "embed_dim_per_stage": [16, 32, 48, 64],
    "num_attention_heads_per_stage": [1, 2, 3, 4],
    "window_size_per_stage": [8, 4, 4, 2],
    "global_attention_blocks": [3],
}


HIERA = {**HIERA_STAGES, "image_size": [128, 128]}


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


def sam_prompt_encoder(config):
    from transformers.models.sam.modeling_sam import SamPromptEncoder

    vision = {"hidden_size": 32, "num_pos_feats": config.hidden_size // 2}
    return SamPromptEncoder(transformers.SamConfig(prompt_encoder_config=config, vision_config=vision))


def sam_hq_prompt_encoder(config):
    from transformers.models.sam_hq.modeling_sam_hq import SamHQPromptEncoder

    vision = {"hidden_size": 32, "num_pos_feats": config.hidden_size // 2}
    return SamHQPromptEncoder(transformers.SamHQConfig(prompt_encoder_config=config, vision_config=vision))


class FeatureMaps(torch.nn.Module):
    """A backbone as EdgeTAM's timm model: the feature maps of all its stages are its last hidden state."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, pixel_values, **kwargs):
        states = self.model(pixel_values, output_hidden_states=True).hidden_states
        return transformers.modeling_outputs.BaseModelOutput(last_hidden_state=list(states[1:]), hidden_states=states)


def give_feature_maps(model):
    model.backbone = FeatureMaps(model.backbone)


PROMPT_ENCODER = {"reason": "a plain module: it takes points, boxes and masks", "inputs": prompts}


MASK_DECODER = {
    "reason": "a plain module: it takes an image's features and a prompt encoder's results",
    "config": {"iou_head_depth": 3},
    "inputs": mask_decoder_inputs_2,
}


SAM3_DETR_DECODER = {"reason": "takes an encoder's results", "inputs": sam3_detr_decoder_inputs}


SAM3_DETR_ENCODER = {"reason": "takes the features of a vision and a text tower", "inputs": sam3_detr_encoder_inputs}


SAM3_GEOMETRY_ENCODER = {
    "unbuilt": "pools boxes by torchvision's roi_align, and torchvision does not load with the CPU's torch"
}


SAM3_MASK_DECODER = {"reason": "takes the results of three other parts", "inputs": sam3_mask_decoder_inputs}


EXCEPTIONS = {
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
    "edgetam_mask_decoder": MASK_DECODER,
    "edgetam_prompt_encoder": PROMPT_ENCODER,
    "edgetam_video": {
        "reason": "the whole model takes an inference session; the memory attention is the part of it that is its own",
        "class": "EdgeTamVideoMemoryAttention",
        "config": {"memory_attention_rope_feat_sizes": [4, 6], "memory_attention_rope_k_sizes": [3, 3]},
        "inputs": edgetam_memory_inputs,
    },
    "edgetam_video_mask_decoder": MASK_DECODER,
    "edgetam_video_prompt_encoder": PROMPT_ENCODER,
    "edgetam_vision_model": {
        "reason": "its backbone is timm's, which is not there: a ResNet that gives the feature maps of its stages",
        "config": {
            "backbone_config": transformers.ResNetConfig(
                embedding_size=16, hidden_sizes=[16, 24, 32, 48], depths=[1, 1, 2, 1], layer_type="basic"
            ),
            "backbone_channel_list": [48, 32, 24, 16],
            "fpn_hidden_size": 64,
        },
        "prepare": give_feature_maps,
        "inputs": lambda config: {"pixel_values": floats(BATCH, 3, 64, 96)},
    },
    "omdet-turbo": {
        "reason": "its backbone is timm's, Transformers' Swin stands for it; classes must be wider than the decoder",
        "config": {
            "use_timm_backbone": False,
            "apply_layernorm_after_vision_backbone": False,
            "backbone_config": SwinConfig(
                image_size=64,
                embed_dim=16,
                depths=[1, 1, 2, 1],
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
    "oneformer": {
        "reason": "takes an image and a task written in tokens",
        "config": {
            "task_seq_len": 13,
            "backbone_config": {
                "embed_dim": 16,
                "depths": [1, 1, 2, 1],
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
    "sam2": {
        "reason": "sizes of the vision part's stages stand in lists, in three fields",
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
    "sam2_hiera_det_model": {"reason": "sizes of its stages stand in lists", "config": HIERA},
    "sam2_mask_decoder": MASK_DECODER,
    "sam2_prompt_encoder": PROMPT_ENCODER,
    "sam2_video": {
        "reason": "the whole model takes an inference session; the memory attention is the part of it that is its own",
        "class": "Sam2VideoMemoryAttention",
        "config": {"memory_attention_rope_feat_sizes": [4, 6]},
        "inputs": memory_inputs,
    },
    "sam2_video_mask_decoder": MASK_DECODER,
    "sam2_video_prompt_encoder": PROMPT_ENCODER,
    "sam2_vision_model": {
        "reason": "sizes of the backbone's stages stand in lists, in three fields",
        "config": {
            "backbone_config": HIERA,
            "backbone_channel_list": [64, 48, 32, 16],
            "backbone_feature_sizes": [[32, 32], [16, 16], [8, 8]],
            "fpn_hidden_size": 64,
        },
    },
    "sam3_detr_decoder": SAM3_DETR_DECODER,
    "sam3_detr_encoder": SAM3_DETR_ENCODER,
    "sam3_geometry_encoder": SAM3_GEOMETRY_ENCODER,
    "sam3_lite_text_detr_decoder": SAM3_DETR_DECODER,
    "sam3_lite_text_detr_encoder": SAM3_DETR_ENCODER,
    "sam3_lite_text_geometry_encoder": SAM3_GEOMETRY_ENCODER,
    "sam3_lite_text_mask_decoder": SAM3_MASK_DECODER,
    "sam3_mask_decoder": SAM3_MASK_DECODER,
    "sam3_tracker": {
        "reason": "sizes of the vision part's maps stand in a list; one layer sees the whole image, one sees windows of it",
        "config": {
            "vision_config": {
                "backbone_config": {"window_size": 3, "global_attn_indexes": [1], "pretrain_image_size": 28},
                "backbone_feature_sizes": [[16, 16], [8, 8], [4, 4]],
            },
        },
        "inputs": points_inputs,
    },
    "sam3_tracker_mask_decoder": MASK_DECODER,
    "sam3_tracker_prompt_encoder": PROMPT_ENCODER,
    "sam3_tracker_video": {
        "reason": "the whole model takes an inference session; the memory attention is the part of it that is its own",
        "class": "Sam3TrackerVideoMemoryAttention",
        "config": {"image_size": 70},
        "inputs": memory_inputs,
    },
    "sam3_tracker_video_mask_decoder": MASK_DECODER,
    "sam3_tracker_video_prompt_encoder": PROMPT_ENCODER,
    "sam3_video": {
        "reason": "its own forward takes a session that keeps videos and objects; its detector takes this configuration too",
        "class": "Sam3Model",
    },
    "sam_hq_mask_decoder": {
        **MASK_DECODER,
        "config": {"iou_head_depth": 3, "vit_dim": 48},
        "inputs": mask_decoder_inputs_hq,
    },
    "sam_hq_prompt_encoder": {**PROMPT_ENCODER, "class": sam_hq_prompt_encoder},
    "sam_mask_decoder": {**MASK_DECODER, "inputs": mask_decoder_inputs},
    "sam_prompt_encoder": {**PROMPT_ENCODER, "class": sam_prompt_encoder},
}
