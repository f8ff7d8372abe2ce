"""GPT-2, ViT and BERT, built small with weights at trained scale: the base model and every task head, in one process."""

import crossload
import numpy
import pytest
import tiny_models
import torch

LIMIT = 1e-5
# BERT's other heads differ in the shape of their last matrix.
DEFAULT_BERT = ("BertModel", "BertForMaskedLM", "BertForSequenceClassification", "BertForMultipleChoice")
ALL = [
    pytest.param(kind, head, marks=[pytest.mark.slow] if kind == "bert" and head not in DEFAULT_BERT else [])
    for kind, heads in tiny_models.HEADS.items()
    for head in heads
]


def class_of(name):
    import transformers

    return getattr(transformers, name)


def random_inputs(spec, model, sizes, seed=11):
    """Inputs for a converted model: {name: dtype} and the shape of each, other than the traced one."""
    random = numpy.random.default_rng(seed)
    vocabulary = getattr(model.config, "vocab_size", 0)
    found = {}
    for name, dtype in spec.items():
        shape = sizes[name]
        if "mask" in name and "ids" not in name:
            found[name] = numpy.ones(shape, numpy.int64)
        elif name == "token_type_ids":
            found[name] = random.integers(0, 2, shape)
        elif numpy.issubdtype(dtype, numpy.integer):
            top = min(vocabulary, 90) if "ids" in name and name != "mc_token_ids" else 3
            found[name] = random.integers(1, top, shape)
        elif dtype == numpy.bool_:
            found[name] = random.integers(0, 2, shape).astype(bool)
        else:
            found[name] = random.standard_normal(shape).astype(numpy.float32)
    return found


def resized(shape, batch, length):
    """The traced shape (batch 2, text length 13, 3 choices) with another batch and text length."""
    return [batch if axis == 0 else length if size == 13 else size for axis, size in enumerate(shape)]


def flat(value, name=""):
    """{output name: array} of what a Transformers model returns."""
    if isinstance(value, torch.Tensor):
        return {name: value.numpy()}
    if value is None:
        return {}
    items = value.items() if hasattr(value, "items") else enumerate(value)
    found = {}
    for key, item in items:
        found |= flat(item, f"{name}.{key}" if name else str(key))
    return found


@pytest.mark.parametrize(("kind", "head"), ALL, ids=lambda value: value if value[0].isupper() else "")
def test_head(tiny, tmp_path, kind, head):
    folder, out = tiny(kind, head), tmp_path / "out"
    conversion = crossload.convert(folder, out)
    report = conversion.report
    assert report.verdict == "verified", worst(report)
    assert report.dynamic and getattr(report, "class") == head and report.model_type == kind
    assert report.weights.unused == [] and report.weights.missing == []
    assert all(s.max_error <= LIMIT for s in report.shapes) and len(report.shapes) >= 3
    assert all(o.max_error <= LIMIT for o in report.outputs)
    for stage in report_stages(report):
        for kind_of_error in ("accumulated", "isolated"):
            error = getattr(stage, kind_of_error)
            assert error is None or error <= max(LIMIT, stage.noise or 0), (stage.module, kind_of_error)
    # Once more against PyTorch, at a shape and with values that crossload did not choose.
    model = class_of(head).from_pretrained(folder).eval()
    traced = vars(report.shapes[0].inputs)
    inputs = random_inputs(
        conversion_inputs(conversion), model, {name: resized(shape, 4, 9) for name, shape in traced.items()}
    )
    with torch.no_grad():
        wanted = flat(model(**{k: torch.from_numpy(v) for k, v in inputs.items()}, **without_cache(model)))
    got = conversion.run(**inputs)
    assert set(got) == set(wanted)
    for name, value in wanted.items():
        assert got[name].dtype == value.dtype and got[name].shape == value.shape
        # not 1e-5: some heads sum tens of terms at deviation 1
        numpy.testing.assert_allclose(got[name], value, rtol=0, atol=1e-5 * max(1, float(numpy.abs(value).max())))


