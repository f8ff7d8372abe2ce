"""Inputs for audio, images and text together; exceptions/omni.py says whose they are."""

import torch

from .audio import spoken_text
from .multimodal import cells, kinds, packed, prompt
from .tensors import floats, ints, padded_mask, zeros


def nemotron_h_omni_inputs(config):
    """An image of 4 by 6 patches and one of 2 by 4, an audio clip of 104 frames and one of 70, and text with them."""
    patch, found = config.vision_config.patch_size, spoken_text(config.audio_token_id, 13, 9)
    ids = found["input_ids"]
    ids[0, 16:22], ids[1, 12:14] = config.image_token_id, config.image_token_id
    return {
        **found,
        "pixel_values": floats(32, 3 * patch * patch),
        "image_grid_hw": torch.tensor([[4, 6], [2, 4]]),
        "input_features": floats(2, 104, config.audio_config.num_mel_bins),
        "input_features_mask": padded_mask(2, 104),
    }


def pe_inputs():
    return {"input_values": floats(2, 1, 9600), "pixel_values_videos": floats(2, 3, 3, 64, 64)}


def omni_inputs(config, counts, patch):
    """An audio clip and an image a row and text around them; counts: how many features each clip gives.

    The clips have 104 and 70 frames, the images 4 by 6 and 4 by 4 patches, of which four give one feature.
    """
    length = 11 + max(counts) + 6
    ids, mask = ints(90, 2, length, low=10), zeros(2, length)
    for row, (heard, seen) in enumerate(zip(counts, (6, 4), strict=True)):
        marked = [config.audio_start_token_id, *[config.audio_token_id] * heard, config.audio_end_token_id]
        marked += [config.vision_start_token_id, *[config.image_token_id] * seen, config.vision_end_token_id]
        ids[row, 2 : 2 + len(marked)] = torch.tensor(marked)
        mask[row, : 7 + len(marked)] = 1
    return {
        "input_ids": ids,
        "attention_mask": mask,
        "input_features": floats(2, config.audio_config.num_mel_bins, 104),
        "feature_attention_mask": (torch.arange(104) < torch.tensor([[104], [70]])).long(),
        "pixel_values": floats(40, 3 * 2 * patch * patch),
        "image_grid_thw": torch.tensor([[1, 4, 6], [1, 4, 4]]),
    }


def dots3_note_inputs(config):
    return {
        **prompt((config.image_token_id, 6), (config.audio_token_id, (5, 3))),
        "pixel_values": floats(48, 3 * config.vision_config.patch_size**2),
        "image_grid_thw": torch.tensor([[1, 4, 6]] * 2),
        "input_features": floats(2, config.audio_config.feature_size, 40),
        "chunk_sample_lengths": torch.tensor([40 * 160, 22 * 160]),
    }


def gemma3n_inputs(config):
    frames = torch.ones(2, 91, dtype=torch.bool)
    frames[1, 60:] = False
    return {
        **prompt((config.image_token_id, 12), (config.audio_token_id, config.audio_soft_tokens_per_image), high=96),
        "pixel_values": floats(2, 3, 128, 96),
        "input_features": floats(2, 91, config.audio_config.input_feat_size),
        "input_features_mask": frames,
    }


def gemma4_inputs(config):
    frames = torch.ones(2, 50, dtype=torch.bool)
    frames[1, 34:] = False
    text = prompt((config.image_token_id, 6), (config.audio_token_id, (13, 9)))
    return {
        **text,
        "mm_token_type_ids": kinds(
            text["input_ids"], config.image_token_id, config.video_token_id, config.audio_token_id
        ),
        "pixel_values": floats(2, 54, 3 * config.vision_config.patch_size**2).sigmoid(),
        "image_position_ids": cells(6, 9),
        "input_features": floats(2, 50, config.audio_config.subsampling_conv_channels[0]),
        "input_features_mask": frames,
    }


def inkling_inputs(config):
    vision, audio = config.vision_config, config.audio_config
    frames = torch.ones(2, 7, dtype=torch.int64)
    frames[1, 5:] = 0
    return {
        **prompt((config.image_token_id, 6), (config.audio_token_id, (7, 5))),
        "pixel_values": floats(12, vision.temporal_patch_size, vision.patch_size, vision.patch_size, 3),
        "audio_input_ids": ints(audio.mel_vocab_size, 2, 7, audio.n_mel_bins),
        "audio_input_ids_mask": frames,
    }


def muse_spark_inputs(config):
    samples = config.audio_config.samples_per_token
    heard = torch.ones(2, 7 * samples, dtype=torch.int64)
    heard[1, 5 * samples - 3 :] = 0
    return {
        **prompt((config.image_token_id, 6), (config.audio_token_id, (7, 5))),
        **packed(config.vision_config, frames=config.vision_config.patch_temporal),
        "input_values": floats(2, 7 * samples) * 0.1,
        "input_values_mask": heard,
    }
