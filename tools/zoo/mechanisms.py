"""Which mechanisms of an architecture a tiny configuration switches off: sizes may shrink, mechanisms may not vanish.

A field whose default is not neutral (0, 1, None, False, empty) and whose tiny value is, a 1 that became nothing, or a list that lost a kind of
layer, is a mechanism switched off, unless ALLOWED says why it is none. An interval of layers must be reached.

.venv/bin/python tools/zoo/mechanisms.py [NAME…]     prints what is lost, and not allowed
"""

import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import classes
import tiny_configs
from exceptions import exception
from tiny_configs import value_of

# (pattern of "model_type.path.of.the.field", why its neutral value switches nothing off)
ALLOWED = [
    (r"_token_id$", "the number of a special token"),
    (r"(ind(ex|ic)es|_layers|vision_feature_layer|insert_layer_id|merge_index|_layer_offset|_layer_end_index)$",
     "numbers of layers: 0 and 1 are the first two"),
    (r"(first_k_dense_replace|num_dense_layers)$", "one dense layer is left before those with experts"),
    (r"max_window_layers$", "the first layer is without a window, the second is after it"),
    (r"^(emu3|janus)\.vq_config\.num_res_blocks$", "one residual block a level is left"),
    (r"^flava\.return_loss$", "losses are not compared"),
    (r"^nemotron_h_omni\.audio_config\.(attention_bias|scale_input)$", "the released models' audio part has neither"),
    (r"^omdet-turbo\.apply_layernorm_after_vision_backbone$",
     "Transformers' Swin, which stands for timm's, normalizes its maps itself"),
    (r"^perceiver\.num_cross_attention_heads$", "images have 261 or 322 channels, which only one head divides"),
    (r"\.backbone_config\.scale$", "a factor of the widths, which are small already"),
    (r"^rwkv\.rescale_every$", "every layer is rescaled"),
    (r"^vits\.noise_scale(_duration)?$", "noise that is drawn inside cannot be compared"),
]  # fmt: skip
ALLOWED = [(re.compile(pattern), reason) for pattern, reason in ALLOWED]

# Fields that say that something happens every n layers, where no list of kinds of layers says it.
INTERVAL = re.compile(r"(_interval|_period|_sparse_step|rescale_every|every_n_layers|cross_attention_frequency)$")
# Intervals of something else than layers, and those that a list of kinds of layers overrides.
OTHER_INTERVALS = re.compile(r"(cache_update_period|diffusion_max_period)$|^(bailing_hybrid|zamba)\.")


def is_neutral(value):
    """Whether a value says that there is nothing: 0, 1, None, False, empty, or a list of such."""
    if value is None or value is False:
        return True
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return value in (0, 1)
    if isinstance(value, (list, tuple)):
        return all(is_neutral(v) for v in value)
    return isinstance(value, (dict, str)) and len(value) == 0


def lost(model_type):
    """[(path of a field, default, tiny value)] of mechanisms that the rules and exceptions switch off, without those that
    are allowed."""
    return [found for found in neutral_fields(model_type) if not is_allowed(found[0])]


def neutral_fields(model_type):
    """The same with those that are allowed."""
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING

    known = exception(model_type)
    if "unbuilt" in known:
        return []
    changes = known.get("config") or {}
    default = plain(CONFIG_MAPPING[model_type], changes)
    plans = [bool(known["keep_widths"])] if "keep_widths" in known else [False, True]
    small = next((c for c in (made(model_type, changes, plan) for plan in plans) if c is not None), None)
    if small is None:
        return [(model_type, "its class's configuration", "none is accepted")]
    return compared(default, small, f"{model_type}.")


def made(model_type, changes, keep_widths):
    try:
        return tiny_configs.tiny_config(model_type, changes, keep_widths)
    except Exception:  # noqa: BLE001 (a class refuses sizes that do not belong together)
        return None


def is_allowed(path):
    return any(pattern.search(path) for pattern, _ in ALLOWED)


def plain(config_class, changes):
    """A class's own configuration; with the changes where it cannot do without."""
    try:
        return config_class()
    except Exception:  # noqa: BLE001 (classes refuse in many ways)
        return config_class(**{n: v for n, v in changes.items() if not isinstance(v, dict)})


def compared(default, small, path):
    """Every field that became neutral, every kind of layer and every interval that is no longer reached, parts included.
    What stands for a part of another class is compared with its own class's defaults."""
    if type(default) is not type(small):
        try:
            default = type(small)()
        except Exception:  # noqa: BLE001 (a class that needs arguments has no plain form)
            return []
    found = []
    names = [*tiny_configs.field_defaults(type(small))]
    names += [n for n in vars(small) if n not in names and not n.startswith("_") and is_list_of_kinds(vars(small)[n])]
    layers = number_of_layers(small)
    for name in names:
        before, after = value_of(default, name), value_of(small, name)
        if hasattr(after, "to_dict"):
            found += compared(before, after, f"{path}{name}.")
        elif hasattr(before, "to_dict"):
            continue  # a part that is left out: its parent decides
        elif is_neutral(after) and (not is_neutral(before) or (type(before) is int and before == 1 and not after)):
            found.append((path + name, before, after))
        elif is_list_of_kinds(before) and not name.startswith(("out_", "stage_names", "architectures")):
            if set(before) - set(after or []):
                found.append((path + name, before, after))
        elif INTERVAL.search(name) and type(after) is int and not OTHER_INTERVALS.search(path + name):
            if layers is not None and before == after and after > layers:
                found.append((path + name, before, after))
    return found


def is_list_of_kinds(value):
    return isinstance(value, (list, tuple)) and len(value) > 1 and all(isinstance(v, (str, bool)) for v in value)


def number_of_layers(config):
    names = ("num_hidden_layers", "n_layer", "num_layers", "n_layers", "encoder_layers")
    return next((v for v in (value_of(config, n) for n in names) if type(v) is int), None)


def main(names):
    for model_type in names:
        for path, before, after in lost(model_type):
            print(f"{path}: {str(before)[:80]} -> {str(after)[:80]}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:] or classes.model_types())
