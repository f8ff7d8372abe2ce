"""Which classes a model type has: its base model, and one class for every task that Transformers knows it for."""

import importlib
import inspect


def auto_mappings():
    """{mapping name: {model type: class name}} of Transformers' auto classes, in their order."""
    from transformers.models.auto import modeling_auto

    found = {}
    for name in dir(modeling_auto):
        if name.startswith("MODEL_") and name.endswith("MAPPING_NAMES"):
            found[name] = getattr(modeling_auto, name)
    return found


def model_types():
    """Every key of CONFIG_MAPPING, sorted."""
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING_NAMES

    return sorted(CONFIG_MAPPING_NAMES)


def first(entry):
    return entry[0] if isinstance(entry, (list, tuple)) else entry


def base_class(model_type):
    """The class of a type's base model: AutoModel's; else that of another auto class; else the class of the type's own
    module whose configuration it is. None when there is none."""
    import transformers

    mappings = auto_mappings()
    names = [mappings["MODEL_MAPPING_NAMES"]] + [m for n, m in sorted(mappings.items()) if n != "MODEL_MAPPING_NAMES"]
    for mapping in names:
        if model_type in mapping:
            found = getattr(transformers, first(mapping[model_type]), None)
            if found is not None and inspect.isclass(found):
                return found
    return class_of_config(model_type)


def class_named(model_type, name):
    """A class by its name: a public one, or one of the type's own module."""
    import transformers
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING

    found = getattr(transformers, name, None)
    if found is None:
        module = CONFIG_MAPPING[model_type].__module__.replace(".configuration_", ".modeling_")
        found = getattr(importlib.import_module(module), name)
    return found


def class_of_config(model_type):
    """The model class whose `config_class` is the type's own; of several the one that is named like it. A part that is
    no model by itself: its plain module."""
    from transformers import PreTrainedModel
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING

    config_class = CONFIG_MAPPING[model_type]
    name = config_class.__module__.replace(".configuration_", ".modeling_")
    try:
        module = importlib.import_module(name)
    except ImportError:
        return None
    found = []
    for _, value in inspect.getmembers(module, inspect.isclass):
        if not issubclass(value, PreTrainedModel) or value.__module__ != name or "forward" not in vars(value):
            continue
        if annotated_config(value) is config_class:
            found.append(value)
    stem = config_class.__name__.removesuffix("Config")
    if not found:  # a part that is no model by itself is a plain module
        import torch

        part = getattr(module, stem, None)
        return part if inspect.isclass(part) and issubclass(part, torch.nn.Module) else None
    found.sort(key=lambda c: (c.__name__ != stem + "Model", c.__name__ != stem, len(c.__name__), c.__name__))
    return found[0] if found else None


def annotated_config(model_class):
    """The configuration class of a model class: `config_class`, or the annotation of `config`."""
    own = getattr(model_class, "config_class", None)
    return own if own is not None else getattr(model_class, "__annotations__", {}).get("config")


def config_for(model_class, config):
    """The part of a type's configuration that a class takes: the whole, or the part of the class's own kind."""
    wanted = annotated_config(model_class)
    if not inspect.isclass(wanted) or isinstance(config, wanted):
        return config
    for name in getattr(config, "sub_configs", None) or {}:
        if isinstance(getattr(config, name, None), wanted):
            return getattr(config, name)
    return config


def belongs_elsewhere(model_class, model_type):
    """Whether a class takes neither the type's configuration nor a part of it, but that of another type."""
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING

    own, wanted = CONFIG_MAPPING[model_type], annotated_config(model_class)
    if not inspect.isclass(wanted) or issubclass(own, wanted) or issubclass(wanted, own):
        return False
    try:
        config = own()
    except Exception:  # noqa: BLE001 (a class that needs arguments has no plain form)
        return False
    return wanted in CONFIG_MAPPING.values() and config_for(model_class, config) is config


def is_sequence_classifier(model_class):
    """Whether Transformers lists a class among those that score a whole text."""
    return model_class.__name__ in auto_mappings()["MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES"].values()


def head_classes(model_type):
    """{class: [mapping names]} of the task classes of a type, without its base model and classes of other types."""
    import transformers

    base = base_class(model_type)
    found = {}
    for name, mapping in sorted(auto_mappings().items()):
        for entry in [mapping[model_type]] if model_type in mapping else []:
            for class_name in entry if isinstance(entry, (list, tuple)) else [entry]:
                value = getattr(transformers, class_name, None)
                if inspect.isclass(value) and value is not base and not belongs_elsewhere(value, model_type):
                    found.setdefault(value, []).append(name)
    return found
