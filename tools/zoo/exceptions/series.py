"""Exceptions for models of time series and other sequences of numbers. See __init__.py for what an entry may hold."""

import torch
from inputs.series import channels_inputs, series_inputs, windows_inputs
from inputs.tensors import floats, padded_mask


def series_config(**more):
    """A forecaster of one series: 17 known steps (14 and the longest lag), 5 to come, 3 time features."""
    return {
        "prediction_length": 5,
        "context_length": 14,
        "lags_sequence": [1, 2, 3],
        "num_time_features": 3,
        "num_static_real_features": 2,
        "num_static_categorical_features": 1,
        "cardinality": [7],
        "embedding_dimension": [6],
        **more,
    }


EXCEPTIONS = {
    "autoformer": {
        "reason": "prediction_length has no default; a forecaster takes a series with its time features; what it was "
        "trained on would make it compute a loss",
        "config": series_config(label_length=6, moving_average=5),
        "inputs": series_inputs,
    },
    "decision_transformer": {
        "reason": "takes states, actions and returns, not tokens",
        "config": {"max_ep_len": 64, "n_head": 4},
        "inputs": lambda config: {
            "states": floats(2, 7, config.state_dim),
            "actions": floats(2, 7, config.act_dim),
            "rewards": floats(2, 7, 1),
            "returns_to_go": floats(2, 7, 1),
            "timesteps": torch.arange(7) + torch.tensor([[0], [30]]),
            "attention_mask": padded_mask(2, 7),
        },
    },
    "informer": {
        "reason": "prediction_length has no default; a forecaster takes a series with its time features; series this "
        "short make its sampled attention keep every query, so that results do not depend on the sample",
        "config": series_config(),
        "inputs": series_inputs,
    },
    "patchtsmixer": {
        "reason": "takes series of several channels",
        "config": {"num_input_channels": 3, "d_model": 16},
        "inputs": lambda config: channels_inputs(config, "observed_mask"),
    },
    "patchtst": {
        "reason": "takes series of several channels; released models have longer windows than the one step by default",
        "config": {"num_input_channels": 3, "patch_length": 8, "patch_stride": 4},
        "inputs": lambda config: channels_inputs(config, "past_observed_mask"),
    },
    "time_series_transformer": {
        "reason": "prediction_length has no default; a forecaster takes a series with its time features",
        "config": series_config(),
        "inputs": series_inputs,
    },
    "timesfm": {
        "reason": "takes a series in windows of patch_length; the forecaster takes plain series",
        "config": {"patch_length": 8},
        "inputs_for": {
            "TimesFmModelForPrediction": lambda c: {"past_values": floats(2, 50), "freq": torch.tensor([0, 2])}
        },
        "inputs": lambda config: {**windows_inputs(config), "freq": torch.tensor([[0], [2]])},
    },
    "timesfm2_5": {
        "reason": "takes a series in windows of patch_length; the forecaster takes plain series",
        "inputs_for": {"TimesFm2_5ModelForPrediction": lambda c: {"past_values": floats(2, 50)}},
        "config": {"patch_length": 8},
        "inputs": windows_inputs,
    },
}
