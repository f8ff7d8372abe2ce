"""Made-up images, videos and audio, in the forms that Transformers' models take them.

`maker` is the Synthetic that asks: its config, forward parameters and random generator are used.
"""

import contextlib

from .sizes import AUDIO_SAMPLES, BATCH

IMAGES = ("pixel_values", "pixel_values_images", "image", "pixel_values_videos", "flattened_patches", "hidden_states")
AUDIO = ("input_values", "input_features", "audio_values")
GRIDS = ("grid_thw", "image_grid_thw", "spatial_shapes", "target_sizes", "image_grid_hws")
FRAMES = 4


def image_forms(maker):
    """Forms of images to try, likely ones first: (a kind of `images`, size or None)."""
    given = _image_size(maker)
    sizes = list(dict.fromkeys([given, (224, 224)] if given else [(64, 96), (224, 224)]))
    kinds = ["single", "several", "video"]
    if any(name in maker.parameters for name in GRIDS):
        kinds.insert(0, "patches")
    if maker.main == "pixel_values_videos" or maker.value("num_frames") or maker.value("tubelet_size"):
        kinds.insert(0, kinds.pop(kinds.index("video")))
    if "flattened_patches" in maker.parameters:
        kinds = ["flattened"]
    if "hidden_states" in maker.parameters and not any(n in maker.parameters for n in IMAGES[:-1]):
        kinds = kinds[:1]
    return [(kind, size) for size in sizes for kind in kinds]


def images(maker, form):
    """{input: value} of one form: "single" [batch, channels, height, width], "several" [batch, 2, channels, …],
    "video" [batch, frames, channels, …], "patches" [patches of all images, values of one] with their grid,
    "flattened" [batch, patches, row, column and values of one]."""

    kind, (height, width) = form
    name = next(n for n in IMAGES if n in maker.parameters)
    if "mm_token_type_ids" in maker.parameters and maker.ids is not None:
        kinds = {1: maker.media_token("image"), 2: maker.media_token("video")}
        types = sum(k * (maker.ids == t).long() for k, t in kinds.items() if t is not None)
        return {"mm_token_type_ids": types, **_images(maker, kind, name, height, width)}
    return _images(maker, kind, name, height, width)


def _images(maker, kind, name, height, width):
    import torch

    channels = int(maker.value("num_channels", "in_channels", "in_chans", default=3))
    if kind == "single":
        processed = _processed_images(maker)
        if processed is not None:
            return {name: processed}
        return {name: torch.randn(BATCH, channels, height, width, generator=maker.random)}
    if kind == "several":
        return {name: torch.randn(BATCH, 2, channels, height, width, generator=maker.random)}
    if kind == "video":
        frames = maker.value("num_frames", "frames_per_clip", default=FRAMES)
        if "pixel_values_videos" in maker.parameters and maker.main != "pixel_values":
            name = "pixel_values_videos"
        return {name: torch.randn(BATCH, int(frames), channels, height, width, generator=maker.random)}
    if kind == "flattened":
        patch = maker.value("patch_size", default=16)
        patch = patch["height"] * patch["width"] if isinstance(patch, dict) else patch * patch
        cells = torch.randn(BATCH, 24, 2 + channels * patch, generator=maker.random)
        cells[..., 0], cells[..., 1] = torch.arange(24) // 6 + 1, torch.arange(24) % 6 + 1
        found = {name: cells}
        if "attention_mask" in maker.parameters:
            found["attention_mask"] = torch.ones(BATCH, 24)
        return found
    return _patches(maker, name, channels)


def _patches(maker, name, channels):
    """Patches of all images along one axis, with the number of patches along each axis of an image."""
    import torch

    merge = maker.value("spatial_merge_size", "merge_size", "downsample_factor", default=2)
    merge = max(merge) if isinstance(merge, (list, tuple)) else int(merge)
    patch = maker.value("patch_size", default=14)
    patch = patch[0] if isinstance(patch, (list, tuple)) else int(patch)
    frames = maker.value("temporal_patch_size", default=1)
    high, wide = 2 * merge, 3 * merge
    count = BATCH * high * wide
    grid = next(n for n in GRIDS if n in maker.parameters)
    if grid in ("spatial_shapes", "target_sizes"):
        values = torch.randn(BATCH, high * wide, channels * patch * patch, generator=maker.random)
        shapes = torch.tensor([[high, wide]] * BATCH)
        found = {name: values, grid: shapes}
        if "pixel_attention_mask" in maker.parameters:
            found["pixel_attention_mask"] = torch.ones(BATCH, high * wide, dtype=torch.int64)
        return found
    values = torch.randn(count, channels * int(frames) * patch * patch, generator=maker.random)
    shape = [[high, wide]] if grid == "image_grid_hws" else [[1, high, wide]]
    found = {name: values, grid: torch.tensor(shape * BATCH)}
    if "merge_sizes" in maker.parameters:
        found["merge_sizes"] = torch.full((BATCH,), merge)
    return found


def _image_size(maker):
    size = maker.value("image_size", "input_size", default=None)
    if isinstance(size, dict):
        size = (size["height"], size["width"])
    if isinstance(size, (list, tuple)):
        return (int(size[0]), int(size[-1]))
    return (int(size), int(size)) if size and int(size) > 1 else None


