"""Sample inputs for a TensorFlow class and its PyTorch twin, made up from the TensorFlow class's signature."""

import inspect

import numpy as np

BATCH, CHOICES, LENGTH, SOUND = 2, 3, 7, 1600

# Ids beyond the first few: those of padding and of sentence ends change what a model computes.
FIRST_ID = 5


def sizes_of(spec, name):
    known = list(spec.shape)
    free = {1: [BATCH], 2: [BATCH, LENGTH], 3: [BATCH, CHOICES, LENGTH]}
    if name in (
        "pixel_values",
        "input_features",
        "input_values",
        "token_type_ids",
        "bbox",
        "visual_feats",
        "visual_pos",
    ):
        filling = [BATCH, *[LENGTH] * (len(known) - 1)]
    else:
        filling = free.get(len(known), [BATCH, *[LENGTH] * (len(known) - 1)])
    return [n if n is not None else filling[i] for i, n in enumerate(known)]


def vocabulary(config):
    for part in (config, *(getattr(config, p, None) for p in ("text_config", "encoder", "decoder"))):
        if isinstance(getattr(part, "vocab_size", None), int):
            return part.vocab_size
    return 50


def value(name, spec, config, rng, is_sound):
    shape = sizes_of(spec, name)
    if name == "global_attention_mask":
        return np.broadcast_to(np.arange(shape[-1]) == 0, shape).astype(np.int32)
    if "mask" in name:
        return np.ones([BATCH, SOUND] if is_sound else shape, spec.dtype.as_numpy_dtype)
    if name == "input_values":
        return rng.standard_normal([BATCH, SOUND]).astype(np.float32)
    if name == "input_features" and hasattr(config, "max_source_positions") and shape[-1] == LENGTH:
        shape[-1] = 2 * config.max_source_positions  # Whisper takes a whole window
    if spec.dtype.is_floating:
        return rng.standard_normal(shape).astype(np.float32)
    if name == "mc_token_ids":
        return rng.integers(0, LENGTH, [BATCH, CHOICES]).astype(np.int32)
    if name == "token_type_ids":
        if len(shape) == 3 and shape[-1] == LENGTH:  # multiple choice
            shape = [BATCH, CHOICES, LENGTH]
        sizes = getattr(config, "type_vocab_sizes", None)
        if sizes:
            return np.stack([rng.integers(0, s, [BATCH, LENGTH]) for s in sizes], -1).astype(np.int32)
        return rng.integers(0, max(getattr(config, "type_vocab_size", 1), 1), shape).astype(np.int32)
    if name == "bbox":
        corner = rng.integers(0, 10, [*shape[:-1], 2])
        return np.concatenate([corner, corner + rng.integers(1, 10, corner.shape)], -1).astype(np.int32)
    return rng.integers(FIRST_ID, vocabulary(config), shape).astype(np.int32)


def samples(tf_class, model, config, seed=0):
    """{name: array} that both classes take."""
    rng = np.random.default_rng(seed)
    signature = model.input_signature
    found = {
        n: value(n, s, config, rng, "input_values" in signature)
        for n, s in signature.items()
        if not ("input_values" in signature and n == "token_type_ids")  # a leftover of text models
    }
    name = tf_class.__name__
    if name in EXTRA:
        found |= EXTRA[name](config, rng, found)
    return {n: a for n, a in found.items() if a is not None}


def patches(config):
    """How many patches an image has."""
    return (config.image_size // config.patch_size) ** 2


def mim(config, rng, found):
    mask = np.zeros([BATCH, patches(config)], bool)
    mask[:, ::3] = True
    return {"bool_masked_pos": mask}


def ending(config, rng, found):
    """What is classified stands at the end of a sentence."""
    ids = found["input_ids"].copy()
    ids[:, -1] = config.eos_token_id
    return {"input_ids": ids}


def images(config, rng, found):
    size = config.vision_config.image_size
    seen = np.ones([BATCH, LENGTH, 2], np.int32)
    seen[0, :3, 1] = 0  # the second image comes later in the text
    seen[1, 0] = 0  # text before any image
    return {
        "pixel_values": rng.standard_normal([BATCH, 2, 3, size, size]).astype(np.float32),
        "image_attention_mask": seen,
    }


# What a class needs beyond its signature, or not (None).
EXTRA = {
    "TFBartForSequenceClassification": ending,
    "TFIdeficsForVisionText2Text": images,
    "TFIdeficsModel": images,
    # PyTorch's class takes no mask of choices.
    "TFOpenAIGPTDoubleHeadsModel": lambda c, r, f: {"attention_mask": None},
    "TFDeiTForMaskedImageModeling": mim,
    "TFSwinForMaskedImageModeling": mim,
    # Which patches are seen is random otherwise.
    "TFViTMAEModel": lambda c, r, f: {"noise": r.random([BATCH, patches(c)]).astype(np.float32)},
    "TFViTMAEForPreTraining": lambda c, r, f: {"noise": r.random([BATCH, patches(c)]).astype(np.float32)},
    "TFSamModel": lambda c, r, f: {
        "input_points": r.integers(0, 60, [BATCH, 1, 2, 2]).astype(np.float32),
        "input_labels": np.ones([BATCH, 1, 2], np.int32),
    },
    "TFBlipForQuestionAnswering": lambda c, r, f: {
        "decoder_input_ids": r.integers(FIRST_ID, 90, [BATCH, LENGTH]).astype(np.int32),
        "decoder_attention_mask": np.ones([BATCH, LENGTH], np.int32),
    },
}


def for_torch(pt_model, inputs):
    """The inputs that PyTorch's class knows, as tensors; ids as int64."""
    import torch

    known = inspect.signature(pt_model.forward).parameters
    found = {}
    for name, array in inputs.items():
        if name in known:
            tensor = torch.from_numpy(array)
            found[name] = tensor.long() if tensor.dtype == torch.int32 else tensor
    return found


def flat(output, prefix=""):
    """{path: array} of the floats in a model's output."""
    if output is None:
        return {}
    if hasattr(output, "items"):
        items = output.items()
    elif isinstance(output, (tuple, list)):
        items = ((str(i), v) for i, v in enumerate(output))
    else:
        array = output.detach().numpy() if hasattr(output, "detach") else np.asarray(output)
        # A loss is a number to one side and a vector of one to the other.
        return {prefix: array.reshape(-1) if prefix == "loss" else array} if array.dtype.kind == "f" else {}
    found = {}
    for name, part in items:
        found |= flat(part, f"{prefix}.{name}" if prefix else name)
    return found
