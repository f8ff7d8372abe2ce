"""What is missing or in the way around a conversion: packages, space, permissions, a full OUT, wrong flags."""

import json
import re

import pytest
from attack_place import KINDS, listing

# Packages


def test_tensorflow_missing(with_cache, model):
    """Told before any work is done, with what to do."""
    seen = ["/nowhere", "tensorflow-cpu"]
    environment = {"CROSSLOAD_TENSORFLOW": "/nowhere"}
    finished = with_cache.refused_convert(model, code=4, seen=seen, environment=environment)
    assert "trace" not in finished.err.partition("error:")[0]
    # Converting does not need it.
    done = with_cache.run("convert", model, with_cache.out, "--no-verify", environment=environment)
    assert done.code == 0
    with_cache.refused("verify", model, with_cache.out, code=4, seen=seen, environment=environment)


def test_tensorflow_without_its_library(with_cache, model, tmp_path):
    (tmp_path / "tensorflow").mkdir()
    with_cache.refused_convert(
        model,
        code=4,
        seen=str(tmp_path / "tensorflow"),
        environment={"CROSSLOAD_TENSORFLOW": str(tmp_path / "tensorflow")},
    )


def test_interpreter_without_tensorflow(place, model, bare_python):
    place.refused_convert(
        model, "--python", bare_python, code=4, seen="tensorflow", environment={"CROSSLOAD_TENSORFLOW": ""}
    )


def test_packages_outside_of_the_environment(with_cache, model, bare_python, sources, tensorflow_folder):
    """As with the user's or the system's site-packages: what the interpreter can import is there."""
    environment = {"PYTHONPATH": f"{sources}:{tensorflow_folder.parent}", "CROSSLOAD_TENSORFLOW": ""}
    done = with_cache.run("convert", model, with_cache.out, "--python", bare_python, "--json", environment=environment)
    assert done.code == 0, done.err
    assert done.document["verdict"] == "verified" and done.document["trace_cache"] == "hit"
    assert done.document["versions"]["tensorflow"]


def test_unwritable_cache(with_cache, model, tmp_path):
    """Without the cache nothing is written where it would be."""
    (tmp_path / "file").write_text("")
    environment = {"CROSSLOAD_CACHE": str(tmp_path / "file")}
    finished = with_cache.run("convert", model, with_cache.out, "--no-verify", environment=environment)
    assert finished.code == 4 and str(tmp_path / "file") in finished.error
    done = with_cache.run("convert", model, with_cache.out, "--no-verify", "--no-cache", environment=environment)
    assert done.code == 0, done.err


def test_interpreter_without_pytorch(place, model, bare_python, sources, tensorflow_folder):
    environment = {"PYTHONPATH": str(sources), "CROSSLOAD_TENSORFLOW": str(tensorflow_folder)}
    place.refused_convert(
        model, "--python", bare_python, code=4, seen="pip install torch==2.13.0", environment=environment
    )


def test_interpreter_without_the_package(place, model, bare_python, tensorflow_folder):
    environment = {"PYTHONPATH": "", "CROSSLOAD_TENSORFLOW": str(tensorflow_folder)}
    finished = place.refused_convert(
        model, "--python", bare_python, code=4, seen="pip install .", environment=environment
    )
    assert any("crossload" in line for line in finished.details)


@pytest.mark.parametrize("given", ["/nowhere/python", "no-such-python", "/etc/passwd", "/tmp"])
def test_no_such_interpreter(place, model, given):
    place.refused_convert(model, "--python", given, code=4, seen=["--python", given])


def test_interpreter_that_dies(place, model, tmp_path):
    shim = tmp_path / "dies"
    shim.write_text("#!/bin/sh\necho 'out of luck' >&2\nexit 7\n")
    shim.chmod(0o755)
    finished = place.refused_convert(model, "--no-verify", "--python", shim, code=4, seen="exit code 7")
    assert "out of luck" in finished.details


def test_interpreter_that_talks_nonsense(place, model, tmp_path):
    shim = tmp_path / "talks"
    shim.write_text("#!/bin/sh\nread line\necho 'hello there'\n")
    shim.chmod(0o755)
    place.refused_convert(model, "--no-verify", "--python", shim, code=4, seen="python:")


# OUT


