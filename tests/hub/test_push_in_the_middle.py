"""While large files are being sent: what others can see of the process, and what an interrupt leaves."""

import os
import signal
import threading
import time
from pathlib import Path

import pytest
from conftest import TOKEN
from crossload_command import children_of, decoded, start


@pytest.fixture
def sending(hub, surroundings, converted):
    """sending(*flags) -> the command, in the middle of sending to me/tiny; it goes on when the test is over."""
    hub.repo("me/tiny")
    reached, go_on, processes = threading.Event(), threading.Event(), []
    hub.storage.before = lambda: (reached.set(), go_on.wait(20))

    def begin(*flags):
        processes.append(start("push", converted(), "me/tiny", *flags, environment=surroundings))
        assert reached.wait(30), processes[0].communicate(timeout=5)
        return processes[0]

    yield begin
    go_on.set()
    for process in processes:
        process.communicate(timeout=60)


def is_there(pid):
    return os.path.exists(f"/proc/{pid}")


@pytest.mark.parametrize("flags", [["--token", TOKEN], [f"--token={TOKEN}"]], ids=["apart", "joined"])
def test_token_is_not_in_the_process_list(sending, flags):
    process = sending(*flags)
    for pid in [process.pid, *children_of(process.pid)]:
        for file in ("cmdline", "environ"):
            assert TOKEN.encode() not in Path(f"/proc/{pid}/{file}").read_bytes()
    assert b"--token" in Path(f"/proc/{process.pid}/cmdline").read_bytes()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL], ids=lambda n: n.name)
def test_interrupt(hub, sending, number):
    """No commit, no process that stays, and the branch as it was."""
    process = sending("--token", TOKEN)
    workers = children_of(process.pid)
    assert workers
    process.send_signal(number)
    out, err = map(decoded, process.communicate(timeout=60))
    assert out == "" and process.returncode == (-number if number == signal.SIGKILL else 130), err
    end = time.monotonic() + 20
    while any(map(is_there, workers)) and time.monotonic() < end:
        time.sleep(0.05)
    assert not any(map(is_there, workers)) and len(hub.repos["me/tiny"].commits) == 1
