"""Exceptions for models that read pages. See __init__.py for what an entry may hold."""

from inputs.documents import (
    colpali_inputs,
    deepseek_ocr2_inputs,
    granite_docling_inputs,
    kosmos2_5_inputs,
    layoutlm_encoder_inputs,
    paddleocr_inputs,
    table_inputs,
    udop_extra,
)
from inputs.multimodal import prompt
from inputs.tensors import floats, ints
from transformers import DonutSwinConfig, MBartConfig

from .multimodal import PALIGEMMA
from .vision import HGNET, LOST_STAGES, RT_DETR, SLOW_WIDTHS, STAGES, SWIN


def layoutlm_encoder(config):
    from transformers.models.layoutlmv2.modeling_layoutlmv2 import LayoutLMv2Encoder

    return LayoutLMv2Encoder(config)


def nougat_parts():
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


def nougat(config):
    """Nougat's models are released with the configuration of their class; its own class is refused by it."""
    from transformers import VisionEncoderDecoderConfig, VisionEncoderDecoderModel

    joined = VisionEncoderDecoderConfig.from_encoder_decoder_configs(config.encoder, config.decoder)
    return VisionEncoderDecoderModel(joined)


LCNET_BLOCKS = [
    [[3, 16, 16, 1, False]],
    [[3, 16, 32, 2, False], [3, 32, 32, 1, False]],
    [[3, 32, 48, 2, False], [3, 48, 48, 1, False]],
    [[3, 48, 64, 2, False], [5, 64, 64, 1, False]],
    [[5, 64, 96, 2, True], [5, 96, 96, 1, True]],
]


LCNET_V4_BLOCKS = [
    [[3, 32, 32, 1, True]],
    [[3, 32, 48, 2, False], [3, 48, 48, 1, True]],
    [[3, 48, 64, 2, False], [3, 64, 64, 1, False]],
    [[3, 64, 96, 2, False], [3, 96, 96, 1, True]],
]


INTRACLASS = {
    "reduce_channel": [1, 1, 0],
    "return_channel": [1, 1, 0],
    "vertical_long_to_small_conv_longratio": [[7, 1], [1, 1], [3, 0]],
    "vertical_long_to_small_conv_midratio": [[5, 1], [1, 1], [2, 0]],
    "vertical_long_to_small_conv_shortratio": [[3, 1], [1, 1], [1, 0]],
    "horizontal_small_to_long_conv_longratio": [[1, 7], [1, 1], [0, 3]],
    "horizontal_small_to_long_conv_midratio": [[1, 5], [1, 1], [0, 2]],
    "horizontal_small_to_long_conv_shortratio": [[1, 3], [1, 1], [0, 1]],
    "symmetric_conv_long_longratio": [[7, 7], [1, 1], [3, 3]],
    "symmetric_conv_long_midratio": [[5, 5], [1, 1], [2, 2]],
    "symmetric_conv_long_shortratio": [[3, 3], [1, 1], [1, 1]],
}