def test_foreign_content_is_kept(with_cache, model):
    out = with_cache.out
    out.mkdir()
    (out / "thesis.txt").write_text("years of work")
    with_cache.refused_convert(model, "--no-verify", code=2, seen=["out", "--force"])
    assert (out / "thesis.txt").read_text() == "years of work"
    assert with_cache.run("convert", model, out, "--no-verify", "--force").code == 0
    assert not (out / "thesis.txt").exists() and (out / "crossload.json").exists()


def test_foreign_content_costs_no_time(place, model):
    """Refused before anything is traced."""
    place.out.mkdir()
    (place.out / "x").write_text("x")
    finished = place.refused_convert(model, code=2, seen="--force")
    assert "trace" not in finished.err.partition("error:")[0]


def test_a_file_is_kept(with_cache, model):
    with_cache.out.write_text("x")
    with_cache.refused_convert(model, "--no-verify", code=2, seen="is no folder")
    with_cache.refused_convert(model, "--no-verify", "--force", code=2, seen="is no folder")


def test_link_is_kept(with_cache, model, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    with_cache.out.symlink_to(tmp_path / "elsewhere")
    with_cache.refused_convert(model, "--no-verify", "--force", code=2, seen="is no folder")


def test_own_output_is_replaced(with_cache, model):
    """Our own files, and no others."""
    out = with_cache.out
    assert with_cache.run("convert", model, out, "--no-verify").code == 0
    before = listing(out)
    listed = {f["path"] for f in json.loads((out / "crossload.json").read_text())["files"]}
    assert listed == {str(p) for p, seen in before.items() if seen} - {"crossload.json", "report.html"}
    (out / "left-over").write_text("x")
    (out / "saved_model" / "2").mkdir()
    (out / "saved_model" / "2" / "saved_model.pb").write_text("another version")
    assert with_cache.run("convert", model, out, "--no-verify").code == 0
    added = {"left-over", "saved_model/2", "saved_model/2/saved_model.pb"}
    assert set(listing(out)) == set(before) | added
    assert (out / "left-over").read_text() == "x"


def test_own_output_that_was_changed(with_cache, model):
    """Whoever edits a file that we wrote is told before it is replaced."""
    out = with_cache.out
    assert with_cache.run("convert", model, out, "--no-verify").code == 0
    (out / "config.json").write_text((out / "config.json").read_text() + "\n")
    with_cache.refused_convert(model, "--no-verify", code=2, seen=["`config.json` was changed", "--force"])
    assert with_cache.run("convert", model, out, "--no-verify", "--force").code == 0
    assert with_cache.run("convert", model, out, "--no-verify").code == 0


def test_output_of_an_earlier_version(with_cache, model):
    """A report without a list of files owns the SavedModel and itself."""
    out = with_cache.out
    assert with_cache.run("convert", model, out, "--no-verify").code == 0
    report = json.loads((out / "crossload.json").read_text())
    del report["files"]
    (out / "crossload.json").write_text(json.dumps(report))
    (out / "saved_model" / "1" / "old").write_text("x")
    (out / "notes.txt").write_text("mine")
    assert with_cache.run("convert", model, out, "--no-verify").code == 0
    assert not (out / "saved_model" / "1" / "old").exists()
    assert (out / "notes.txt").read_text() == "mine"


def test_verifying_again_keeps_the_list_of_files(with_cache, model):
    assert with_cache.run("convert", model, with_cache.out, "--no-verify").code == 0
    before = json.loads((with_cache.out / "crossload.json").read_text())["files"]
    assert with_cache.run("verify", model, with_cache.out).code == 0
    assert json.loads((with_cache.out / "crossload.json").read_text())["files"] == before


@pytest.mark.parametrize("content", ["{}", "[]", "not json", '{"files": "x"}'])
def test_a_marker_does_not_own_a_folder(with_cache, model, content):
    out = with_cache.out
    out.mkdir()
    (out / "crossload.json").write_text(content)
    (out / "thesis.txt").write_text("years of work")
    with_cache.refused_convert(model, "--no-verify", code=2, seen="--force")
    assert (out / "thesis.txt").read_text() == "years of work"


def test_empty_folder_and_missing_parents(with_cache, model):
    with_cache.out.mkdir()
    assert with_cache.run("convert", model, with_cache.out, "--no-verify").code == 0
    deep = with_cache.results / "a" / "b" / "c"
    assert with_cache.run("convert", model, f"{deep}/", "--no-verify").code == 0
    assert (deep / "crossload.json").is_file()


def test_failed_run_keeps_the_old_output(with_cache, model):
    assert with_cache.run("convert", model, with_cache.out, "--no-verify").code == 0
    (model / "model.safetensors").write_bytes(b"")
    with_cache.refused_convert(model, code=2, seen="model.safetensors")


@pytest.mark.parametrize("out", ["/", "."])
def test_places_that_cannot_be_replaced(with_cache, model, tmp_path, out):
    """`.` holds the caller's files."""
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "mine").write_text("x")
    finished = with_cache.run("convert", model, out, "--no-verify", cwd=tmp_path / "here")
    assert finished.code == 2 and finished.error
    assert (tmp_path / "here" / "mine").exists()


