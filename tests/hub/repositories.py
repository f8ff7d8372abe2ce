"""Repositories as the Hub keeps them: commits upon commits, large files apart, pull requests as refs."""

import hashlib
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

# What the Hub writes into `.gitattributes` of a new repository, as far as models need it.
LARGE = ["*.h5", "*.safetensors", "*.bin", "*.msgpack", "saved_model/*", "*.npz"]
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:%s\nsize %d\n"


def git_blob(data):
    return hashlib.sha1(b"blob " + str(len(data)).encode() + b"\0" + data).hexdigest()


@dataclass(frozen=True)
class File:
    """A small file with its content, or a large one by its SHA-256."""

    data: bytes | None
    sha256: str | None = None
    size: int = 0

    @property
    def blob_id(self):
        if self.sha256:
            return git_blob(POINTER % (self.sha256.encode(), self.size))
        return git_blob(self.data)

    @property
    def etag(self):
        return self.sha256 or self.blob_id


@dataclass
class Commit:
    oid: str
    parent: str | None
    title: str
    description: str
    files: dict


@dataclass
class Repository:
    """readers: names of those who may read, None for everybody; gated: files need one's name in `granted`."""

    name: str
    readers: set | None = None
    gated: bool = False
    granted: set = field(default_factory=set)
    commits: dict = field(default_factory=dict)
    refs: dict = field(default_factory=dict)
    objects: dict = field(default_factory=dict)  # SHA-256 -> bytes of large files
    pull_requests: list = field(default_factory=list)

    def __post_init__(self):
        self.commit("main", "initial commit", "", {".gitattributes": File(b"*.h5 filter=lfs\n", None, 16)})

    @property
    def owner(self):
        return self.name.split("/")[0]

    def head(self, revision="main"):
        """The commit that a branch, a ref or a commit's name means; None when there is none."""
        return self.commits.get(self.refs.get(revision, revision))

    def files(self, revision="main"):
        return self.head(revision).files

    def data(self, path, revision="main"):
        file = self.files(revision)[path]
        return self.objects[file.sha256] if file.sha256 else file.data

    def commit(self, ref, title, description, changed, removed=(), parent=None):
        """A commit on `ref`; parent: another one to start at."""
        before = self.head(parent or ref)
        files = {path: file for path, file in (before.files if before else {}).items() if path not in removed}
        files.update(changed)
        oid = hashlib.sha1(f"{self.name} {len(self.commits)} {title}".encode()).hexdigest()
        self.commits[oid] = Commit(oid, before.oid if before else None, title, description, files)
        self.refs[ref] = oid
        return oid

    def put(self, files, title="put", ref="main"):
        """Files {path: bytes} there, large ones as the Hub would keep them."""
        return self.commit(ref, title, "", {path: self.as_file(path, data) for path, data in files.items()})

    def as_file(self, path, data):
        if not self.is_large(path, len(data)):
            return File(data, None, len(data))
        sha256 = hashlib.sha256(data).hexdigest()
        self.objects[sha256] = data
        return File(None, sha256, len(data))

    @staticmethod
    def is_large(path, size):
        return size > 0 and (size > 10_000_000 or any(fnmatchcase(path, pattern) for pattern in LARGE))