def without_cache(model):
    return (
        {"use_cache": False} if getattr(model.config, "use_cache", False) and model.config.model_type == "gpt2" else {}
    )


def conversion_inputs(conversion):
    from crossload import _engine
    from crossload.api import tensorflow_folder

    return _engine.Runner(str(conversion.saved_model), str(tensorflow_folder())).inputs


def report_stages(report):
    assert report.stages
    return report.stages


def worst(report):
    return {o.name: o.max_error for o in report.outputs} | {
        f"stage {s.module}": s.accumulated for s in report.stages if s.first_over_limit
    }


# Flags that add outputs


@pytest.mark.parametrize("kind", ["gpt2", "bert", "vit"])
def test_hidden_states_and_attentions(tiny, tmp_path, kind):
    conversion = crossload.convert(tiny(kind), tmp_path / "out", hidden_states=True, attentions=True)
    report = conversion.report
    assert report.verdict == "verified", worst(report)
    names = [o.name for o in report.outputs]
    assert {f"hidden_states.{i}" for i in range(3)} | {f"attentions.{i}" for i in range(2)} <= set(names)
    shapes = {o.name: o.shape for o in report.outputs}
    assert len(shapes["hidden_states.1"]) == 3 and len(shapes["attentions.0"]) == 4


def test_cache(tiny, tmp_path):
    """Keys and values come out, and the next tokens go in with them: the same logits as for the whole text."""
    conversion = crossload.convert(tiny("gpt2", "GPT2LMHeadModel"), tmp_path / "out", cache=True)
    report = conversion.report
    assert report.verdict == "verified", worst(report)
    names = [o.name for o in report.outputs]
    assert "logits" in names
    assert [n for n in names if n.startswith("past_key_values")] == [
        f"past_key_values.layers.{layer}.{part}" for layer in range(2) for part in ("keys", "values")
    ]


# Forms of the model


def test_module_in_memory(tmp_path):
    """A Transformers model that lies in no folder: its configuration is written beside the SavedModel."""
    model = tiny_models.create("bert", "BertForSequenceClassification")
    random = torch.Generator().manual_seed(5)
    ids = torch.randint(1, 99, (2, 13), generator=random)
    mask = torch.ones(2, 13, dtype=torch.int64)
    mask[1, 9:] = 0
    inputs = {"input_ids": ids, "attention_mask": mask}
    conversion = crossload.convert(model, tmp_path / "out", inputs)
    assert conversion.report.verdict == "verified", worst(conversion.report)
    assert (tmp_path / "out" / "config.json").is_file()
    with torch.no_grad():
        wanted = model(**inputs).logits.numpy()
    assert numpy.abs(conversion.run(**inputs)["logits"] - wanted).max() <= LIMIT


def test_class_chosen(tiny, tmp_path):
    """The base model of a folder that holds a head: the head's weights are told as unused."""
    folder = tiny("bert", "BertForSequenceClassification")
    conversion = crossload.convert(folder, tmp_path / "out", model_class="BertModel")
    report = conversion.report
    assert report.verdict == "verified" and getattr(report, "class") == "BertModel"
    assert report.weights.unused == ["classifier.bias", "classifier.weight"]
    # the head has no pooler-less form: nothing is missing
    assert report.weights.missing == []


def test_missing_weights_are_told(tiny, tmp_path):
    conversion = crossload.convert(
        tiny("bert", "BertModel"), tmp_path / "out", model_class="BertForTokenClassification"
    )
    assert conversion.report.weights.missing == ["classifier.bias", "classifier.weight"]


def test_sharded_checkpoint(tiny, tmp_path):
    folder = tiny("bert", "BertModel", max_shard_size="20KB")
    assert len(list(folder.glob("model-*.safetensors"))) > 2
    conversion = crossload.convert(folder, tmp_path / "out")
    assert conversion.report.verdict == "verified", worst(conversion.report)
    assert not list((tmp_path / "out").glob("*.index.json"))


