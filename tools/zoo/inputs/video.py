"""Inputs for video; exceptions/video.py says whose they are."""

import torch

from .multimodal import prompt
from .tensors import floats


def pe_video_inputs(config):
    frames = torch.ones(2, 5, dtype=torch.int64)
    frames[1, 3:] = 0
    return {**prompt(), "pixel_values_videos": floats(2, 5, 3, 64, 96), "padding_mask_videos": frames}
