"""Ways to make a conversion wrong: in the model's configuration or checkpoint, in the SavedModel's variables or graph."""

import json
from pathlib import Path

import numpy


def change_config(folder, **values):
    path = Path(folder) / "config.json"
    config = json.loads(path.read_text())
    for name, value in values.items():
        place, *rest = name.split("__")
        if rest:
            config[place][rest[0]] = value
        else:
            config[name] = value
    path.write_text(json.dumps(config))


def change_checkpoint(folder, change):
    """change({name: tensor}) -> None, in place."""
    from safetensors.torch import load_file, save_file

    path = Path(folder) / "model.safetensors"
    tensors = {k: v.clone() for k, v in load_file(path).items()}
    change(tensors)
    save_file({k: v.contiguous() for k, v in tensors.items()}, path, {"format": "pt"})


def change_variables(out, change):
    """change({variable: array}) -> None, in place; arrays lie as TensorFlow has them."""
    from saved_models import change_variable

    found = {}

    def read(name, value):
        found[name] = value
        return value

    saved_model = Path(out) / "saved_model" / "1"
    change_variable(saved_model, read)
    by_name = {name.removesuffix("/.ATTRIBUTES/VARIABLE_VALUE"): value for name, value in found.items()}
    change(by_name)
    changed = change_variable(
        saved_model, lambda name, value: by_name[name.removesuffix("/.ATTRIBUTES/VARIABLE_VALUE")]
    )
    assert changed, "nothing was changed"


class Graph:
    """The function of a SavedModel, to be changed: `with Graph(out) as g: …`."""

    def __init__(self, out):
        self._file = Path(out) / "saved_model" / "1" / "saved_model.pb"

    def __enter__(self):
        from tensorflow.core.protobuf import saved_model_pb2

        self._message = saved_model_pb2.SavedModel()
        self._message.ParseFromString(self._file.read_bytes())
        library = self._message.meta_graphs[0].graph_def.library.function
        self.function = next(f for f in library if f.signature.name == "forward")
        self._before = self._message.SerializeToString(deterministic=True)
        return self

    def __exit__(self, kind, *rest):
        if kind is None:
            after = self._message.SerializeToString(deterministic=True)
            assert after != self._before, "nothing was changed"
            self._file.write_bytes(after)

    def nodes(self, module, op=None):
        """Nodes that were made from a module (its path), or below it with a `*` behind."""
        wanted = module.replace(".", "/").removesuffix("*")
        found = [
            n
            for n in self.function.node_def
            if (n.name.startswith(wanted) if module.endswith("*") else n.experimental_debug_info.original_func_names
                and n.experimental_debug_info.original_func_names[0] == module)
            and (op is None or n.op == op)
        ]  # fmt: skip
        assert found, f"no {op} in {module}"
        return found

    def node(self, reference):
        name = reference.split(":")[0]
        return next(n for n in self.function.node_def if n.name == name)

    def constant(self, name, value):
        """A new constant; its reference."""
        import tensorflow as tf

        node = self.function.node_def.add()
        node.name, node.op = name, "Const"
        value = numpy.asarray(value)
        node.attr["dtype"].type = tf.as_dtype(value.dtype).as_datatype_enum
        node.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(value))
        return f"{name}:output:0"

    def value_of(self, reference):
        import tensorflow as tf

        node = self.node(reference)
        return tf.make_ndarray(node.attr["value"].tensor) if node.op == "Const" else None

    def add(self, name, op, inputs, output, **attributes):
        """A new node; the reference of its output argument."""
        node = self.function.node_def.add()
        node.name, node.op = name, op
        node.input.extend(inputs)
        for key, value in attributes.items():
            if isinstance(value, bool):
                node.attr[key].b = value
            elif isinstance(value, float):
                node.attr[key].f = value
            else:
                node.attr[key].type = value
        return f"{name}:{output}:0"

    def replace_constant(self, node, test, value, name="planted"):
        """Give the first constant input of `node` that passes the test another value, for this node alone."""
        for i, reference in enumerate(node.input):
            old = self.value_of(reference)
            if old is not None and test(old):
                node.input[i] = self.constant(f"{name}/{node.name}", numpy.asarray(value, old.dtype).reshape(old.shape))
                return
        raise AssertionError(f"{node.name} has no such constant")

    def insert_behind(self, node, output, make):
        """make(reference of the old output) -> the new one; everything that used the old uses the new, tags as well."""
        old = f"{node.name}:{output}:0"
        twin = self.function.node_def.add()
        twin.CopyFrom(node)
        twin.name = node.name + "/planted"
        del twin.experimental_debug_info.original_node_names[:]
        new = make(f"{twin.name}:{output}:0")
        last = self.node(new)
        users = [n for n in self.function.node_def if n.name not in (twin.name,) and old in n.input]
        for user in users:
            for i, reference in enumerate(user.input):
                if reference == old:
                    user.input[i] = new
        for name, reference in self.function.ret.items():
            if reference == old:
                self.function.ret[name] = new
        last.experimental_debug_info.CopyFrom(node.experimental_debug_info)
        self.function.node_def.remove(node)
