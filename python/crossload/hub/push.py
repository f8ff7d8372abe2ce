"""The requests `push` and `push_weights`: what a conversion made, with its measured errors, goes to the Hub."""

import json
from fnmatch import fnmatchcase
from pathlib import Path

from ..errors import WorkerError, first_line
from . import model_card
from .client import Hub
from .upload import Branch, Change, differs, full_name, look_at, send

VERDICTS = ("verified", "within-noise", "mismatch", "unverified")
SAVED_MODEL = "saved_model/1/"
LICENCES = ["LICENSE*", "LICENCE*"]
# Files that belong to the repository's owner: existing ones are kept, except for a model card that crossload made.
OWNERS_FILES = ["README.md", *LICENCES, "NOTICE*"]


def push(request, progress):
    """Upload the folder `out` of a conversion to the repository `repo`, which is made when it is missing.

    Further fields: message (the title), revision (a branch), pr, token, offline (check and tell, send nothing). Returns
    what `send` returns with `created`, `title`, `description`, `verdict` and `notes`. kind mismatch when that is the
    folder's verdict, bad-input when it is no such folder or the Hub refuses its content, else environment.
    """
    folder = Path(request["out"])
    report = _read_report(folder)
    _refuse_mismatch(report["verdict"], folder)
    files = files_below(folder)
    licence = next((path for path in sorted(files) if _is_any_of(path, LICENCES)), None)
    try:
        change = Change(files, request.get("message"), model_card.conversion_description(report))
        model_card.card(report, request["repo"], licence)
    except (AttributeError, KeyError, TypeError) as error:
        seen = f"is no report of ours ({first_line(error)})"
        raise WorkerError("bad-input", f"{folder / 'crossload.json'}: {seen}; convert again") from error
    if any(path.startswith(SAVED_MODEL) for path in files):
        change.replaced = (f"{SAVED_MODEL}*",)

    def settle(hub, branch):
        card = model_card.card(report, branch.repo, licence).encode()
        verb = "Update" if any(path.startswith(SAVED_MODEL) for path in branch.files) else "Add"
        change.title = change.title or f"{verb} TensorFlow model"
        return _leave_to_the_owner(hub, branch, change, card)

    done = _upload(request, change, settle, True, progress)
    return {**done, "verdict": report["verdict"]}


def push_weights(request, progress):
    """Upload TF weights that `crossload pt-to-tf` compared to the repository `repo`, which must be there.

    Fields: folder; files (names of the weight files and their index, in it); verdict; figures (crossload_output,
    crossload_hidden, conversion_output, conversion_hidden: largest differences); max_error and usual_max_error; notes
    (sentences for the description); extra_description; pr; revision; token; offline. Older TF weights go with the same
    commit. Result and failures as of `push`.
    """
    folder = Path(request["folder"])
    _refuse_mismatch(request["verdict"], folder)
    files = {name: folder / name for name in request["files"]}
    change = Change(files, None, model_card.weights_description(request), ("tf_model.h5*", "tf_model-*.h5"))

    def settle(hub, branch):
        old = [path for path in branch.files if _is_any_of(path, change.replaced)]
        change.title = "Update TF weights" if old else "Add TF weights"
        return []

    return {**_upload(request, change, settle, False, progress), "verdict": request["verdict"]}


def files_below(folder):
    """Every file of the folder by its path, except hidden ones. kind bad-input for a link that leads out of it."""
    found, home = {}, folder.resolve()
    for file in sorted(folder.rglob("*")):
        path = file.relative_to(folder)
        if any(part.startswith(".") for part in path.parts) or not file.is_file():
            continue
        if not file.resolve().is_relative_to(home):
            seen = f"a link to `{file.resolve()}`, outside of {folder}"
            raise WorkerError("bad-input", f"{file}: {seen}; replace it by the file or remove it")
        found[path.as_posix()] = file
    return found


def _upload(request, change, settle, may_create, progress):
    """settle(hub, branch) completes the change once the branch is known; it returns notes."""
    hub = Hub(request, lambda text: progress("push", text, None))
    from huggingface_hub.utils import validate_repo_id

    repo, pull_request, created = request["repo"], bool(request.get("pr")), False
    try:
        validate_repo_id(repo)
        if hub.offline:
            branch = Branch(repo)
        else:
            _require_token(hub, repo)
            progress("push", f"looking at {repo}", None)
            repo = full_name(hub, repo)
            branch = look_at(hub, repo, request.get("revision"))
            if branch is None:
                _check_may_create(repo, request, may_create, pull_request)
                progress("push", f"creating {repo}", None)
                hub.patiently(lambda: hub.api.create_repo(repo, exist_ok=True))
                created = True
                branch = look_at(hub, repo, None)
        notes = settle(hub, branch)
        done = send(hub, branch, change, pull_request, progress)
    except Exception as error:
        failure = hub.failure(error, repo, "write")
        if created:
            failure.details.append(f"{repo} was created and is empty so far; the next run goes on with it")
        raise failure from error
    told = {"created": created, "title": change.title, "description": change.description, "notes": notes}
    return {**done, **told}


def _leave_to_the_owner(hub, branch, change, card):
    """Drop the owner's files from the change, and add a model card where the repository has none."""
    notes = []
    change.files.setdefault("README.md", card)
    for path in [p for p in change.files if _is_any_of(p, OWNERS_FILES) and p in branch.files]:
        if not differs(change.files[path], branch.files[path]):
            continue
        if path == "README.md":
            there = hub.library.hf_hub_download(branch.repo, path, revision=branch.head, token=hub.token)
            if model_card.MARK in Path(there).read_text(encoding="utf-8", errors="replace"):
                continue
        own = change.files.pop(path)
        if isinstance(own, Path):
            notes.append(f"{path} of the repository was left as it is; the one in {own.parent} differs")
    return notes


def _require_token(hub, repo):
    if hub.token is None:
        raise WorkerError("environment", f"{repo}: no token to write with; run `hf auth login` or set HF_TOKEN")


def _check_may_create(repo, request, may_create, pull_request):
    if may_create and not pull_request and not request.get("revision"):
        return
    seen = "no such repository, or none that this token may see"
    if pull_request and may_create:
        advice = "leave out --pr to create it"
    elif may_create:
        advice = "leave out --revision to create it"
    else:
        advice = "check the name"
    raise WorkerError("bad-input", f"{repo}: {seen}; {advice}")


def _refuse_mismatch(verdict, where):
    if verdict not in VERDICTS:
        expected = ", ".join(VERDICTS)
        raise WorkerError(
            "bad-input", f"{where}: `verdict` is {json.dumps(verdict)}, one of {expected} expected; convert again"
        )
    if verdict == "mismatch":
        seen = "its verdict is `mismatch`, and what differs from PyTorch is not uploaded"
        raise WorkerError("mismatch", f"{where}: {seen}; see its first stage over the limit with `crossload verify`")


def _read_report(folder):
    if not folder.is_dir():
        raise WorkerError("bad-input", f"{folder}: no such folder; give the one that `crossload convert` made")
    file = folder / "crossload.json"
    try:
        report = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise WorkerError(
            "bad-input", f"{folder}: no `crossload.json` in it; give the folder that `crossload convert` made"
        ) from error
    except (ValueError, RecursionError) as error:
        raise WorkerError("bad-input", f"{file}: is not JSON ({type(error).__name__}); convert again") from error
    if not isinstance(report, dict) or "verdict" not in report:
        raise WorkerError("bad-input", f"{file}: holds no report with a `verdict`; convert again")
    return report


def _is_any_of(path, patterns):
    return any(fnmatchcase(path, pattern) for pattern in patterns)
