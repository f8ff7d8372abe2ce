"""`crossload port --for keras`: a file without Transformers, on Keras 3, that computes what Transformers 5 does."""

import ast
import os
import subprocess
import sys

import pytest

pytest.importorskip("keras", minversion="3.0")
pytest.importorskip("torch")
pytest.importorskip("transformers")

LLAMA = {"num_key_value_heads": 2, "pad_token_id": 0}
PICTURES = {"image_size": 30, "patch_size": 5, "num_channels": 3}
NEEDED = {"keras", "tensorflow", "safetensors"}
# What is changed in the small configuration of conftest.py. Each is verified.
VERIFIED = {"bert": {}, "llama": LLAMA, "dinov2": PICTURES}


@pytest.fixture(scope="session")
def ported(port, model_folder, tmp_path_factory):
    made = {}

    def of(model_type):
        if model_type not in made:
            folder = tmp_path_factory.mktemp("keras")
            code, answer, errors = port(model_folder(model_type, **VERIFIED[model_type]), folder, "--for", "keras")
            assert code == 0, errors
            made[model_type] = answer, folder
        return made[model_type]

    return of


@pytest.mark.parametrize(
    "model_type", ["llama", *[pytest.param(m, marks=pytest.mark.slow) for m in VERIFIED if m != "llama"]]
)
def test_every_class_computes_what_transformers_5_does(ported, model_type):
    answer, _ = ported(model_type)
    assert answer["verdict"] == "verified" and 0 < answer["max_error"] <= 1e-5
    assert answer["missing"] == answer["unexpected"] == []
    assert {head["verdict"] for head in answer["heads"]} == {"verified"}
    names = {row["name"].split(",")[0] for row in answer["rows"]}
    assert {"last_hidden_state", "hidden_states", "attentions", "logits", "loss", "gradient"} <= names
    cases = {row["case"] for row in answer["rows"]}
    assert {"small, as a graph of any size", "small, .keras loaded in a fresh process", "other layers"} <= cases
    assert answer["versions"]["transformers"].startswith("5") and answer["versions"]["keras"].startswith("3")


def test_the_file_needs_no_transformers_and_its_own_tests_pass(ported):
    _, folder = ported("llama")
    text = (folder / "modeling_tf_llama.py").read_text()
    imported = {
        (alias.name if isinstance(s, ast.Import) else s.module).split(".")[0]
        for s in ast.walk(ast.parse(text))
        if isinstance(s, (ast.Import, ast.ImportFrom))
        for alias in s.names
    }
    assert imported - set(sys.stdlib_module_names) in (NEEDED, NEEDED | {"numpy"})
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_modeling_tf_llama.py"], cwd=folder,
        capture_output=True, text=True, check=False, env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:]
    assert "passed" in done.stdout and "skipped" not in done.stdout


def test_a_kernel_that_is_transposed_by_hand_turns_its_tests_red(ported, tmp_path):
    _, folder = ported("llama")
    for file in folder.glob("*.py"):
        (tmp_path / file.name).write_text(file.read_text())
    source = tmp_path / "modeling_tf_llama.py"
    right = "return [*range(2, rank), 1, 0]"
    assert source.read_text().count(right) == 1
    # All widths are equal where it matters not to the sizes: q_proj and o_proj are square.
    source.write_text(
        source.read_text().replace(right, "return [0, 1] if variable.shape[0] == variable.shape[1] else [1, 0]")
    )
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", "pytorch", "test_modeling_tf_llama.py"],
        cwd=tmp_path, capture_output=True, text=True, check=False, env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
    )  # fmt: skip
    assert done.returncode == 1 and "failed" in done.stdout
