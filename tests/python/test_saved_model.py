"""SavedModels that src/savedmodel writes, as TensorFlow reads them.

The models are those of src/savedmodel/saved_model_test.cc, written by its test program ($CROSSLOAD_BUILD_DIR, else the
newest folder under build/). Expected values are computed here with NumPy.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

tf = pytest.importorskip("tensorflow")

ROOT = Path(__file__).parent.parent.parent
EMBEDDINGS = np.arange(15, dtype=np.float32).reshape(5, 3)
DENSE = np.arange(6, dtype=np.float32).reshape(2, 3)
IDS = np.array([[1, 4, 0], [2, 2, 3]])
ATTENTION = np.array([[1.0, 0.5, 0.0], [2.0, 1.0, 1.0]], dtype=np.float32)


def expected(ids=IDS, attention=ATTENTION):
    hidden = EMBEDDINGS[np.asarray(ids)] * np.asarray(attention, np.float32)[..., None]
    return {"logits": 0.5 * hidden @ DENSE.T, "hidden_states.0": hidden, "output.0": np.int32(14), "Echo": attention}


def check(result, want=None):
    want = want or expected()
    assert sorted(result) == sorted(want)
    for name, value in want.items():
        np.testing.assert_allclose(np.asarray(result[name]), value, rtol=1e-6, err_msg=name)


def fixture_program():
    folder = os.environ.get("CROSSLOAD_BUILD_DIR")
    programs = [Path(folder) / "test_savedmodel"] if folder else (ROOT / "build").glob("*/test_savedmodel")
    programs = sorted((p for p in programs if p.is_file()), key=lambda p: p.stat().st_mtime)
    if not programs:
        pytest.skip("test_savedmodel is not built")
    return programs[-1]


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    subprocess.run(
        [fixture_program(), "--test-case=fixtures*"],
        env={**os.environ, "CROSSLOAD_FIXTURES": str(folder)},
        check=True,
        stdout=subprocess.DEVNULL,
    )
    return folder


@pytest.fixture(scope="module")
def plain(models):
    return tf.saved_model.load(str(models / "plain/1"))


@pytest.mark.parametrize("dtype", [np.int32, np.int64])
@pytest.mark.parametrize("make", [np.array, tf.constant, lambda x: x.tolist()], ids=["numpy", "tensor", "list"])
def test_call(plain, dtype, make):
    ids, attention = make(IDS.astype(dtype)), make(ATTENTION)
    check(plain(ids, attention))
    check(plain(input_ids=ids, attention=attention))
    check(plain(ids, attention=attention))


def test_call_inside_tf_function(plain):
    check(tf.function(lambda i, a: plain(i, a))(IDS, ATTENTION))


def test_other_sizes(plain):
    for batch, length in [(1, 1), (5, 2), (0, 3), (2, 0)]:
        ids, attention = np.ones((batch, length), np.int64), np.ones((batch, length), np.float32)
        check(plain(ids, attention), expected(ids, attention))


def test_signatures(plain):
    assert sorted(plain.signatures) == ["int64_serving", "serving_default"]
    for name, dtype in [("serving_default", tf.int32), ("int64_serving", tf.int64)]:
        signature = plain.signatures[name]
        check(signature(input_ids=tf.constant(IDS, dtype), attention=tf.constant(ATTENTION)))
        args, kwargs = signature.structured_input_signature
        assert args == ()
        assert kwargs == {
            "attention": tf.TensorSpec([None, None], tf.float32, name="attention"),
            "input_ids": tf.TensorSpec([None, None], dtype, name="input_ids"),
        }
        assert signature.structured_outputs["logits"].shape.as_list() == [None, None, 2]


def test_variables(plain):
    # `variables` is also the name of a variable here; the list wins.
    assert [v.shape.as_list() for v in plain.variables] == [[5, 3], [3, 2], [], []]
    assert len(plain.trainable_variables) == 3
    np.testing.assert_array_equal(getattr(plain, "dense.weight").numpy(), DENSE.T)
    assert getattr(plain, "embeddings.weight").name == "embeddings.weight:0"


def test_gradients(plain):
    hidden = (EMBEDDINGS[IDS] * ATTENTION[..., None]).reshape(-1, 3)
    for call in (
        lambda: plain(IDS, ATTENTION),
        lambda: plain.signatures["serving_default"](input_ids=tf.constant(IDS, tf.int32), attention=ATTENTION),
        lambda: plain.serve({"input_ids": IDS, "attention": ATTENTION}),
    ):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(call()["logits"])
        embeddings, dense, scale = tape.gradient(loss, plain.trainable_variables)
        np.testing.assert_allclose(dense, 0.5 * hidden.T @ np.ones((6, 2)), rtol=1e-6)
        np.testing.assert_allclose(scale, (hidden @ DENSE.T).sum(), rtol=1e-6)
        want = np.zeros((5, 3))
        np.add.at(want, IDS, ATTENTION[..., None] * 0.5 * DENSE.sum(0))
        np.testing.assert_allclose(tf.convert_to_tensor(embeddings), want, rtol=1e-6)


def test_training_changes_the_result(models):
    model = tf.saved_model.load(str(models / "plain/1"))
    model.scale.assign(1.0)
    np.testing.assert_allclose(model(IDS, ATTENTION)["logits"], 2 * expected()["logits"], rtol=1e-6)


def test_saved_again(models, plain, tmp_path):
    tf.saved_model.save(plain, str(tmp_path / "again"), signatures=dict(plain.signatures))
    again = tf.saved_model.load(str(tmp_path / "again"))
    check(again(IDS, ATTENTION))
    check(again.signatures["serving_default"](input_ids=tf.constant(IDS, tf.int32), attention=ATTENTION))


def test_checkpoint_can_be_listed(models):
    listed = dict(tf.train.list_variables(str(models / "plain/1/variables/variables")))
    assert listed.pop("_CHECKPOINTABLE_OBJECT_GRAPH") == []
    assert listed == {
        f"{name}/.ATTRIBUTES/VARIABLE_VALUE": shape
        for name, shape in {"embeddings.weight": [5, 3], "dense.weight": [3, 2], "scale": [], "variables": []}.items()
    }


@pytest.mark.parametrize("model", ["plain", "frozen", "jit"])
@pytest.mark.parametrize("signature", ["serving_default", "int64_serving"])
def test_version_1_loader(models, model, signature):
    with tf.compat.v1.Session(graph=tf.Graph()) as session:
        meta = tf.compat.v1.saved_model.load(session, ["serve"], str(models / model / "1"))
        info = meta.signature_def[signature]
        feed = {info.inputs["input_ids"].name: IDS, info.inputs["attention"].name: ATTENTION}
        check(session.run({k: v.name for k, v in info.outputs.items()}, feed))


def test_version_1_save(models, tmp_path):
    with tf.compat.v1.Session(graph=tf.Graph()) as session:
        meta = tf.compat.v1.saved_model.load(session, ["serve"], str(models / "plain/1"))
        saver = meta.saver_def
        prefix = str(tmp_path / "saved")
        assert session.run(saver.save_tensor_name, {saver.filename_tensor_name: prefix}) == prefix.encode()
    reader = tf.train.load_checkpoint(prefix)
    np.testing.assert_array_equal(reader.get_tensor("dense.weight/.ATTRIBUTES/VARIABLE_VALUE"), DENSE.T)


def saved_model_cli(*arguments):
    program = Path(sys.executable).parent / "saved_model_cli"
    done = subprocess.run([program, *arguments], capture_output=True, text=True, check=True)
    return done.stdout


def test_saved_model_cli(models, tmp_path):
    folder = str(models / "plain/1")
    shown = saved_model_cli("show", "--dir", folder, "--all")
    assert "signature_def['int64_serving']" in shown
    assert "outputs['hidden_states.0'] tensor_info" in shown
    assert "Function Name: '__call__'" in shown
    np.save(tmp_path / "ids.npy", IDS)
    np.save(tmp_path / "attention.npy", ATTENTION)
    saved_model_cli(
        "run", "--dir", folder, "--tag_set", "serve", "--signature_def", "serving_default", "--outdir", str(tmp_path),
        "--inputs", f"input_ids={tmp_path}/ids.npy;attention={tmp_path}/attention.npy",
    )  # fmt: skip
    check({name: np.load(tmp_path / f"{name}.npy") for name in expected()})


def test_keras_layer(models):
    import keras

    layer = keras.layers.TFSMLayer(str(models / "plain/1"), call_endpoint="serve")
    for dtype in (np.int32, np.int64):
        check(layer({"input_ids": IDS.astype(dtype), "attention": ATTENTION}))
    assert len(layer.trainable_weights) == 3
    inputs = {
        "input_ids": keras.Input((3,), dtype="int32", name="input_ids"),
        "attention": keras.Input((3,), name="attention"),
    }
    outputs = keras.layers.Dense(1)(layer(inputs)["logits"])
    model = keras.Model(inputs, outputs)
    model.compile("sgd", "mse")
    before = layer.trainable_weights[1].numpy()
    model.fit({"input_ids": IDS.astype(np.int32), "attention": ATTENTION}, np.ones((2, 3, 1)), verbose=0)
    assert not np.array_equal(before, layer.trainable_weights[1].numpy())


def test_frozen(models):
    model = tf.saved_model.load(str(models / "frozen/1"))
    assert list(model.variables) == []
    check(model(IDS, ATTENTION))
    check(model.signatures["serving_default"](input_ids=tf.constant(IDS, tf.int32), attention=ATTENTION))
    check(model.serve({"input_ids": IDS, "attention": ATTENTION}))
    listed = tf.train.list_variables(str(models / "frozen/1/variables/variables"))
    assert listed == [("_CHECKPOINTABLE_OBJECT_GRAPH", [])]


def test_jit(models):
    model = tf.saved_model.load(str(models / "jit/1"))
    check(model(IDS, ATTENTION))
    check(model(IDS.astype(np.int32), ATTENTION))
    check(model.signatures["serving_default"](input_ids=tf.constant(IDS, tf.int32), attention=ATTENTION))


def test_branches_and_names_with_dots(models):
    model = tf.saved_model.load(str(models / "branch/1"))
    x = np.array([1.0, -2.0, 3.0], np.float32)
    for flag, want in [(True, 2 * x), (False, -x)]:
        want = {"past_key_values.layers.0.keys": want}
        inputs = {"past.0.flag": flag, "past.0.keys": x}
        check(model(flag, x), want)
        check(model(past_0_flag=flag, past_0_keys=x), want)
        check(model.serve(inputs), want)
        for signature in model.signatures.values():
            check(signature(**{name: tf.constant(value) for name, value in inputs.items()}), want)
        with tf.compat.v1.Session(graph=tf.Graph()) as session:
            meta = tf.compat.v1.saved_model.load(session, ["serve"], str(models / "branch/1"))
            info = meta.signature_def["serving_default"]
            feed = {info.inputs[name].name: value for name, value in inputs.items()}
            check(session.run({k: v.name for k, v in info.outputs.items()}, feed), want)
    assert list(model.variables) == []


def test_variables_of_every_type(models):
    model = tf.saved_model.load(str(models / "dtypes/1"))
    want = np.array([[0, 0], [1, 1], [1, 1]])  # [[0, 1, 1], [0, 1, 1]] transposed
    results = [model(np.zeros((4, 2), np.float32)), model.signatures["serving_default"](tf.zeros([4, 2]))]
    for result in results:
        for name in ["bool", "uint8", "int32", "int64", "float16", "bfloat16", "float64"]:
            assert result[name].dtype.name == name
            np.testing.assert_array_equal(tf.cast(result[name], tf.int32), want, err_msg=name)
        assert result["empty"].shape == (4, 0)
        assert result["x_out"].shape == (4, 2)
    assert sorted(v.dtype.name for v in model.trainable_variables) == ["bfloat16", "float16", "float32", "float64"]


def test_serving_finds_a_shape_for_every_input(models):
    shown = saved_model_cli("show", "--dir", str(models / "dtypes/1"), "--tag_set", "serve", "--signature_def",
                            "serving_default")  # fmt: skip
    assert "shape: (-1, 2)" in shown and "unknown_rank" not in shown
    assert json.dumps("tensorflow/serving/predict")[1:-1] in shown
