"""As much of the Hugging Face hub as fetching and pushing a model needs, served on loopback."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import unquote, urlsplit

_NAME = r"(?P<name>[^/]+/[^/]+)"
_COMMIT = re.compile(rf"/api/models/{_NAME}/commit/(?P<revision>[^/]+)")
_BRANCH = re.compile(rf"/api/models/{_NAME}/branch/(?P<revision>[^/]+)")
_PREUPLOAD = re.compile(rf"/api/models/{_NAME}/preupload/(?P<revision>[^/]+)")
_TREE = re.compile(rf"/api/models/{_NAME}/tree/(?P<revision>[^/]+)")
_INFO = re.compile(rf"/api/models/{_NAME}(?:/revision/(?P<revision>[^/]+))?")
_FILE = re.compile(rf"/{_NAME}/resolve/(?P<revision>[^/]+)/(?P<file>.+)")
Files = dict[str, bytes]


class Hub(ThreadingHTTPServer):
    """Repositories as commits: ``branches[name, branch]`` is a commit, ``commits[commit]`` its files."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Request)
        self.commits: dict[str, Files] = {}
        self.branches: dict[tuple[str, str], str] = {}
        self.private: dict[str, bool] = {}

    @property
    def endpoint(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.server_port}"

    def commit(self, name: str, branch: str, files: Files) -> str:
        """Let ``branch`` have these files, and return the commit."""
        contents = json.dumps({path: hashlib.sha256(content).hexdigest() for path, content in sorted(files.items())})
        commit = hashlib.sha1(contents.encode(), usedforsecurity=False).hexdigest()
        self.commits[commit], self.branches[name, branch] = files, commit
        return commit

    def find(self, name: str, revision: str) -> str | None:
        """The commit of a branch, or the commit of that name."""
        return self.branches.get((name, revision), revision if revision in self.commits else None)


class _Request(BaseHTTPRequestHandler):
    server: Hub
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path = unquote(urlsplit(self.path).path)
        found = _FILE.fullmatch(path) or _TREE.fullmatch(path) or _INFO.fullmatch(path)
        commit = found and self.server.find(found["name"], found["revision"] or "main")
        if not found or not commit:
            self._answer({"error": "not found"}, 404, {"X-Error-Code": "RevisionNotFound"})
            return
        files = self.server.commits[commit]
        if found.re is _FILE:
            content = files[found["file"]]
            tag = hashlib.sha256(content).hexdigest()
            self._send(content, 200, {"ETag": f'"{tag}"', "X-Repo-Commit": commit})
        elif found.re is _TREE:
            self._answer([{"type": "file", "path": p, "size": len(c), "oid": "0" * 40} for p, c in files.items()])
        else:
            self._answer({"id": found["name"], "sha": commit, "siblings": [{"rfilename": path} for path in files]})

    def do_POST(self) -> None:
        path = unquote(urlsplit(self.path).path)
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if path == "/api/repos/create":
            asked = json.loads(body)
            name = f"{asked['organization']}/{asked['name']}"
            self.server.private[name] = bool(asked.get("private")) or asked.get("visibility") == "private"
            if (name, "main") not in self.server.branches:
                self.server.commit(name, "main", {})
            self._answer({"url": f"{self.server.endpoint}/{name}", "name": name})
        elif found := _BRANCH.fullmatch(path):
            self.server.branches[found["name"], found["revision"]] = self.server.branches[found["name"], "main"]
            self._answer({})
        elif _PREUPLOAD.fullmatch(path):
            files = [{"path": file["path"], "uploadMode": "regular"} for file in json.loads(body)["files"]]
            self._answer({"files": [{**file, "shouldIgnore": False} for file in files]})
        elif found := _COMMIT.fullmatch(path):
            lines = [json.loads(line) for line in body.splitlines()]
            files = {x["value"]["path"]: base64.b64decode(x["value"]["content"]) for x in lines if x["key"] == "file"}
            commit = self.server.commit(found["name"], found["revision"], files)
            self._answer({"commitOid": commit, "commitUrl": f"{self.server.endpoint}/{found['name']}/commit/{commit}"})
        else:
            self._answer({"error": f"no {path}"}, 404)

    def _answer(self, content: object, status: int = 200, headers: dict[str, str] | None = None) -> None:
        self._send(json.dumps(content).encode(), status, {"Content-Type": "application/json", **(headers or {})})

    def _send(self, content: bytes, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


@contextmanager
def hub_on_loopback() -> Iterator[Hub]:
    with Hub() as hub:
        thread = Thread(target=hub.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield hub
        finally:
            hub.shutdown()
            thread.join()
