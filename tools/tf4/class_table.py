"""Writes src/names/class_table.inc: the layers that each TensorFlow class of Transformers 4.46 has.

    .venv-tf4/bin/python tools/tf4/class_table.py [--check]

Every class is built from two tiny configurations, one deeper than the other, together with its PyTorch twin. What the
columns mean stands in src/names/classes.h. With --check nothing is written; exit code 1 when the file is stale.
"""

import argparse
import os
import re
import sys
from pathlib import Path

os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import tiny_configs

TARGET = Path(__file__).resolve().parent.parent.parent / "src/names/class_table.inc"

# Public classes that no auto class knows.
MORE_CLASSES = {
    "blip": ["TFBlipForImageTextRetrieval", "TFBlipForQuestionAnswering"],
    "dpr": ["TFDPRContextEncoder", "TFDPRReader"],
    "gpt2": ["TFGPT2DoubleHeadsModel"],
    "hubert": ["TFHubertForCTC"],
    "openai-gpt": ["TFOpenAIGPTDoubleHeadsModel"],
    "wav2vec2": ["TFWav2Vec2ForCTC"],
}
# Classes whose configuration is a part of the type's.
PARTS = {
    "blip": {"text_config": ["TFBlipTextModel"], "vision_config": ["TFBlipVisionModel"]},
    "clip": {"text_config": ["TFCLIPTextModel"], "vision_config": ["TFCLIPVisionModel"]},
    "groupvit": {"text_config": ["TFGroupViTTextModel"], "vision_config": ["TFGroupViTVisionModel"]},
}
# Layers that only some configurations have; they come last.
OPTIONAL = {
    "TFT5ForConditionalGeneration": ["lm_head"],
    "TFMT5ForConditionalGeneration": ["lm_head"],
    "TFEncoderDecoderModel": ["enc_to_dec_proj"],
    "TFVisionEncoderDecoderModel": ["enc_to_dec_proj"],
}
# Types whose classes are those of another.
ALIASES = {"gpt-sw3"}


def cases():
    """(model type, part of the configuration or None, TF class name); the type's AutoModel class comes first."""
    from transformers.models.auto.modeling_tf_auto import TF_MODEL_MAPPING_NAMES

    for model_type, names in tiny_configs.model_types().items():
        if model_type in ALIASES:
            continue
        base = TF_MODEL_MAPPING_NAMES.get(model_type, names[0])
        base = base if isinstance(base, str) else base[0]
        for name in [base, *(n for n in names if n != base), *MORE_CLASSES.get(model_type, [])]:
            yield model_type, None, name
        for part, part_names in PARTS.get(model_type, {}).items():
            for name in part_names:
                yield model_type, part, name


class Built:
    """What a TF class and its PyTorch twin hold."""

    def __init__(self, model_type, part, name, deeper):
        import transformers
        from tf_keras import backend

        backend.clear_session()  # numbers of automatic names start anew
        config = tiny_configs.tiny_config(model_type, deeper=deeper)
        config = getattr(config, part) if part else config
        twin = getattr(transformers, name[2:])(config)
        self.pt_names = list(twin.state_dict())
        model = getattr(transformers, name)(config)
        model.build_in_name_scope()
        model(model.dummy_inputs, training=False)  # some classes build only what is called
        self.name = model.name
        self.prefix = model.base_model_prefix
        self.layers = [layer.name for layer in model.layers]
        self.variables = {layer.name: [self.path(w.name) for w in layer.weights] for layer in model.layers}
        self.top = [self.path(w.name) for w in model._trainable_weights + model._non_trainable_weights]

    def path(self, name):
        """A variable's name without the model's; with a leading slash when it stands outside of the model's scope."""
        name = name.removesuffix(":0")
        return name.removeprefix(self.name + "/") if name.startswith(self.name + "/") else "/" + name


def modules(pt_names):
    found = set()
    for name in pt_names:
        parts = name.split(".")
        found |= {".".join(parts[:i]) for i in range(1, len(parts))}
    return found


def numbered(name, deeper_name, built, deeper):
    """A layer name such as `dropout_7` as a formula of the number of some module: `dropout_{1+3*attention}`."""
    found = re.fullmatch(r"([a-z]+)_(\d+)", name)
    if name == deeper_name or not found:
        return name
    first, second = int(found[2]), int(deeper_name.rsplit("_", 1)[1])
    few, many = modules(built.pt_names), modules(deeper.pt_names)
    ends = sorted({re.sub(r"\d+", "#", ".".join(m.split(".")[-k:])) for m in few for k in (1, 2)})
    ends = [e for e in ends if e != "#"]
    # Modules named for attention first: each layer has one.
    for end in sorted(ends, key=lambda e: (e != "attention", "attention" not in e, e)):
        pattern = re.compile(r"(^|\.)" + re.escape(end).replace(r"\#", r"\d+") + "$")
        a, b = (sum(bool(pattern.search(m)) for m in ms) for ms in (few, many))
        if b > a and (second - first) % (b - a) == 0:
            each = (second - first) // (b - a)
            if first - each * a >= 0:
                return f"{found[1]}_{{{first - each * a}+{each}*{end}}}"
    raise ValueError(f"{built.name}: nothing counts {name}, {deeper_name}")