def _processed_images(maker):
    """Images as the model's own processor makes them, or None."""
    import numpy

    processor = maker.part("AutoImageProcessor", ("preprocessor_config.json", "processor_config.json"))
    if processor is None:
        return None
    numbers = numpy.random.default_rng(20)
    images = [numbers.integers(0, 256, (480, 640, 3), dtype=numpy.uint8) for _ in range(BATCH)]
    with contextlib.suppress(Exception):  # processors that want more than images: the config says enough
        return processor(images=images, return_tensors="pt")["pixel_values"]
    return None


def audio_forms(maker):
    """Forms of audio to try, likely ones first: (a kind of `audio`, size)."""
    positions = maker.value("max_source_positions", "max_audio_positions")
    frames = [2 * positions] if type(positions) is int else []
    frames = [*frames, 104, 200]
    if maker.value("max_length") and maker.value("num_mel_bins"):
        frames.insert(0, int(maker.value("max_length")))
    waveforms = [("waveform", AUDIO_SAMPLES), ("mono", AUDIO_SAMPLES), ("mono", 9600), ("waveform", 9600)]
    kinds = ["bins first", "frames first", "channel"]
    spectra = [(kind, count) for count in dict.fromkeys(frames) for kind in kinds]
    name = next(n for n in AUDIO if n in maker.parameters)
    if name == "input_features":
        return spectra
    return (
        spectra[1:2] + waveforms + spectra
        if maker.value("num_mel_bins") and maker.value("max_length")
        else waveforms + spectra
    )


def audio(maker, form):
    """{input: value} of one form: "waveform" [batch, samples], "mono" [batch, 1, samples], "bins first" [batch, bins,
    frames], "frames first" [batch, frames, bins], "channel" [batch, 1, frames, bins]."""
    import torch

    kind, size = form
    name = next(n for n in AUDIO if n in maker.parameters)
    processed = _processed_audio(maker, name)
    if processed is not None:
        return {name: processed}
    bins = int(
        maker.value(
            "num_mel_bins", "feature_size", "input_feat_per_channel", "feature_projection_input_dim", default=80
        )
    )
    shape = {
        "waveform": (BATCH, size),
        "mono": (BATCH, 1, size),
        "bins first": (BATCH, bins, size),
        "frames first": (BATCH, size, bins),
        "channel": (BATCH, 1, size, bins),
    }[kind]
    return {name: torch.randn(shape, generator=maker.random) * (0.1 if kind in ("waveform", "mono") else 1)}


def _processed_audio(maker, name):
    """Audio as the model's own feature extractor makes it, or None."""
    import torch

    processor = maker.part("AutoFeatureExtractor", ("preprocessor_config.json",))
    if processor is None:
        return None
    waveform = torch.randn(BATCH, AUDIO_SAMPLES, generator=maker.random).mul(0.1).numpy()
    with contextlib.suppress(Exception):  # extractors that want more than a waveform: the config says enough
        rate = getattr(processor, "sampling_rate", 16000)
        return processor(list(waveform), sampling_rate=rate, return_tensors="pt", padding=True)[name]
    return None


def add_optional(maker, found, form):
    """Add inputs that some models need although their `forward` has a default for them."""
    import torch

    image = next((found[n] for n in IMAGES if n in found), None)
    ids = found.get("input_ids")
    frames = None
    if form["audio"]:
        features = next(found[n] for n in AUDIO if n in found)
        frames = features.shape[-1] if form["audio"][0] in ("bins first", "waveform", "mono") else features.shape[-2]

    def add(name, make):
        if name in maker.parameters and name not in found:
            found[name] = make()

    if image is not None and image.dim() >= 4:
        height, width = image.shape[-2:]
        add("image_sizes", lambda: torch.tensor([[height, width]] * BATCH))
        add("pixel_attention_mask", lambda: torch.ones(*image.shape[:-3], height, width, dtype=torch.int64))
        add("pixel_mask", lambda: torch.ones(BATCH, height, width, dtype=torch.int64))
        add("aspect_ratio_ids", lambda: torch.ones(BATCH, 1, dtype=torch.int64))
        add("aspect_ratio_mask", lambda: torch.ones(BATCH, 1, 4, dtype=torch.int64))
    if ids is not None:
        for name in ("qformer_input_ids", "text_input_ids"):
            add(name, lambda: ids.clone())
        add(
            "visual_pos",
            lambda: torch.rand(BATCH, 10, int(maker.value("visual_pos_dim", default=4)), generator=maker.random),
        )
        add(
            "visual_feats",
            lambda: torch.randn(BATCH, 10, int(maker.value("visual_feat_dim", default=2048)), generator=maker.random),
        )
    if frames is not None:
        for name in ("input_features_mask", "feature_attention_mask", "padding_mask", "audio_mel_mask"):
            add(name, lambda: torch.ones(BATCH, frames, dtype=torch.int64))
        add("is_longer", lambda: torch.zeros(BATCH, 1, dtype=torch.bool))
        if "input_ids" not in found:
            add("attention_mask", lambda: torch.ones(BATCH, frames, dtype=torch.int64))
