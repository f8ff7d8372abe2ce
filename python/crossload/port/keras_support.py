"""What a file that `crossload port --for keras` writes brings along in place of Transformers.

The translator copies each definition that the written file uses, in this order. So a definition may use those above it
and the imports here, and nothing of crossload.
"""

import dataclasses
import functools
import inspect
import json
import logging
import os
import re

import keras
import tensorflow as tf


class RepeatlessLogger(logging.LoggerAdapter):
    """A logger that can give a warning once."""

    def __init__(self, name):
        super().__init__(logging.getLogger(name), {})
        self.given = set()

    def warning_once(self, message, *args):
        if message not in self.given:
            self.given.add(message)
            self.warning(message, *args)


class PretrainedConfig:
    """The entries of a model's `config.json` as attributes."""

    # What Transformers gives every configuration.
    add_cross_attention = False
    bos_token_id = None
    chunk_size_feed_forward = 0
    eos_token_id = None
    is_decoder = False
    is_encoder_decoder = False
    output_attentions = False
    output_hidden_states = False
    pad_token_id = None
    problem_type = None
    tie_word_embeddings = True
    use_cache = True
    use_return_dict = True
    _attn_implementation = "eager"

    def __init__(self, num_labels=2, **entries):
        self.id2label = {number: f"LABEL_{number}" for number in range(num_labels)}
        for name, value in entries.items():
            setattr(self, name, value)

    @classmethod
    def from_dict(cls, entries):
        """The configuration of these entries; those of Transformers 5 are taken as well."""
        entries = dict(entries)
        rope = entries.pop("rope_parameters", None) or {}
        if "rope_theta" in rope:
            entries.setdefault("rope_theta", rope["rope_theta"])
        if "partial_rotary_factor" in rope:
            entries.setdefault("partial_rotary_factor", rope["partial_rotary_factor"])
        if rope.get("rope_type", "default") != "default":
            entries.setdefault("rope_scaling", {k: v for k, v in rope.items() if k != "rope_theta"})
        return cls(**entries)

    @classmethod
    def from_file(cls, path):
        with open(path, encoding="utf-8") as file:
            return cls.from_dict(json.load(file))

    def __getattr__(self, name):
        other = getattr(type(self), "attribute_map", {}).get(name)
        if other is not None:
            return getattr(self, other)
        raise AttributeError(f"{type(self).__name__} has no entry `{name}`")

    def __setattr__(self, name, value):
        super().__setattr__(getattr(type(self), "attribute_map", {}).get(name, name), value)

    @property
    def num_labels(self):
        return len(self.id2label)

    def to_dict(self):
        return {name: value for name, value in vars(self).items() if not name.startswith("_")}


@dataclasses.dataclass
class ModelOutput(dict):
    """A dictionary of its fields that are not None; numbers and slices take them in order."""

    def __post_init__(self):
        for field in dataclasses.fields(self):
            if getattr(self, field.name) is not None:
                self[field.name] = getattr(self, field.name)

    def __getitem__(self, key):
        return super().__getitem__(key) if isinstance(key, str) else self.to_tuple()[key]

    def to_tuple(self):
        return tuple(self.values())


def shape_list(tensor):
    """The sizes of a tensor: numbers where they are known, scalar tensors elsewhere."""
    known = list(tensor.shape)
    if None not in known:
        return known
    sizes = tf.shape(tensor)
    return [sizes[axis] if size is None else size for axis, size in enumerate(known)]


def stable_softmax(logits, axis=-1):
    return tf.nn.softmax(logits, axis=axis)


def get_initializer(initializer_range=0.02):
    return keras.initializers.TruncatedNormal(stddev=initializer_range)


def gelu_new(inputs):
    return tf.nn.gelu(inputs, approximate=True)


def quick_gelu(inputs):
    return inputs * tf.sigmoid(1.702 * inputs)


ACTIVATIONS = {
    "gelu": tf.nn.gelu,
    "gelu_10": lambda inputs: tf.clip_by_value(tf.nn.gelu(inputs), -10.0, 10.0),
    "gelu_fast": gelu_new,
    "gelu_new": gelu_new,
    "leaky_relu": lambda inputs: tf.nn.leaky_relu(inputs, alpha=0.01),
    "linear": lambda inputs: inputs,
    "mish": lambda inputs: inputs * tf.tanh(tf.math.softplus(inputs)),
    "quick_gelu": quick_gelu,
    "relu": tf.nn.relu,
    "relu2": lambda inputs: tf.square(tf.nn.relu(inputs)),
    "relu6": tf.nn.relu6,
    "sigmoid": tf.sigmoid,
    "silu": tf.nn.silu,
    "swish": tf.nn.silu,
    "tanh": tf.tanh,
}


