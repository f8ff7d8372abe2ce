"""What goes wrong on the way up: a clear line, the right exit code, bounded patience, and a branch as it was."""

import re
import time

import pytest
from conftest import FOREIGN_TOKEN, TOKEN, noise

LOST = {"lost": True}
BUSY = {"status": 429, "headers": {"Retry-After": "2"}, "said": "Too many requests"}
BROKEN = {"status": 500, "said": "Internal Error"}


def push(worker, folder, repo="me/tiny", **more):
    return worker(do="push", out=folder, repo=repo, **{"token": TOKEN, **more})


def check_error(event, kind="environment"):
    """The form of our errors."""
    message = event["message"]
    assert event["event"] == "error" and event["kind"] == kind, event
    assert re.match(r"[^:]+: .+; .+[^.]\Z", message) or re.match(r"http://\S+: .+; .+", message), message
    assert "\n" not in message and "?" not in message, message
    return message


@pytest.fixture
def untouched(hub):
    """A repository with content, which a failed push must leave as it is."""
    repo = hub.repo("me/tiny")
    repo.put({"README.md": b"# By hand\n"})
    before = (dict(repo.refs), len(repo.commits))
    yield repo
    assert (repo.refs, len(repo.commits)) == before and repo.pull_requests == []


# Refusals


def test_no_token(hub, worker, converted, untouched):
    assert "no token" in check_error(push(worker, converted(), token=None))
    assert hub.requests == []


def test_unknown_token(worker, converted, untouched):
    message = check_error(push(worker, converted(), token="hf_" + "x" * 34))
    assert "does not accept the token (401" in message and "hf auth login" in message


@pytest.mark.parametrize("token", ["sesame\nopen-up", "sesame open-up", "sésame-open-up"])
def test_token_that_is_none(hub, worker, converted, token):
    message = check_error(push(worker, converted(), token=token), "bad-input")
    assert "the token holds" in message and "open-up" not in message and hub.requests == []


def test_repository_of_somebody_else(hub, worker, converted, untouched):
    message = check_error(push(worker, converted(), token=FOREIGN_TOKEN))
    assert "403" in message and "create_pr" in message


def test_namespace_of_somebody_else(hub, worker, converted):
    message = check_error(push(worker, converted(), "you/new"))
    assert "403" in message and 'namespace "you"' in message and "you/new" not in hub.repos


def test_pull_request_in_no_repository(hub, worker, converted):
    assert "leave out --pr" in check_error(push(worker, converted(), pr=True), "bad-input")
    assert "leave out --revision" in check_error(push(worker, converted(), revision="tf"), "bad-input")
    assert hub.repos == {}


def test_no_such_branch(worker, converted, untouched):
    assert "no such revision (404)" in check_error(push(worker, converted(), revision="nowhere"), "bad-input")


@pytest.mark.parametrize("name", ["a/b/c", "a b", "-x/y", "me/", "me/..", "me/x.git"])
def test_bad_names(hub, worker, converted, name):
    assert "owner/name" in check_error(push(worker, converted(), name), "bad-input")
    assert hub.repos == {}


def test_metadata_that_the_hub_refuses(worker, converted, hub):
    hub.repo("me/tiny")
    folder = converted()
    (folder / "README.md").write_text("---\nlicense:\n  bad\n---\n")
    message = check_error(push(worker, folder), "bad-input")
    assert "README.md" in message and "must be one of" in message and len(hub.repos["me/tiny"].commits) == 1
    assert not hub.seen("PUT", "")


def test_large_file_that_the_hub_refuses(hub, worker, converted, untouched):
    hub.faults.add("POST", "/objects/batch", status=413, said="You exceeded your quota")
    assert "413: You exceeded your quota" in check_error(push(worker, converted()), "bad-input")


# What may pass


ENDPOINTS = [
    ("GET", "/api/whoami-v2"),
    ("GET", "/api/models/me/tiny$"),
    ("POST", "/api/repos/create"),
    ("GET", "/tree/"),
    ("POST", "/api/validate-yaml"),
    ("POST", "/preupload/"),
    ("POST", "/objects/batch"),
    ("PUT", "/me/tiny/"),
    ("POST", "/complete/"),
    ("POST", "/verify"),
    ("POST", "/commit/"),
]


