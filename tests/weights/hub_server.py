"""A small Hub on the loopback address: enough of its endpoints for the real client to pull from and push to."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections import Counter
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any
from urllib.parse import unquote

LARGE = ".safetensors"


@dataclass
class Repo:
    """Commits, oldest first (id -> files), of which ``main`` is the newest; and other branches and tags."""

    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    refs: dict[str, str] = field(default_factory=dict)
    private: bool = False

    def commit(self, files: dict[str, bytes], deleted: frozenset[str] = frozenset()) -> str:
        """Add files to those of the newest commit and delete some; returns the new commit's id."""
        before = next(reversed(self.commits.values()), {})
        oid = hashlib.sha1(f"{len(self.commits)}{sorted(files)}".encode()).hexdigest()  # noqa: S324 (git's own)
        self.commits[oid] = {name: data for name, data in {**before, **files}.items() if name not in deleted}
        return oid

    def find(self, revision: str) -> str | None:
        """Return the commit of a branch, tag or commit."""
        if revision == "main":
            return next(reversed(self.commits), None)
        return self.refs.get(revision, revision if revision in self.commits else None)


class Hub:
    """A server in a thread.

    Attributes:
        requests: how many there were, by method and path.
        faults: file -> what goes wrong when it is downloaded.
        pushes: method and file -> repository and files that somebody pushes, once, while that request is answered:
            the answer still shows the commit before.
    """

    def __init__(self) -> None:
        self.repos: dict[str, Repo] = {}
        self.blobs: dict[str, bytes] = {}
        self.requests: Counter[str] = Counter()
        self.faults: dict[str, str] = {}
        self.pushes: dict[str, tuple[str, dict[str, bytes]]] = {}
        hub = self

        class Handler(_Handler):
            def __init__(self, *args: Any) -> None:
                self.hub = hub
                super().__init__(*args)

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Hub:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def add(self, name: str, files: dict[str, bytes], *, private: bool = False) -> str:
        """Commit files to a repository, which is created if need be; returns the commit."""
        repo = self.repos.setdefault(name, Repo())
        repo.private = private
        return repo.commit(files)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: Hub

    def log_message(self, *_: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self.hub.requests[f"HEAD {self.path}"] += 1
        self._file(body=False)

    def do_GET(self) -> None:
        self.hub.requests[f"GET {self.path}"] += 1
        if self.path.startswith("/api/models/"):
            self._model_info()
        else:
            self._file(body=True)

    def do_POST(self) -> None:
        self.hub.requests[f"POST {self.path}"] += 1
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.headers.get("Transfer-Encoding") == "chunked":
            body = self._chunks()
        path = self.path.split("?")[0]
        if not self.headers.get("Authorization"):
            return self._error(401, "Unauthorized")
        if path == "/api/repos/create":
            repo = json.loads(body)
            name = f"{repo['organization']}/{repo['name']}" if repo.get("organization") else repo["name"]
            self.hub.repos.setdefault(name, Repo()).private = bool(repo.get("private"))
            return self._json({"url": f"{self.hub.url}/{name}", "name": name, "id": name})
        if path == "/api/validate-yaml":
            return self._json({"warnings": [], "errors": []})
        parts = path.strip("/").split("/")
        if "preupload" in parts:
            files = [
                {
                    "path": f["path"],
                    "uploadMode": "lfs" if f["path"].endswith(LARGE) else "regular",
                    "shouldIgnore": False,
                }
                for f in json.loads(body)["files"]
            ]
            return self._json({"files": files})
        if path.endswith(".git/info/lfs/objects/batch"):
            objects = [
                {"oid": o["oid"], "size": o["size"], "actions": {"upload": {"href": f"{self.hub.url}/blob/{o['oid']}"}}}
                for o in json.loads(body)["objects"]
            ]
            return self._json({"transfer": "basic", "objects": objects})
        if "commit" in parts:
            return self._commit("/".join(parts[2:4]), body)
        return self._error(404, "no such endpoint")

    def do_PUT(self) -> None:
        self.hub.requests[f"PUT {self.path}"] += 1
        length = self.headers.get("Content-Length")
        data = self._chunks() if length is None else self.rfile.read(int(length))
        self.hub.blobs[hashlib.sha256(data).hexdigest()] = data
        self._send(200, b"", {})

    def _commit(self, name: str, body: bytes) -> None:
        files: dict[str, bytes] = {}
        deleted = set()
        for line in body.decode().splitlines():
            row = json.loads(line)
            value = row["value"]
            if row["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif row["key"] == "lfsFile":
                files[value["path"]] = self.hub.blobs[value["oid"]]
            elif row["key"] == "deletedFile":
                deleted.add(value["path"])
        oid = self.hub.repos[name].commit(files, frozenset(deleted))
        self._json({"commitUrl": f"{self.hub.url}/{name}/commit/{oid}", "commitOid": oid, "success": True})

    def _model_info(self) -> None:
        parts = self.path.split("?")[0].strip("/").split("/")
        repo = self.hub.repos.get("/".join(parts[2:4]))
        revision = parts[parts.index("revision") + 1] if "revision" in parts else "main"
        oid = repo.find(revision) if repo else None
        if repo is None:
            self._error(404, "RepoNotFound")
            return
        if "tree" in parts:
            files = repo.commits[repo.find(parts[parts.index("tree") + 1]) or ""]
            rows = [{"type": "file", "path": file, "size": len(data), "oid": "0" * 40} for file, data in files.items()]
            self._send(200, json.dumps(rows).encode(), {"Content-Type": "application/json"})
            return
        siblings = [{"rfilename": file} for file in repo.commits.get(oid or "", {})]
        self._json({"id": "/".join(parts[2:4]), "sha": oid, "siblings": siblings, "private": repo.private, "tags": []})

    def _file(self, *, body: bool) -> None:
        parts = self.path.split("?")[0].strip("/").split("/")
        if len(parts) < 5 or parts[2] != "resolve":
            return self._error(404, "no such endpoint")
        name, revision, file = "/".join(parts[:2]), unquote(parts[3]), "/".join(parts[4:])
        repo = self.hub.repos.get(name)
        if repo is None or (repo.private and not self.headers.get("Authorization")):
            return self._error(401, "RepoNotFound", "Invalid username or password.")
        oid = repo.find(revision)
        if oid is None:
            return self._error(404, "RevisionNotFound")
        data = repo.commits[oid].get(file)
        push = self.hub.pushes.pop(f"{self.command} {file}", None)
        if push is not None:
            self.hub.add(*push)
        if data is None:
            return self._error(404, "EntryNotFound", headers={"X-Repo-Commit": oid})
        etag = hashlib.sha256(data).hexdigest() if file.endswith(LARGE) else hashlib.sha1(data).hexdigest()  # noqa: S324
        headers = {"X-Repo-Commit": oid, "ETag": f'"{etag}"', "Accept-Ranges": "bytes"}
        fault = self.hub.faults.get(file) if body else None
        if fault == "error":
            return self._error(500, "InternalError")
        if fault == "hangs up":  # once: promises the whole file, sends half of it, closes the connection
            del self.hub.faults[file]
            self.send_response(200)
            for key, value in {**headers, "Content-Length": str(len(data))}.items():
                self.send_header(key, value)
            self.end_headers()
            self.wfile.write(data[: len(data) // 2])
            self.wfile.flush()
            self.close_connection = True
            return self.connection.close()
        if fault == "flipped":
            data = bytes([data[0] ^ 1]) + data[1:]
        if fault == "short":
            data = data[: len(data) // 2]
        part = self.headers.get("Range", "")
        if body and part.startswith("bytes="):
            first = int(part.removeprefix("bytes=").split("-")[0])
            headers["Content-Range"] = f"bytes {first}-{len(data) - 1}/{len(data)}"
            return self._send(206, data[first:], headers)
        return self._send(200, data if body else b"", headers, length=len(data))

    def _chunks(self) -> bytes:
        data = b""
        while size := int(self.rfile.readline().strip() or b"0", 16):
            data += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return data

    def _json(self, value: Any) -> None:
        self._send(200, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def _error(self, status: int, code: str, message: str | None = None, headers: dict[str, str] | None = None) -> None:
        body = json.dumps({"error": message or code}).encode()
        error = {"X-Error-Code": code, "X-Error-Message": message or code, **(headers or {})}
        self._send(status, b"" if self.command == "HEAD" else body, error)

    def _send(self, status: int, body: bytes, headers: dict[str, str], length: int | None = None) -> None:
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        self.wfile.write(body)