@pytest.mark.parametrize("zipped", [True, False])
def test_pickled_checkpoint(tiny, tmp_path, zipped):
    """`pytorch_model.bin` is read where it lies: other weights of the architecture need no second trace."""
    import shutil

    from crossload_command import run
    from safetensors.torch import load_file

    folder = tmp_path / "model"
    shutil.copytree(tiny("bert", "BertModel"), folder)
    weights = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    for i, cache in enumerate(["miss", "hit"]):
        changed = {name: value * 1.01**i for name, value in weights.items()}
        torch.save(changed, folder / "pytorch_model.bin", _use_new_zipfile_serialization=zipped)
        environment = {"CROSSLOAD_CACHE": str(tmp_path / "cache")}
        finished = run("convert", folder, tmp_path / f"out-{i}", "--json", environment=environment)
        assert finished.code == 0, finished.err
        assert (finished.document["verdict"], finished.document["trace_cache"]) == ("verified", cache)


def test_terminal_output(tiny, tmp_path):
    """What a person sees: verdict, stages, the report's path; no escape codes where there is no terminal."""
    from crossload_command import run
    from saved_models import change_variable

    folder, out = tiny("bert", "BertModel"), tmp_path / "out"
    finished = run("convert", folder, out)
    assert finished.code == 0, finished.err
    assert "✓ verified" in finished.out and f"{out}/report.html" in finished.out
    assert "last_hidden_state" in finished.out and "\x1b" not in finished.out + finished.err
    changed = change_variable(
        out / "saved_model/1",
        lambda name, v: v * 1.01 if "layer.1.output.dense" in name.replace("/", ".") and v.ndim == 2 else v,
    )
    assert len(changed) == 1
    finished = run("verify", folder, out)
    assert finished.code == 1 and "✗ mismatch" in finished.out
    lines = [line for line in finished.out.splitlines() if "◄ first over" in line]
    assert len(lines) == 1 and lines[0].split()[0] == "dense"


def test_frozen(tiny, tmp_path):
    conversion = crossload.convert(tiny("vit", "ViTForImageClassification"), tmp_path / "out", frozen=True)
    assert conversion.report.verdict == "verified", worst(conversion.report)
    import tensorflow as tf

    assert not tf.saved_model.load(str(conversion.saved_model)).variables


@pytest.mark.slow
def test_jit(tiny, tmp_path):
    conversion = crossload.convert(tiny("bert", "BertModel"), tmp_path / "out", jit=True)
    assert conversion.report.verdict in ("verified", "within-noise"), worst(conversion.report)


def test_static(tiny, tmp_path):
    conversion = crossload.convert(tiny("bert", "BertModel"), tmp_path / "out", dynamic=False)
    report = conversion.report
    assert report.verdict == "verified" and not report.dynamic and len(report.shapes) == 1


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision(tmp_path, dtype):
    """A half precision checkpoint stays one, and the report says honestly how far the two frameworks are apart."""
    model = tiny_models.create("bert", "BertForSequenceClassification").to(getattr(torch, dtype))
    model.save_pretrained(tmp_path / "model")
    conversion = crossload.convert(tmp_path / "model", tmp_path / "out")
    report = conversion.report
    assert [o.dtype for o in report.outputs] == [dtype]
    step = {"float16": 2**-11, "bfloat16": 2**-8}[dtype]
    assert report.max_error <= 16 * step
    # One unit in the last place is no difference; more is compared with the distance of PyTorch's own half precision
    # from its float64 run.
    assert report.verdict in ("verified", "within-noise"), report.notes
    if report.verdict == "within-noise":
        assert all(o.tf_truth <= 2 * o.noise for o in report.outputs if o.max_error > LIMIT)
    inputs = {"input_ids": torch.tensor([[5, 6, 7]]), "attention_mask": torch.ones(1, 3, dtype=torch.int64)}
    got = conversion.run(**inputs)["logits"]
    assert str(got.dtype) == dtype
    with torch.no_grad():
        wanted = model(**inputs).logits.float().numpy()
    assert numpy.abs(got.astype(numpy.float32) - wanted).max() <= 16 * step * max(1, numpy.abs(wanted).max())