@pytest.mark.parametrize("fault", [BUSY, BROKEN, LOST, {"reset": True}], ids=["429", "500", "lost", "reset"])
def test_failures_that_pass(hub, worker, converted, fault):
    """Every endpoint fails twice; the push succeeds all the same, once, and says what it waits for."""
    for method, pattern in ENDPOINTS:
        hub.faults.add(method, pattern, times=2, **fault)
    done = push(worker, converted(), "tiny")
    assert done["event"] == "done", done
    assert fault == LOST or not [f for f in hub.faults if f.times]
    repo = hub.repos["me/tiny"]
    assert len(repo.commits) == 2 and "crossload.json" in repo.files()
    assert repo.data("saved_model/1/saved_model.pb") == noise("graph", 100_000)
    told = " / ".join(e["text"] for e in done["told"])
    expected = {"429": "answers 429 Too Many Requests and asks to wait 2 s", "500": "answers 500 Internal Server Error"}
    assert expected.get(str(fault.get("status")), "cannot be reached") in told and "asking again in" in told


@pytest.mark.parametrize("fault", [BUSY, BROKEN, {"reset": True}], ids=["429", "500", "reset"])
@pytest.mark.parametrize("pattern", ["/api/models/me/tiny$", "/preupload/", "/objects/batch", "/verify", "/commit/"])
def test_failures_that_stay(hub, worker, converted, untouched, waits, pattern, fault):
    method = "GET" if "models" in pattern else "POST"
    hub.faults.add(method, pattern, times=1000, **fault)
    message = check_error(push(worker, converted()))
    assert str(fault.get("status", "connection")) in message
    files = 3 if pattern == "/verify" else 1
    assert len(hub.seen(method, pattern)) <= 6 * files and sum(waits()) < 60 * files


def test_a_wait_that_is_too_long(hub, worker, converted, untouched, tmp_path):
    hub.faults.add("POST", "/preupload/", status=429, headers={"Retry-After": "3600"}, times=9)
    message = check_error(push(worker, converted()))
    assert "3600 s" in message and len(hub.seen("POST", "/preupload/")) == 1 and not (tmp_path / "waits").exists()


def test_rate_limit_as_the_hub_tells_it(hub, worker, converted, waits):
    hub.faults.add("GET", "/api/models/me/tiny$", status=429, headers={"RateLimit": '"api";r=0;t=37'})
    assert push(worker, converted())["event"] == "done" and waits() == [37]


def test_nobody_listens(worker, converted, surroundings, waits):
    environment = {"HF_ENDPOINT": "http://127.0.0.1:9"}
    message = check_error(push(lambda **r: worker(environment=environment, **r), converted()))
    assert "the connection to http://127.0.0.1:9 failed (ConnectError" in message and "HF_ENDPOINT" in message
    assert sum(waits()) < 60


def test_password_of_a_mirror_is_not_told(hub, worker, converted):
    environment = {"HF_ENDPOINT": "http://alice:wonderland@127.0.0.1:9"}
    message = check_error(push(lambda **r: worker(environment=environment, **r), converted()))
    assert "http://127.0.0.1:9" in message and "wonderland" not in message


# Damage on the way


@pytest.mark.parametrize("pattern", ["/me/tiny/", "/me/tiny/.*"], ids=["all", "again"])
def test_damaged_upload(hub, worker, converted, untouched, pattern):
    """The storage got another byte: the Hub notices, no commit names the file, and the next run sends it again."""
    hub.faults.add("PUT", pattern, corrupt=True, times=99)
    message = check_error(push(worker, converted()), "bad-input")
    assert re.search(r"refuses this \((422|400): (The uploaded object does not match|Part \d is damaged)", message)


def test_after_a_failure_only_the_rest_is_sent(hub, worker, converted):
    hub.faults.add("POST", "/commit/", times=5, **BROKEN)
    folder = converted()
    assert push(worker, folder)["event"] == "error"
    sent = len(hub.seen("PUT", ""))
    done = push(worker, folder)
    assert done["event"] == "done" and len(hub.seen("PUT", "")) == sent


def test_new_repository_is_told_of_when_the_rest_fails(hub, worker, converted):
    hub.faults.add("POST", "/preupload/", status=403, said="no")
    failed = push(worker, converted())
    assert failed["details"] == ["me/tiny was created and is empty so far; the next run goes on with it"]
    assert len(hub.repos["me/tiny"].commits) == 1
    assert push(worker, converted())["event"] == "done"


# Commits and pull requests that may or may not have happened