def get_tf_activation(name):
    """The function of this name."""
    if name not in ACTIVATIONS:
        raise KeyError(f"there is no activation `{name}`; there are {', '.join(ACTIVATIONS)}")
    return ACTIVATIONS[name]


def in_graphs(call):
    """`call`, whose conditions on tensors become those of the graph while one is traced; Keras 3 leaves them as they are."""
    converted = []

    @functools.wraps(call)
    def either(self, *args, **kwargs):
        if tf.executing_eagerly():
            return call(self, *args, **kwargs)
        if not converted:
            converted.append(tf.autograph.to_graph(call))
        return converted[0](self, *args, **kwargs)

    return either


def unpack_inputs(call):
    """Inputs may come one by one or as one dictionary or list; flags that are None are the configuration's."""
    names = [name for name in inspect.signature(call).parameters if name != "self"]
    run = in_graphs(call)

    @functools.wraps(call)
    def unpacked(self, *args, **kwargs):
        given = {**dict(zip(names, args, strict=False)), **kwargs}
        first = given.get(names[0])
        if isinstance(first, dict):
            given = {**{name: value for name, value in given.items() if name != names[0]}, **first}
        elif isinstance(first, (list, tuple)):
            given = {**given, **dict(zip(names, first, strict=False))}
        unknown = sorted(set(given) - set(names))
        if unknown:
            raise ValueError(f"{type(self).__name__} takes no {', '.join(unknown)}; it takes {', '.join(names)}")
        for flag, value in (
            ("output_attentions", self.config.output_attentions),
            ("output_hidden_states", self.config.output_hidden_states),
            ("return_dict", True),
            ("use_cache", False),
        ):
            if flag in names and given.get(flag) is None:
                given[flag] = value
        for name, value in given.items():
            if hasattr(value, "__array__"):
                given[name] = tf.convert_to_tensor(value)
        outputs = run(self, **given)
        is_outermost = isinstance(self, keras.Model) and isinstance(outputs, ModelOutput)
        return dict(outputs) if is_outermost else outputs

    return unpacked


class CalledByPosition:
    """What a layer is derived from as well to take flags and numbers by their position, where Keras takes tensors only."""

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        if "call" in vars(cls) and not hasattr(cls.call, "__wrapped__"):
            cls.call = in_graphs(cls.call)

    def __call__(self, *args, **kwargs):
        names = list(inspect.signature(self.call).parameters)
        return super().__call__(*args[:1], **dict(zip(names[1:], args[1:], strict=False)), **kwargs)


class Layer(CalledByPosition, keras.layers.Layer):
    pass


class TFOutputEmbeddings(keras.layers.Dense):
    """Logits over the vocabulary, with a kernel of its own or that of the input embeddings."""

    embeddings_of = None

    def tie_to(self, embeddings):
        # A function, so that Keras does not count the weights twice.
        self.embeddings_of = lambda: embeddings.embeddings

    def build(self, input_shape=None):
        if self.embeddings_of is None:
            return super().build(input_shape)
        if self.use_bias:
            self.bias = self.add_weight(name="bias", shape=[self.units], initializer="zeros")
        self.built = True

    def call(self, inputs):
        if self.embeddings_of is None:
            return super().call(inputs)
        logits = tf.matmul(inputs, tf.cast(self.embeddings_of(), inputs.dtype), transpose_b=True)
        return logits + self.bias if self.use_bias else logits

    def save_own_variables(self, store):
        keras.layers.Layer.save_own_variables(self, store)

    def load_own_variables(self, store):
        keras.layers.Layer.load_own_variables(self, store)


PYTORCH_NAMES = {
    "kernel": "weight",
    "gamma": "weight",
    "beta": "bias",
    "embeddings": "weight",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
}


