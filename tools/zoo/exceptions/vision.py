"""Exceptions for models of images. See __init__.py for what an entry may hold."""

import math

import transformers
from inputs.tensors import floats

# Backbones with one block a stage and two in one of them, so that blocks with and without a new shape are there.
RESNET = {"embedding_size": 32, "hidden_sizes": [32, 48, 64, 96], "depths": [1, 2, 1, 1]}


STAGES = ["stage1", "stage2", "stage3", "stage4"]


HGNET = {
    "stem_channels": [3, 16, 16],
    "stage_in_channels": [16, 32, 48, 64],
    "stage_mid_channels": [16, 16, 24, 32],
    "stage_out_channels": [32, 48, 64, 96],
    "stage_num_blocks": [1, 1, 2, 1],
    "stage_numb_of_layers": [2, 2, 2, 2],
    "hidden_sizes": [32, 48, 64, 96],
    "embedding_size": 16,
}


# Two stages with one block of plain and one of shifted windows each.
SWIN = {"embed_dim": 32, "depths": [2, 2], "num_heads": [2, 4], "window_size": 4, "image_size": [64, 96]}


# The third stage has a block of plain and one of shifted windows.
SMALL_SWIN = {
    "embed_dim": 16,
    "depths": [1, 1, 2, 1],
    "num_heads": [1, 2, 2, 4],
    "window_size": 4,
    "image_size": [64, 96],
}


SLOW_WIDTHS = "widths double with each stage and the default's take minutes to export"


MANY_BLOCKS = "fifty blocks by default: its coefficients make the stages thinner and shorter"


EFFICIENTNET = {"width_coefficient": 0.25, "depth_coefficient": 0.3, "hidden_dim": 320}


NEEDS_TIMM = "its backbone is timm's by default, and that package is not here: a ResNet of Transformers instead"


LOST_STAGES = "the backbone must give the stages that the parent reads, with the widths that the parent names"


VIT = {"num_hidden_layers": 4, "hidden_size": 64, "num_attention_heads": 4}


DETR = {
    "reason": NEEDS_TIMM,
    "config": {"use_timm_backbone": False, "backbone_config": {**RESNET, "out_features": STAGES}},
    "for_class": {
        f"{name}ForSegmentation": {"encoder_attention_heads": 8, "decoder_attention_heads": 8}
        for name in ("Detr", "ConditionalDetr")  # width and heads together must be a multiple of 8
    },
}


RT_DETR = {"encoder_in_channels": [48, 64, 96], "decoder_in_channels": [64, 64, 64]}


FOUR_LAYERS = "segmentation reads four layers"


def depth_pro_vit():
    return transformers.Dinov2Config(
        hidden_size=64, num_hidden_layers=4, num_attention_heads=4, image_size=32, patch_size=8
    )


