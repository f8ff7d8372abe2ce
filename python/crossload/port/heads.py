"""Task classes of a modeling file: which there are, with what they are called, and what their last layer is tied to."""

import inspect
import re

# Task by the end of a class name; what the labels of each look like stands in `labels_for`.
TASKS = (
    (r"ForCausalLM$|LMHeadModel$", "causal-lm"),
    (r"ForMaskedLM$", "masked-lm"),
    (r"ForConditionalGeneration$", "seq2seq-lm"),
    (r"ForPreTraining$", "pretraining"),
    (r"ForSequenceClassification$", "sequence-classification"),
    (r"ForTokenClassification$", "token-classification"),
    (r"ForQuestionAnswering$", "question-answering"),
    (r"ForMultipleChoice$", "multiple-choice"),
    (r"ForNextSentencePrediction$", "next-sentence"),
    (r"ForImageClassification$", "image-classification"),
    (r"ForMaskedImageModeling$", "masked-image-modeling"),
)


def task_of(name):
    return next((task for pattern, task in TASKS if re.search(pattern, name)), None)


def head_names(module, base, public):
    """Names of the task classes that `module` defines, in the file's order. `public` is the package that offers them."""
    from transformers import PreTrainedModel

    return [
        name
        for name, value in vars(module).items()
        if isinstance(value, type)
        and issubclass(value, PreTrainedModel)
        and value.__module__ == module.__name__
        and name != base
        and task_of(name)
        and hasattr(public, name)
    ]


def configuration_changes(name, config):
    """Changes with which a class of this task is built, beside none."""
    task = task_of(name)
    first = {"is_decoder": True} if task == "causal-lm" and hasattr(config, "is_decoder") else {}
    if task in ("sequence-classification", "token-classification", "image-classification"):
        first["num_labels"] = 3
    if task == "sequence-classification" and getattr(config, "pad_token_id", None) is None:
        first["pad_token_id"] = 0
    yield first
    if task in ("sequence-classification", "image-classification"):
        yield {**first, "num_labels": 1}


def head_inputs(name, model, config, main):
    """The main inputs as the task wants them: several choices for each, or masked patches."""
    import torch

    if task_of(name) == "multiple-choice":
        return {key: value[:, None].repeat(1, 3, 1) for key, value in main.items()}
    if task_of(name) == "masked-image-modeling" and "pixel_values" in main:
        patches = (main["pixel_values"].shape[-1] // config.patch_size) ** 2
        return {**main, "bool_masked_pos": torch.arange(patches)[None].repeat(len(main["pixel_values"]), 1) % 2 == 0}
    return main


def labels_for(name, model, config, inputs):
    """Each set of labels that the class takes, as keyword arguments: those of every kind of problem that it knows."""
    import torch

    parameters = inspect.signature(model.forward).parameters
    main = inputs[model.main_input_name]
    batch = main.shape[0]
    generator = torch.Generator().manual_seed(1)
    if task_of(name) == "seq2seq-lm" and "decoder_input_ids" in inputs:
        main = inputs["decoder_input_ids"]

    def draw(high, *shape):
        return torch.randint(0, high, shape, generator=generator)

    task = task_of(name)
    if task == "question-answering" and "start_positions" in parameters:
        length = main.shape[1]
        # One position lies outside and does not count.
        yield {"start_positions": draw(length, batch), "end_positions": torch.tensor([length + 2] + [1] * (batch - 1))}
        return
    if "labels" not in parameters:
        return
    count = config.num_labels
    texts = ("causal-lm", "masked-lm", "seq2seq-lm", "pretraining", "token-classification")
    if task in texts and main.dim() == 2:
        labels = draw(count if task == "token-classification" else config.vocab_size, *main.shape)
        labels[:, 2] = -100
        more = {"next_sentence_label": draw(2, batch)} if "next_sentence_label" in parameters else {}
        yield {"labels": labels, **more}
    elif task in ("sequence-classification", "image-classification"):
        if count == 1:
            yield {"labels": torch.randn(batch, generator=generator)}
        else:
            yield {"labels": draw(count, batch)}
            yield {"labels": draw(2, batch, count).float()}
    elif task == "next-sentence":
        yield {"labels": draw(2, batch)}
    elif task == "multiple-choice":
        yield {"labels": draw(main.shape[1], batch)}


def head_calls(name, model, config, inputs):
    """Calls of a task class for the observation: plain, with everything on request, as a tuple, with labels."""
    import torch

    parameters = inspect.signature(model.forward).parameters
    extra = {flag: True for flag in ("output_attentions", "output_hidden_states") if flag in parameters}
    main = head_inputs(name, model, config, inputs)
    yield main
    if "attention_mask" in parameters and "input_ids" in main:
        mask = torch.ones_like(main["input_ids"])
        mask[1:, ..., -2:] = 0
        extra["attention_mask"] = mask
        if "token_type_ids" in parameters:
            extra["token_type_ids"] = torch.zeros_like(mask)
    yield {**main, **extra}
    for labels in labels_for(name, model, config, main):
        yield {**main, **extra, **labels}
        if "decoder_input_ids" in main:
            # Made from the labels.
            yield {**{key: value for key, value in main.items() if key != "decoder_input_ids"}, **labels}
        if "return_dict" in parameters:
            yield {**main, **labels, "return_dict": False}
    if "inputs_embeds" in parameters and "input_ids" in main and main["input_ids"].dim() == 2:
        width = model.get_input_embeddings().weight.shape[1]
        rest = {key: value for key, value in main.items() if key != "input_ids"}
        yield {**rest, "inputs_embeds": torch.randn(*main["input_ids"].shape, width)}


def head_facts(name, model):
    """What the translator asks of a task class: its last layer, the loss that it names, whether it generates."""
    import torch

    facts = {"name": name, "task": task_of(name), "loss": None, "output": None, "generates": False, "positions": False}
    facts["encodes"] = False
    loss = model.loss_function if "self.loss_function" in inspect.getsource(type(model)) else None
    facts["loss"] = getattr(loss, "__name__", None)
    facts["tied"] = list(getattr(type(model), "_tied_weights_keys", None) or [])
    output = model.get_output_embeddings()
    if isinstance(output, torch.nn.Linear):
        paths = {id(module): path for path, module in model.named_modules()}
        path, source = paths.get(id(output)), paths.get(id(model.get_input_embeddings()))
        if path and source and output.weight.shape == model.get_input_embeddings().weight.shape:
            parent = model.get_submodule(path.rpartition(".")[0])
            facts["output"] = {
                "path": path, "input": source, "class": type(parent).__name__, "attribute": path.rpartition(".")[2],
            }  # fmt: skip
    generates = facts["task"] in ("causal-lm", "seq2seq-lm") and model.can_generate()
    if generates and model.main_input_name == "input_ids":
        facts["generates"] = True
        parameters = inspect.signature(model.forward).parameters
        prepared = inspect.getsource(type(model).prepare_inputs_for_generation)
        facts["positions"] = "position_ids" in parameters and "position_ids" in prepared
        facts["encodes"] = facts["task"] == "seq2seq-lm"
    return facts
