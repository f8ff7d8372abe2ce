"""The shapes at which a conversion is compared, made from the traced sample by its program's symbols."""

import math
from dataclasses import dataclass

from ..program.guards import broken_guard
from ..program.signature import input_axes, ranges


@dataclass
class Case:
    """inputs: {name: tensor}; label: `2 x 13` (batch and text length) or the sizes that vary; traced: as exported."""

    inputs: dict
    label: str
    traced: bool


@dataclass
class Dropped:
    """A shape that is not compared: the sizes of its inputs, and the guard of the program that it breaks."""

    inputs: dict
    label: str
    guard: str


LONGER = 5  # what a length grows by where it cannot be chosen freely
MANY_ROWS = 17  # a batch large enough for vectorised kernels, which take over at 8 or 16 elements
MOST_ELEMENTS = 2_000_000  # of the inputs at MANY_ROWS; larger samples meet those kernels anyway
MOST_WEIGHTS = 100_000_000
TEXT_SHAPES = [(1, 1), (2, 16), (3, 33), (5, 200)]


def make_cases(program, sample, text_limit=None, guards=(), weights=0):
    """([Case], [Dropped]): the traced sample, another batch, another length, batch 1, for text TEXT_SHAPES cut to the
    model's limits, and MANY_ROWS rows where the model (of so many `weights`) and its sample are small.

    Shapes at which one of the program's guards does not hold are dropped: PyTorch exported it for others only. When
    only the traced one is left, multiples and neighbours of its sizes are tried until one keeps the guards.
    Symbols that had the same size in the sample change together (a sample's sizes differ by role). Contents are the
    sample's, tiled with an offset, so values stay in range; 2-D integer masks become right padding with one full row.
    Text beside images or audio is continued with its last token instead, so that it keeps its number of placeholders.
    With nested inputs, such as caches, their lengths and those of masks change together.
    """
    axes = input_axes(program)
    roles = _roles(axes, sample)
    cases = [Case(sample, _label(roles, {r: r[0] for r in roles}, axes, sample), True)]
    if not roles:
        return cases, []
    batch = _batch_role(axes, sample, roles)
    others = [r for r in roles if r != batch]
    has_media = _has_media(sample)
    if batch is not None and len(others) <= 1 and "input_ids" in sample and not has_media:
        wanted = [{batch: b, **{length: n for length in others}} for b, n in TEXT_SHAPES]
    else:
        wanted = [{batch: batch[0] + 1}] if batch is not None else []
        bound = _bound_roles(axes, sample, roles) & set(others)
        text = {_role(roles, size) for size in axes.get("input_ids", ())} & set(others) if has_media else set()
        if text:
            wanted += [{r: r[0] + LONGER for r in text}]
        elif bound:
            wanted += [{r: r[0] + LONGER for r in bound}, {r: r[0] + LONGER for r in others}]
        elif others:
            wanted += [{r: r[0] + max(1, r[0] // 3) + r[1] for r in others}]
        wanted += [{batch: 1}] if batch is not None else []
    if batch is not None and batch[0] < MANY_ROWS and weights <= MOST_WEIGHTS:
        elements = sum(t.numel() for t in sample.values()) * MANY_ROWS // max(1, batch[0])
        wanted += [{batch: MANY_ROWS}] if elements <= MOST_ELEMENTS else []
    seen = {cases[0].label}
    limits = _limits(roles, ranges(program), text_limit if "input_ids" in sample else None, batch)
    dropped = []

    def attempt(sizes):
        sizes = {r: min(sizes.get(r, r[0]), limits[r]) for r in roles}
        label = _label(roles, sizes, axes, sample)
        inputs = None if label in seen else _resized(axes, roles, sample, sizes, len(cases), has_media)
        seen.add(label)
        if inputs is None:
            return
        guard = broken_guard(guards, inputs)
        if guard is None:
            cases.append(Case(inputs, label, False))
        else:
            dropped.append(Dropped({n: list(t.shape) for n, t in inputs.items()}, label, guard))

    for sizes in wanted:
        attempt(sizes)
    for sizes in _neighbours(roles):
        if len(cases) > 1:
            break
        attempt(sizes)
    return cases, dropped


def _neighbours(roles):
    """Other sizes near those of the sample, for programs that hold at few: all multiples at once, then role by role."""
    for factor in (2, 3, 4):
        yield {r: r[0] * factor for r in roles}
    for role in roles:
        for factor in (2, 3, 4):
            yield {role: role[0] * factor}
        for step in (1, 2, -1, 4, 8):
            if role[0] + step > 1:
                yield {role: role[0] + step}


def _roles(axes, sample):
    """{role: [symbols that play it]}, for axes that are one plain symbol.

    A role is (sample size, n): axes of one size play one role across inputs, but n counts different symbols of that
    size within one input, such as the height and width of a square image.
    """
    roles = {}
    for name, shape in axes.items():
        own = []
        for axis, size in enumerate(shape):
            if getattr(size, "is_Symbol", False) and name in sample and size not in own:
                own.append(size)
                length = sample[name].shape[axis]
                known = next((r for r, symbols in roles.items() if size in symbols), None)
                count = sum(sample[name].shape[shape.index(s)] == length for s in own) - 1
                symbols = roles.setdefault(known or (length, count), [])
                if size not in symbols:
                    symbols.append(size)
    return roles


def _batch_role(axes, sample, roles):
    """The role of the first axis, when it is the same in every input whose first axis varies."""
    first = {_role(roles, shape[0]) for n, shape in axes.items() if n in sample and shape}
    first.discard(None)
    return first.pop() if len(first) == 1 else None


def _role(roles, symbol):
    return next((role for role, symbols in roles.items() if symbol in symbols), None)


def _bound_roles(axes, sample, roles):
    """The roles of caches and, with them, of masks: a mask is longer by the new tokens, so both grow alike."""
    caches = {_role(roles, size) for name, shape in axes.items() if "." in name for size in shape}
    masks = {_role(roles, size) for name, shape in axes.items() if is_mask(name, sample[name]) for size in shape}
    return (caches | masks) - {None} if caches - {None} else set()


def _limits(roles, bounds, text_limit, batch):
    limits = {}
    for role, symbols in roles.items():
        greatest = min(bounds.get(str(s), (0, math.inf))[1] for s in symbols)
        if text_limit and role != batch:
            greatest = min(greatest, max(text_limit, role[0]))
        limits[role] = greatest
    return limits


def _label(roles, sizes, axes, sample):
    """Sizes of the dynamic axes in the order of the inputs; without any, the shape of the first input."""
    order = []
    for name, shape in axes.items():
        for size in shape:
            role = _role(roles, size) if name in sample else None
            if role is not None and role not in order:
                order.append(role)
    if order:
        return " x ".join(str(sizes[r]) for r in order)
    return " x ".join(map(str, next(iter(sample.values())).shape)) if sample else "scalar"


def _resized(axes, roles, sample, sizes, number, has_media):
    values = {symbol: sizes[role] for role, symbols in roles.items() for symbol in symbols}
    found = {}
    for name, tensor in sample.items():
        shape = axes.get(name)
        if shape is None:
            found[name] = tensor
            continue
        new = [s if isinstance(s, int) else int(s.subs(values)) for s in shape]
        if has_media and tensor.dim() == 2 and not tensor.is_floating_point() and not is_mask(name, tensor):
            tensor = _longer_text(tensor, new)
        found[name] = _padding(name, tensor, new) if is_mask(name, tensor) else tiled(tensor, new, number)
    return found


def is_mask(name, tensor):
    """Whether an input is a padding mask: [..., length], whole numbers or booleans that are 0 or 1, `mask` in its
    name."""
    import torch

    whole = tensor.dtype in (torch.int64, torch.int32, torch.bool, torch.uint8)
    return whole and tensor.dim() in (2, 3) and "mask" in name and bool(((tensor == 0) | (tensor == 1)).all())


def _has_media(sample):
    """Whether tokens may be placeholders for features of images or audio, so that their number must not change."""
    return "input_ids" in sample and any(
        t.is_floating_point() and t.dim() >= 2 and "." not in name for name, t in sample.items()
    )


def _longer_text(tensor, shape):
    """Rows that are continued with their last token, or cut off."""
    import torch

    rows = tensor[:, : shape[1]]
    return torch.cat([rows, rows[:, -1:].expand(-1, shape[1] - rows.shape[1])], 1)


def _padding(name, tensor, shape):
    """Right padding: the first row is full, the others lose a third or two thirds of their length."""
    import torch

    visible = _visible_value(name, tensor)
    mask = torch.full(shape, visible, dtype=tensor.dtype)
    length = shape[-1]
    rows = mask.view(-1, length)
    if bool((tensor == visible).all()):
        return mask
    for row in range(1, len(rows)):
        rows[row, max(1, length - (length * (row % 3 or 1)) // 3) :] = 1 - visible
    return mask


def _visible_value(name, tensor):
    """1 or 0, whichever stands for data in a mask: Transformers marks data with 1, torch.nn.Transformer padding.

    Rows that hold one value only are taken to be unpadded. Where they all hold the same value, it is that one; otherwise
    the input's name decides.
    """
    rows = tensor.reshape(-1, tensor.shape[-1])
    full = {int(row[0]) for row in rows if bool((row == row[0]).all())}
    if len(full) == 1:
        return full.pop()
    return 0 if "padding_mask" in name else 1


def tiled(tensor, shape, offset=0):
    """The tensor repeated or cut to a shape, beginning at `offset` on every axis that changed size.

    Of fractions each repetition is a little smaller than the one before: of equal numbers PyTorch's `topk`, `sort` and
    `argmax` may take any. Whole numbers stay what they are: places, labels, masks.
    """
    import torch

    has_fractions = tensor.is_floating_point() and bool((tensor != tensor.round()).any())
    for axis, size in enumerate(shape):
        old = tensor.shape[axis]
        if old != size and old:
            taken = torch.arange(size) + offset
            tensor = tensor.index_select(axis, taken % old)
            if has_fractions:
                factor = (63 / 64) ** (taken // old).to(torch.float64)
                tensor = tensor * factor.to(tensor.dtype).reshape([-1] + [1] * (tensor.dim() - axis - 1))
    return tensor.contiguous()