@pytest.mark.parametrize("below", [".", "..", "tf", "../model/.", "../link"])
@pytest.mark.parametrize("force", [[], ["--force"]], ids=["", "force"])
def test_output_that_would_touch_the_model(with_cache, model, below, force):
    """OUT is MODEL, holds it or lies in it, also through a link."""
    (model.parent / "link").symlink_to(model)
    before = {p.name: p.read_bytes() for p in model.iterdir()}
    for name in (model, model.parent / "link"):
        finished = with_cache.run("convert", name, model / below, "--no-verify", *force)
        assert finished.code == 2 and "which is read" in finished.error
    assert {p.name: p.read_bytes() for p in model.iterdir()} == before


def test_output_of_a_conversion_as_model(with_cache, model):
    """OUT holds a config.json but no PyTorch weights: it is no MODEL."""
    assert with_cache.run("convert", model, with_cache.out, "--no-verify").code == 0
    finished = with_cache.run("convert", with_cache.out, with_cache.results / "again", "--no-verify")
    assert finished.code == 2 and "no weights" in finished.error


# Space and permissions


def test_too_little_disk(with_cache, model, mounted):
    small = mounted("size=1m")
    finished = with_cache.run("convert", model, small / "out", "--no-verify", "--json")
    assert finished.code == 4
    free, needed = map(int, re.search(r"has (\d+) bytes free.* needs (\d+)", finished.error).groups())
    assert free <= 1 << 20 < needed
    assert finished.document["error"]["kind"] == "environment"
    assert listing(small) == {}


def test_disk_fills_up_while_writing(with_cache, model, mounted, monkeypatch):
    """Inodes run out, which nobody can check before: an error all the same, and nothing half-written."""
    small = mounted("size=64m,nr_inodes=8")
    finished = with_cache.run("convert", model, small / "out", "--no-verify")
    assert finished.code == 4 and finished.error
    assert listing(small) == {}


def test_no_space_for_the_trace(place, model, mounted):
    small = mounted("size=40k")
    environment = {"CROSSLOAD_CACHE": str(small)}
    finished = place.refused_convert(model, "--no-verify", code=4, seen="", environment=environment)
    assert str(small) in finished.error or "space" in finished.error
    assert not [p for p in small.rglob("*") if p.is_file()]


def test_no_space_for_the_reference(with_cache, model, mounted):
    small = mounted("size=40k")
    with_cache.refused_convert(model, code=4, seen="", environment={"TMPDIR": str(small)})
    assert listing(small) == {}


def test_read_only_target(with_cache, model, mounted):
    locked = mounted("size=1m,ro")
    finished = with_cache.run("convert", model, locked / "out", "--no-verify")
    assert finished.code == 4 and str(locked) in finished.error
    finished = with_cache.run("convert", model, locked / "deep" / "out", "--no-verify")
    assert finished.code == 4 and str(locked) in finished.error


def test_read_only_model_and_cache(place, with_cache, model, mounted):
    """A model on a read-only disk converts; a read-only cache is told."""
    finished = with_cache.run(
        "convert", model, with_cache.out, "--no-verify", environment={"CROSSLOAD_CACHE": str(mounted("ro"))}
    )
    assert finished.code in (0, 4)
    if finished.code == 4:
        assert "mounted" in finished.error


# Flags

BAD_FLAGS = [
    ["no-such-command"],
    ["convert"],
    ["convert", "model"],
    ["convert", "model", "out", "extra"],
    ["convert", "model", "out", "--no-such-flag"],
    ["convert", "model", "out", "--max-error", "small"],
    ["convert", "model", "out", "--max-error", "-1"],
    ["convert", "model", "out", "--max-error"],
    ["convert", "model", "out", "--inputs", "/nowhere.npz"],
    ["verify", "model"],
    ["check"],
    ["ops", "extra"],
]


