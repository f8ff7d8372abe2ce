"""`./dev op`: what it writes, and what it says is missing."""

import sys
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("expecttest", reason="PyTorch's OpInfo needs it: pip install expecttest")

sys.path.insert(0, str(Path(__file__).parent.parent / "tools"))

import op
from harness import op_table

TABLE = op_table()


def test_an_operation_without_a_row_shows_the_schema_to_add_and_where():
    table = {t: row for t, row in TABLE.items() if t != "aten.fmod.Scalar"}
    with pytest.raises(op.Missing) as caught:
        op.family_of("aten.fmod.Scalar", table)
    assert '{"aten::fmod.Scalar(Tensor self, Scalar other) -> Tensor", function}' in str(caught.value)
    assert "src/lower/ops/arithmetic.cc" in str(caught.value)


def test_a_name_that_pytorch_does_not_have():
    with pytest.raises(op.Missing, match=r"PyTorch has no `aten\.fmodd\.Scalar`"):
        op.family_of("aten.fmodd.Scalar", TABLE)


def test_a_row_without_samples_is_told_where_they_go():
    with pytest.raises(op.Missing, match=r"tests/ops/samples/arithmetic\.py"):
        op.samples_of("aten.no_such_row.default", "arithmetic")


def test_a_text_case_is_written_once_from_the_first_dynamic_sample(tmp_path, monkeypatch):
    folder = tmp_path / "tests/lower"
    folder.mkdir(parents=True)
    monkeypatch.setattr(op, "ROOT", tmp_path)
    handmade, _ = op.samples_of("aten.pixel_shuffle.default", "shape")
    assert op.write_text_case("aten.pixel_shuffle.default", "shape", handmade)
    text = (folder / "shape.txt").read_text()
    case = op.case_of(text, "aten.pixel_shuffle.default")
    assert "aten.pixel_shuffle.default(self=" in case and case.endswith("--")
    assert any(s.second for s in handmade) == ("s" in case.split("float32[")[1].split("]")[0])
    assert not op.write_text_case("aten.pixel_shuffle.default", "shape", handmade)
    assert (folder / "shape.txt").read_text() == text


def test_a_row_with_samples_of_pytorch_alone_asks_for_one_to_read(tmp_path, monkeypatch):
    (tmp_path / "tests/lower").mkdir(parents=True)
    monkeypatch.setattr(op, "ROOT", tmp_path)
    with pytest.raises(op.Missing, match=r"add one to tests/ops/samples/shape\.py"):
        op.write_text_case("aten.pixel_shuffle.default", "shape", [])
