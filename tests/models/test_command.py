"""The command on tiny models: dtypes, what it says of weights, what it prints and where."""

import shutil
import subprocess
import sys

import torch
import transformers
from crossload_command import run
from safetensors.torch import load_file, save_file


def test_dtype(tiny, tmp_path):
    """A checkpoint in half precision as a float32 model, and a float32 one in half precision."""
    half = tmp_path / "half"
    model = transformers.BertModel.from_pretrained(tiny("bert", "BertModel")).half()
    model.save_pretrained(half)
    whole = run("convert", half, tmp_path / "whole", "--dtype", "float32", "--json").document
    assert whole["verdict"] == "verified" and {o["dtype"] for o in whole["outputs"]} == {"float32"}
    again = run("verify", half, tmp_path / "whole", "--dtype", "float32", "--json").document
    assert again["verdict"] == "verified" and again["weights"] == whole["weights"]
    back = run("convert", tiny("bert", "BertModel"), tmp_path / "back", "--dtype", "bfloat16", "--json").document
    assert back["verdict"] in ("verified", "within-noise")
    assert {o["dtype"] for o in back["outputs"]} == {"bfloat16"} and back["weights"]["bytes"] * 2 == whole["weights"][
        "bytes"
    ]


def test_dtype_that_cannot_hold_the_weights(tiny, tmp_path):
    model = transformers.BertModel.from_pretrained(tiny("bert", "BertModel"))
    with torch.no_grad():
        model.pooler.dense.weight[0, 0] = 1e6
    model.save_pretrained(tmp_path / "large")
    finished = run("convert", tmp_path / "large", tmp_path / "out", "--dtype", "float16")
    assert finished.code == 2 and "1 tensors hold infinite numbers as float16" in finished.error
    assert finished.details == ["pooler.dense.weight"]


def test_folder_of_a_class_of_ones_own(tmp_path):
    """PyTorchModelHubMixin saves a configuration that names no architecture."""
    model = tmp_path / "model"
    model.mkdir()
    (model / "config.json").write_text('{"hidden": 4}')
    save_file({"weight": torch.zeros(2)}, model / "model.safetensors")
    finished = run("convert", model, tmp_path / "out")
    assert finished.code == 2 and "pass the module: crossload.convert(module, out, inputs)" in finished.error


def test_check_tells_of_missing_weights(tiny, tmp_path):
    folder = shutil.copytree(tiny("bert", "BertModel"), tmp_path / "model")
    weights = load_file(folder / "model.safetensors")
    del weights["pooler.dense.weight"]
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    assert run("check", folder, "--json").document["missing_weights"] == ["pooler.dense.weight"]
    told = run("check", folder).out
    assert "1 missing, such as `pooler.dense.weight`" in told
    refused = run("convert", folder, tmp_path / "out").error
    assert "1 weight of `BertModel` is not in the checkpoint" in refused and refused.removeprefix("error: ") in told


def test_check_tells_what_convert_does(tiny):
    assert "convert         works\n" in run("check", tiny("bert", "BertModel")).out


def test_command_without_arguments():
    finished = run()
    assert finished.code == 2 and "convert" in finished.out and "verify" in finished.out


def test_command_as_a_module():
    done = subprocess.run([sys.executable, "-m", "crossload", "--version"], capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout.startswith("crossload ")


def test_names_are_whole_in_a_pipe(tiny, tmp_path):
    """Text for another program is never cut, and `COLUMNS` says how wide it is."""
    folder = tiny("bert", "BertModel")
    assert run("convert", folder, tmp_path / "out", "--no-verify").code == 0
    wide = run("verify", folder, tmp_path / "out", "-v").out
    assert "aten.scaled_dot_product_attention.default" in wide and "…" not in wide
    narrow = run("verify", folder, tmp_path / "out", "-v", environment={"COLUMNS": "70"}).out
    assert all(len(line) <= 70 for line in narrow.splitlines()[:-1])


def test_quiet_is_one_line(tiny, tmp_path):
    done = run("convert", tiny("bert", "BertModel"), tmp_path / "out", "--quiet")
    assert len(done.out.splitlines()) == 1 and done.err == ""
    assert "verified" in done.out and "limit 1.0e-05" in done.out and str(tmp_path / "out") in done.out


def test_log_of_tensorflow_is_not_in_the_progress(tiny, tmp_path):
    folder = tiny("bert", "BertModel")
    shown = run("convert", folder, tmp_path / "out", "--no-verify").err.splitlines()
    again = run("verify", folder, tmp_path / "out")
    assert all(line.startswith("[") for line in shown + again.err.splitlines())
    assert again.out.endswith("/report.html, renewed with crossload.json\n")


def test_verify_with_another_model_says_whose_it_was(tiny, tmp_path):
    folder = tiny("bert", "BertModel")
    assert run("convert", folder, tmp_path / "out", "--no-verify").code == 0
    model = transformers.BertModel.from_pretrained(folder)
    with torch.no_grad():
        model.pooler.dense.weight *= 2
    model.save_pretrained(tmp_path / "other")
    told = " ".join(run("verify", tmp_path / "other", tmp_path / "out").out.split())
    assert f"was about `{folder} (BertModel)`, and this one is about `{tmp_path}/other (BertModel)`" in told


def test_error_of_an_output_stands_beside_its_shape(tiny, tmp_path):
    """The shape of an output is that of the inputs at which its error arose."""
    report = run("convert", tiny("bert", "BertModel"), tmp_path / "out", "--json").document
    output = next(o for o in report["outputs"] if o["name"] == "last_hidden_state")
    at = [s["inputs"]["input_ids"] for s in report["shapes"] if s["max_error"] == output["max_error"]]
    assert output["shape"][:2] in at
