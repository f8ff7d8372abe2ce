"""The calls of a PyTorch model's modules, with the values that go in and come out."""

import contextlib
import inspect

from .leaves import leaves


class Recording:
    """calls: {"module", "class", "call", "depth", "end", "is_basic", "inputs": {path: value}, "outputs": {path: value}}
    in the order in which they begin; `end` counts in the order in which they end; `is_basic`: of a class of PyTorch's own.
    values: {value: tensor}, copies of what passed.
    """

    def __init__(self):
        self.calls, self.values = [], {}
        self._open, self._ended = [], 0
        self._known = {}  # (id, version) of a tensor -> (it, its value's name)
        self._counts = {}

    def keep(self, tensor):
        key = (id(tensor), tensor._version)
        if key not in self._known:
            name = str(len(self.values))
            self.values[name] = tensor.detach().clone()
            self._known[key] = (tensor, name)
        return self._known[key][1]

    def _kept(self, found):
        return {path: self.keep(tensor) for path, tensor in found.items() if not tensor.is_complex()}

    def begin(self, name, module, args, kwargs):
        number = self._counts.get(name, 0)
        self._counts[name] = number + 1
        call = {
            "module": name, "class": type(module).__name__, "call": number, "depth": len(self._open), "end": -1,
            "is_basic": type(module).__module__.startswith("torch.nn."),
            "inputs": self._kept(leaves(bound(module.forward, args, kwargs))), "outputs": {},
        }  # fmt: skip
        self._open.append(call)
        self.calls.append(call)

    def end(self, name, result):
        while self._open:
            call = self._open.pop()
            if call["module"] == name:
                call["outputs"] = self._kept(leaves(result))
                call["end"] = self._ended
                self._ended += 1
                return


def bound(function, args, kwargs):
    """{parameter: argument} of a call, those of `*args` under their position."""
    try:
        found = inspect.signature(function).bind(*args, **kwargs).arguments
    except (TypeError, ValueError):
        return {**dict(enumerate(args)), **kwargs}
    flat = {}
    for name, value in found.items():
        kind = inspect.signature(function).parameters[name].kind
        if kind == inspect.Parameter.VAR_POSITIONAL:
            flat |= dict(enumerate(value))
        elif kind == inspect.Parameter.VAR_KEYWORD:
            flat |= value
        else:
            flat[name] = value
    return flat


@contextlib.contextmanager
def recorded(model):
    """Yields the Recording of all module calls within the block."""
    recording, handles = Recording(), []
    for name, module in model.named_modules():
        handles.append(
            module.register_forward_pre_hook(
                lambda m, args, kwargs, name=name: recording.begin(name, m, args, kwargs), with_kwargs=True
            )
        )
        handles.append(module.register_forward_hook(lambda m, args, result, name=name: recording.end(name, result)))
    try:
        yield recording
    finally:
        for handle in handles:
            handle.remove()
