"""A module whose state may move while it runs, given back as it came."""

import contextlib

SMALL = 1 << 20  # bytes of a parameter that are copied on suspicion


@contextlib.contextmanager
def state_kept(module):
    """Run the block, then put the module's state back: training flags, attributes, which parameters, buffers and
    submodules it has, and the values of its buffers and small parameters.

    A `forward` that counts its calls, collects statistics or fills a cache then computes the same each time. Yields a
    list, which holds after the block the names of larger parameters that were written into and could not be put back.
    None in place of a module changes nothing.
    """
    written = []
    if module is None:
        yield written
        return
    import torch

    owners = [(m, dict(vars(m)), {n: dict(vars(m)[n]) for n in _TABLES if n in vars(m)}) for m in module.modules()]
    buffers = {id(b): b for b in module.buffers()}.values()
    copies = [(b, b.detach().clone()) for b in buffers]
    versions = []
    for name, parameter in module.named_parameters():
        if parameter.nbytes <= SMALL:
            copies.append((parameter, parameter.detach().clone()))
        else:
            versions.append((name, parameter, parameter._version))
    try:
        yield written
    finally:
        for owner, attributes, tables in owners:
            now = vars(owner)
            for name in set(now) - set(attributes):
                del now[name]
            now.update(attributes)
            for name, table in tables.items():
                now[name].clear()
                now[name].update(table)
        with torch.no_grad():
            for tensor, value in copies:
                if tensor.shape != value.shape:
                    tensor.data = value
                elif not torch.equal(tensor, value):
                    tensor.copy_(value)
        written += [name for name, parameter, version in versions if parameter._version != version]


_TABLES = ("_parameters", "_buffers", "_modules")
