"""What the expressions of a modeling file are while its classes run under probes.

The file's tree is compiled with a call around each observed expression and run as a module of its own beside the real
one, so relative imports and the configuration class are those of the installed Transformers.
"""

import ast
import copy
import inspect
import sys
import types

from .heads import configuration_changes, head_calls

SHRUNK = {
    # Sizes that are made small to save time, which does not change the architecture.
    "num_hidden_layers": 2, "n_layer": 2, "num_layers": 2, "encoder_layers": 2, "decoder_layers": 2, "n_layers": 2,
    "vocab_size": 99, "max_position_embeddings": 64, "n_positions": 64,
}  # fmt: skip


class Watcher(ast.NodeTransformer):
    def __init__(self, ids, blocks):
        self.ids, self.blocks = ids, blocks

    def visit(self, node):
        made = super().visit(node)
        number = self.ids.get(node)
        if number is None or (isinstance(node, ast.Name) and node.id in ("super", "self")):
            return made
        call = ast.Call(ast.Name("_see_", ast.Load()), [ast.Constant(number), made], [])
        return ast.copy_location(call, node)

    def generic_visit(self, node):
        before = {
            field: list(value) for field in ("body", "orelse") if isinstance(value := getattr(node, field, None), list)
        }
        super().generic_visit(node)
        for field, statements in before.items():
            if statements and statements[0] in self.blocks and not isinstance(node, (ast.ClassDef, ast.Module)):
                mark = ast.Expr(ast.Call(ast.Name("_at_", ast.Load()), [ast.Constant(self.blocks[statements[0]])], []))
                place = 1 if ast_is_text(statements[0]) else 0
                getattr(node, field).insert(place, ast.copy_location(mark, statements[0]))
        return node


def ast_is_text(statement):
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


class Observation:
    """The classes of a file, watched. `types` maps numbers of expressions to sets of kinds."""

    def __init__(self, reader, module):
        self.types = {}
        self.attributes = {}  # (class name, attribute): kinds
        self.reached = set()
        blocks = {statement: id(made) for statement, made in reader.blocks.items()}
        tree = Watcher(reader.ids, blocks).visit(reader.tree)
        ast.fix_missing_locations(tree)
        self.module = types.ModuleType(module.__name__ + "__observed")
        self.module.__package__ = module.__package__
        self.module.__file__ = module.__file__
        self.module.__dict__.update(_see_=self.see, _at_=self.reached.add)
        sys.modules[self.module.__name__] = self.module
        exec(compile(tree, module.__file__, "exec"), self.module.__dict__)

    def see(self, number, value):
        self.types.setdefault(number, set()).add(kind_of(value))
        return value


def kind_of(value):
    import torch

    if isinstance(value, torch.Tensor):
        return f"tensor:{value.dim()}:{str(value.dtype).removeprefix('torch.')}"
    if value is None:
        return "none"
    if isinstance(value, torch.Size):
        return "size"
    if isinstance(value, torch.nn.Module):
        return f"module:{type(value).__name__}"
    if isinstance(value, torch.dtype):
        return "dtype"
    if isinstance(value, torch.device):
        return "device"
    if inspect.ismethod(value) or inspect.isfunction(value) or inspect.isbuiltin(value):
        return "function"
    if isinstance(value, type):
        return f"type:{value.__name__}"
    if isinstance(value, types.ModuleType):
        return "namespace"
    return type(value).__name__


def run_probes(observed, base, config, progress):
    """Run the class `base` (its name) of an Observation in every way that its signature allows; returns what failed."""
    ran, failures, _ = run_class(observed, base, config, list(variants(config)), calls, progress)
    return ran, failures


def run_head(observed, name, config, progress):
    """The same for a task class, with its labels; the last model that could be built comes third, or None."""

    def made(model, tiny, changes):
        return head_calls(name, model, tiny, main_inputs(model, tiny, 2, 7))

    return run_class(observed, name, config, list(configuration_changes(name, config)), made, progress)


def run_class(observed, name, config, changes_to_try, calls_of, progress):
    import torch

    cls = getattr(observed.module, name)
    failures = []
    ran = 0
    model = None
    for number, changes in enumerate(changes_to_try):
        tiny = copy.deepcopy(config)
        for field, value in {**SHRUNK, **changes}.items():
            if hasattr(tiny, field) and (getattr(tiny, field) is not None or field in changes):
                setattr(tiny, field, value)
        tiny._attn_implementation = "eager"
        torch.manual_seed(0)
        try:
            model = cls(tiny).eval()
        except Exception as error:  # noqa: BLE001 (a configuration that the class does not take)
            failures.append(f"{changes}: {type(error).__name__}: {error}")
            continue
        for inputs in calls_of(model, tiny, changes):
            tiny.problem_type = config.problem_type  # a class sets it at its first labels
            try:
                with torch.no_grad():
                    model(**inputs)
                ran += 1
            except Exception as error:  # noqa: BLE001 (an input form that the class does not take)
                failures.append(f"{sorted(inputs)}: {type(error).__name__}: {error}")
        model.train()
        with torch.no_grad():
            try:
                model(**next(iter(calls_of(model, tiny, changes))))
            except Exception as error:  # noqa: BLE001 (training asks for more, as labels)
                failures.append(f"training: {type(error).__name__}: {error}")
        model.eval()
        progress("observe", f"{name}: {ran} calls", (number + 1) / len(changes_to_try))
    return ran, failures, model


