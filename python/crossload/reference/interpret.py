"""Running an exported program node by node, as it is and with every float in double precision."""

import contextlib
import functools

from ..model.wide import double_default, to_double
from ..program.signature import user_inputs


class Run:
    """One run of a program on given values; `step(node)` computes the nodes in graph order.

    values: {placeholder name: value}, see `arguments`. Each is copied (and widened) at its first use, since in-place
    nodes may write into it; parameters are not copied. A value is dropped after its last use, so a double run of a
    large model holds few doubles at a time. double: module is a `double_graph`; float64 is then the default dtype.
    product: what computes matrix products and convolutions of float32 instead of PyTorch's kernels, a function of
    a [..., n, k] and b [..., k, m].
    """

    def __init__(self, module, values, double=False, product=None):
        import torch

        interpreter = functools.partial(_interpreter_with(), product) if product else torch.fx.Interpreter
        self._interpreter = interpreter(module, garbage_collect_values=False)
        self._interpreter.env = {}
        self.given, self._double = values, double
        self.nodes = {node.name: node for node in module.graph.nodes}
        self._uses_left = {node: len(node.users) for node in module.graph.nodes}

    def step(self, node):
        """Compute one node of this run's own graph (see `nodes`) and return its value.

        A placeholder's value is what it is before any node has written into it.
        """
        import torch

        env = self._interpreter.env
        if node.op == "placeholder":
            value = self.given[node.name]
            return to_double(value) if self._double and isinstance(value, torch.Tensor) else value
        for used in node.all_input_nodes:
            if used.op == "placeholder" and used not in env:
                env[used] = self._own(self.given[used.name])
        with torch.no_grad(), double_default() if self._double else contextlib.nullcontext():
            value = self._interpreter.run_node(node)
        if self._uses_left[node]:
            env[node] = value
        for used in node.all_input_nodes:
            self._uses_left[used] -= 1
            if not self._uses_left[used]:
                env.pop(used, None)
        return value

    def value_of(self, node):
        """The value of a node that is still to be used, None for others."""
        env = self._interpreter.env
        if node.op == "placeholder" and node not in env and node.name in self.given:
            env[node] = self._own(self.given[node.name])
        return env.get(node)

    def replace(self, node, value):
        """Give a node that was computed another value."""
        if node in self._interpreter.env:
            self._interpreter.env[node] = value

    def _own(self, value):
        import torch

        if not isinstance(value, torch.Tensor):
            return value
        wide = to_double(value) if self._double else value
        return wide.clone() if wide is value and not isinstance(value, torch.nn.Parameter) else wide.detach()

    def outputs(self):
        """Run everything; the flat list of output values."""
        value = None
        for node in self.nodes.values():
            if node.op != "placeholder":
                value = self.step(node)
        return list(value)


