"""Inputs for parts of models; exceptions/parts.py says whose they are."""

import torch

from .tensors import floats, ints, ones, padded_mask

BATCH = 2


def same_grids(*grid):
    """The same number of patches along each axis for every image: attention is exported in equal segments."""
    return torch.tensor([grid] * BATCH)


def causal_mask(mask):
    """[batch, 1, length, length] of a padding mask: True where a position is seen."""
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
    """[batch, patches, 2]: column and row of each patch of an image, -1 where it has none."""
    found = torch.full((len(grids), patches, 2), -1)
    for row, (height, width) in enumerate(grids):
        cells = torch.arange(height * width)
        found[row, : height * width] = torch.stack([cells % width, cells // width], 1)
    return found


def kosmos_inputs(config):
    cells = torch.arange(24)
    corners = torch.stack([cells // 6 + 1, cells % 6 + 1], 1).expand(BATCH, -1, -1)
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
    """Images of 4 by 6 patches, joined along the width."""
    size = config.patch_size
    pixels = floats(1, 3, size, BATCH * 24 * size)
    return {"pixel_values": pixels, "target_sizes": same_grids(4, 6).int()}


def muse_inputs(config):
    count = BATCH * 32
    pixels = floats(count, config.patch_temporal * 3 * config.patch_size**2)
    return {"pixel_values": pixels, "grid_thw": same_grids(1, 4, 8)}


def granite_inputs(config):
    """Images of two tiles and an overview: 16 features for it, 4 rows of 8 and a line end for the tiles."""
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
    """Tokens, images, or for the model without a preprocessor features of `d_model`."""
    modality = getattr(config, "modality", None)
    if modality == "image":
        return {"pixel_values": floats(BATCH, 3, config.image_size, config.image_size)}
    mask = padded_mask(BATCH, 13)
    if modality == "text":
        return {"input_ids": ints(config.vocab_size, BATCH, 13, low=5), "attention_mask": mask}
    return {"inputs": floats(BATCH, 13, config.d_model), "attention_mask": mask}