EXCEPTIONS = {
    "align": {"reason": MANY_BLOCKS, "config": {"vision_config": EFFICIENTNET, "projection_dim": 80}},
    "align_vision_model": {"reason": MANY_BLOCKS, "config": EFFICIENTNET},
    "beit": {
        "reason": FOUR_LAYERS,
        "config": {"num_hidden_layers": 4},
        "for_class": {"BeitForSemanticSegmentation": {"out_indices": [1, 2, 3, 4]}},
    },
    "bit": {
        "reason": "fifty layers of widths up to 2048 by default",
        "config": {"embedding_size": 32, "hidden_sizes": [32, 64, 96, 128], "depths": [1, 2, 1, 1], "num_groups": 4},
    },
    "chmv2": {
        "reason": "four layers of the backbone are read, and each has its own width afterwards",
        "config": {
            "backbone_config": {
                **VIT,
                "intermediate_size": 96,
                "image_size": [64, 96],
                "patch_size": 16,
                "num_register_tokens": 4,
                "key_bias": True,
                "out_indices": [1, 2, 3, 4],
                "reshape_hidden_states": True,
                "apply_layernorm": True,
                "return_class_token": True,
            },
            "post_process_channels": [16, 24, 32, 48],
            "fusion_hidden_size": 32,
            "head_hidden_size": 16,
            "number_output_channels": 24,
        },
    },
    "conditional_detr": DETR,
    "cvt": {
        "reason": "the model reads item `stage` of a list with an entry a layer, so stage i needs more than i layers",
        "config": {"embed_dim": [32, 48, 96], "num_heads": [2, 3, 6], "depth": [1, 2, 3]},
    },
    "d_fine": {
        "reason": LOST_STAGES,
        "config": {**RT_DETR, "backbone_config": {**HGNET, "out_features": STAGES[1:]}},
    },
    "dab-detr": DETR,
    "data2vec-vision": {
        "reason": FOUR_LAYERS,
        "for_class": {"Data2VecVisionForSemanticSegmentation": {"num_hidden_layers": 4, "out_indices": [1, 2, 3, 4]}},
    },
    "deepseek_ocr2_text": {
        "reason": "which layers are dense and which have experts is given by its parent or by the checkpoint",
        "config": {"mlp_layer_types": ["dense", "sparse"], "num_experts_per_tok": 2},
    },
    "deformable_detr": {
        "reason": NEEDS_TIMM,
        "config": {"use_timm_backbone": False, "backbone_config": {**RESNET, "out_features": STAGES[1:]}},
    },
    "deimv2": {
        "reason": LOST_STAGES,
        "config": {**RT_DETR, "backbone_config": {**HGNET, "out_features": STAGES[1:]}},
    },
    "depth_anything": {
        "reason": "four layers of the backbone are read, and each has its own width afterwards",
        "config": {
            "backbone_config": {
                **VIT,
                "image_size": 56,
                "out_indices": [1, 2, 3, 4],
                "reshape_hidden_states": False,
            },
            "reassemble_hidden_size": 64,
            "neck_hidden_sizes": [16, 24, 32, 48],
            "fusion_hidden_size": 32,
            "head_hidden_size": 24,
        },
    },
    "depth_pro": {
        "reason": "the images of its three vision models must be as large as its patches",
        "config": {
            "patch_size": 32,
            "image_model_config": depth_pro_vit(),
            "patch_model_config": depth_pro_vit(),
            "fov_model_config": depth_pro_vit(),
            "fusion_hidden_size": 48,
            "intermediate_hook_ids": [3, 1],
            "intermediate_feature_dims": [24, 24],
            "scaled_images_feature_dims": [48, 40, 24],
            "use_fov_model": True,
        },
        "inputs": lambda config: {"pixel_values": floats(2, 3, 128, 128)},
    },
    "detr": DETR,
    "dinat": {"unbuilt": "it needs the package natten, which cannot be installed here"},
    "dpt": {
        "reason": "four layers are read, and each has its own width afterwards",
        "config": {
            "num_hidden_layers": 4,
            "backbone_out_indices": [0, 1, 2, 3],
            "neck_hidden_sizes": [16, 24, 32, 48],
            "fusion_hidden_size": 32,
        },
    },
    "efficientnet": {"reason": MANY_BLOCKS, "config": EFFICIENTNET},
    "grounding-dino": {"reason": SLOW_WIDTHS, "config": {"backbone_config": {**SMALL_SWIN, "out_indices": [2, 3, 4]}}},
    "hiera": {
        "reason": "pretraining has a decoder, and hides what noise chooses: noise that is drawn inside cannot be compared",
        "for_class": {
            "HieraForPreTraining": {"decoder_hidden_size": 32, "decoder_depth": 1, "decoder_num_heads": 2},
        },
        "inputs_for": {
            "HieraForPreTraining": lambda config: {
                "pixel_values": floats(2, 3, *config.image_size),
                "noise": floats(2, math.prod(s // 4 // 8 for s in config.image_size)),
            }
        },
    },
    "lw_detr": {
        "reason": "the backbone must name the layers that are read, and the parent at which scales it reads them",
        "config": {
            "backbone_config": {
                **VIT,
                "image_size": 64,
                "pretrain_image_size": 32,
                "num_windows": 4,
                "window_block_indices": [0, 2],
                "out_indices": [2, 3, 4],
            },
            "projector_scale_factors": [2.0, 0.5],
            "c2f_num_blocks": 2,
        },
    },
    "mask2former": {
        "reason": "the widths of features and masks must be the hidden width",
        "config": {
            "backbone_config": {**SMALL_SWIN, "out_features": STAGES},
            "feature_size": 64,
            "mask_feature_size": 64,
            "decoder_layers": 4,  # one less than that: a layer for each of the three levels
        },
    },
    "maskformer": {
        "reason": SLOW_WIDTHS,
        "config": {
            "backbone_config": {**SMALL_SWIN, "out_features": STAGES},
            "fpn_feature_size": 64,
            "mask_feature_size": 64,
        },
    },
    "maskformer-swin": {"reason": SLOW_WIDTHS, "config": SWIN},
    "mm-grounding-dino": {
        "reason": SLOW_WIDTHS,
        "config": {"backbone_config": {**SMALL_SWIN, "out_indices": [2, 3, 4]}},
    },
    "mobilevitv2": {
        "reason": "nine layers of attention behind one another by default, and widths up to 512",
        "config": {"n_attn_blocks": [1, 2, 1], "base_attn_unit_dims": [32, 48, 64], "width_multiplier": 0.25},
    },
    "prompt_depth_anything": {
        "reason": "four layers of the backbone are read, and each has its own width afterwards; depths prompt it",
        "config": {
            "backbone_config": {
                **VIT,
                "image_size": 56,
                "out_indices": [1, 2, 3, 4],
                "reshape_hidden_states": False,
            },
            "reassemble_hidden_size": 64,
            "neck_hidden_sizes": [16, 24, 32, 48],
            "fusion_hidden_size": 32,
            "head_hidden_size": 24,
        },
        "extra": lambda config, inputs: {"prompt_depth": floats(2, 1, 18, 24).abs()},
    },
    "rt_detr": {
        "reason": LOST_STAGES,
        "config": {**RT_DETR, "backbone_config": {**RESNET, "out_features": STAGES[1:]}},
    },
    "rt_detr_v2": {
        "reason": LOST_STAGES,
        "config": {**RT_DETR, "backbone_config": {**RESNET, "out_features": STAGES[1:]}},
    },
    "sapiens2": {
        "reason": "sizes of the heads stand in the checkpoint's configuration only; keys and values vary by layer",
        "config": {
            "num_key_value_heads_per_layer": [4, 2],
            "image_size": 128,
            "head_config": {
                "upsample_out_channels": [32, 24],
                "conv_out_channels": [24, 16],
                "scale_conv_out_channels": [24, 16],
                "scale_final_hidden_sizes": [12, 8],
            },
        },
    },
    "seggpt": {
        "reason": "it takes an image, another one as its example, and the mask of that one",
        "config": {
            "num_hidden_layers": 3,
            "mlp_dim": 96,
            "image_size": [128, 96],
            "pretrain_image_size": 64,
            "merge_index": 1,
            "intermediate_hidden_state_indices": [1, 2],
            "decoder_hidden_size": 32,
        },
        "inputs": lambda config: {
            "pixel_values": floats(2, 3, 64, 96),
            "prompt_pixel_values": floats(2, 3, 64, 96).flip(0),
            "prompt_masks": floats(2, 3, 64, 96).flip(1),
        },
    },
    "swin": {"reason": SLOW_WIDTHS, "config": SWIN},
    "swin2sr": {
        "reason": "36 layers by default",
        "config": {"embed_dim": 32, "depths": [2, 2], "num_heads": [2, 2], "window_size": 4, "image_size": 16},
    },
    "swinv2": {"reason": SLOW_WIDTHS, "config": SWIN},
    "table-transformer": DETR,
    "timm_backbone": {"unbuilt": "it needs the package timm, which cannot be installed here"},
    "timm_wrapper": {"unbuilt": "it needs the package timm, which cannot be installed here"},
    "tipsv2_dpt": {
        "reason": "four layers of the backbone are read, and each has its own width afterwards",
        "config": {
            "backbone_config": {
                **VIT,
                "image_size": 56,
                "out_indices": [1, 2, 3, 4],
                "apply_layernorm": True,
                "reshape_hidden_states": False,
            },
            "neck_hidden_sizes": [16, 24, 32, 48],
            "fusion_hidden_size": 32,
            "num_depth_bins": 20,
        },
    },
    "upernet": {
        "reason": "the backbone must give four stages; the published ones are ConvNeXt's or Swin's",
        "config": {
            "backbone_config": transformers.ConvNextConfig(
                hidden_sizes=[32, 48, 64, 96], depths=[1, 2, 1, 1], image_size=[64, 96], out_features=STAGES
            ),
            "auxiliary_channels": 32,
            "auxiliary_in_channels": 64,
        },
    },
    "vit_mae": {
        "reason": "which patches are hidden is drawn at random, which cannot be compared, unless the noise is given",
        "extra": lambda config, inputs: {"noise": floats(2, (config.image_size // config.patch_size) ** 2)},
    },
    "vitmatte": {
        "reason": "the backbone takes images with their trimap, four channels, and the widths must be lists",
        "config": {
            "backbone_config": {
                **VIT,
                "num_channels": 4,
                "image_size": [64, 96],
                "pretrain_image_size": 32,
                "window_size": 3,
                "window_block_indices": [0, 1],
                "residual_block_indices": [1, 3],
                "use_relative_position_embeddings": True,
                "out_features": ["stage4"],
            },
            "hidden_size": 64,
            "convstream_hidden_sizes": [16, 24, 32],
            "fusion_hidden_sizes": [48, 32, 24, 16],
        },
    },
    "zoedepth": {
        "reason": "four layers of the backbone are read, and each has its own width afterwards",
        "config": {
            "backbone_config": {
                **VIT,
                "intermediate_size": 96,
                "image_size": [64, 96],
                "use_relative_position_bias": True,
                "reshape_hidden_states": False,
                "out_features": STAGES,
            },
            "neck_hidden_sizes": [16, 24, 32, 48],
            "fusion_hidden_size": 32,
            "bottleneck_features": 32,
            "num_relative_features": 16,
            "bin_embedding_dim": 24,
            "num_attractors": [8, 4, 2, 1],
            "bin_configurations": [{"n_bins": 16, "min_depth": 0.001, "max_depth": 10.0}],
        },
    },
}
