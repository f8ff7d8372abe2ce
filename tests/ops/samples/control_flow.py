"""Control flow: both branches; loops of no, one and many turns; sizes and weights from outside; results whose size the
data decide; a condition inside a loop; the modes that wrap a body.
"""

import torch
import torch.nn.functional as F
from tensors import N, X, Y, floats, ints
from torch._higher_order_ops.map import map as map_rows
from torch._higher_order_ops.scan import scan
from torch._higher_order_ops.while_loop import while_loop

from samples import case

POSITIVE = floats(3, 4).abs()
for sign in (1, -1):
    two = lambda x: torch.cond(x.sum() > 0, lambda a: (a + 1, a.sum()), lambda a: (a * a.shape[0], a.amax()), (x,))  # noqa: E731
    case("higher_order.cond", two, POSITIVE * sign, second=[floats(5, 7).abs() * sign])
    longer = lambda x: torch.cond(x.sum() > 0, lambda a: torch.cat([a, a]), lambda a: a * 2, (x,))  # noqa: E731
    case("higher_order.cond", longer, POSITIVE * sign, second=[floats(5, 7).abs() * sign])
    shown = lambda x: torch.cond(x.sum() > 0, lambda a: a[a > 1], lambda a: a[a < -1] * 2, (x,))  # noqa: E731
    case("higher_order.cond", shown, POSITIVE * 2 * sign, second=[floats(5, 7).abs() * sign])
    nothing = lambda x: x + torch.cond(x.sum() > 0, lambda: torch.ones(()), lambda: torch.zeros(()), ())  # noqa: E731
    case("higher_order.cond", nothing, POSITIVE * sign)
    size_outside = lambda x, y: torch.cond(x.sum() > 0, lambda a: a * y.shape[0], lambda a: a + y.shape[1], (x,))  # noqa: E731
    case("higher_order.cond", size_outside, POSITIVE * sign, floats(6, 2), second=[POSITIVE[:2] * sign, floats(7, 3)])
case("higher_order.cond", lambda x: torch.cond(x.shape[0] > 4, torch.sin, torch.cos, (x,)), X, second=[floats(6, 3, 4)])
case("higher_order.cond", lambda p, x: torch.cond(p, torch.sin, torch.cos, (x,)), torch.tensor(True), X)
case("higher_order.cond", lambda p, x: torch.cond(p, torch.sin, torch.cos, (x,)), torch.tensor([False]), X)


def countdown(n, x, w):
    def turn(i, y):
        halved = torch.cond(y.sum() > 1, lambda a: a / 2, lambda a: a + y.shape[1], (y,))
        return i - 1, (halved @ w).tanh() * 3

    return while_loop(lambda i, y: (i > 0) & (y.abs().amax() < 1e6), turn, (n, x))


for turns in (0, 1, 40):
    second = [torch.tensor(turns), floats(5, 4), floats(4, 4, seed=1)]
    case("higher_order.while_loop", countdown, torch.tensor(turns), floats(3, 4), floats(4, 4), second=second)
    case("higher_order.while_loop", countdown, torch.tensor(turns, dtype=torch.int32), floats(3, 4), floats(4, 4))


def recurrence(x, w, reverse=False, dim=0):
    def turn(carry, row):
        carry = (carry @ w + row).tanh()
        return carry, {"doubled": carry * 2, "sizes": row.sum(1) + x.shape[dim]}

    start = x.new_zeros([n for i, n in enumerate(x.shape) if i != dim])
    return scan(turn, start, x, dim=dim, reverse=reverse)


for reverse, dim in ((False, 0), (True, 0), (True, 1)):
    run = lambda x, w, r=reverse, d=dim: recurrence(x, w, r, d)  # noqa: E731
    case("higher_order.scan", run, floats(5, 3, 4), floats(4, 4), second=[floats(2, 7, 4), floats(4, 4)])
    case("higher_order.scan", run, floats(1, 1, 4), floats(4, 4))
count = lambda c, v: (c + v, (c * v > 0).to(torch.uint8))  # noqa: E731
case("higher_order.scan", lambda x: scan(count, x[0] * 0, x), ints(6, 3))
several = lambda p, q: (p[0] + p[1] * q.shape[0], {"k": p[1].sum() > 0})  # noqa: E731
mapped = lambda x, y, q: map_rows(several, (x, y), q)  # noqa: E731
case("higher_order.map_impl", mapped, floats(5, 4), floats(5, 4), floats(7, 2), second=[X[0], Y[0], floats(3, 9)])
case("higher_order.map_impl", mapped, floats(1, 4), floats(1, 4), floats(7, 2))
case("higher_order.map_impl", lambda x: map_rows(lambda r: r.double() * 2, x), N[0].int())


def in_grad_mode(x):
    y = x + 1
    with torch.enable_grad():
        z = y * 2
        v = z.reshape(-1)
    v += 1
    return y + z, z, v


def in_bfloat16(x, w):
    with torch.autocast("cpu", dtype=torch.bfloat16):
        y = F.linear(x, w)
        z = y.prod(-1, keepdim=True) + F.softmax(y @ y.transpose(-1, -2), -1).sum(-1, keepdim=True)
        with torch.autocast("cpu", enabled=False):
            plain = x @ w.T
    return y, z, plain, torch.cat([y, plain])


case("higher_order.wrap_with_set_grad_enabled", in_grad_mode, X, second=[floats(5, 2, 7)])
case("higher_order.wrap_with_autocast", in_bfloat16, floats(3, 4), floats(5, 4), second=[floats(6, 4), floats(5, 4)])
