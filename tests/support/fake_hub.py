"""A hub on a loopback port that speaks enough of the Hugging Face API for its real client: one model, its files."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class FakeHub:
    """`org/model` with `files`; `about` is merged into what /api/models says; a token when one is wanted."""

    def __init__(self, files: Mapping[str, bytes], about: Mapping[str, Any], token: str = "") -> None:
        self.files, self.about, self.token = dict(files), dict(about), token
        self.asked: list[str] = []
        self.url = ""

    def model(self) -> dict[str, Any]:
        siblings = [
            {
                "rfilename": name,
                "size": len(content),
                "blobId": sha1(content),
                **({"lfs": {"sha256": sha256(content), "size": len(content), "pointerSize": 1}} if large(name) else {}),
            }
            for name, content in self.files.items()
        ]
        return {"id": "org/model", "sha": COMMIT, "siblings": siblings, **self.about}

    @contextmanager
    def serve(self) -> Iterator[FakeHub]:
        hub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: object) -> None: ...

            def do_HEAD(self) -> None:
                self.do_GET()

            def do_GET(self) -> None:
                hub.asked.append(f"{self.command} {self.path}")
                if hub.token and self.headers["authorization"] != f"Bearer {hub.token}":
                    self.answer(401, b"{}", {"X-Error-Code": "RepoNotFound"})
                elif self.path.startswith(f"/api/models/org/model/tree/{COMMIT}"):
                    self.answer(200, json.dumps(hub.tree()).encode())
                elif self.path.startswith("/api/models/org/model/revision/"):
                    self.revision(self.path.rpartition("/")[2].partition("?")[0])
                elif self.path.startswith("/api/models/org/model"):
                    self.answer(200, json.dumps(hub.model()).encode())
                elif self.path.startswith(f"/org/model/resolve/{COMMIT}/"):
                    self.file(self.path.partition(f"/{COMMIT}/")[2])
                else:
                    self.answer(404, b"{}", {"X-Error-Code": "RepoNotFound"})

            def revision(self, name: str) -> None:
                if name in ("main", COMMIT):
                    self.answer(200, json.dumps(hub.model()).encode())
                else:
                    self.answer(404, b"{}", {"X-Error-Code": "RevisionNotFound"})

            def file(self, name: str) -> None:
                if name not in hub.files:
                    self.answer(404, b"", {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": COMMIT})
                    return
                content = hub.files[name]
                etag = sha256(content) if large(name) else sha1(content)
                self.answer(200, content, {"X-Repo-Commit": COMMIT, "ETag": f'"{etag}"', "Accept-Ranges": "bytes"})

            def answer(self, status: int, body: bytes, headers: Mapping[str, str] | None = None) -> None:
                self.send_response(status)
                for key, value in (headers or {}).items():
                    self.send_header(key, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if self.command == "GET":
                    self.wfile.write(body)

        with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
            self.url = f"http://127.0.0.1:{server.server_address[1]}"
            thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
            thread.start()
            try:
                yield self
            finally:
                server.shutdown()
                thread.join()

    def tree(self) -> list[dict[str, Any]]:
        return [
            {
                "type": "file",
                "path": name,
                "size": len(content),
                "oid": sha1(content),
                **({"lfs": {"oid": sha256(content), "size": len(content), "pointerSize": 1}} if large(name) else {}),
            }
            for name, content in self.files.items()
        ]


def large(name: str) -> bool:
    return name.endswith((".gguf", ".safetensors"))


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def sha1(content: bytes) -> str:
    return hashlib.sha1(content).hexdigest()  # noqa: S324 - the hub's own name for a small file
