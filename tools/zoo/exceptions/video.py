"""Exceptions for models of video. See __init__.py for what an entry may hold."""

import torch
from inputs.multimodal import llava_next_inputs, packed, prompt, question
from inputs.tensors import floats, ints, padded_mask
from inputs.video import pe_video_inputs
from transformers import ViTConfig

from .multimodal import MODERNBERT_TOKENS, TILES, resnet

EXCEPTIONS = {
    "instructblipvideo": {
        "reason": "video_token_index has no default; each frame has the same number of placeholders",
        "config": {"video_token_index": 127},
        "inputs": lambda c: {
            **prompt((c.video_token_index, 5 * c.num_query_tokens)),
            **question(),
            "pixel_values": floats(2, 5, 3, c.vision_config.image_size, c.vision_config.image_size),
        },
    },
    "llava_next_video": {
        "reason": "an image is given as a thumbnail and tiles, after the sizes in image_grid_pinpoints; videos are pooled",
        "config": TILES,
        "inputs": lambda c: {
            **llava_next_inputs(c, (c.video_token_index, 4 * 4)),
            "pixel_values_videos": floats(2, 4, 3, c.vision_config.image_size, c.vision_config.image_size),
        },
    },
    "llava_onevision": {
        "reason": "an image is given as a thumbnail and tiles, after the sizes in image_grid_pinpoints; videos are pooled",
        "config": TILES,
        "inputs": lambda c: {
            **llava_next_inputs(c, (c.video_token_index, 4 * 4 + 1)),
            "pixel_values_videos": floats(2, 4, 3, c.vision_config.image_size, c.vision_config.image_size),
        },
    },
    "pe_video": {
        "reason": "its image part is timm's; a ResNet stands for it",
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
    "tvp": {
        "reason": "takes text and videos of max_img_size; its embeddings of the grid work for a batch of one only",
        "config": {
            "max_img_size": 128,
            "visual_prompt_size": 16,
            "num_frames": 3,
            "backbone_config": {
                "embedding_size": 16,
                "hidden_sizes": [16, 24, 32, 48],
                "depths": [1, 1, 2, 1],
                "out_features": ["stage4"],
            },
        },
        "inputs": lambda config: {
            "input_ids": ints(config.vocab_size, 1, 13, low=5),
            "attention_mask": padded_mask(2, 13)[1:],
            "pixel_values": floats(1, config.num_frames, 3, config.max_img_size, config.max_img_size),
        },
    },
    "video_llama_3": {
        "reason": "images come with the number of patches that are merged to one token",
        "inputs": lambda c: {
            **prompt((c.image_token_id, 6)),
            **packed(c.vision_config),
            "image_merge_sizes": torch.tensor([2, 2]),
        },
    },
}
