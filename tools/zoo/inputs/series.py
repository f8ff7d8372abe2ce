"""Inputs for series of numbers; exceptions/series.py says whose they are."""

import torch

from .tensors import floats, ints


def series_inputs(config):
    known, coming = config.context_length + max(config.lags_sequence), config.prediction_length
    observed = torch.ones(2, known)
    observed[1, 2:4] = 0
    return {
        "past_values": floats(2, known) * observed,
        "past_time_features": floats(2, known, config.num_time_features),
        "past_observed_mask": observed,
        "static_categorical_features": ints(config.cardinality[0], 2, 1),
        "static_real_features": floats(2, config.num_static_real_features),
        "future_time_features": floats(2, coming, config.num_time_features),
    }


def windows_inputs(config):
    """A series in windows of `patch_length`; the second row begins later, and what is before it is padding."""
    length = 5 * config.patch_length
    padding = torch.zeros(2, length)
    padding[1, : 2 * config.patch_length + 3] = 1
    return {"past_values": floats(2, length) * (1 - padding), "past_values_padding": padding}


def channels_inputs(config, mask):
    """Series side by side; of the second row some values were not observed."""
    observed = torch.ones(2, config.context_length, config.num_input_channels)
    observed[1, 3:9, 1] = 0
    return {"past_values": floats(*observed.shape) * observed, mask: observed.bool()}
