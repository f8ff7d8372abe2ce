"""A module whose state may move while it runs, given back as it came."""

import contextlib
import copy

SMALL = 1 << 20  # bytes of a parameter that are copied on suspicion


@contextlib.contextmanager
def state_kept(module):
    """Run the block, then put the module's state back: training flags, attributes (of lists, dicts and sets what is in
    them), which parameters, buffers, submodules and hooks it has, and the values of its buffers, of tensors that are plain
    attributes, and of small parameters.

    A `forward` that counts its calls, collects statistics or fills a cache then computes the same each time. Yields a
    list, which holds after the block the names of larger parameters that were written into and could not be put back.
    None in place of a module changes nothing.
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
