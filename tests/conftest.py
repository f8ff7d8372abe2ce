"""What the folders of tests share."""

import importlib.util
import sys
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def native_module():
    """Makes `crossload._engine` importable even where the package's sources come before the installed package."""
    if importlib.util.find_spec("crossload._engine") is None:
        import crossload

        crossload.__path__ += [
            str(built.parent) for folder in sys.path for built in Path(folder).glob("crossload/_engine*.so")
        ]