def variants(config):
    """Changes of the configuration to probe with."""
    yield {}
    if hasattr(config, "is_decoder") and not getattr(config, "is_encoder_decoder", False):
        yield {"is_decoder": True, "use_cache": True}
        if hasattr(config, "add_cross_attention"):
            yield {"is_decoder": True, "add_cross_attention": True}
    if hasattr(config, "position_embedding_type"):
        yield {"position_embedding_type": "relative_key"}
        yield {"position_embedding_type": "relative_key_query"}


def calls(model, config, changes):
    import torch

    parameters = inspect.signature(model.forward).parameters
    batch, length = 2, 7
    main = main_inputs(model, config, batch, length)
    yield main
    extra = {}
    mask = torch.ones(batch, length, dtype=torch.long)
    mask[1, 4:] = 0
    if "attention_mask" in parameters and "input_ids" in main:
        yield {**main, "attention_mask": mask}
        extra["attention_mask"] = mask
    if "position_ids" in parameters and "input_ids" in main:
        extra["position_ids"] = torch.arange(length)[None].expand(batch, -1)
    if "token_type_ids" in parameters and "input_ids" in main:
        extra["token_type_ids"] = torch.zeros(batch, length, dtype=torch.long)
    for flag in ("output_attentions", "output_hidden_states"):
        if flag in parameters:
            extra[flag] = True
    yield {**main, **extra}
    if "return_dict" in parameters:
        yield {**main, **extra, "return_dict": False}
    if "inputs_embeds" in parameters and "input_ids" in main:
        width = model.get_input_embeddings().weight.shape[1]
        rest = {k: v for k, v in main.items() if k != "input_ids"}
        yield {**rest, "inputs_embeds": torch.randn(batch, length, width), **extra}
        if "decoder_inputs_embeds" in parameters:
            rest = {k: v for k, v in main.items() if k != "decoder_input_ids"}
            yield {**rest, "decoder_inputs_embeds": torch.randn(batch, length - 2, width), **extra}
    if "decoder_attention_mask" in parameters and "decoder_input_ids" in main:
        decoder_mask = torch.ones_like(main["decoder_input_ids"])
        decoder_mask[1, 3:] = 0
        yield {**main, **extra, "decoder_attention_mask": decoder_mask}
    if "encoder_outputs" in parameters and "decoder_input_ids" in main:
        with torch.no_grad():
            states = model.get_encoder()(main["input_ids"], return_dict=True)
        yield {"encoder_outputs": states, "decoder_input_ids": main["decoder_input_ids"]}
        yield {"encoder_outputs": states.to_tuple(), "decoder_input_ids": main["decoder_input_ids"]}
    if "head_mask" in parameters and hasattr(config, "num_attention_heads"):
        yield {**main, "head_mask": torch.ones(config.num_attention_heads)}
    if "bool_masked_pos" in parameters and "pixel_values" in main and hasattr(config, "image_size"):
        patches = (config.image_size // config.patch_size) ** 2
        yield {**main, "bool_masked_pos": torch.zeros(batch, patches, dtype=torch.bool)}
    if "encoder_hidden_states" in parameters and changes.get("add_cross_attention"):
        states = torch.randn(batch, 5, config.hidden_size)
        yield {**main, "encoder_hidden_states": states, "encoder_attention_mask": torch.ones(batch, 5)}
    if "past_key_values" in parameters and "use_cache" in parameters:
        with torch.no_grad():
            past = model(**main, use_cache=True).get("past_key_values")
        if past is not None:
            grown = "decoder_input_ids" if "decoder_input_ids" in main else "input_ids"
            rest = {k: v[:, :1] if k == grown else v for k, v in main.items()}
            yield {**rest, "past_key_values": past, "use_cache": True}


def main_inputs(model, config, batch, length):
    import torch

    generator = torch.Generator().manual_seed(0)
    name = model.main_input_name
    if name == "pixel_values":
        # Where the configuration names no size, any will do: one whose sides differ.
        size = getattr(config, "image_size", None) or [64, 96]
        size = size if isinstance(size, (list, tuple)) else [size] * 2
        return {name: torch.randn(batch, config.num_channels, *size, generator=generator)}
    low = max(3, (config.pad_token_id or 0) + 1)
    inputs = {name: torch.randint(low, config.vocab_size, (batch, length), generator=generator)}
    if "decoder_input_ids" in inspect.signature(model.forward).parameters:
        # Shorter than what the encoder reads, so that no axis is taken for the other.
        inputs["decoder_input_ids"] = torch.randint(low, config.vocab_size, (batch, length - 2), generator=generator)
    return inputs