def product_in_sequence(a, b, most_additions=200_000_000):
    """The matrix product a [..., n, k] @ b [..., k, m], its terms added one after another.

    It is the product of a matrix library that keeps one running sum, the least accurate order in use: equal in exact
    arithmetic, rounded differently. Where that would take more than `most_additions`, terms are added several at a
    time (in at least 64 parts).
    """
    import math

    count = a.shape[-1]
    size = max(1, a.shape[-2] * b.shape[-1] * max(math.prod(a.shape[:-2]), math.prod(b.shape[:-2])))
    part = max(1, -(-count // max(64, most_additions // size)))
    b = b.contiguous()  # of a weight, a row of b is a column, of which each element lies in another line of the cache
    total = a[..., :part] @ b[..., :part, :]
    for begin in range(part, count, part):
        total += a[..., begin : begin + part] @ b[..., begin : begin + part, :]
    return total


def shuffled_product(a, b, seed):
    """The matrix product a [..., n, k] @ b [..., k, m], its terms added in a random order."""
    import torch

    order = torch.randperm(a.shape[-1], generator=torch.Generator().manual_seed(seed))
    return a[..., order] @ b[..., order, :]


def convolution_by(product, x, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    """A convolution over one or two axes as a matrix product: x [n, c, ..., w], weight [o, c / groups, ..., k]."""
    import torch

    axes = weight.dim() - 2
    tall = [1] * (2 - axes)
    pairs = [list(v) if isinstance(v, (list, tuple)) else [v] for v in (stride, padding, dilation)]
    stride, padding, dilation = (v * axes if len(v) == 1 else v for v in pairs)
    if axes == 1:
        x, weight, padding = x.unsqueeze(2), weight.unsqueeze(2), [0, *padding]
    columns = torch.nn.functional.unfold(x, weight.shape[2:], [*tall, *dilation], padding, [*tall, *stride])
    n, terms, positions = columns.shape
    rows = weight.reshape(groups, weight.shape[0] // groups, terms // groups)
    y = product(rows, columns.view(n, groups, terms // groups, positions)).reshape(n, -1, positions)
    sizes = [
        (x.shape[2 + i] + 2 * padding[i] - d * (weight.shape[2 + i] - 1) - 1) // s + 1
        for i, (d, s) in enumerate(zip([*tall, *dilation], [*tall, *stride], strict=True))
    ]
    y = y.reshape(n, -1, *sizes[2 - axes :])
    return y if bias is None else y + bias.view(-1, *[1] * axes)


@functools.cache
def _interpreter_with():
    import torch

    aten = torch.ops.aten

    class InterpreterWith(torch.fx.Interpreter):
        def __init__(self, product, *rest, **options):
            super().__init__(*rest, **options)
            self.product = product

        def call_function(self, target, args, kwargs):
            tensors = [a for a in args if isinstance(a, torch.Tensor)]
            if not kwargs and tensors and all(a.dtype == torch.float32 for a in tensors):
                if target is aten.linear.default and args[1].dim() == 2:
                    is_vector = args[0].dim() == 1
                    y = self.product(args[0].unsqueeze(0) if is_vector else args[0], args[1].t())
                    y = y.squeeze(0) if is_vector else y
                    return y if len(args) < 3 or args[2] is None else y + args[2]
                if target is aten.addmm.default:
                    return args[0] + self.product(args[1], args[2])
                if target in (aten.conv1d.default, aten.conv2d.default) and args[0].dim() == args[1].dim():
                    return convolution_by(self.product, *args)
                if (
                    target in (aten.matmul.default, aten.mm.default, aten.bmm.default)
                    and min(a.dim() for a in tensors) > 1
                ):
                    return self.product(args[0], args[1])
            return super().call_function(target, args, kwargs)

    return InterpreterWith


def arguments(program, state, inputs):
    """{placeholder name: value} of a program: weights from `state` (FQN -> tensor; the program's own where absent),
    constants, and `inputs` (input name -> tensor)."""
    named = iter(user_inputs(program))
    values = {}
    for spec in program.graph_signature.input_specs:
        if spec.kind.name == "USER_INPUT":
            name, node = next(named)
            value = inputs[name] if node is not None else getattr(spec.arg, "value", None)
        else:
            sources = (state, program.constants, program.state_dict)
            value = next(found[spec.target] for found in sources if found.get(spec.target) is not None)
        values[spec.arg.name] = value
    return values


def double_graph(module):
    """A copy of a GraphModule in which no node asks for a float narrower than float64; node names stay."""
    import torch

    narrow = {torch.float32: torch.float64, torch.complex64: torch.complex128}
    narrow |= {torch.float16: torch.float64, torch.bfloat16: torch.float64}
    graph, copies = torch.fx.Graph(), {}
    for node in module.graph.nodes:
        if node.op == "call_function" and "_assert_tensor_metadata" in str(node.target) and not node.users:
            continue
        copy = graph.node_copy(node, copies.__getitem__)
        copy.name = node.name  # a copy would get another one where the name is Python's, as `input`
        copy.args, copy.kwargs = (
            torch.fx.node.map_aggregate(part, lambda a: narrow.get(a, a) if isinstance(a, torch.dtype) else a)
            for part in (copy.args, copy.kwargs)
        )
        copies[node] = copy
    result = torch.fx.GraphModule(module, graph)
    for name, child in module.named_children():
        if isinstance(child, torch.fx.GraphModule) and hasattr(result, name):
            setattr(result, name, double_graph(child))
    return result