def weights_by_name(layer):
    """[(PyTorch's name, variable)] of a layer and of the layers in it, each variable once."""
    found, seen = [], set()

    def walk(layer, path):
        for variable in layer._trainable_variables + layer._non_trainable_variables:
            if id(variable) not in seen and not isinstance(layer, keras.layers.Dropout):
                seen.add(id(variable))
                name = ".".join([*path, PYTORCH_NAMES.get(variable.name, variable.name)])
                found.append((name.replace("_._", "."), variable))
        for inner in layer._layers:
            walk(inner, [*path, inner.name])

    walk(layer, [])
    return found


def axes_in_keras(variable):
    """For each axis of a variable the axis of PyTorch's tensor: kernels have inputs and outputs last, PyTorch first."""
    rank = len(variable.shape)
    if variable.name != "kernel" or rank < 2:
        return list(range(rank))
    return [*range(2, rank), 1, 0]


class TFPreTrainedModel(keras.Model):
    """A model with its configuration, that takes the weights of PyTorch's class by their names."""

    config_class = PretrainedConfig
    base_model_prefix = ""
    _keys_to_ignore_on_load_unexpected = ()

    def __init__(self, config, *inputs, **kwargs):
        super().__init__(*inputs, **kwargs)
        self.config = config

    def get_config(self):
        return {"name": self.name, "config": self.config.to_dict()}

    @classmethod
    def from_config(cls, config):
        return cls(cls.config_class.from_dict(config["config"]), name=config["name"])

    def build_from_config(self, config):
        self.build()

    @classmethod
    def from_preset(cls, folder, **kwargs):
        """The model of a folder with `config.json` and weights: PyTorch's `model.safetensors`, in one file or in several,
        or the `model.weights.h5` of `save_to_preset`."""
        model = cls(cls.config_class.from_file(os.path.join(folder, "config.json")), **kwargs)
        model.build()
        own = os.path.join(folder, "model.weights.h5")
        if os.path.isfile(own):
            model.load_weights(own)
        else:
            model.load_safetensors(folder)
        return model

    def save_to_preset(self, folder):
        os.makedirs(folder, exist_ok=True)
        with open(os.path.join(folder, "config.json"), "w", encoding="utf-8") as file:
            json.dump(self.config.to_dict(), file, indent=2, sort_keys=True)
        self.save_weights(os.path.join(folder, "model.weights.h5"))

    def load_safetensors(self, folder):
        """Take every weight from a PyTorch checkpoint; one that is missing or has other sizes is an error. Returns the
        names of those in the checkpoint that the model has no use for."""
        from safetensors import safe_open

        index = os.path.join(folder, "model.safetensors.index.json")
        files = ["model.safetensors"]
        if os.path.isfile(index):
            with open(index, encoding="utf-8") as file:
                files = sorted(set(json.load(file)["weight_map"].values()))
        stored = {}
        for name in files:
            checkpoint = safe_open(os.path.join(folder, name), framework="tf")
            stored.update(dict.fromkeys(checkpoint.keys(), checkpoint))
        prefix = self.base_model_prefix + "."
        missing, used = [], set()
        for name, variable in weights_by_name(self):
            names = [name, name.removeprefix(prefix), prefix + name]
            there = next((n for n in names if n in stored), None)
            if there is None:
                missing.append(name)
                continue
            used.add(there)
            value = tf.transpose(stored[there].get_tensor(there), axes_in_keras(variable))
            if value.shape != variable.shape:
                raise ValueError(
                    f"{folder}: {there} has the sizes {value.shape} as Keras stores it, not {variable.shape}"
                )
            variable.assign(tf.cast(value, variable.dtype))
        if missing:
            raise ValueError(f"{folder}: there are no weights for {', '.join(missing)}")
        ignored = [*self._keys_to_ignore_on_load_unexpected, r"position_ids$", r"inv_freq$"]
        unused = [name for name in stored if name not in used and not any(re.search(p, name) for p in ignored)]
        if unused:
            logging.getLogger(__name__).warning("%s: not used are %s", folder, ", ".join(unused))
        return unused

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """The model's own loss where it was given `labels` and compiled without one."""
        if self._compile_loss is None and isinstance(y_pred, dict) and "loss" in y_pred:
            return tf.reduce_mean(y_pred["loss"])
        return super().compute_loss(x=x, y=y, y_pred=y_pred, sample_weight=sample_weight, training=training)