EXCEPTIONS = {
    "colpali": {
        "reason": "Gemma has one head of keys and values in PaliGemma; image tokens stand before the text",
        "config": {"vlm_config": PALIGEMMA, "embedding_dim": 32},
        "inputs": colpali_inputs,
    },
    "deepseek_ocr2": {
        "reason": "mlp_layer_types and num_experts_per_tok have no default; the vision part's width is given in three fields",
        "config": {
            "text_config": {"mlp_layer_types": ["dense", "sparse"], "num_experts_per_tok": 2},
            "vision_config": {
                "sam_config": {"downsample_channels": [48, 64], "global_attn_indexes": [1], "window_size": 3},
            },
        },
        "inputs": deepseek_ocr2_inputs,
    },
    "donut-swin": {"reason": SLOW_WIDTHS, "config": SWIN},
    "granite_docling": {
        "reason": "images are given in tiles with a mask of them; deepstack features come from named layers",
        "config": {
            "text_config": {"pad_token_id": 0, "eos_token_id": 1, "bos_token_id": 2},
            "vision_config": {"image_size": 128, "deepstack_visual_indexes": [0, 1]},
        },
        "inputs": granite_docling_inputs,
    },
    "kosmos-2.5": {
        "reason": "patches come with their row and column; a mask says where the features of the image go",
        "config": {"vision_config": {"patch_embed_hidden_size": 48, "max_num_patches": 32}},
        "inputs": kosmos2_5_inputs,
    },
    "layoutlmv2": {
        "reason": "the whole model needs detectron2, which cannot be installed: its encoder is taken",
        "class": "LayoutLMv2Encoder",
        "config": {"image_feature_pool_shape": (2, 3, 64)},
        "inputs": layoutlm_encoder_inputs,
    },
    "layoutxlm": {
        "reason": "of LayoutLMv2's classes, which need detectron2, which cannot be installed: the encoder is taken",
        "class": layoutlm_encoder,
        "config": {"image_feature_pool_shape": (2, 3, 64)},
        "inputs": layoutlm_encoder_inputs,
    },
    "nougat": {
        "reason": "has no classes of its own; its models are of VisionEncoderDecoderModel",
        "class": nougat,
        "config": nougat_parts(),
        "inputs": lambda config: {
            "pixel_values": floats(2, 3, 64, 96),
            "decoder_input_ids": ints(128, 2, 7, low=5),
        },
    },
    "paddleocr_vl": {
        "reason": "patches are given as images, not as rows of values",
        "inputs": paddleocr_inputs,
    },
    "pp_doclayout_v2": {
        "reason": f"{LOST_STAGES}; the thresholds and the order of the classes stand in the checkpoint only",
        "config": {
            **RT_DETR,
            "backbone_config": {**HGNET, "out_features": STAGES[1:]},
            "num_labels": 5,
            "class_thresholds": [0.5, 0.55, 0.6, 0.65, 0.7],
            "class_order": [3, 0, 2, 4, 1],
            "reading_order_config": {"coordinate_size": 12, "shape_size": 8, "num_classes": 5},
        },
    },
    "pp_doclayout_v3": {
        "reason": LOST_STAGES,
        "config": {
            **RT_DETR,
            "x4_feat_dim": 32,
            "num_prototypes": 16,
            "backbone_config": {**HGNET, "out_features": STAGES},
        },
    },
    "pp_doclayout_v4": {
        "reason": LOST_STAGES,
        "config": {**RT_DETR, "backbone_config": {**HGNET, "out_features": STAGES[1:]}},
    },
    "pp_ocrv5_mobile_det": {
        "reason": LOST_STAGES,
        "config": {
            "backbone_config": {
                "block_configs": LCNET_BLOCKS,
                "out_indices": [2, 3, 4, 5],
                "divisor": 16,
                "scale": 1.0,
            },
            "layer_list_out_channels": [12, 18, 24, 40],
            "neck_out_channels": 48,
        },
    },
    "pp_ocrv5_mobile_rec": {
        "reason": "reads lines of text: the height ends in one row of features",
        "inputs": lambda config: {"pixel_values": floats(2, 3, 96, 192)},
    },
    "pp_ocrv5_server_det": {
        "reason": "the kernels of its blocks stand in the checkpoint's configuration only",
        "config": {
            "backbone_config": {**HGNET, "out_features": STAGES},
            "neck_out_channels": 64,
            "intraclass_block_config": INTRACLASS,
            "scale_factor_list": [1, 2, 4, 8],
            "kernel_list": [3, 2, 2],
        },
    },
    "pp_ocrv6_medium_det": {
        "reason": "the kernels of its blocks stand in the checkpoint's configuration only",
        "config": {
            "backbone_config": {
                "stem_channels": [3, 16, 32],
                "block_configs": LCNET_V4_BLOCKS,
                "out_features": STAGES,
            },
            "neck_out_channels": 64,
            "intraclass_block_config": INTRACLASS,
            "scale_factor_list": [1, 2, 4, 8],
            "kernel_list": [3, 2, 2],
        },
    },
    "pp_ocrv6_small_det": {
        "reason": LOST_STAGES,
        "config": {
            "backbone_config": {
                "stem_channels": [3, 16, 32],
                "stem_type": "small",
                "block_configs": LCNET_V4_BLOCKS,
                "out_features": STAGES,
            },
            "layer_list_out_channels": [32, 48, 64, 96],
            "neck_out_channels": 48,
        },
    },
    "slanet": {
        "reason": LOST_STAGES,
        "config": {
            "backbone_config": {"block_configs": LCNET_BLOCKS, "out_indices": [2, 3, 4, 5], "divisor": 16},
            "post_conv_out_channels": 48,
            "out_channels": 20,
            "max_text_length": 7,
        },
    },
    "tapas": {
        "reason": "answers are cells of a table: without tokens of cells all scores are masked",
        "inputs": table_inputs,
    },
    "udop": {
        "reason": "takes the image of the page beside its words, whose boxes are parts of the page",
        "extra": udop_extra,
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
    "uvdoc": {
        "reason": LOST_STAGES,
        "config": {
            "backbone_config": {
                "resnet_head": [[3, 16], [16, 16]],
                "resnet_configs": [
                    [[16, 16, 1, False], [16, 16, 3, False]],
                    [[16, 24, 1, True], [24, 24, 3, False]],
                    [[24, 32, 1, True], [32, 32, 3, False]],
                ],
                "stage_configs": [
                    [[32, 1]],
                    [[32, 2]],
                    [[32, 5]],
                    [[32, 8], [32, 3], [32, 2]],
                    [[32, 12], [32, 7], [32, 4]],
                    [[32, 18], [32, 12], [32, 6]],
                ],
                "out_features": [*STAGES, "stage5", "stage6"],
            },
            "bridge_connector": [32, 32],
            "out_point_positions2D": [[32, 16], [16, 2]],
        },
    },
}
