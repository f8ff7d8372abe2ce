"""Registration in a source tree of Transformers 4, here one with a single model of our own beside two neighbours."""

import ast

import pytest
from crossload.errors import WorkerError
from crossload.port.register import port_register, relative_imports

GUARD = """try:
    if not is_{0}_available():
        raise OptionalDependencyNotAvailable()
except OptionalDependencyNotAvailable:
    pass
else:
"""
MODEL_INIT = f"""from typing import TYPE_CHECKING

from ...utils import OptionalDependencyNotAvailable, _LazyModule, is_torch_available


_import_structure = {{"configuration_own": ["OwnConfig"]}}

{GUARD.format("torch")}    _import_structure["modeling_own"] = ["OwnModel", "OwnPreTrainedModel"]

if TYPE_CHECKING:
    from .configuration_own import OwnConfig

    {GUARD.format("torch").replace(chr(10), chr(10) + "    ").rstrip()}
        from .modeling_own import OwnModel, OwnPreTrainedModel
else:
    import sys
"""
MAIN_INIT = f"""_import_structure = {{}}

{GUARD.format("tf")}    _import_structure["activations_tf"] = []
    _import_structure["models.near"].extend(["TFNearModel"])
    _import_structure["models.zoo"].extend(["TFZooModel"])

if TYPE_CHECKING:
    {GUARD.format("tf").replace(chr(10), chr(10) + "    ").rstrip()}
        from .models.near import TFNearModel
        from .models.zoo import TFZooModel
"""
AUTO = """MODEL_MAPPING_NAMES = OrderedDict([("near", "NearModel"), ("own", "OwnModel"), ("zoo", "ZooModel")])
MODEL_FOR_MASKED_LM_MAPPING_NAMES = OrderedDict([("own", "OwnForMaskedLM")])
"""
TF_AUTO = """TF_MODEL_MAPPING_NAMES = OrderedDict(
    [
        ("near", "TFNearModel"),
        ("zoo", "TFZooModel"),
    ]
)
TF_MODEL_FOR_MASKED_LM_MAPPING_NAMES = OrderedDict([("near", "TFNearForMaskedLM")])
"""
DUMMIES = """from ..utils import DummyObject, requires_backends


class TFNearModel(metaclass=DummyObject):
    _backends = ["tf"]


class TFZooModel(metaclass=DummyObject):
    _backends = ["tf"]
"""
PAGE = """# Own

This model was contributed by [somebody](https://huggingface.co/somebody).

## OwnModel

[[autodoc]] OwnModel
    - forward
"""
INDEX = "".join(
    f"|  [{name}](model_doc/{name.lower()})  |       ✅        |         ❌         |      ❌      |\n"
    for name in ("Own", "Own2", "OwnCode", "Zoo")
)
NAMES = """CONFIG_MAPPING_NAMES = OrderedDict([("own", "OwnConfig"), ("own_code", "OwnConfig"), ("zoo", "ZooConfig")])
MODEL_NAMES_MAPPING = OrderedDict([("own", "Own"), ("own2", "Own2"), ("own_code", "OwnCode"), ("zoo", "Zoo")])
"""
CHECK_TABLE = 'MODEL_NAMES_WITH_SAME_CONFIG = {"Zoo2": "Zoo", "Own2": "Own"}\n'
WRITTEN = """import tensorflow as tf
from transformers.modeling_tf_utils import TFPreTrainedModel
from transformers.models.own.configuration_own import OwnConfig


class TFOwnModel(TFPreTrainedModel):
    config_class = OwnConfig
"""
REQUEST = {
    "folder": "own", "module": "modeling_tf_own", "model_type": "own", "base": "OwnModel",
    "classes": ["TFOwnPreTrainedModel", "TFOwnModel"], "file_text": WRITTEN, "test_text": "# a test\n",
    "verdict": "verified", "max_error": 1e-6,
}  # fmt: skip


