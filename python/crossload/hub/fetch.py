"""The request `resolve`: a Hub id becomes a local snapshot folder that holds what is needed, checked by its hashes."""

import glob
import hashlib
import os
from fnmatch import fnmatchcase
from pathlib import Path

from ..errors import WorkerError
from .byte_meter import ByteMeter
from .client import Hub

# Files in the repository's top folder, other than weights.
COMPANIONS = ["*.json", "*.txt", "*.model", "*.spm", "*.jinja", "*.tiktoken", "*.bpe", "bpe.codes", "vocab.*"]
DOCUMENTS = ["README.md", "LICENSE*", "LICENCE*", "NOTICE*"]
# One folder down, where sentence-transformers keeps the settings of its modules and Transformers further templates.
IN_FOLDERS = ["*/config.json", "*/*.jinja"]
# For each format the sets of files that may hold a model's weights, in the order in which Transformers looks for them.
WEIGHTS = {
    "safetensors": [["model.safetensors"], ["model.safetensors.index.json", "model-*-of-*.safetensors"]],
    "bin": [["pytorch_model.bin"], ["pytorch_model.bin.index.json", "pytorch_model-*-of-*.bin"]],
    "h5": [["tf_model.h5"], ["tf_model.h5.index.json", "tf_model-*-of-*.h5"]],
}
PYTORCH = ("safetensors", "bin")


def resolve(request, progress=lambda stage, text, fraction: None):
    """{"path": local folder, "commit": of the repository or None, "files": all files of the repository}.

    `weights` lists formats; the first one that the repository has is fetched, an empty list fetches none. The model's
    Python code is fetched only when it is trusted. Nothing is fetched for a local folder, or offline. kind bad-input
    when there is no such model or no such weights, environment when the network or the Hub fails or a file is damaged.
    """
    name, formats = request["model"], request.get("weights")
    formats = PYTORCH if formats is None else formats
    if os.path.isdir(name):
        return {"path": os.path.abspath(name), "commit": None, "files": []}
    hub = Hub(request, lambda text: progress("fetch", text, None))
    try:
        if hub.offline:
            return _from_cache(hub, name, request.get("revision"), formats)
        return _from_hub(hub, name, request, formats, progress)
    except Exception as error:
        failure = hub.failure(error, name)
        if failure.kind == "environment" and "/" not in name:
            why = failure.message.removeprefix(f"{name}: ").partition("; ")[0]
            failure.message = (
                f"{name}: no such folder, and the Hub cannot be asked for a model of that name: {why}; check the path"
            )
        raise failure from error


def _from_hub(hub, name, request, formats, progress):
    revision = request.get("revision")
    # A name without an owner is a folder's that was mistyped more often than one on the Hub.
    tries = {} if "/" in name else {"tries": 1}
    info = hub.patiently(lambda: hub.api.model_info(name, revision=revision, files_metadata=True), **tries)
    sizes = {file.rfilename: file.size or 0 for file in info.siblings}
    wanted = choose(sizes, name, formats, bool(request.get("trust_remote_code")))
    fresh = [f for f in wanted if not isinstance(hub.library.try_to_load_from_cache(name, f, revision=info.sha), str)]
    bars = _bars_for(ByteMeter(progress, "fetch", "fetching", len(fresh), sum(sizes[f] for f in fresh)))
    # The library resumes a file whose connection breaks, but not after every kind of breakage.
    path = hub.patiently(
        lambda: hub.library.snapshot_download(
            name, revision=revision, token=hub.token, allow_patterns=[glob.escape(f) for f in wanted], tqdm_class=bars
        ),
        tries=3,
    )
    for file in fresh:
        _check_hash(Path(path) / file, f"{name}/{file}")
    return {"path": path, "commit": info.sha, "files": sorted(sizes)}