def is_own(layer, path):
    return path.split("/")[0] == layer


def layer_text(layer, name, built, absent):
    paths = built.variables[layer]
    extra = dict.fromkeys(short(p, built, paths) for p in paths if not is_own(layer, p))
    text = name if paths else "~" + name
    return text + "".join(f"!{a}" for a in absent.get(layer, [])) + "".join(f"+{p}" for p in extra)


def short(path, built, paths):
    """The sub-layer to which a variable belongs, when the class has all of it, as `bert/embeddings`; numbers as `#`."""
    if path.startswith("/"):
        return re.sub(r"\.\d+\.", ".#.", path)
    sub_layer = "/".join(path.split("/")[:2])
    whole = {p for ps in built.variables.values() for p in ps if p.startswith(sub_layer + "/")}
    return sub_layer if whole <= set(paths) and whole != {path} else path


def absent_layers(all_built):
    """{class: {layer: [sub-layers that its namesakes in other classes of the type have and it has not]}}"""
    known = {}
    for (model_type, part, _), built in all_built.items():
        for layer, paths in built.variables.items():
            own = {p.split("/")[1] for p in paths if is_own(layer, p) and p.count("/") > 1}
            known.setdefault((model_type, part, layer), set()).update(own)
    result = {}
    for (model_type, part, name), built in all_built.items():
        for layer, paths in built.variables.items():
            own = {p.split("/")[1] for p in paths if is_own(layer, p) and p.count("/") > 1}
            missing = sorted(known[model_type, part, layer] - own) if own else []
            if missing:
                result.setdefault(name, {})[layer] = missing
    return result


def parts_of(all_built):
    """{(model type, main layer): what it holds in any of the type's classes, numbers as `#`}"""
    found = {}
    for (model_type, _, _), built in all_built:
        for layer, paths in built.variables.items():
            parts = [re.sub(r"\d+", "#", p.split("/")[1]) for p in paths if is_own(layer, p) and "/" in p]
            found.setdefault((model_type, layer), {}).update(dict.fromkeys(parts))
    return found


def row(case, built, deeper, absent, base, parts):
    model_type, _, name = case
    main = next((p for p in (built.prefix, base.prefix) if p in built.layers), "")
    bare = bool(main) and not any(n.startswith(main) for n in built.pt_names)
    if main and not bare and not any(n.startswith(main + ".") for n in built.pt_names):
        raise ValueError(f"{name}: names neither start with `{main}.` nor are without it")
    layers = [
        layer_text(layer, numbered(layer, other, built, deeper), built, absent)
        for layer, other in zip(built.layers, deeper.layers, strict=True)
    ]
    layers = [x for x in layers if x not in OPTIONAL.get(name, [])] + ["?" + x for x in OPTIONAL.get(name, [])]
    if built.top:
        layers.append("top_level_model_weights" + "".join(f"+{p}" for p in built.top))
    inner = " ".join(parts[model_type, main]) if main else ""
    return f'{{"{name[2:]}", "{model_type}", "{main}", {str(bare).lower()}, "{" ".join(layers)}", "{inner}"}},'


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    import transformers

    transformers.logging.set_verbosity_error()
    all_cases = list(cases())
    built = {s: Built(*s, deeper=0) for s in all_cases}
    absent = absent_layers(built)
    lines = [
        "// Written by tools/tf4/class_table.py from the classes of Transformers 4.46.3; columns in classes.h.",
        "// clang-format off",
    ]
    base = {model_type: built for (model_type, _, _), built in reversed(built.items())}
    deeper = {s: Built(*s, deeper=1) for s in all_cases}
    parts = parts_of([*built.items(), *deeper.items()])
    lines += [row(s, built[s], deeper[s], absent.get(s[2], {}), base[s[0]], parts) for s in all_cases]
    text = "\n".join([*lines, "// clang-format on", ""])
    if options.check:
        sys.exit(0 if TARGET.exists() and TARGET.read_text() == text else 1)
    TARGET.parent.mkdir(exist_ok=True)
    TARGET.write_text(text)
    print(f"{len(all_cases)} classes")


if __name__ == "__main__":
    main()