@pytest.fixture
def checkout(tmp_path):
    files = {
        "src/transformers/__init__.py": MAIN_INIT, "src/transformers/models/own/__init__.py": MODEL_INIT,
        "src/transformers/models/auto/modeling_auto.py": AUTO,
        "src/transformers/models/auto/modeling_tf_auto.py": TF_AUTO,
        "src/transformers/utils/dummy_tf_objects.py": DUMMIES, "docs/source/en/model_doc/own.md": PAGE,
        "docs/source/en/index.md": INDEX, "tests/models/own/test_modeling_own.py": "",
        "utils/check_table.py": CHECK_TABLE, "src/transformers/models/auto/configuration_auto.py": NAMES,
    }  # fmt: skip
    for path, text in files.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    return tmp_path


def register(checkout, **changes):
    return port_register({**REQUEST, "checkout": str(checkout), **changes}, lambda *_: None)


def state(checkout):
    return {str(p.relative_to(checkout)): p.read_text() for p in sorted(checkout.rglob("*")) if p.is_file()}


def test_everything_is_registered_once(checkout):
    answer = register(checkout)
    assert answer["skipped"] == []
    now = state(checkout)
    assert {file["path"] for file in answer["files"]} == {
        "src/transformers/__init__.py", "src/transformers/models/own/__init__.py",
        "src/transformers/models/own/modeling_tf_own.py", "src/transformers/models/auto/modeling_tf_auto.py",
        "src/transformers/utils/dummy_tf_objects.py", "docs/source/en/model_doc/own.md", "docs/source/en/index.md",
        "tests/models/own/test_modeling_tf_own.py", "PULL_REQUEST.md",
    }  # fmt: skip
    for path, text in now.items():
        if path.endswith(".py"):
            ast.parse(text)
    main = now["src/transformers/__init__.py"]
    assert main.index('"models.near"') < main.index('"models.own"') < main.index('"models.zoo"')
    assert main.index("from .models.near") < main.index("from .models.own import") < main.index("from .models.zoo")
    own = now["src/transformers/models/own/__init__.py"]
    assert own.count('_import_structure["modeling_tf_own"]') == own.count("from .modeling_tf_own import") == 1
    assert "    is_tf_available,\n    is_torch_available,\n" in own
    auto = now["src/transformers/models/auto/modeling_tf_auto.py"]
    assert '("near", "TFNearModel"),\n        ("own", "TFOwnModel"),\n        ("zoo"' in auto
    assert "TFOwnForMaskedLM" not in auto  # was not written
    dummies = now["src/transformers/utils/dummy_tf_objects.py"]
    names = [s.name for s in ast.parse(dummies).body if isinstance(s, ast.ClassDef)]
    assert names == ["TFNearModel", "TFOwnModel", "TFOwnPreTrainedModel", "TFZooModel"]
    assert "## TFOwnModel\n\n[[autodoc]] TFOwnModel\n    - call\n" in now["docs/source/en/model_doc/own.md"]
    rows = now["docs/source/en/index.md"].splitlines()
    assert [row.count("✅") for row in rows] == [2, 2, 2, 1]  # Own2 and OwnCode have the classes of Own
    assert "verified, max error 1.0e-06\n" in now["PULL_REQUEST.md"]
    written = now["src/transformers/models/own/modeling_tf_own.py"]
    assert "from ...modeling_tf_utils import TFPreTrainedModel\nfrom .configuration_own import OwnConfig\n" in written
    assert register(checkout)["files"] == []
    assert state(checkout) == now