def _from_cache(hub, name, revision, formats):
    library = hub.library
    needed, files = None, []
    not_cached = getattr(library.errors, "CachedRepoTreeNotFoundError", AttributeError)
    try:
        files = [file.path for file in library.get_cached_repo_tree(name, revision=revision)]
        # Whatever filled the cache may have left out the other files, which are not necessary.
        needed = [glob.escape(f) for f in ["config.json", *_weights(files, name, formats)]]
    except (AttributeError, not_cached):
        pass  # an older library, or a cache that was filled file by file: what it holds is all that is known
    try:
        path = library.snapshot_download(name, revision=revision, local_files_only=True, allow_patterns=needed)
    except library.errors.LocalEntryNotFoundError as error:
        missing = isinstance(error, getattr(library.errors, "IncompleteSnapshotError", ()))
        seen = "is in the local Hub cache only in part" if missing else "is not in the local Hub cache"
        raise WorkerError("environment", f"{name}: {seen}; run once without --offline") from error
    return {"path": path, "commit": Path(path).name, "files": sorted(files)}


def choose(files, name, formats, with_code):
    """The files of a repository that a conversion needs, out of all of them.

    name: for the error (bad-input) when none of the formats is there.
    """
    top = [f for f in files if "/" not in f]
    indices = [f for f in top if f.endswith(".index.json")]
    patterns = COMPANIONS + DOCUMENTS + (["*.py"] if with_code else [])
    chosen = [f for f in top if f not in indices and _fits(f, patterns)]
    chosen += [f for f in files if f.count("/") == 1 and _fits(f, IN_FOLDERS + (["*/*.py"] if with_code else []))]
    return chosen + _weights(files, name, formats)


def _weights(files, name, formats):
    for patterns in (patterns for form in formats for patterns in WEIGHTS[form]):
        found = [f for f in files if "/" not in f and _fits(f, patterns)]
        if patterns[0] in found:
            return found
    if not formats:
        return []
    looked_for = ", ".join(f"`{patterns[0]}`" for form in formats for patterns in WEIGHTS[form])
    others = sorted(f for f in files if f.endswith((".h5", ".safetensors", ".bin", ".msgpack", ".gguf", ".onnx")))
    seen = f"no weights among its {len(files)} files, looked for {looked_for}"
    raise WorkerError("bad-input", f"{name}: {seen}; choose a repository that holds them", others[:12])


def _fits(file, patterns):
    return any(fnmatchcase(file, pattern) for pattern in patterns)


def _bars_for(meter):
    """A class for huggingface_hub to use as its progress bars, which reports to the meter."""
    from tqdm import tqdm

    class Bar(tqdm):
        def __init__(self, *arguments, **options):
            options.pop("name", None)
            super().__init__(*arguments, **{**options, "disable": True})
            # Two bars count the same bytes, as they arrive and as they are written; a third one counts files.
            self.counts = options.get("unit") == "B" and options.get("desc") != "Downloading bytes"
            self.received = 0

        def update(self, n=1):
            self.received += n
            if self.counts:
                meter.at("all", self.received)

    return Bar


def _check_hash(file, where):
    """Compare a downloaded file with the hash that it has as its name in the cache; remove it when it is damaged.

    A snapshot is a folder of links to the cache's files. Large ones are named by their SHA-256, small ones by Git's
    hash, or by the plain SHA-1 with some mirrors. Where the file system has no links there is no hash to compare with.
    """
    if not file.is_symlink():
        return
    blob = file.parent / os.readlink(file)
    expected, data = blob.name, file.resolve()  # the cache's file may be a link too, to one that repositories share
    if len(expected) == 64:
        with data.open("rb") as stream:
            actual = [hashlib.file_digest(stream, "sha256").hexdigest()]
    elif len(expected) == 40:
        content = data.read_bytes()
        actual = [git_hash(content), hashlib.sha1(content).hexdigest()]
    else:
        return
    if expected in actual:
        return
    for damaged in (file, blob, data):
        damaged.unlink(missing_ok=True)
    seen = f"its hash is {actual[0][:16]}…, the Hub says {expected[:16]}…"
    raise WorkerError("environment", f"{where}: arrived damaged, {seen}; it was removed, run again")


def git_hash(data):
    """The hash by which Git names a file's content, hexadecimal."""
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
