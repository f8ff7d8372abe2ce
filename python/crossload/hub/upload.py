"""Files become one commit, or one pull request, of a repository on the Hub.

Nothing of a branch changes before everything is there: large files go first, to storage that no branch names yet, and
one commit then names them all. After a failure the branch is as it was, and the next run sends only what is missing.
"""

import hashlib
import io
from contextlib import contextmanager
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from ..errors import WorkerError
from .byte_meter import ByteMeter
from .fetch import git_hash


@dataclass
class Branch:
    """A branch of a repository as it stands: its last commit and its files, huggingface_hub's RepoFile by path."""

    repo: str
    revision: str | None = None
    head: str | None = None
    files: dict = field(default_factory=dict)


@dataclass
class Change:
    """What a commit does: files by their path in the repository (a local Path, or bytes), and what it says.

    replaced: patterns of files that go when `files` has no such path.
    """

    files: dict
    title: str | None
    description: str
    replaced: tuple = ()

    def fresh(self, branch):
        """The files that the branch lacks or holds with other content."""
        return {path: data for path, data in self.files.items() if differs(data, branch.files.get(path))}

    def stale(self, branch):
        """The files of the branch that the commit deletes."""
        gone = [p for p in branch.files if p not in self.files]
        return [p for p in gone if any(fnmatchcase(p, pattern) for pattern in self.replaced)]


def full_name(hub, repo):
    """`owner/name`; a bare name belongs to the token's owner."""
    return repo if "/" in repo else f"{hub.patiently(hub.api.whoami)['name']}/{repo}"


def look_at(hub, repo, revision):
    """The branch, or None when there is no such repository for this token."""
    from huggingface_hub.errors import EntryNotFoundError, GatedRepoError, RepositoryNotFoundError

    try:
        info = hub.patiently(lambda: hub.api.model_info(repo, revision=revision))
    except GatedRepoError:
        raise
    except RepositoryNotFoundError as error:
        if error.response.status_code == 404:
            return None
        raise
    try:
        entries = hub.api.list_repo_tree(repo, recursive=True, revision=info.sha)
        files = {entry.path: entry for entry in entries if hasattr(entry, "blob_id")}
    except EntryNotFoundError:
        files = {}  # no commit yet
    return Branch(repo, revision, info.sha, files)


def differs(data, remote):
    """Whether a local file (Path or bytes) differs from the repository's (RepoFile or None)."""
    if remote is None:
        return True
    size = len(data) if isinstance(data, bytes) else data.stat().st_size
    if size != (remote.lfs.size if remote.lfs else remote.size):
        return True
    if remote.lfs is None:
        return git_hash(data if isinstance(data, bytes) else data.read_bytes()) != remote.blob_id
    with io.BytesIO(data) if isinstance(data, bytes) else data.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest() != remote.lfs.sha256


def send(hub, branch, change, pull_request, progress):
    """Make the change; returns what was done, see ../README.md. Without a difference there is no commit.

    Raises huggingface_hub's exceptions, and WorkerError where only this function knows what they mean.
    """
    progress("push", f"comparing {len(change.files)} files", None)
    fresh, stale = change.fresh(branch), change.stale(branch)
    sizes = {path: len(data) if isinstance(data, bytes) else data.stat().st_size for path, data in fresh.items()}
    done = {
        "repo": branch.repo,
        "commit": branch.head,
        "url": f"{hub.endpoint}/{branch.repo}",
        "pull_request": None,
        "uploaded": [{"path": path, "bytes": sizes[path]} for path in sorted(sizes)],
        "deleted": stale,
        "unchanged": sorted(set(change.files) - set(fresh)),
        "bytes": sum(sizes.values()),
        "sent": False,
    }
    if hub.offline or not (fresh or stale):
        return done
    if "README.md" in fresh:
        _check_card(hub, fresh["README.md"])
    meter = ByteMeter(progress, "push", "sending", len(fresh), done["bytes"])
    additions = [_addition(path, data, meter) for path, data in sorted(fresh.items())]
    with _xet_reports_to(meter):
        hub.api.preupload_lfs_files(
            branch.repo, additions, revision=branch.revision, create_pr=pull_request, free_memory=False
        )
    progress("push", "opening the pull request" if pull_request else "committing", None)
    commit = _commit(hub, branch, change, additions, pull_request)
    return {**done, "sent": True, "commit": commit.oid, "url": commit.commit_url, "pull_request": commit.pr_url}


