"""A Hub on loopback: the endpoints that huggingface_hub uses for models, in memory, with faults on request.

Two servers, as in the world: the Hub, and the storage for large files, which must never see a token.
"""

import base64
import hashlib
import json
import re
import threading
import time
from dataclasses import dataclass, field
from urllib.parse import quote

from faults import Faults, damaged
from loopback import Answer, Server
from repositories import File, Repository

JSON = {"Content-Type": "application/json"}


def reply(value, status=200, **headers):
    return Answer(status, {**JSON, **headers}, json.dumps(value).encode())


def refusal(status, said, code=None):
    headers = {"X-Error-Message": said, "X-Request-Id": "Root=1-test"} | ({"X-Error-Code": code} if code else {})
    return Answer(status, {**JSON, **headers}, json.dumps({"error": said}).encode())


@dataclass
class User:
    """may_write: whether this token may, beyond the user's own right to."""

    name: str
    may_write: bool = True


@dataclass
class StandInHub:
    """users: by token; repos: by name; faults; requests: all that came, on both servers, in order.

    part_size: larger files are sent in parts of that size; page_size: entries of one page of a listing; xet: address of
    the storage that hf_xet is sent to, xet_names: what it calls the files, by SHA-256.
    """

    users: dict = field(default_factory=dict)
    repos: dict = field(default_factory=dict)
    faults: Faults = field(default_factory=Faults)
    requests: list = field(default_factory=list)
    part_size: int = 1 << 20
    page_size: int = 1000
    xet: str = ""
    xet_names: dict = field(default_factory=dict)
    stored: dict = field(default_factory=dict)  # what the storage holds: key -> bytes

    def __post_init__(self):
        self.lock = threading.RLock()
        self.closing = threading.Event()
        self.web = Server(self, HUB_ROUTES)
        self.storage = Server(self, STORAGE_ROUTES, "127.0.0.2")

    @property
    def url(self):
        return self.web.url

    def close(self):
        self.closing.set()
        self.web.close()
        self.storage.close()

    def repo(self, name, **options):
        """A new repository."""
        self.repos[name] = Repository(name, **options)
        return self.repos[name]

    def seen(self, method, pattern):
        """The requests of this kind so far."""
        return [r for r in self.requests if r.method == method and re.search(pattern, r.path)]

    # ------------------------------------------------------------------ who may do what

    def user(self, request):
        given = request.headers.get("authorization", "").removeprefix("Bearer ")
        if given and given not in self.users:
            raise Refused(refusal(401, "Invalid credentials in Authorization header"))
        return self.users.get(given)

    def readable(self, request, name):
        user, repo = self.user(request), self.repos.get(name)
        if repo is None or (repo.readers is not None and (user is None or user.name not in repo.readers)):
            if user is None:
                raise Refused(refusal(401, "Invalid username or password.", "RepoNotFound"))
            raise Refused(refusal(404, "Repository not found", "RepoNotFound"))
        return repo

    def writable(self, request, name, create_pr=False):
        repo, user = self.readable(request, name), self.user(request)
        if user is None:
            raise Refused(refusal(401, "Unauthorized"))
        if not user.may_write:
            raise Refused(refusal(403, "Forbidden: you must use a write token to upload to a repository."))
        if user.name != repo.owner and not create_pr:
            raise Refused(refusal(403, "Forbidden: pass `create_pr=1` as a query parameter to create a Pull Request"))
        return repo

    @staticmethod
    def known(repo, revision):
        if repo.head(revision) is None:
            raise Refused(refusal(404, f"Invalid rev id: {revision}", "RevisionNotFound"))
        return repo.head(revision)

    # ------------------------------------------------------------------ accounts and repositories

    def whoami(self, request):
        user = self.user(request)
        if user is None:
            return refusal(401, "Invalid username or password.")
        return reply({"type": "user", "name": user.name, "orgs": [], "auth": {"type": "access_token"}})

    def create(self, request):
        user = self.user(request)
        owner = request.json.get("organization") or user.name
        name = f"{owner}/{request.json['name']}"
        if owner != user.name or not user.may_write:
            return refusal(403, f'You don\'t have the rights to create a model under the namespace "{owner}"')
        if name in self.repos:
            return reply({"error": "You already created this model repo", "url": f"{self.url}/{name}"}, 409)
        self.repo(name)
        return reply({"url": f"{self.url}/{name}", "name": name})

    def info(self, request, name, revision="main"):
        repo = self.readable(request, name)
        head = self.known(repo, revision)
        siblings = [{"rfilename": path, "size": file.size} for path, file in head.files.items()]
        return reply({"_id": "1", "id": name, "sha": head.oid, "private": repo.readers is not None, "gated": repo.gated,
                      "siblings": siblings, "tags": [], "downloads": 0, "likes": 0})  # fmt: skip

    def tree(self, request, name, revision):
        entries = []
        for path, file in sorted(self.known(self.readable(request, name), revision).files.items()):
            entry = {"type": "file", "path": path, "oid": file.blob_id, "size": file.size}
            if file.sha256:
                entry |= {"xetHash": self.xet_names[file.sha256]} if file.sha256 in self.xet_names else {}
                entry["lfs"] = {"oid": file.sha256, "size": file.size, "pointerSize": 130}
            entries.append(entry)
        entries += [{"type": "directory", "path": d, "oid": "0" * 40, "size": 0}
                    for d in sorted({e["path"].rsplit("/", 1)[0] for e in entries if "/" in e["path"]})]  # fmt: skip
        start = int(request.query.get("cursor", ["0"])[0])
        page, headers = entries[start : start + self.page_size], {}
        if start + self.page_size < len(entries):
            headers["Link"] = f'<{self.url}{request.path}?recursive=True&cursor={start + self.page_size}>; rel="next"'
        return reply(page, 200, **headers)

    def validate_yaml(self, request):
        if "\n  bad" in request.json["content"]:
            return reply({"errors": [{"message": '"license" must be one of [apache-2.0, …]'}], "warnings": []}, 400)
        return reply({"errors": [], "warnings": []})

    # ------------------------------------------------------------------ writing

    def preupload(self, request, name, revision):
        repo = self.writable(request, name, "create_pr" in request.query)
        there = self.known(repo, revision).files
        return reply({"files": [
            {"path": f["path"], "shouldIgnore": False, "uploadMode": "lfs" if repo.is_large(f["path"], f["size"]) else "regular",
             "oid": there[f["path"]].etag if f["path"] in there else None}
            for f in request.json["files"]
        ]})  # fmt: skip

    def lfs_batch(self, request, name):
        repo = self.readable(request, name)
        return reply({"transfer": "basic", "objects": [self._instructions(repo, o) for o in request.json["objects"]]})

    def _instructions(self, repo, item):
        oid, size = item["oid"], item["size"]
        if oid in repo.objects:
            return item
        verify = {"href": f"{self.url}/{repo.name}.git/info/lfs/verify"}
        signed = f"{self.storage.url}/{repo.name}/{oid}?X-Amz-Signature=topsecret"
        if size <= self.part_size:
            return {**item, "actions": {"upload": {"href": signed}, "verify": verify}}
        count = -(-size // self.part_size)
        header = {"chunk_size": str(self.part_size)} | {f"{n:05}": f"{signed}&part={n}" for n in range(1, count + 1)}
        complete = f"{self.url}/{repo.name}.git/complete/{oid}"
        return {**item, "actions": {"upload": {"href": complete, "header": header}, "verify": verify}}

    def store(self, request, repo, oid):
        key = f"{oid}.{request.query['part'][0]}" if "part" in request.query else oid
        self.stored[key] = damaged(request.body) if request.fault and request.fault.corrupt else request.body
        return Answer(200, {"ETag": f'"{hashlib.md5(request.body).hexdigest()}"'}, b"")

    def complete(self, request, name, oid):
        if oid in self.stored:
            return reply({"success": True})  # the answer before was lost
        parts = sorted(request.json["parts"], key=lambda part: part["partNumber"])
        for part in parts:
            data = self.stored[f"{oid}.{part['partNumber']}"]
            if part["etag"] != f'"{hashlib.md5(data).hexdigest()}"':
                return refusal(400, f"Part {part['partNumber']} is damaged")
        self.stored[oid] = b"".join(self.stored.pop(f"{oid}.{part['partNumber']}") for part in parts)
        return reply({"success": True})

    def verify(self, request, name):
        oid, objects = request.json["oid"], self.repos[name].objects
        data = objects[oid] if oid in objects else self.stored.get(oid, b"")
        if hashlib.sha256(data).hexdigest() != oid or len(data) != request.json["size"]:
            self.stored.pop(oid, None)
            return refusal(422, "The uploaded object does not match its sha256")
        objects[oid] = data
        self.stored.pop(oid, None)
        return reply({"success": True})

    def xet_token(self, request, name, kind, revision):
        self.writable(request, name, True) if kind == "write" else self.readable(request, name)
        expires = int(time.time()) + 3600
        headers = {"X-Xet-Cas-Url": self.xet, "X-Xet-Access-Token": "xet", "X-Xet-Token-Expiration": str(expires)}
        return reply({"casUrl": self.xet, "accessToken": "xet", "exp": expires}, 200, **headers)

    def commit(self, request, name, revision):
        create_pr = "create_pr" in request.query
        repo = self.writable(request, name, create_pr)
        lines = [json.loads(line) for line in request.body.splitlines()]
        header, changed, removed = lines[0]["value"], {}, []
        base = self.known(repo, revision).oid
        parent = header.get("parentCommit")
        if parent and parent != base and not create_pr:
            return refusal(412, "A commit has happened since. Please refresh and try again.")
        for value, key in ((line["value"], line["key"]) for line in lines[1:]):
            if key == "file":
                data = base64.b64decode(value["content"])
                changed[value["path"]] = File(data, None, len(data))
            elif key == "lfsFile":
                if value["oid"] not in repo.objects and not self.xet:
                    return refusal(
                        400, "Your push was rejected because an LFS pointer pointed to a file that does not exist"
                    )
                changed[value["path"]] = File(None, value["oid"], value["size"])
            else:
                removed.append(value["path"])
        number = len(repo.pull_requests) + 1
        ref = f"refs/pr/{number}" if create_pr else revision
        oid = repo.commit(ref, header["summary"], header["description"], changed, removed, parent or base)
        answer = {"success": True, "commitOid": oid, "commitUrl": f"{self.url}/{name}/commit/{oid}", "hookOutput": ""}
        if create_pr:
            repo.pull_requests.append(ref)
            answer["pullRequestUrl"] = f"{self.url}/{name}/discussions/{number}"
        return reply(answer)

    # ------------------------------------------------------------------ reading

    def resolve(self, request, name, revision, path):
        repo = self.readable(request, name)
        user = self.user(request)
        if repo.gated and (user is None or user.name not in repo.granted):
            said = f"Access to model {name} is restricted and you are not in the authorized list."
            return refusal(403 if user else 401, said, "GatedRepo")
        head = self.known(repo, revision)
        if path not in head.files:
            return refusal(404, "Entry not found", "EntryNotFound")
        file, headers = head.files[path], {"X-Repo-Commit": head.oid, "Accept-Ranges": "bytes"}
        if file.sha256:
            location = f"{self.storage.url}/{name}/{file.sha256}?X-Amz-Signature=topsecret"
            if file.sha256 in self.xet_names:
                headers["X-Xet-Hash"] = self.xet_names[file.sha256]
                headers["X-Xet-Refresh-Route"] = f"{self.url}/api/models/{name}/xet-read-token/{head.oid}"
            linked = {"X-Linked-Etag": f'"{file.sha256}"', "X-Linked-Size": str(file.size), "Location": location}
            return Answer(302, {**headers, **linked}, b"")
        if not request.path.startswith("/api/resolve-cache/"):
            location = f"/api/resolve-cache/models/{name}/{head.oid}/{quote(path)}"
            return Answer(307, {**headers, "Location": location}, b"")
        return Answer(200, {**headers, "ETag": f'"{file.blob_id}"'}, file.data).ranged(request)

    def load(self, request, repo, oid):
        return Answer(200, {"Accept-Ranges": "bytes"}, self.repos[repo].objects[oid]).ranged(request)


class Refused(Exception):
    def __init__(self, answer):
        super().__init__(answer.status)
        self.answer = answer


NAME = r"([^/]+/[^/]+)"
HUB_ROUTES = [
    ("GET", r"/api/whoami-v2", StandInHub.whoami),
    ("POST", r"/api/repos/create", StandInHub.create),
    ("POST", r"/api/validate-yaml", StandInHub.validate_yaml),
    ("GET", rf"/api/models/{NAME}", StandInHub.info),
    ("GET", rf"/api/models/{NAME}/revision/([^/]+)", StandInHub.info),
    ("GET", rf"/api/models/{NAME}/tree/([^/]+)", StandInHub.tree),
    ("POST", rf"/api/models/{NAME}/preupload/([^/]+)", StandInHub.preupload),
    ("POST", rf"/api/models/{NAME}/commit/([^/]+)", StandInHub.commit),
    ("GET", rf"/api/models/{NAME}/xet-(write|read)-token/([^/]+)", StandInHub.xet_token),
    ("GET", rf"/api/resolve-cache/models/{NAME}/([^/]+)/(.+)", StandInHub.resolve),
    ("GET", rf"/{NAME}/resolve/([^/]+)/(.+)", StandInHub.resolve),
    ("POST", rf"/{NAME}\.git/info/lfs/objects/batch", StandInHub.lfs_batch),
    ("POST", rf"/{NAME}\.git/info/lfs/verify", StandInHub.verify),
    ("POST", rf"/{NAME}\.git/complete/([0-9a-f]+)", StandInHub.complete),
]
STORAGE_ROUTES = [
    ("PUT", rf"/{NAME}/([0-9a-f]+)", StandInHub.store),
    ("GET", rf"/{NAME}/([0-9a-f]+)", StandInHub.load),
]