def test_no_arguments(place):
    import subprocess

    from crossload_command import BINARY

    done = subprocess.run([BINARY], capture_output=True, text=True, check=False, cwd=place.results, timeout=60)
    assert done.returncode == 2 and done.stderr == ""
    assert "Usage: crossload [OPTIONS] SUBCOMMAND" in done.stdout and "  convert " in done.stdout


@pytest.mark.parametrize("arguments", BAD_FLAGS, ids=" ".join)
def test_bad_flags(place, arguments):
    import subprocess

    from crossload_command import BINARY, Finished

    def run(*more):
        done = subprocess.run(
            [BINARY, *arguments, *more], capture_output=True, text=True, check=False, cwd=place.results, timeout=60
        )
        return Finished(done.returncode, done.stdout, done.stderr)

    finished = run()
    assert finished.code == 2 and finished.out == ""
    assert finished.error.startswith("error: command line: ") and "--help" in finished.error
    assert len(finished.err.splitlines()) == 1
    if arguments and arguments[0] in ("convert", "verify", "check", "ops") and arguments[-1] != "--max-error":
        as_json = run("--json")
        assert as_json.code == 2 and as_json.document["error"]["kind"] == "bad-input"
    place.check_nothing_left()


def test_help_and_version(place):
    for arguments in (["--help"], ["convert", "--help"], ["verify", "--help"]):
        finished = place.run(*arguments)
        assert finished.code == 0 and "usage" in finished.out.lower()
    assert re.match(r"crossload \d+\.\d+", place.run("--version").out)


def test_ops(place):
    finished = place.run("ops", "--json")
    ops = finished.document["ops"]
    assert finished.code == 0 and len(ops) > 50
    assert {"op", "family", "schema"} <= set(ops[0]) and any(o["op"] == "aten.linear.default" for o in ops)


# Errors as JSON


@pytest.mark.parametrize(
    ("arguments", "environment", "code"),
    [
        (["convert", "/nowhere", "OUT"], {}, 2),
        (["check", "/nowhere"], {}, 2),
        (["verify", "/nowhere", "OUT"], {}, 2),
        (["convert", "MODEL", "OUT", "--class", "Nothing"], {}, 2),
        (["convert", "MODEL", "OUT"], {"CROSSLOAD_TENSORFLOW": "/nowhere"}, 4),
        (["convert", "MODEL", "OUT", "--python", "/nowhere"], {}, 4),
    ],
    ids=lambda v: str(v)[:40],
)
def test_error_documents(place, model, arguments, environment, code):
    names = {"MODEL": str(model), "OUT": str(place.out)}
    finished = place.run(*[names.get(a, a) for a in arguments], "--json", environment=environment)
    assert finished.code == code
    error = finished.document["error"]
    assert set(finished.document) == {"error"} and set(error) == {"kind", "message", "details"}
    assert error["kind"] == KINDS[code] and isinstance(error["details"], list)
    assert finished.error == f"error: {error['message']}"
    place.check_nothing_left()


def test_hub_model_offline(place, tmp_path):
    environment = {"HF_HUB_CACHE": str(tmp_path / "hub"), "HF_HUB_OFFLINE": "1"}
    place.refused_convert("nobody/nothing-here", "--offline", code=4, seen="--offline", environment=environment)


def test_output_that_nobody_reads(with_cache, model):
    """A closed pipe ends the run quietly; OUT is whole."""
    import subprocess

    from crossload_command import BINARY, PYTHON

    command = [BINARY, "convert", str(model), str(with_cache.out), "--no-verify", "--json", *PYTHON]
    import os

    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ, **with_cache.environment}
    )
    process.stdout.close()
    assert process.stderr.read() is not None and process.wait(60) in (0, 4)
    assert json.loads((with_cache.out / "crossload.json").read_text())["verdict"] == "unverified"


def test_two_runs_at_once(with_cache, model):
    """Into one OUT: one wins whole, and whoever loses is told."""
    processes = [with_cache.start("convert", model, with_cache.out, "--no-verify") for _ in range(3)]
    ended = [(p.wait(120), p.stderr.read().decode()) for p in processes]
    assert 0 in [code for code, _ in ended]
    for code, told in ended:
        assert code == 0 or (code in (2, 4) and "another run" in told)
    assert [p.name for p in with_cache.results.iterdir()] == ["out"]
    assert json.loads((with_cache.out / "crossload.json").read_text())["verdict"] == "unverified"