def test_newer_trees_import_all_of_each_file(checkout):
    """Transformers 4.47 and later list a file's names in the file, and import the files in the order of their names."""
    init = checkout / "src/transformers/models/own/__init__.py"
    init.write_text("""from ...utils import _LazyModule
from ...utils.import_utils import define_import_structure


if TYPE_CHECKING:
    from .configuration_own import *
    from .modeling_own import *
    from .tokenization_own import *
else:
    import sys
""")
    answer = register(
        checkout, classes=["TFOwnPreTrainedModel", "TFOwnModel", *(f"TFOwnFor{'Own' * i}" for i in (4, 8, 9))]
    )
    assert (
        "    from .modeling_own import *\n    from .modeling_tf_own import *\n    from .tokenization"
        in init.read_text()
    )
    written = (checkout / "src/transformers/models/own/modeling_tf_own.py").read_text()
    assert written.endswith(
        f'    "TFOwnModel",\n    "TFOwnFor{"Own" * 4}",\n    "TFOwnFor{"Own" * 8}",\n    "TFOwnFor{"Own" * 9}",\n]\n'
    )
    assert len(answer["files"]) == 9
    register(checkout, classes=["TFOwnPreTrainedModel", "TFOwnModel"], force=True)
    assert init.read_text().count("modeling_tf_own") == 1
    assert (
        '\n\n\n__all__ = ["TFOwnPreTrainedModel", "TFOwnModel"]\n'
        in (checkout / "src/transformers/models/own/modeling_tf_own.py").read_text()
    )


def test_a_class_that_comes_later_is_added(checkout):
    register(checkout)
    before = state(checkout)
    register(checkout, classes=[*REQUEST["classes"], "TFOwnForMaskedLM"])
    now = state(checkout)
    assert '("own", "TFOwnForMaskedLM")' in now["src/transformers/models/auto/modeling_tf_auto.py"]
    for path in ("src/transformers/__init__.py", "src/transformers/models/own/__init__.py"):
        assert now[path].count("TFOwnForMaskedLM") == 2
        assert now[path].count('"TFOwnModel"') == before[path].count('"TFOwnModel"') == 1
    register(checkout)
    assert (
        state(checkout)["src/transformers/models/own/__init__.py"] == before["src/transformers/models/own/__init__.py"]
    )


def test_a_dry_run_shows_the_changes_and_makes_none(checkout):
    before = state(checkout)
    answer = register(checkout, dry_run=True)
    diffs = {file["path"]: file["diff"] for file in answer["files"]}
    assert '+        ("own", "TFOwnModel"),' in diffs["src/transformers/models/auto/modeling_tf_auto.py"]
    assert state(checkout) == before


def test_a_file_of_somebody_else_stays(checkout):
    path = checkout / "src/transformers/models/own/modeling_tf_own.py"
    path.write_text("theirs\n")
    before = state(checkout)
    with pytest.raises(WorkerError, match="--force"):
        register(checkout)
    assert state(checkout) == before
    register(checkout, force=True)
    assert "TFOwnModel" in path.read_text()


def test_bad_trees_are_refused(tmp_path, checkout):
    with pytest.raises(WorkerError, match="Transformers 4 checkout"):
        register(tmp_path / "nothing")
    with pytest.raises(WorkerError, match="no models/other"):
        register(checkout, folder="other")


def test_what_a_tree_lacks_is_told(checkout):
    for path in ("docs/source/en/index.md", "tests/models/own/test_modeling_own.py"):
        (checkout / path).unlink()
    for folder in ("tests/models/own", "tests/models", "tests"):
        (checkout / folder).rmdir()
    skipped = register(checkout)["skipped"]
    assert [entry.split(":")[0] for entry in skipped] == [
        "docs/source/en/index.md", "tests/models/own/test_modeling_tf_own.py",
    ]  # fmt: skip


def test_imports_become_relative_and_keep_their_order():
    text = "import x\n\nimport y as tf\nfrom transformers.models.auto.a import A\nfrom transformers.utils import b\n\n\nC = 1\n"
    assert relative_imports(text, "own") == (
        "import x\n\nimport y as tf\n\nfrom ...utils import b\nfrom ..auto.a import A\n\n\nC = 1\n"
    )
