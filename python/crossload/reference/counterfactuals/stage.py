"""A part of an exported program, run on PyTorch's recorded values with changes of its nodes and weights."""

from ...model.wide import double_default, to_double
from ..interpret import arguments, product_in_sequence

LEAST_NOISE = 4e-7  # of float32, relative to the largest value: a product of its own rounding


class Stage:
    """Nodes of a program, their PyTorch inputs, and what TensorFlow makes of these.

    program: ExportedProgram; double: its `double_graph`; state: {FQN: tensor}; nodes: names of the stage's nodes, in
    order; recorded: function of a node's name that gives its float32 value or None; tf: {node name: tensor}; visible:
    {node name: bool tensor}; read: {placeholder name: weight as TensorFlow reads it}; inputs: the program's inputs.
    """

    def __init__(self, program, double, state, inputs, nodes, recorded, tf, visible, read):
        self.program, self.state, self.tf, self.visible, self.read = program, state, tf, visible, read
        self._recorded = recorded
        self._graphs = {True: double, False: program.graph_module}
        self._nodes = {wide: {n.name: n for n in graph.graph.nodes} for wide, graph in self._graphs.items()}
        self.names = [n for n in nodes if n in self._nodes[True]]
        self.inside = set(self.names)
        self._arguments = arguments(program, state, inputs)
        self._outside = {True: {}, False: {}}
        self.weight_of = {spec.arg.name: spec.target for spec in program.graph_signature.input_specs if spec.target}
        targets = [self._nodes[True][n].target for n in self.names]
        self._writes = any(getattr(getattr(t, "_schema", None), "is_mutable", False) for t in targets)
        self.plain = self.run()
        self.error = self.distance(self.plain)
        self.scale = max((finite_max(v) for v in self.plain.values()), default=0.0)
        self.noise = self._noise()

    def node(self, name):
        return self._nodes[True][name]

    def weights(self):
        """Names of the placeholders that the nodes read, parameters and buffers and constants."""
        found = []
        for name in self.names:
            for used in self.node(name).all_input_nodes:
                if used.name in self.weight_of and used.name not in found:
                    found.append(used.name)
        return found

    def weight(self, name):
        """A weight as PyTorch has it."""
        return self._arguments[name].detach()

    def tensor_inputs(self):
        """Names of tensors from outside that are no weights."""
        found = []
        for name in self.names:
            for used in self.node(name).all_input_nodes:
                outside = used.name not in self.inside and used.name not in self.weight_of
                if outside and used.name not in found and hasattr(self.value(used), "dtype"):
                    found.append(used.name)
        return found

    def value(self, node, wide=True):
        """The value of a node outside of the stage, as PyTorch recorded it or computes it from what it recorded."""
        import torch

        known = self._outside[wide]
        if node.name in known:
            return known[node.name]
        if node.op == "placeholder":
            value = self._arguments[node.name]
        elif node.op == "get_attr":
            value = self._graphs[wide]
            for part in node.target.split("."):
                value = getattr(value, part)
        else:
            value = self._recorded(node.name)
            if value is None:
                value = self._call(node, *self._filled(node, lambda n: self.value(n, wide)))
        if isinstance(value, torch.Tensor):
            value = value.detach()
            value = to_double(value) if wide else value
        known[node.name] = value
        return value

    def run(self, changes=None, weights=None, inputs=None, wide=True, product=None):
        """{output: value} of the outputs that TensorFlow's values are known of.

        changes: {node name: function(call, args, kwargs) -> value} where call(args, kwargs) is what the node does;
        weights: {placeholder: tensor}; inputs: {outside name: function(value) -> value}; wide: in float64; product: see
        interpret.Run.
        """
        import contextlib

        import torch

        changes, inputs = changes or {}, inputs or {}
        env = {name: to_double(v.detach()) if wide else v.detach() for name, v in (weights or {}).items()}
        caller = None
        if product is not None:
            from ..interpret import _interpreter_with

            caller = _interpreter_with()(product, self._graphs[wide], garbage_collect_values=False)

        def look_up(node):
            if node.name not in env:
                value = self.value(node, wide)
                value = inputs[node.name](value) if node.name in inputs else value
                env[node.name] = value.clone() if self._writes and isinstance(value, torch.Tensor) else value
            return env[node.name]

        torch.manual_seed(20)
        with torch.no_grad(), double_default() if wide else contextlib.nullcontext():
            for name in self.names:
                node = self._nodes[wide][name]
                args, kwargs = self._filled(node, look_up)

                def call(args, kwargs, node=node):
                    if caller is not None and node.op == "call_function":
                        return caller.call_function(node.target, tuple(args), kwargs)
                    return self._call(node, args, kwargs)

                env[name] = changes[name](call, list(args), dict(kwargs)) if name in changes else call(args, kwargs)
        return {name: env[name] for name in self.tf if isinstance(env.get(name), torch.Tensor)}

    @staticmethod
    def _filled(node, look_up):
        import torch

        return torch.fx.node.map_arg(node.args, look_up), torch.fx.node.map_arg(node.kwargs, look_up)

    def _call(self, node, args, kwargs):
        if node.op == "get_attr":
            return self.value(node)
        return node.target(*args, **kwargs)

    def distance(self, values):
        """max |value - TensorFlow's| over visible positions of all outputs; infinite where shapes or integers differ."""
        import torch

        worst = 0.0
        for name, tf in self.tf.items():
            value = values.get(name)
            if value is None or value.shape != tf.shape:
                return float("inf")
            if not tf.is_floating_point():
                if value.is_floating_point() or value.is_complex() or tf.is_complex():
                    return float("inf")
                wrong = value.to(torch.int64) != tf.to(torch.int64)
                wrong = wrong & self.visible[name] if name in self.visible else wrong
                worst = float("inf") if bool(wrong.any()) else worst
                continue
            difference = difference_of(value.to(torch.float64), tf.to(torch.float64))
            if name in self.visible:
                difference = difference[self.visible[name]]
            if difference.numel():
                worst = max(worst, float(difference.max()))
        return worst

    def _noise(self):
        """The largest distance of float32 runs of the stage from its float64 run."""
        worst = 0.0
        for product in (None, product_in_sequence):
            try:
                values = self.run(wide=False, product=product)
            except Exception:  # noqa: BLE001 (kernels of one kind may lack what others can)
                continue
            for name, value in values.items():
                if value.is_floating_point() and value.shape == self.plain[name].shape:
                    difference = difference_of(value.double(), self.plain[name].double())
                    difference = difference[self.visible[name]] if name in self.visible else difference
                    worst = max(worst, float(difference.max()) if difference.numel() else 0.0)
        return max(worst, LEAST_NOISE * self.scale)

    @property
    def floor(self):
        """The error up to which a changed stage counts as TensorFlow's: two float32 computations of one thing."""
        return 4 * self.noise


def difference_of(a, b):
    """|a - b|; 0 where both are NaN or the same infinity (or beyond what masks fill with), infinite for NaN in one."""
    import torch

    same = (a == b) | (a.isnan() & b.isnan()) | ((a < -1e30) & (b < -1e30))
    difference = torch.where(same, 0.0, (a - b).abs())
    return torch.nan_to_num(difference, nan=float("inf"), posinf=float("inf"))


def finite_max(value):
    import torch

    if not isinstance(value, torch.Tensor) or not value.is_floating_point() or not value.numel():
        return 0.0
    value = value.abs()
    value = value[value < 1e30]
    return float(value.max()) if value.numel() else 0.0
