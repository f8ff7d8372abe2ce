"""Makes the package in python/ and the helper modules here importable without installation."""

import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent.parent / "python"), str(HERE)]


@pytest.fixture(scope="session", autouse=True)
def quiet():
    from crossload.worker import silence

    silence()


@pytest.fixture
def ask():
    """ask(request, session=None) -> result: one request handled in this process; keyword `out` may be a new folder."""
    from crossload.session import Session
    from crossload.worker import handle

    def handled(session=None, **request):
        if "out" in request:
            Path(request["out"]).mkdir(exist_ok=True)
            request["out"] = str(request["out"])
        request = {k: str(v) if isinstance(v, Path) else v for k, v in request.items()}
        return handle(request, lambda *a: None, session or Session())

    return handled