def test_commit_whose_answer_is_lost_is_not_made_twice(hub, worker, converted):
    repo = hub.repo("me/tiny")
    hub.faults.add("POST", "/commit/", lost=True, times=5)
    done = push(worker, converted())
    assert done["event"] == "done" and done["commit"] == repo.head().oid and len(repo.commits) == 2
    assert len(hub.seen("POST", "/commit/")) == 1


def test_pull_request_whose_answer_is_lost_is_not_opened_twice(hub, worker, converted):
    repo = hub.repo("you/theirs")
    hub.faults.add("POST", "/commit/", lost=True, times=5)
    message = check_error(push(worker, converted(), "you/theirs", pr=True))
    assert f"{hub.url}/you/theirs/discussions" in message and len(repo.pull_requests) == 1
    assert len(hub.seen("POST", "/commit/")) == 1


def test_pull_request_that_was_turned_away_is_asked_for_again(hub, worker, converted):
    repo = hub.repo("you/theirs")
    hub.faults.add("POST", "/commit/", times=2, **BUSY)
    assert push(worker, converted(), "you/theirs", pr=True)["event"] == "done" and len(repo.pull_requests) == 1


def test_somebody_else_commits_meanwhile(hub, worker, converted):
    repo = hub.repo("me/tiny")
    hub.storage.before = lambda: repo.put({"config.json": b"theirs"})
    message = check_error(push(worker, converted()))
    assert "412" in message and "changed meanwhile" in message and "run again" in message
    assert repo.data("config.json") == b"theirs" and "crossload.json" not in repo.files()


@pytest.mark.parametrize("status", [409, 412])
def test_conflict(hub, worker, converted, untouched, status):
    hub.faults.add("POST", "/commit/", status=status, said="Conflict")
    assert f"{status}" in check_error(push(worker, converted()))


def test_xet_that_fails(hub, worker, converted, untouched):
    pytest.importorskip("hf_xet")
    hub.xet = "local:///proc/nowhere"
    begin = time.monotonic()
    failed = push(lambda **r: worker(environment={"HF_HUB_DISABLE_XET": "0"}, **r), converted())
    check_error(failed)
    assert time.monotonic() - begin < 60


# Folders that are none of ours


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        (None, "no `crossload.json`"),
        ("{", "is not JSON"),
        ("[]", "no report"),
        ("[" * 100_000, "is not JSON"),
        ("{}", "no report"),
        ('{"verdict": "fine"}', "verified, within-noise, mismatch, unverified expected"),
        ('{"verdict": ["verified"]}', "verified, within-noise, mismatch, unverified expected"),
        ('{"verdict": "verified", "outputs": [7]}', "is no report of ours"),
        ('{"verdict": "verified", "outputs": [{}]}', "is no report of ours"),
        ('{"verdict": "verified", "shapes": 7}', "is no report of ours"),
    ],
)
def test_foreign_folders(hub, worker, converted, text, seen):
    folder = converted()
    (folder / "crossload.json").unlink()
    if text is not None:
        (folder / "crossload.json").write_text(text)
    assert seen in check_error(push(worker, folder), "bad-input")
    assert hub.requests == []


def test_missing_folder(command, tmp_path):
    finished = command("push", tmp_path / "nowhere", "me/tiny")
    assert finished.code == 2 and "no such folder" in finished.error


def test_link_that_leads_out(hub, worker, converted, tmp_path):
    folder = converted()
    (tmp_path / "private").write_text("private")
    (folder / "notes.txt").symlink_to(tmp_path / "private")
    assert "outside of" in check_error(push(worker, folder), "bad-input") and hub.requests == []


def test_bad_flags(command, converted):
    for arguments in (["push"], ["push", "out"], ["push", "out", "me/x", "more"], ["push", "out", "me/x", "--private"]):
        finished = command(*arguments)
        assert finished.code == 2 and finished.error.startswith("error: command line: ")


def test_codes_of_the_command(hub, command, converted):
    folder = converted()
    for environment, arguments, code in [
        ({}, ["me/tiny"], 4),
        ({"HF_TOKEN": TOKEN}, ["a b"], 2),
        ({"HF_TOKEN": TOKEN, "HF_ENDPOINT": "http://127.0.0.1:9"}, ["me/tiny"], 4),
        ({"HF_TOKEN": TOKEN, "HF_HUB_OFFLINE": "1"}, ["me/tiny"], 0),
    ]:
        finished = command("push", folder, *arguments, environment=environment)
        assert finished.code == code, finished.err
        if code:
            assert finished.error and finished.out == ""
    assert hub.repos == {}
