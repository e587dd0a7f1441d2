"""A server on loopback that speaks as the Hugging Face Hub and ModelScope do, as far as clients use it.

with serving_hub() as hub:
    commit = hub.add("owner/name", {"data/test-00000-of-00001.parquet": content, "README.md": b"..."})
    hub.use(monkeypatch, tmp_path)          # this process; `hub.environment(tmp_path)` for another one
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

TOKEN = "hf_" + "a" * 34
"""The token that gated and private repositories accept."""
LFS_ABOVE = 1000
"""Files with more bytes are stored as LFS stores them: listed by SHA-256, sent from another address."""


@dataclass
class Repository:
    """Commits by id, each a whole tree, and the names that stand for them."""

    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    revisions: dict[str, str] = field(default_factory=dict)
    gated: bool = False
    private: bool = False

    def commit(self, files: Mapping[str, bytes], *revisions: str) -> str:
        listed = "".join(f"{path}:{hashlib.sha1(files[path]).hexdigest()}\n" for path in sorted(files))
        commit = hashlib.sha1(f"{len(self.commits)}{listed}".encode()).hexdigest()
        self.commits[commit] = dict(files)
        self.revisions |= dict.fromkeys(revisions, commit)
        return commit


@dataclass(frozen=True)
class Asked:
    """One request."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes


class HubServer(ThreadingHTTPServer):
    """Datasets and models, and every request."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.datasets: dict[str, Repository] = {}
        self.models: dict[str, Repository] = {}
        self.asked: list[Asked] = []
        self.cut: list[int] = []
        """After how many bytes the connection of each of the next files breaks."""
        self.altered: dict[str, bytes] = {}
        """What is sent in place of a file, by its path in the repository."""
        self.sizes: dict[str, int] = {}
        """What is listed as a file's size in place of its own."""
        self.down = False
        """Answer 503 to everything."""
        self.uploads: dict[str, bytes] = {}
        self.served = 0
        """Bytes of files that were sent."""
        self.ranges = True
        """Answer a request for a part of a file with that part, and not with everything."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    @property
    def elsewhere(self) -> str:
        """The same server as another host, as large files are."""
        return f"http://localhost:{self.server_port}"

    def add(self, name: str, files: Mapping[str, bytes], **facts: Any) -> str:
        """A dataset with these files as `main` (on ModelScope: `master`); its commit."""
        repository = self.datasets.setdefault(name, Repository(**facts))
        return repository.commit(files, "main", "master")

    def add_model(self, name: str, files: Mapping[str, bytes], **facts: Any) -> str:
        """A model with these files; its commit."""
        return self.models.setdefault(name, Repository(**facts)).commit(files, "main", "master")

    def add_folder(self, name: str, folder: Path, **facts: Any) -> str:
        """The same with the files of a folder."""
        paths = [path for path in sorted(folder.rglob("*")) if path.is_file()]
        return self.add(
            name, {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}, **facts
        )

    def environment(self, home: Path, **more: str) -> dict[str, str]:
        """What makes another process ask this server and keep everything under `home`."""
        return {
            "HF_ENDPOINT": self.url,
            "MODELSCOPE_ENDPOINT": self.url,
            "HF_HOME": str(home / "hf"),
            "VLMBENCH_HOME": str(home / "vlmbench"),
            "HF_HUB_DISABLE_XET": "1",
            **more,
        }

    def use(self, patch: pytest.MonkeyPatch, home: Path) -> None:
        """The same for this process, whose client has read its environment before."""
        from huggingface_hub import constants

        for name, value in self.environment(home).items():
            patch.setenv(name, value)
        for name in ("HF_TOKEN", "HF_HUB_OFFLINE"):
            patch.delenv(name, raising=False)
        patch.setattr(constants, "ENDPOINT", self.url)
        template = f"{self.url}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
        patch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        patch.setattr(constants, "HF_HUB_CACHE", str(home / "hf" / "hub"))
        patch.setattr(constants, "HF_TOKEN_PATH", str(home / "hf" / "token"))
        patch.setattr(constants, "HF_HUB_OFFLINE", False)

    def size(self, name: str) -> int:
        """Bytes of all files of a dataset's `main`."""
        repository = self.datasets[name]
        return sum(map(len, repository.commits[repository.revisions["main"]].values()))

    def paths(self, method: str = "GET") -> list[str]:
        """The paths that were asked for."""
        return [asked.path for asked in self.asked if asked.method == method]

    def handle_error(self, *_: object) -> None:
        """A client that went away is what some tests are about."""


