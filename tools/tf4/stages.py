"""The three steps that judge one class, each meant for a process of its own."""

import json
import re

import numpy as np
import repairs
import samples


def classes(case, repaired=True):
    """The TensorFlow class of a case and the PyTorch one."""
    import transformers

    if repaired:
        repairs.repair(case["type"])
    return getattr(transformers, case["class"]), getattr(transformers, case["class"][2:])


def config_of(case):
    import tiny_configs

    config = tiny_configs.tiny_config(case["type"], case.get("changes"))
    return getattr(config, case["part"]) if case.get("part") else config


def randomize(model, rng):
    """Weights at trained scale: normal with variance 1/fan-in; normalizations near one. Fixed numbers stay: masks, sines."""
    import torch

    norms = {n for n, p in model.named_parameters() if p.dim() == 1 and n.endswith("weight")}
    learnt = [
        (n, b) for n, b in model.named_buffers() if n.endswith(("running_mean", "running_var", "positional_embedding"))
    ]
    with torch.no_grad():
        for name, tensor in [*model.named_parameters(), *learnt]:
            if name.endswith("logit_scale") or (not tensor.requires_grad and "embed_positions" in name):
                continue
            noise = torch.from_numpy(rng.standard_normal(tuple(tensor.shape)).astype(np.float32))
            if name.endswith("running_var"):
                tensor.copy_(torch.from_numpy(rng.uniform(0.5, 1.5, tuple(tensor.shape)).astype(np.float32)))
            elif name in norms or "original0" in name or ("layer_norm" in name and name.endswith("weight")):
                tensor.copy_(1 + 0.1 * noise)
            elif tensor.dim() <= 1 or tensor[0].numel() == 1:
                tensor.copy_(0.1 * noise)
            else:
                tensor.copy_(noise / tensor[0].numel() ** 0.5)


def run_torch(model, inputs):
    import torch

    with torch.no_grad():
        return samples.flat(model(**samples.for_torch(model, inputs)))


def run_tf(model, inputs):
    return samples.flat(model(dict(inputs), training=False))


def distance(a, b):
    """{output: max |a - b|} of the outputs that both have; inf where shapes differ."""
    found = {}
    for name in a.keys() & b.keys():
        same = a[name].shape == b[name].shape
        found[name] = float(np.max(np.abs(a[name] - b[name]), initial=0)) if same else float("inf")
    return found


def pt_model(pt_class, config):
    """A PyTorch model with random weights at trained scale, in evaluation mode."""
    import torch

    torch.manual_seed(0)
    model = pt_class(config)
    randomize(model, np.random.default_rng(1))
    model.tie_weights()
    return model.eval()  # now, since some keep what they compute from weights


def make(case, folder):
    """Writes a PyTorch checkpoint with random weights to folder/pt, inputs and outputs beside it."""
    tf_class, pt_class = classes(case)
    config = config_of(case)
    model = pt_model(pt_class, config)
    model.save_pretrained(folder / "pt")
    inputs = samples.samples(tf_class, tf_class(config), config)
    np.savez(folder / "inputs.npz", **inputs)
    np.savez(folder / "pt_outputs.npz", **run_torch(model, inputs))
    tied = {}
    for name, tensor in model.state_dict(keep_vars=True).items():
        tied.setdefault((tensor.data_ptr(), tuple(tensor.shape)), []).append(name)
    ties = [names for (pointer, _), names in tied.items() if len(names) > 1 and pointer]
    (folder / "ties.json").write_text(json.dumps(ties))
    shapes = {name: list(tensor.shape) for name, tensor in model.state_dict().items()}
    (folder / "state.json").write_text(json.dumps(shapes))
    return {"tensors": len(shapes)}


# Layers of DeBERTa-v2 that Transformers' own mapping does not find: TensorFlow's name, PyTorch's.
MISSED = {".pos_proj.": ".pos_key_proj.", ".pos_q_proj.": ".pos_query_proj."}


class OldNames:
    """Transformers' own mapping from a TensorFlow class's variables to PyTorch's names and layouts."""

    def __init__(self, model, pt_names):
        self.model = model
        self.known = {self.canonical(n): n for n in pt_names}
        self.prefix = (
            "" if any(n.startswith(model.base_model_prefix) for n in pt_names) else model.base_model_prefix + "."
        )

    def canonical(self, name):
        name = name.replace("running_var", "moving_variance").replace("running_mean", "moving_mean")
        name = name.replace("parametrizations.weight.original0", "weight_g")
        return name.replace("parametrizations.weight.original1", "weight_v")

    def of(self, variable):
        from transformers.modeling_tf_pytorch_utils import convert_tf_weight_name_to_pt_weight_name

        name, transpose = convert_tf_weight_name_to_pt_weight_name(
            variable.name, start_prefix_to_remove=self.prefix, tf_weight_shape=variable.shape, name_scope=""
        )
        for tf_part, pt_part in MISSED.items():
            if name not in self.known:
                name = name.replace(tf_part, pt_part)
        rename = getattr(self.model, "tf_to_pt_weight_rename", lambda n: (n,))
        return next((self.known[n] for n in rename(name) if n in self.known), None), transpose


