"""Inputs for images and text; exceptions/multimodal.py says whose they are."""

import torch

from .tensors import floats, ints, padded_mask


def pi0_inputs(config):
    """Two cameras a row, of which the second row has one; the state and the noisy actions as one sequence."""
    vision = config.vlm_config.vision_config
    size, patches = vision.image_size, (vision.image_size // vision.patch_size) ** 2
    image, cameras = config.vlm_config.image_token_id, torch.tensor([[True, True], [True, False]])
    ids = ints(64, 2, 2 * patches + 9, low=5)
    ids[0, : 2 * patches] = image
    ids[1, :patches] = image
    return {
        "action_embeds": floats(2, 1 + config.chunk_size, config.dit_config.hidden_size),
        "input_ids": ids,
        "pixel_values": floats(2, 2, 3, size, size),
        "attention_mask": padded_mask(2, ids.shape[1]),
        "pixel_attention_mask": cameras,
    }


def pi0_policy_inputs(config):
    """The state, noise and its time (drawn inside where they are not given) instead of their embeddings."""
    made = pi0_inputs(config)
    del made["action_embeds"]
    return {
        "state": floats(2, config.max_state_dim),
        "noise": floats(2, config.chunk_size, config.max_action_dim),
        "timestep": torch.tensor([0.3, 0.8]),
        **made,
    }


WORDS = 13


def prompt(*runs, words=WORDS, high=100):
    """Token ids and their mask, [2, length]: a word, then runs of placeholders for features, each (token, how many)
    or (token, (how many in row 0, in row 1)), then words. The last third of the second row's words is padding."""
    rows = []
    most = sum(max(count) if isinstance(count, tuple) else count for _, count in runs)
    text = ints(high, 2, words + most, low=8)
    for row in range(2):
        counts = [(token, count[row] if isinstance(count, tuple) else count) for token, count in runs]
        placeholders = torch.tensor([token for token, count in counts for _ in range(count)], dtype=torch.int64)
        rows.append(torch.cat([text[row, :1], placeholders, text[row, 1 : words + most - len(placeholders)]]))
    ids = torch.stack(rows)
    mask = torch.ones_like(ids)
    mask[1, -(words // 3) :] = 0
    return {"input_ids": ids, "attention_mask": mask}


def question(words=9):
    """The instruction that a Q-Former reads, with its mask."""
    return {f"qformer_{name}": value for name, value in prompt(words=words).items()}


def images(config):
    """Images [2, 3, size, size] of the size that a vision configuration says."""
    return floats(2, 3, config.image_size, config.image_size)


def packed(config_of_vision, high=4, wide=6, frames=1, shape=None):
    """Two images of high * wide patches each, packed in one row, with their grids."""
    patch = config_of_vision.patch_size
    values = shape or (3 * frames * patch * patch,)
    return {
        "pixel_values": floats(2 * high * wide, *values),
        "image_grid_thw": torch.tensor([[1, high, wide]] * 2),
    }


def kinds(ids, *tokens):
    """mm_token_type_ids: the number of the first of the tokens is 1, of the second 2; text is 0."""
    return sum(kind * (ids == token).long() for kind, token in enumerate(tokens, 1))


def cells(high, wide, batch=2):
    """The column and row of each cell of a grid, [batch, high * wide, 2]."""
    rows, columns = torch.meshgrid(torch.arange(high), torch.arange(wide), indexing="ij")
    return torch.stack([columns.flatten(), rows.flatten()], -1).expand(batch, -1, -1).contiguous()


def assistant_inputs(config):
    mask = torch.ones(2, 13, dtype=torch.int64)
    mask[1, :4] = 0
    return {
        "inputs_embeds": floats(2, 3, 2 * config.backbone_hidden_size),
        "attention_mask": mask,
        "position_ids": torch.tensor([[13, 14, 15]] * 2),
        "shared_kv_states": {
            "sliding_attention": (floats(2, 2, 13, 16), floats(2, 2, 13, 16) + 0.1),
            "full_attention": (floats(2, 2, 13, 32), floats(2, 2, 13, 32) + 0.1),
        },
    }


def deepseek_vl_hybrid_inputs(config):
    return {**deepseek_vl_inputs(config), "high_res_pixel_values": images(config.high_res_vision_config)}


def deepseek_vl_inputs(config):
    vision = config.vision_config
    return {
        **prompt((config.image_token_id, (vision.image_size // vision.patch_size) ** 2)),
        "pixel_values": images(vision),
    }


def diffusion_gemma_inputs(config):
    text = prompt((config.image_token_id, 6))
    return {
        **text,
        "pixel_values": floats(2, 54, 3 * config.vision_config.patch_size**2).sigmoid(),
        "image_position_ids": cells(6, 9),
        "decoder_input_ids": ints(100, 2, config.canvas_length, low=8),
        "self_conditioning_logits": floats(2, config.canvas_length, config.text_config.vocab_size),
        "decoder_attention_mask": torch.cat([text["attention_mask"], torch.ones(2, config.canvas_length).long()], 1),
    }


def emu3_inputs(config):
    return {
        **prompt((config.image_token_id, 2 * (3 + 1))),
        "pixel_values": floats(2, 3, 16, 24),
        "image_sizes": torch.tensor([[16, 24]] * 2),
    }


def florence2_inputs(config):
    return {
        **prompt((config.image_token_id, 2 * 3 + 1)),
        "pixel_values": floats(2, 3, 64, 96),
        "decoder_input_ids": ints(100, 2, 7, low=8),
    }


def glm_image_inputs(config):
    width = config.vision_config.patch_size
    return {
        **prompt((config.image_start_token_id, 1), (config.image_token_id, 6), (config.image_end_token_id, 1)),
        "pixel_values": floats(12, 3 * width * width),
        "image_grid_thw": torch.tensor([[1, 2, 3], [1, 4, 2]] * 2),
        "images_per_sample": torch.tensor([2, 2]),
    }


def inkling2_inputs(config):
    vision = config.vision_config
    size = vision.patch_size * vision.spatial_merge_size
    return {
        **prompt((config.image_token_id, 6)),
        "pixel_values": floats(12, size, size, 3).tanh(),
        "image_grid_thw": torch.tensor([[1, 2, 3]] * 2),
    }


def jev_inputs(config):
    return {
        "input_ids": ints(100, 1, WORDS, low=8),
        "marks": torch.tensor([[4, 8, 13]]),
        "num_options": torch.tensor([[2, 5, 7]]),
        "question_type_ids": torch.tensor([[0, 1, 2]]),
    }


def kosmos_inputs(config, **pixels):
    text = prompt((120, config.latent_query_num))
    return {**text, "image_embeds_position_mask": (text["input_ids"] == 120).long(), **pixels}


def llava_next_inputs(config, *more):
    """Images of 70 by 100 pixels: a thumbnail and four tiles, of whose 8 by 8 features the 6 middle rows are kept, each
    with a feature for its end. more: runs of placeholders after those of the image."""
    size = config.vision_config.image_size
    return {
        **prompt((config.image_token_index, 16 + 6 * (8 + 1)), *more),
        "pixel_values": floats(2, 5, 3, size, size),
        "image_sizes": torch.tensor([[70, 100]] * 2),
    }


def minicpm_inputs(config):
    patch = config.vision_config.patch_size
    text = prompt((config.image_start_id, 1), (config.image_token_id, 6), (config.image_end_id, 1))
    return {
        **text,
        "mm_token_type_ids": kinds(text["input_ids"], config.image_token_id),
        "pixel_values": floats(1, 3, patch, patch * 2 * 8 * 12),
        "target_sizes": torch.tensor([[8, 12]] * 2),
    }


def mllama_images(config, count):
    """`count` images a row in tiles, and the shapes in which their tiles lie; config is the vision part's."""
    ratio_mask = torch.ones(2, count, config.max_num_tiles, dtype=torch.int64)
    ratio_mask[1, 1, 2:] = ratio_mask[1, 3:4, 3:] = 0
    return {
        "pixel_values": floats(2, count, config.max_num_tiles, 3, config.image_size, config.image_size),
        "aspect_ratio_ids": torch.tensor([[6, 4, 4, 6, 8], [6, 2, 6, 3, 4]])[:, :count],
        "aspect_ratio_mask": ratio_mask,
    }


def mllama_inputs(config):
    text, tiles = prompt((config.image_token_index, 5)), mllama_images(config.vision_config, 5)
    length, ratio_mask = text["input_ids"].shape[1], tiles["aspect_ratio_mask"]
    seen = torch.ones(2, length, *ratio_mask.shape[1:], dtype=torch.int64) * ratio_mask[:, None]
    seen[:, 0] = 0
    return {**text, **tiles, "cross_attention_mask": seen}


def molmo2_inputs(config):
    text = prompt((config.image_start_token_id, 1), (config.image_patch_id, 8), (config.image_end_token_id, 1))
    vision = config.vision_config
    squares = torch.tensor([[0, 1, 4, 5], [2, 3, 6, 7], [8, 9, 12, 13], [10, 11, 14, 15]])
    pooling = torch.cat([squares + 16 * crop for crop in range(4)])
    pooling[-1, 2:] = -1
    return {
        **text,
        "mm_token_type_ids": kinds(text["input_ids"], config.image_patch_id),
        "pixel_values": floats(4, vision.num_position_embeddings, 3 * vision.patch_size**2),
        "image_token_pooling": pooling,
        "image_grids": torch.tensor([[2, 2, 2, 2]] * 2),
        "image_num_crops": torch.tensor([2, 2]),
    }


def step3p7_inputs(config):
    return {
        **prompt((config.image_token_id, (16, 12))),
        "pixel_values": images(config.vision_config),
        "pixel_values_local": floats(5, 3, 84, 84),
        "num_local_patches": torch.tensor([3, 2]),
    }