@contextmanager
def serving_hub() -> Iterator[HubServer]:
    server = HubServer()
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Refused(Exception):
    def __init__(self, status: int, code: str, message: str) -> None:
        self.status, self.code, self.message = status, code, message


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: HubServer

    def log_message(self, *_: object) -> None:
        """Quiet."""

    def do_GET(self) -> None:
        self._serve()

    def do_HEAD(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def do_PUT(self) -> None:
        self._serve()

    def _serve(self) -> None:
        address = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(address.query).items()}
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        asked = Asked(self.command, unquote(address.path), query, headers, body)
        self.server.asked.append(asked)
        try:
            if self.server.down:
                raise _Refused(503, "", "down")
            self._route(address.path, asked)
        except _Refused as refused:
            named = {"X-Error-Code": refused.code, "X-Error-Message": refused.message}
            self._send(refused.status, b"", {name: value for name, value in named.items() if value})

    def _route(self, path: str, asked: Asked) -> None:
        parts = path.strip("/").split("/")
        if parts[:2] == ["api", "v1"] and parts[2] in ("datasets", "models"):
            self._modelscope(parts[2], [unquote(part) for part in parts[3:]], asked.query)
        elif asked.method == "POST":
            self._write(parts[1:], asked)
        elif parts[0] == "api" and parts[1:2] in (["datasets"], ["models"]) and len(parts) >= 4:
            self._repository(parts[1], "/".join(parts[2:4]), [unquote(part) for part in parts[4:]])
        elif parts[2:3] == ["resolve"] or parts[3:4] == ["resolve"]:
            kind = "datasets" if parts[3] == "resolve" else "models"
            owner, name, _, revision, *path = parts[1:] if kind == "datasets" else parts
            repository = self._find(kind, f"{owner}/{name}", content=True)
            self._resolve(repository, unquote(revision), unquote("/".join(path)))
        elif parts[0] == "cdn":
            self._content(self.server.uploads[parts[1]], {})
        else:
            raise _Refused(404, "", "no such page")

    # The Hugging Face Hub

    def _token(self) -> str:
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        if token and token != TOKEN:
            raise _Refused(401, "", "Invalid credentials in Authorization header")
        return token

    def _find(self, kind: str, name: str, *, content: bool = False) -> Repository:
        """A repository that the sender may see; `content`: whose files it may have."""
        repository = (self.server.datasets if kind == "datasets" else self.server.models).get(name)
        token = self._token()
        if repository is None or (repository.private and not token):
            raise _Refused(404 if token else 401, "RepoNotFound", "Repository not found")
        if repository.gated and content and not token:
            raise _Refused(401, "GatedRepo", f"Access to dataset {name} is restricted.")
        return repository

    def _tree(self, repository: Repository, revision: str) -> tuple[str, dict[str, bytes]]:
        commit = repository.revisions.get(revision, revision)
        if commit not in repository.commits:
            raise _Refused(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        return commit, repository.commits[commit]

    def _repository(self, kind: str, name: str, rest: list[str]) -> None:
        repository = self._find(kind, name)
        if rest[:1] == ["tree"]:
            _, files = self._tree(repository, rest[1])
            listed = [_listed(path, content) for path, content in sorted(files.items())]
            self._json(
                [entry | {"size": self.server.sizes.get(entry["path"], entry["size"])} for entry in listed]
            )
        elif rest == ["refs"]:
            kinds: dict[str, list[dict[str, str]]] = {"branches": [], "converts": [], "tags": []}
            for revision, commit in repository.revisions.items():
                kind = "converts" if revision.startswith("refs/convert/") else "branches"
                ref = {
                    "name": revision.removeprefix("refs/convert/"),
                    "ref": revision,
                    "targetCommit": commit,
                }
                kinds[kind].append(ref)
            self._json(kinds)
        else:
            commit, files = self._tree(repository, rest[1] if rest[:1] == ["revision"] else "main")
            siblings = [{"rfilename": path} for path in sorted(files)]
            facts = {"private": repository.private, "gated": "auto" if repository.gated else False}
            self._json({"id": name, "sha": commit, "siblings": siblings, "tags": [], **facts})

    def _resolve(self, repository: Repository, revision: str, path: str) -> None:
        commit, files = self._tree(repository, revision)
        if path not in files:
            raise _Refused(404, "EntryNotFound", "Entry not found")
        listed, sent = _listed(path, files[path]), self.server.altered.get(path, files[path])
        headers = {"X-Repo-Commit": commit, "ETag": f'"{listed["oid"]}"'}
        if "lfs" not in listed:
            return self._content(sent, headers)
        digest = listed["lfs"]["oid"]
        self.server.uploads[digest] = sent
        headers |= {"X-Linked-Etag": f'"{digest}"', "X-Linked-Size": str(len(files[path]))}
        return self._send(302, b"", headers | {"Location": f"{self.server.elsewhere}/cdn/{digest}"})

    def _write(self, parts: list[str], asked: Asked) -> None:
        """Create a model's repository, or add a commit to it. Every file goes with the commit itself."""
        if parts == ["validate-yaml"]:
            return self._json({"warnings": [], "errors": []})
        if not self._token():
            raise _Refused(401, "", "Invalid username or password.")
        models = self.server.models
        if parts == ["repos", "create"]:
            wanted = json.loads(asked.body)
            name = f"{wanted['organization']}/{wanted['name']}"
            models[name] = Repository(private=wanted.get("visibility") == "private")
            models[name].commit({".gitattributes": b""}, "main")
            return self._json({"url": f"{self.server.url}/{name}"})
        repository = self._find("models", "/".join(parts[1:3]))
        if parts[3] == "preupload":
            paths = [file["path"] for file in json.loads(asked.body)["files"]]
            modes = [{"path": path, "uploadMode": "regular", "shouldIgnore": False} for path in paths]
            return self._json({"files": modes})
        head, *lines = [json.loads(line) for line in asked.body.splitlines()]
        parent = repository.revisions["main"]
        if head["value"].get("parentCommit", parent) != parent:
            raise _Refused(412, "", "A commit has happened since. Please refresh and try again.")
        files = {line["value"]["path"]: base64.b64decode(line["value"]["content"]) for line in lines}
        commit = repository.commit(repository.commits[parent] | files, "main")
        url = f"{self.server.url}/{'/'.join(parts[1:3])}/commit/{commit}"
        return self._json({"commitUrl": url, "commitOid": commit})

    # ModelScope

    def _modelscope(self, kind: str, parts: list[str], query: dict[str, str]) -> None:
        known = self.server.datasets if kind == "datasets" else self.server.models
        repository, what = known.get("/".join(parts[:2])), "/".join(parts[2:])
        if repository is None or repository.private:
            raise _Refused(404, "", "")
        revision = query.get("Ref") or query["Revision"]
        commit = repository.revisions.get(revision, revision)
        if commit not in repository.commits:
            raise _Refused(404, "", "")
        files = repository.commits[commit]
        if what == "commits":
            self._json({"Code": 200, "Data": {"Commit": [{"Id": commit}], "TotalCount": 1}})
        elif what == ("repo/tree" if kind == "datasets" else "repo/files"):
            # The listing of a model has no pages.
            size, page = int(query.get("PageSize", len(files))), int(query.get("PageNumber", 1))
            listed = [
                {
                    "Path": path,
                    "Size": self.server.sizes.get(path, len(content)),
                    "Type": "blob",
                    "Sha256": hashlib.sha256(content).hexdigest(),
                }
                for path, content in sorted(files.items())
            ]
            self._json({"Code": 200, "Data": {"Files": listed[(page - 1) * size : page * size]}})
        else:
            path = query["FilePath"]
            if path not in files:
                raise _Refused(404, "", "")
            content = self.server.altered.get(path, files[path])
            self._content(content, {"ETag": f'"{hashlib.sha256(files[path]).hexdigest()}"'})

    # Answers

    def _json(self, document: object) -> None:
        self._send(200, json.dumps(document).encode(), {"Content-Type": "application/json"})

    def _content(self, content: bytes, headers: dict[str, str]) -> None:
        """A file, or the rest of one; the connection breaks where a test asks for it."""
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        status, sent, cut = 200, content, None
        if wanted and self.server.ranges:
            begin, last = int(wanted[1]), len(content) - 1
            last = min(int(wanted[2]), last) if wanted[2] else last
            status, sent = 206, content[begin : last + 1]
            headers = headers | {"Content-Range": f"bytes {begin}-{last}/{len(content)}"}
        if self.command == "GET":
            cut = self.server.cut.pop(0) if self.server.cut else None
            self.server.served += len(sent if cut is None else sent[:cut])
        self._send(status, sent, headers, cut)

    def _send(self, status: int, body: bytes, headers: dict[str, str], cut: int | None = None) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body if cut is None else body[:cut])
        self.close_connection = self.close_connection or cut is not None


@lru_cache(256)  # of a file of 150 MB the digests take a second, and each part of it asks for them
def _listed(path: str, content: bytes) -> dict[str, Any]:
    oid = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
    entry: dict[str, Any] = {"type": "file", "path": path, "size": len(content), "oid": oid}
    if len(content) > LFS_ABOVE:
        digest = hashlib.sha256(content).hexdigest()
        entry["lfs"] = {"oid": digest, "size": len(content), "pointerSize": 134}
    return entry
