"""What the zoo itself promises: every model type once, none vanishes, one failure harms no other, a run can go on."""

import json

import classes
import coverage
import pytest
import subjects
import zoo


def test_every_model_type_is_there_once():
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING

    types = classes.model_types()
    assert sorted(types) == sorted(set(CONFIG_MAPPING.keys()))


def test_exceptions_are_of_types_that_there_are_and_stand_in_one_table():
    import exceptions

    listed = [model_type for table in exceptions.TABLES for model_type in table.EXCEPTIONS]
    assert len(listed) == len(set(listed)) and set(listed) <= set(classes.model_types())


def test_heads_have_classes_of_their_own():
    names = {c.__name__: mappings for c, mappings in classes.head_classes("bert").items()}
    assert "BertForTokenClassification" in names and "BertModel" not in names


def test_weights_are_at_trained_scale():
    import torch

    model = subjects.build("bert").model
    weight = model.encoder.layer[0].attention.self.query.weight
    assert 0.7 < weight.std() * weight.shape[1] ** 0.5 < 1.3
    assert all(bool(torch.isfinite(p).all()) for p in model.parameters())


def test_outputs_that_grow_without_bound_are_calmed():
    import torch

    class Growing(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = torch.nn.ModuleList(torch.nn.Linear(8, 8, bias=False) for _ in range(4))
            for layer in self.layers:
                torch.nn.init.constant_(layer.weight, 2.0)

        def forward(self, x):
            for layer in self.layers:
                x = layer(x)
            return x

    model, x = Growing(), torch.ones(2, 8)
    assert model(x).abs().max() > subjects.LARGEST_OUTPUT
    subjects.calm(model, {"x": x})
    assert 0 < model(x).abs().max() <= subjects.LARGEST_OUTPUT


def test_values_that_no_weight_moves_do_not_shrink_the_weights():
    import torch

    class Masked(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = torch.nn.Linear(8, 8)

        def forward(self, x):
            return self.layer(x).masked_fill(x > 0, -9999.0)

    model, x = Masked(), torch.randn(2, 8, generator=torch.Generator().manual_seed(1))
    before = model.layer.weight.clone()
    subjects.calm(model, {"x": x})
    assert torch.equal(model.layer.weight, before)
    model.layer.weight.data.mul_(1e3)  # now both kinds are there: the products shrink, the fillings stay
    subjects.calm(model, {"x": x})
    value = model(x)
    assert value[x <= 0].abs().max() <= subjects.LARGEST_OUTPUT and bool((value[x > 0] == -9999).all())


def test_movement_tells_outputs_that_nothing_moves():
    import torch

    class Made(torch.nn.Module):
        def __init__(self, compute):
            super().__init__()
            self.layer = torch.nn.Linear(8, 8)
            self.compute = compute

        def forward(self, x):
            return self.compute(self.layer, x)

    inputs = {"x": torch.randn(2, 8, generator=torch.Generator().manual_seed(1))}

    def moved(compute):
        model = Made(compute)
        before = {n: p.clone() for n, p in model.named_parameters()}
        found = subjects.movement(model, inputs)
        assert all(torch.equal(p, before[n]) for n, p in model.named_parameters())
        return found

    found = moved(lambda layer, x: layer(x))
    assert found["inputs"] > 0.1 and found["weights"] > 0.01
    found = moved(lambda layer, x: layer(torch.ones_like(x)))
    assert found["inputs"] == 0 and found["weights"] > 0.01
    found = moved(lambda layer, x: x + 0 * layer(x))
    assert found["inputs"] > 0.1 and found["weights"] == 0
    # Hidden by a mask, and not resolved by float32 there.
    assert moved(lambda layer, x: layer(x) - 9999) == {"inputs": 0, "weights": 0}
    # Drawn inside: equal runs differ as much.
    found = moved(lambda layer, x: torch.rand(2, 8) + 0 * layer(x))
    assert found["inputs"] < 0.9 and found["weights"] < 0.9
    assert moved(lambda layer, x: (layer(x) > 0).long()) == {"inputs": 1, "weights": 1}


def test_outputs_that_do_not_move_are_unverified():
    import worker

    entry = {"step": "converted", "verdict": "verified", "reason": None}
    assert worker.judged(entry, {"inputs": 0.5, "weights": 0.5})["verdict"] == "verified"
    found = worker.judged(entry, {"inputs": 0.0, "weights": 0.5})
    assert found["verdict"] == "unverified" and found["reason"].startswith(
        "no output moves with the inputs: by 0.0e+00"
    )
    assert worker.judged({**entry, "verdict": "mismatch"}, {"inputs": 0.0, "weights": 0.0})["verdict"] == "mismatch"


def test_components_replace_only_what_pytorch_does_not_export(monkeypatch):
    import worker

    asked, moved = [], {"inputs": 1.0, "weights": 1.0}

    def convert_as(whole):
        def convert(model, inputs, has_folder):
            if has_folder:
                return {"max_error": None, "moved": moved, **whole}
            asked.append(model)
            return {"step": "converted", "verdict": "verified", "max_error": 1e-7, "moved": moved, "reason": None}

        monkeypatch.setattr(worker, "convert_model", convert)
        monkeypatch.setattr(worker, "components", lambda subject: [("part", ("module", {}))])
        asked.clear()
        return worker.convert_subject("bert", None)

    for step, verdict in (("converted", "mismatch"), ("converted", "unverified"), ("exported", None)):
        found = convert_as({"step": step, "verdict": verdict, "reason": "far"})
        assert (found["form"], found["step"], found["verdict"], asked) == ("whole", step, verdict, [])
    found = convert_as({"step": "built", "verdict": None, "reason": "refused"})
    assert (found["form"], found["verdict"], asked) == ("components", "verified", ["module"])
    assert found["whole"] == {"step": "built", "verdict": None, "reason": "refused"}


def test_batch_normalization_has_the_statistics_of_what_it_gets():
    import torch

    model = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3), torch.nn.BatchNorm2d(8), torch.nn.BatchNorm2d(8)).eval()
    with torch.no_grad():
        model[0].weight.mul_(1000)

    class Named(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = model

        def forward(self, x):
            return self.layers(x)

    whole, x = Named(), 5 + torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    subjects.set_statistics(whole, {"x": x})
    with torch.no_grad():
        y = whole(x).transpose(0, 1).reshape(8, -1)
    assert y.mean(1).abs().max() < 0.5 and 0.7 < y.std(1).min() and y.std(1).max() < 1.3


def test_what_cannot_be_built_says_why():
    with pytest.raises(subjects.Unbuilt, match="timm"):
        subjects.build("timm_backbone")


class FakeWorker:
    """Answers as the real one does, but for types that are to crash or hang."""

    def __init__(self, log, patience=1):
        self.log = log

    def convert(self, job, timeout):
        entry = {"type": job["type"], "class": job["type"].title(), "form": "whole", "plan": "tiny", "seconds": 0.1}
        if job["type"] == "crashing":
            return {**entry, "step": "unfinished", "verdict": None, "reason": "the process died with -11"}
        return {**entry, "step": "converted", "verdict": "verified", "max_error": 1e-6, "noise": 1e-6, "dynamic": True}

    def stop(self):
        pass


def test_a_run_goes_on_where_it_stopped(tmp_path, monkeypatch):
    (tmp_path / "docs").mkdir()
    (tmp_path / "build/zoo").mkdir(parents=True)
    asked = []

    class Noting(FakeWorker):
        def convert(self, job, timeout):
            asked.append(job["type"])
            return super().convert(job, timeout)

    monkeypatch.setattr(zoo, "ROOT", tmp_path)
    monkeypatch.setattr(zoo, "Worker", Noting)
    monkeypatch.setattr(classes, "model_types", lambda: ["first", "crashing", "last"])
    results = tmp_path / "build/zoo/results.jsonl"
    before = {**FakeWorker(None).convert({"type": "first"}, 1), "key": "first/"}
    results.write_text(json.dumps(before) + "\n" + '{"type": "crash')  # killed while it wrote
    monkeypatch.setattr("sys.argv", ["zoo", "--resume", "--jobs", "1"])
    zoo.main()
    assert asked == ["crashing", "last"]
    assert [json.loads(line)["type"] for line in results.read_text().splitlines()] == ["first", "crashing", "last"]
    entries = json.loads((tmp_path / "docs/coverage.json").read_text())
    assert [e["type"] for e in entries] == ["crashing", "first", "last"]
    text = (tmp_path / "docs/coverage.md").read_text()
    assert "| crashing | Crashing | not finished | the process died with -11 |" in text
    assert "base models: 3, built 3 (100.0 %), exported 2" in text


def test_what_a_run_leaves_out_stays_in_the_documents(tmp_path):
    def entry(key, verdict="verified"):
        return {
            **FakeWorker(None).convert({"type": "first"}, 1),
            "type": key.split("/")[0],
            "key": key,
            "verdict": verdict,
        }

    coverage.write([entry("a/"), entry("gone/"), entry("a/Head")], tmp_path)
    coverage.write([entry("a/", "within-noise")], tmp_path)
    found = {e["key"]: e["verdict"] for e in json.loads((tmp_path / "coverage.json").read_text())}
    assert found == {"a/": "within-noise", "a/Head": "verified"}
    coverage.write([entry("a/Head", "within-noise")], tmp_path)
    found = {e["key"]: e["verdict"] for e in json.loads((tmp_path / "coverage.json").read_text())}
    assert found == {"a/": "within-noise", "a/Head": "within-noise"}


def test_other_libraries_have_a_section_of_their_own(tmp_path, monkeypatch):
    """Each command leaves what the other one wrote, and a run of some architectures the rows of the others."""
    import importlib.metadata

    monkeypatch.setattr(importlib.metadata, "version", lambda package: "1.2")
    base = {"type": "a", "key": "a/", "class": "X", "step": "converted", "verdict": "verified", "seconds": 1}

    def other(name, verdict, **more):
        return {"library": "timm", "name": name, "verdict": verdict, "dynamic": True, "seconds": 1, **more}

    page = tmp_path / "coverage.md"
    coverage.write([base], tmp_path)
    before = page.read_text()
    coverage.write_others([other("b", "verified"), other("a", None, reason="no | way")], tmp_path, ["a", "b"])
    assert page.read_text().startswith(before) and "2 architectures, 1 verified" in page.read_text()
    assert "| timm | a | not converted: no / way |" in page.read_text()
    coverage.write_others([other("a", "within-noise")], tmp_path, ["a", "b"])
    text = page.read_text()
    assert text.startswith(before) and "2 architectures, 2 verified or within noise, 2 with dynamic batch" in text
    assert text.index("| timm | a | ≈, dynamic batch |") < text.index("| timm | b | verified, dynamic batch |")
    coverage.write([base], tmp_path)
    assert page.read_text() == text


def test_the_data_has_a_line_for_each_entry(tmp_path):
    entries = [{"key": f"{t}/", "type": t, "step": "unbuilt", "verdict": None, "reason": "a\nb"} for t in ("a", "b")]
    coverage.write(entries, tmp_path)
    first, *lines, last = (tmp_path / "coverage.json").read_text().splitlines()
    assert (first, last) == ("[", "]")
    assert [json.loads(line.removesuffix(",")) for line in lines] == entries


def test_a_crash_and_a_hang_harm_no_other(tmp_path, monkeypatch):
    script = tmp_path / "worker.py"
    script.write_text(
        "import json, os, sys, time\n"
        "for line in sys.stdin:\n"
        "    job = json.loads(line)\n"
        "    if job['type'] == 'crash': os.abort()\n"
        "    if job['type'] == 'hang': time.sleep(60)\n"
        "    print(json.dumps({'type': job['type'], 'step': 'converted', 'verdict': 'verified'}), flush=True)\n"
    )
    monkeypatch.setattr(zoo, "HERE", tmp_path)
    with open(tmp_path / "log", "w") as log:
        one = zoo.Worker(log)
        found = {t: one.convert({"type": t}, 5) for t in ("good", "crash", "fine", "hang", "last")}
        one.stop()
    assert {t for t, e in found.items() if e["verdict"] == "verified"} == {"good", "fine", "last"}
    assert found["crash"]["reason"] == "the process died with -6"
    assert found["hang"]["reason"] == "no answer in 5 s"


def test_the_reason_names_what_noise_does_not_excuse():
    import worker

    def output(name, error, truth, noise):
        return {"name": name, "max_error": error, "tf_truth": truth, "noise": noise}

    report = {
        "verdict": "mismatch", "dynamic": True, "max_error": 3e-5, "limit": 1e-5, "shapes": [], "timings_s": {},
        "notes": ["only the first axes are dynamic: TimeIsUp"],
        "outputs": [output("excused", 3e-5, 1e-5, 2e-5), output("wrong", 2e-5, 2e-5, 1e-5), output("fine", 1e-6, None, None)],
    }  # fmt: skip
    found = worker.outcome(report)
    assert found["reason"].startswith("`wrong`: ") and found["static_reason"] == report["notes"][0]
    assert found["choices"] == 0
    tie = {
        **report,
        "verdict": "within-noise",
        "verdict_note": "equal given the same choices",
        "choices": [{"is_tie": True}],
    }
    found = worker.outcome(tie)
    assert found["reason"].startswith("equal given the same choices; ") and found["choices"] == 1


def test_shares_are_of_what_was_exported():
    entries = [
        {"key": "a/", "step": "unbuilt", "verdict": None},
        {"key": "b/", "step": "built", "verdict": None},
        {"key": "c/", "step": "exported", "verdict": None},
        {"key": "d/", "step": "converted", "verdict": "verified", "dynamic": True},
        {"key": "e/", "step": "converted", "verdict": "within-noise", "dynamic": False},
        {"key": "e/Head", "step": "converted", "verdict": "mismatch", "dynamic": True},
    ]
    base, heads = coverage.summary(entries).splitlines()
    assert base == (
        "base models: 5, built 4 (80.0 %), exported 3; of these converted 2 (66.7 %), verified 1 (33.3 %), verified or "
        "within noise 2 (66.7 %), dynamic 1 (50.0 %)"
    )
    assert heads.startswith(
        "task classes: 1, built 1 (100.0 %), exported 1; of these converted 1 (100.0 %), verified 0"
    )
