"""Inputs for models that find objects and their masks; exceptions/segmentation.py says whose they are."""

import torch

from .multimodal import prompt
from .parts import BATCH
from .tensors import floats, ints, padded_mask


def edgetam_memory_inputs(config):
    high, wide = config.memory_attention_rope_feat_sizes
    queries, width = high * wide, config.memory_attention_hidden_size
    memory = 2 * 14 + 4
    return {
        "current_vision_features": floats(queries, 2, width),
        "current_vision_position_embeddings": floats(queries, 2, width).tanh(),
        "memory": floats(memory, 2, 64),
        "memory_posision_embeddings": floats(memory, 2, 64).tanh(),
        "num_object_pointer_tokens": 4,
        "num_spatial_memory_tokens": 2,
    }


def memory_inputs(config):
    """A frame's features and the memory of two frames and four pointers to objects, the sequence first."""
    high, wide = config.memory_attention_rope_feat_sizes
    width, depth = config.memory_attention_hidden_size, config.memory_encoder_output_channels
    queries, memory = high * wide, 2 * high * wide + 4
    return {
        "current_vision_features": floats(queries, 2, width),
        "current_vision_position_embeddings": floats(queries, 2, width).tanh(),
        "memory": floats(memory, 2, depth),
        "memory_posision_embeddings": floats(memory, 2, depth).tanh(),
        "num_object_pointer_tokens": 4,
    }


def omdet_inputs(config):
    classes, tasks = prompt(words=7), prompt(words=9)
    return {
        "pixel_values": floats(2, 3, 64, 64),
        "classes_input_ids": ints(100, 5, 7, low=8),
        "classes_attention_mask": torch.cat([classes["attention_mask"]] * 3)[:5],
        "tasks_input_ids": tasks["input_ids"],
        "tasks_attention_mask": tasks["attention_mask"],
        "classes_structure": torch.tensor([3, 2]),
    }


def points_inputs(config):
    size = config.prompt_encoder_config.image_size
    return {
        "pixel_values": floats(2, 3, size, size),
        "input_points": floats(2, 3, 5, 2).sigmoid() * size,
        "input_labels": ints(2, 2, 3, 5),
    }


def prompts(config):
    """Points, boxes and a mask for three objects on each image, positions in pixels."""
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
    """An image of 5 by 6 features and seven prompts for each of three objects, as SAM gives them."""
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
