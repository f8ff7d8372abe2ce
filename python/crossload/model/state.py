"""Running a module without lasting changes to its state."""

import contextlib
import copy

SMALL = 1 << 20  # bytes; parameters up to this size are copied beforehand, larger ones only checked


@contextlib.contextmanager
def state_kept(module):
    """Run the block, then restore the module's state: training flags, attributes (and the content of lists, dicts and
    sets among them), the sets of parameters, buffers, submodules and hooks, and the values of buffers, of tensors that
    are plain attributes, and of small parameters.

    A `forward` that counts its calls, collects statistics or fills a cache then computes the same each time. Yields a
    list; after the block it holds the names of larger parameters that were written to and could not be restored.
    With None instead of a module there is nothing to restore.
    """
    written = []
    if module is None:
        yield written
        return
    import torch

    owners, tensors = [], {id(b): b for b in module.buffers()}
    for owner in module.modules():
        attributes = dict(vars(owner))
        filled = [(value, copy.copy(value)) for value in attributes.values() if isinstance(value, _CONTAINERS)]
        owners.append((owner, attributes, filled))
        tensors |= {id(v): v for v in attributes.values() if isinstance(v, torch.Tensor)}
    versions = []
    for name, parameter in module.named_parameters():
        if parameter.nbytes <= SMALL:
            tensors[id(parameter)] = parameter
        else:
            versions.append((name, parameter, parameter._version))
    copies = [(tensor, tensor.detach().clone(), tensor.requires_grad) for tensor in tensors.values()]
    try:
        yield written
    finally:
        for owner, attributes, filled in owners:
            now = vars(owner)
            for name in set(now) - set(attributes):
                del now[name]
            now.update(attributes)
            for container, content in filled:
                if _is_same(container, content):  # it may be of a class that forbids changes
                    continue
                container.clear()
                container.extend(content) if isinstance(container, list) else container.update(content)
        with torch.no_grad():
            for tensor, value, requires_grad in copies:
                if tensor.shape != value.shape:
                    tensor.data = value
                elif not torch.equal(tensor, value):
                    tensor.copy_(value)
                if tensor.is_leaf:
                    tensor.requires_grad_(requires_grad)
        written += [name for name, parameter, version in versions if parameter._version != version]


_CONTAINERS = (list, dict, set)


def _is_same(container, content):
    """Whether both hold the very same objects, in the same order where there is one."""
    if isinstance(container, set):
        return container == content
    flat = [x for item in container.items() for x in item] if isinstance(container, dict) else container
    other = [x for item in content.items() for x in item] if isinstance(content, dict) else content
    return len(flat) == len(other) and all(a is b for a, b in zip(flat, other, strict=True))