def _check_card(hub, data):
    """Ask the Hub whether it accepts a card's metadata, before large files are sent in vain."""
    from huggingface_hub.utils import build_hf_headers, get_session, hf_raise_for_status

    text = (data if isinstance(data, bytes) else data.read_bytes()).decode("utf-8", "replace")
    address = f"{hub.library.constants.ENDPOINT}/api/validate-yaml"

    def ask():
        question = {"repoType": "model", "content": text}
        answer = get_session().post(address, json=question, headers=build_hf_headers(token=hub.token))
        if answer.status_code != 400:
            hf_raise_for_status(answer)
        return answer

    answer = hub.patiently(ask)
    if answer.status_code == 400:
        said = [error["message"] for error in answer.json()["errors"]] or ["it gives no reason"]
        raise WorkerError("bad-input", f"README.md: the Hub refuses its metadata ({said[0]}); correct them", said[1:])


def _commit(hub, branch, change, additions, pull_request):
    """One commit on the branch's head. When the answer is lost, look for the commit before trying again."""
    from huggingface_hub import CommitInfo, CommitOperationDelete

    operations = [*additions, *(CommitOperationDelete(path) for path in change.stale(branch))]
    where = f"{hub.endpoint}/{branch.repo}"

    def landed(error):
        status = getattr(getattr(error, "response", None), "status_code", None)
        if status in (429, 503):
            return None  # turned away before anything was done
        if pull_request:
            seen = f"{branch.repo}: the answer was lost ({type(error).__name__}{f' {status}' if status else ''})"
            advice = f"see whether it is among {where}/discussions before you run again"
            raise WorkerError("environment", f"{seen} while the pull request was opened; {advice}") from error
        now = look_at(hub, branch.repo, branch.revision)
        if now.head == branch.head or change.fresh(now) or change.stale(now):
            return None
        return CommitInfo(
            commit_url=f"{where}/commit/{now.head}", commit_message=change.title,
            commit_description=change.description, oid=now.head, pr_url=None,
        )  # fmt: skip

    return hub.patiently(
        lambda: hub.api.create_commit(
            branch.repo,
            operations,
            commit_message=change.title,
            commit_description=change.description,
            revision=branch.revision,
            create_pr=pull_request,
            parent_commit=branch.head,
        ),
        landed,
    )


def _addition(path, data, meter):
    """huggingface_hub's operation that adds a file, reporting to the meter how much of it was read to be sent."""
    from huggingface_hub import CommitOperationAdd

    class Addition(CommitOperationAdd):
        @contextmanager
        def as_file(self, with_tqdm=False):
            if with_tqdm and isinstance(self.path_or_fileobj, str):
                with _CountedFile(self.path_or_fileobj, lambda position: meter.at(path, position)) as file:
                    yield file
            else:
                with super().as_file() as file:
                    yield file

    return Addition(path, data)


class _CountedFile(io.FileIO):
    def __init__(self, path, read_to):
        super().__init__(path)
        self.read_to = read_to

    def read(self, size=-1):
        data = super().read(size)
        self.read_to(self.tell())
        return data


@contextmanager
def _xet_reports_to(meter):
    """Where hf_xet is installed, it sends the large files and reports to a class that draws bars: give it the meter."""

    class Reporter:
        def update_progress(self, group, items):
            meter.at("xet", group.total_bytes_completed)

        def close(self):
            pass

    try:
        from huggingface_hub import utils
        from huggingface_hub.utils import _xet_progress_reporting as bars

        replacements = [
            (bars, "XetUploadProgressReporter", Reporter),
            (utils, "are_progress_bars_disabled", lambda *_: False),
        ]
        before = [getattr(module, name) for module, name, _ in replacements]
    except (ImportError, AttributeError):  # another version of the library: no progress within a file
        replacements, before = [], []
    try:
        for module, name, ours in replacements:
            setattr(module, name, ours)
        yield
    finally:
        for (module, name, _), theirs in zip(replacements, before, strict=True):
            setattr(module, name, theirs)
