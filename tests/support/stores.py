"""A bucket and a registry on a loopback port: enough of S3's API for its real client, and of the distribution API."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

__all__ = ["Bucket", "Registry"]

INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    store: Any

    def log_message(self, *_: object) -> None: ...

    def do_GET(self) -> None:
        self.store.asked.append(self.path)
        status, body, headers = self.store.answer(self.path, self.headers)
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


class _Served:
    def __init__(self) -> None:
        self.asked: list[str] = []
        self.address = ""

    @contextmanager
    def serve(self) -> Iterator[Any]:
        handler = type("Handler", (_Handler,), {"store": self})
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.address = f"127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield self
        finally:
            server.shutdown()
            thread.join()
            server.server_close()


class Bucket(_Served):
    """`files`: key -> content, of the bucket `models`."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        super().__init__()
        self.files = dict(files)

    def answer(self, path: str, headers: Mapping[str, str]) -> tuple[int, bytes, dict[str, str]]:
        if "Authorization" not in headers:
            return 403, b"<Error><Code>AccessDenied</Code><Message>no</Message></Error>", {}
        parts = urlsplit(path)
        key = unquote(parts.path).removeprefix("/models").lstrip("/")
        if not key:
            return 200, self._listed(parse_qs(parts.query).get("prefix", [""])[0]), {"Content-Type": "application/xml"}
        if key not in self.files:
            return 404, b"<Error><Code>NoSuchKey</Code></Error>", {}
        said = {"ETag": '"1"', "Last-Modified": "Wed, 21 Oct 2026 07:28:00 GMT"}
        return 200, self.files[key], said

    def _listed(self, prefix: str) -> bytes:
        found = "".join(
            f"<Contents><Key>{escape(key)}</Key><Size>{len(content)}</Size><ETag>1</ETag>"
            "<LastModified>2026-10-21T07:28:00.000Z</LastModified></Contents>"
            for key, content in sorted(self.files.items())
            if key.startswith(prefix)
        )
        return f"<ListBucketResult><IsTruncated>false</IsTruncated>{found}</ListBucketResult>".encode()


class Registry(_Served):
    """One repository, with a token server in front where `user` is given. `layers`: media type, title, content."""

    def __init__(self, name: str, layers: list[tuple[str, str, bytes]], *, user: str = "", index: bool = False) -> None:
        super().__init__()
        self.name, self.user = name, user
        self.blobs = {digest(content): content for _, _, content in layers}
        told = [
            {"mediaType": kind, "digest": digest(content), "size": len(content)}
            | ({"annotations": {"org.opencontainers.image.title": title}} if title else {})
            for kind, title, content in layers
        ]
        self.manifest = json.dumps({"schemaVersion": 2, "mediaType": MANIFEST, "layers": told}).encode()
        self.index = index

    def answer(self, path: str, headers: Mapping[str, str]) -> tuple[int, bytes, dict[str, str]]:
        if path.startswith("/token"):
            good = headers.get("Authorization", "").startswith("Basic ")
            return (200, b'{"token": "let-in"}', {}) if good else (401, b"{}", {})
        if path.startswith("/store/"):  # where a registry keeps its blobs: it refuses a token that is not its own
            refused = "Authorization" in headers
            return (400, b"", {}) if refused else (200, self.blobs[path.removeprefix("/store/")], {})
        if self.user and headers.get("Authorization") != "Bearer let-in":
            asks = f'Bearer realm="http://{self.address}/token",service="r"'
            return 401, b"{}", {"WWW-Authenticate": asks}
        return self._inside(path.removeprefix(f"/v2/{self.name}/"))

    def _inside(self, path: str) -> tuple[int, bytes, dict[str, str]]:
        kind, _, which = path.partition("/")
        if kind == "manifests" and which == "1.0" and self.index:
            listed = [{"digest": digest(self.manifest), "platform": {"os": "linux", "architecture": "amd64"}}]
            return 200, json.dumps({"mediaType": INDEX, "manifests": listed}).encode(), {"Content-Type": INDEX}
        if kind == "manifests" and which in ("1.0", "latest", digest(self.manifest)):
            return 200, self.manifest, {"Content-Type": MANIFEST}
        if kind == "blobs" and which in self.blobs:
            return 307, b"", {"Location": f"/store/{which}"}
        return 404, b"{}", {}


def digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"
