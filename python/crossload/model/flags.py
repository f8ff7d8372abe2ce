"""The flags that choose a model's outputs and its attention, set for the time of a call."""

import contextlib

from ..session import require_torch


def is_transformers_model(module):
    """Whether Transformers' exporter can take the module."""
    require_torch()
    try:
        from transformers import PreTrainedModel
    except ImportError:
        return False
    return isinstance(module, PreTrainedModel)


def output_flags(request):
    """The output flags of a request, as Transformers' forward and config call them."""
    flags = {"use_cache": bool(request.get("cache"))}
    if request.get("hidden_states"):
        flags["output_hidden_states"] = True
    if request.get("attentions"):
        flags["output_attentions"] = True
    return flags


@contextlib.contextmanager
def flags_set(model, request):
    """The model with the request's output flags in its config, and the attention that can return its weights.

    A request for a program that was exported already has `output_flags`, those that it was exported with.
    """
    if not is_transformers_model(model):
        yield
        return
    if "output_flags" in request:
        from transformers.exporters.exporter_dynamo import patch_model_config

        with patch_model_config(model, request["output_flags"]), _caches_as_exported():
            yield
        return
    with contextlib.ExitStack() as stack:
        if request.get("attentions"):
            stack.enter_context(attention(model, "eager"))
        stack.enter_context(_config_flags(model, {**output_flags(request), "return_dict": True}))
        yield


@contextlib.contextmanager
def _caches_as_exported():
    """Transformers' caches as its exporter replaces them: those of a sliding window keep every position."""
    from transformers.exporters import utils

    entries = [entry for entry in utils._PATCHES["dynamo"] if entry[0].startswith("transformers.cache_utils.")]
    owners = [(utils.import_dotted_path(owner), attribute, factory) for owner, attribute, factory in entries]
    with utils.patch_attributes(owners):
        yield


@contextlib.contextmanager
def _config_flags(model, flags):
    """Flags set in the model's config and, since parts of a model may have copies of it, in those of its modules.

    `use_cache` is only ever switched off in the parts: an encoder refuses it.
    """
    configs = {id(c): c for c in (getattr(m, "config", None) for m in model.modules()) if c is not None}
    before = []
    for config in configs.values():
        for name, value in flags.items():
            if hasattr(config, name) and not (value and name == "use_cache" and config is not model.config):
                before.append((config, name, getattr(config, name)))
                setattr(config, name, value)
    try:
        yield
    finally:
        for config, name, value in reversed(before):
            setattr(config, name, value)


@contextlib.contextmanager
def attention(model, name):
    """The model with another attention implementation; yields False where it has no such choice."""
    before = getattr(getattr(model, "config", None), "_attn_implementation", None)
    changed = False
    if before != name and hasattr(model, "set_attn_implementation"):
        try:
            model.set_attn_implementation(name)
            changed = model.config._attn_implementation == name
        except Exception:  # noqa: BLE001 (models without that implementation refuse in many ways)
            changed = False
    try:
        yield changed
    finally:
        if changed:
            model.set_attn_implementation(before)