def all_weights(model):
    return list({id(w): w for w in model.weights}.values())


def load(case, folder):
    """Loads folder/tf with the TensorFlow class and compares; then changes all weights and saves to folder/changed."""
    from transformers.modeling_tf_pytorch_utils import apply_transpose
    from transformers.modeling_tf_utils import load_tf_weights

    tf_class, _ = classes(case)
    model, info = tf_class.from_pretrained(folder / "tf", output_loading_info=True)
    inputs = dict(np.load(folder / "inputs.npz"))
    built = len(model.weights)
    outputs = run_tf(model, inputs)
    note = None
    if len(model.weights) > built:
        # from_pretrained reads only what the class builds beforehand; what a call adds would stay random.
        note = f"from_pretrained builds {built} of {len(model.weights)} variables, the rest loads after a call"
        missing, unexpected, mismatched = load_tf_weights(model, str(folder / "tf/tf_model.h5"))
        info = {"missing_keys": missing, "unexpected_keys": unexpected, "mismatched_keys": mismatched}
        info = {k: [n for n in v if not ignored(model, k, n)] for k, v in info.items()}
        outputs = run_tf(model, inputs)
    errors = distance(dict(np.load(folder / "pt_outputs.npz")), outputs)

    rng = np.random.default_rng(2)
    state = json.loads((folder / "state.json").read_text())
    old, first = OldNames(model, state), {}
    ties = {name: group[0] for group in json.loads((folder / "ties.json").read_text()) for name in group}
    changed = {}
    for variable in all_weights(model):
        pt_name, transpose = old.of(variable)
        array = variable.numpy()
        if array.dtype.kind == "f" and "embed_positions/" not in variable.name:
            array = changed_values(array, variable.name, rng)
        key = ties.get(pt_name, pt_name)
        if key in first:  # PyTorch has one tensor where TensorFlow has two
            array = turned_back(first[key], transpose, array.shape)
        variable.assign(array)
        if pt_name is not None:
            pt_array = apply_transpose(transpose, array, state[pt_name], pt_to_tf=False)
            changed[pt_name] = np.asarray(pt_array).reshape(state[pt_name])
            first.setdefault(key, changed[pt_name])
    np.savez(folder / "changed.npz", **changed)
    np.savez(folder / "changed_outputs.npz", **run_tf(model, inputs))
    model.save_pretrained(folder / "changed")
    return {
        **{k: sorted(map(str, v)) for k, v in info.items()},
        "max_error": max(errors.values(), default=None),
        "errors": errors,
        "variables": len(model.weights),
        "note": note,
        "unnamed": [w.name for w in all_weights(model) if old.of(w)[0] is None],
    }


def ignored(model, kind, name):
    patterns = {
        "missing_keys": model._keys_to_ignore_on_load_missing,
        "unexpected_keys": model._keys_to_ignore_on_load_unexpected,
    }
    return any(re.search(p, str(name)) for p in patterns.get(kind) or [])


def changed_values(array, name, rng):
    noise = rng.standard_normal(array.shape).astype(array.dtype)
    changed = array * (1 + 0.05 * noise) + 0.01 * rng.standard_normal(array.shape).astype(array.dtype)
    return (np.abs(changed) + 0.1 if "variance" in name else changed).astype(array.dtype)


def turned_back(pt_array, transpose, shape):
    from transformers.modeling_tf_pytorch_utils import apply_transpose

    return np.asarray(apply_transpose(transpose, pt_array, shape)).reshape(shape)


def back(case, folder):
    """Loads folder/back with the PyTorch class; compares every tensor with what TensorFlow saved, and the outputs."""
    _, pt_class = classes(case)
    model, info = pt_class.from_pretrained(folder / "back", output_loading_info=True)
    model.eval()
    state = {n: t.numpy() for n, t in model.state_dict().items()}
    changed = dict(np.load(folder / "changed.npz"))
    different = [n for n, a in changed.items() if a.dtype.kind == "f" and state[n].tobytes() != a.tobytes()]
    different += [n for n, a in changed.items() if a.dtype.kind != "f" and not np.array_equal(state[n], a)]
    ties = [group for group in json.loads((folder / "ties.json").read_text()) if any(n in changed for n in group)]
    outputs = run_torch(model, dict(np.load(folder / "inputs.npz")))
    errors = distance(dict(np.load(folder / "changed_outputs.npz")), outputs)
    return {
        **{k: sorted(map(str, info[k])) for k in ("missing_keys", "unexpected_keys", "mismatched_keys")},
        "different": different,
        "compared": len(changed),
        "computed": [n for n in state if n not in changed and not any(n in group for group in ties)],
        "max_error": max(errors.values(), default=None),
    }
