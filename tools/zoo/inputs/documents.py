"""Inputs for pages; exceptions/documents.py says whose they are."""

import torch

from .multimodal import cells, kinds, kosmos_inputs, packed, prompt
from .tensors import floats, ints, ones, padded_mask


def layoutlm_encoder_inputs(config):
    """What LayoutLMv2Model gives its encoder: 13 tokens of text followed by the cells of the page's image."""
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


def colpali_inputs(config):
    vision = config.vlm_config.vision_config
    patches = (vision.image_size // vision.patch_size) ** 2
    ids = torch.cat([torch.full((2, patches), config.vlm_config.image_token_id), ints(120, 2, 13, low=5)], 1)
    return {
        "input_ids": ids,
        "pixel_values": floats(2, 3, vision.image_size, vision.image_size),
        "attention_mask": padded_mask(2, ids.shape[1]),
    }


def table_inputs(config):
    """A question of five tokens and a table of two rows and two columns, two tokens a cell; the first row has the answers
    of an earlier question, ranks of its numbers and their relation to the question's. The second row ends padded."""
    kinds = torch.zeros(2, 13, len(config.type_vocab_sizes), dtype=torch.int64)
    cell = torch.arange(8) // 2
    kinds[:, 5:, 0] = 1
    kinds[:, 5:, 1], kinds[:, 5:, 2] = cell % 2 + 1, cell // 2 + 1
    kinds[0, 7:9, 3] = 1
    kinds[:, 5:, 4], kinds[:, 5:, 5] = cell + 1, 4 - cell
    kinds[0, 9:11, 6] = 2
    mask = padded_mask(2, 13)
    return {
        "input_ids": ints(config.vocab_size, 2, 13, low=5),
        "attention_mask": mask,
        "token_type_ids": kinds * mask[..., None],
    }


def udop_extra(config, inputs):
    """The image of the page, and its words' boxes in parts of the page, as the processor gives them."""
    return {
        "bbox": inputs["bbox"].float() / 1000,
        "pixel_values": floats(2, 3, config.image_size, config.image_size),
    }


def deepseek_ocr2_inputs(config):
    return {
        **prompt((config.image_token_id, 2 * 144 + 1)),
        "pixel_values": floats(2, 3, 64, 64),
        "pixel_values_local": floats(2, 3, 48, 48),
        "num_local_patches": torch.tensor([1, 1]),
    }


def granite_docling_inputs(config):
    size = config.vision_config.image_size
    tiles = torch.ones(2, 5, dtype=torch.bool)
    tiles[1, 3:] = False
    return {
        **prompt((config.image_token_id, (20, 12))),
        "pixel_values": floats(2, 5, 3, size, size),
        "pixel_attention_mask": tiles,
    }


def kosmos2_5_inputs(config):
    patches = floats(2, 24, 2 + config.vision_config.patch_embed_hidden_size)
    patches[..., :2] = cells(4, 6).flip(-1) + 1
    return kosmos_inputs(config, flattened_patches=patches)


def paddleocr_inputs(config):
    patch = config.vision_config.patch_size
    text = prompt((config.image_token_id, 6))
    return {
        **text,
        **packed(config.vision_config, shape=(3, patch, patch)),
        "mm_token_type_ids": kinds(text["input_ids"], config.image_token_id),
    }
