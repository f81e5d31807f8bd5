"""An API server's double for what needs no server semantics: lists, watches, plain writes, and being away.

It keeps what it is given, numbers every change, and tells watchers. No admission, no defaults, no conflicts but those
of a wrong resourceVersion. What depends on a server's own mind is in tests/cluster.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from headway.wire.kube.resource import RESOURCES, Resource, resource
from tests.support.gateway import answer_bytes
from tests.support.ports import free_port

__all__ = ["ApiDouble", "model", "slice_of", "tenant"]

Manifest = dict[str, Any]


class ApiDouble:
    """`start` and `stop` may be called again and again: the port stays."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.kubeconfig = folder / "kubeconfig"
        self.kubeconfig.write_text(json.dumps(_kubeconfig(self.port)))
        self.asked: list[tuple[str, str]] = []
        self._objects: dict[tuple[str, str, str], Manifest] = {}
        self._log: list[tuple[int, str, Manifest]] = []
        self._version = 100
        self._changed = asyncio.Condition()
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    async def start(self) -> ApiDouble:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        return self

    async def stop(self) -> None:
        """Away: connections break, and new ones are refused."""
        if self._server is not None:
            self._server.close()
        for each in list(self._writers):
            each.transport.abort()
        self._writers.clear()
        await asyncio.sleep(0)

    async def put(self, manifest: Manifest) -> Manifest:
        """Made or replaced, with what a server would add."""
        of = resource(manifest["kind"], manifest["apiVersion"])
        metadata = manifest["metadata"]
        at = (of.plural, metadata.get("namespace", ""), metadata["name"])
        before = self._objects.get(at)
        self._version += 1
        known = before["metadata"] if before else {"uid": f"uid-{self._version}", "creationTimestamp": _stamp(self)}
        grown = (before or {}).get("spec") != manifest.get("spec")
        added = {
            "uid": known["uid"],
            "creationTimestamp": known["creationTimestamp"],
            "generation": known.get("generation", 0) + grown,
            "resourceVersion": str(self._version),
        }
        stored = manifest | {"metadata": added | {k: v for k, v in metadata.items() if k != "resourceVersion"}}
        stored["metadata"]["resourceVersion"] = str(self._version)
        await self._tell("MODIFIED" if before else "ADDED", at, stored)
        return stored

    async def remove(self, kind: str, name: str, namespace: str = "") -> None:
        at = (resource(kind).plural, namespace, name)
        self._version += 1
        gone = self._objects.pop(at)
        await self._tell("DELETED", at, gone | {"metadata": gone["metadata"] | {"resourceVersion": str(self._version)}})

    def get(self, kind: str, name: str, namespace: str = "") -> Manifest | None:
        return self._objects.get((resource(kind).plural, namespace, name))

    async def _tell(self, change: str, at: tuple[str, str, str], manifest: Manifest) -> None:
        if change != "DELETED":
            self._objects[at] = manifest
        self._log.append((self._version, change, manifest))
        async with self._changed:
            self._changed.notify_all()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                method, target, _ = head.split("\r\n")[0].split(" ")
                length = re.search(r"(?i)content-length: *(\d+)", head)
                body = json.loads(await reader.readexactly(int(length[1]))) if length else {}
                self.asked.append((method, target))
                parts = urlsplit(target)
                query = {name: values[0] for name, values in parse_qs(parts.query).items()}
                of, namespace, name = _place(parts.path)
                if query.get("watch"):
                    await self._watch(writer, of, namespace, query)
                    break
                if method == "GET" and not name:
                    status, found = 200, self._listed(of, namespace, query)
                else:
                    status, found = await self._answer(method, (of.plural, namespace, name), body)
                writer.write(answer_bytes(json.dumps(found).encode(), status))
                await writer.drain()
        self._writers.discard(writer)
        writer.close()

    def _listed(self, of: Resource, namespace: str, query: dict[str, str]) -> Manifest:
        items = [each for each in self._objects.values() if _matches(each, of, namespace, query)]
        return {"items": items, "metadata": {"resourceVersion": str(self._version)}}

    async def _answer(self, method: str, at: tuple[str, str, str], body: Manifest) -> tuple[int, Manifest]:
        if method == "POST":
            there = self._objects.get((*at[:2], body["metadata"]["name"]))
            return (409, _status(409, "AlreadyExists")) if there else (201, await self.put(_stored(body)))
        known = self._objects.get(at)
        if known is None:
            return 404, _status(404, "NotFound")
        if method == "PATCH":
            wanted = body.get("metadata", {}).get("resourceVersion")
            if wanted and wanted != known["metadata"]["resourceVersion"]:
                return 409, _status(409, "Conflict")
            return 200, await self.put(_stored(_merged(known, body)))
        return 200, known

    async def _watch(self, writer: asyncio.StreamWriter, of: Resource, namespace: str, query: dict[str, str]) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n\r\n")
        seen = int(query["resourceVersion"])
        while True:
            for version, change, manifest in self._log:
                if version > seen and _matches(manifest, of, namespace, query):
                    writer.write(json.dumps({"type": change, "object": manifest}).encode() + b"\n")
            seen = self._version
            await writer.drain()
            async with self._changed:
                while self._version == seen and not writer.is_closing():
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(0.2):
                            await self._changed.wait()
            if writer.is_closing():
                return


def _place(path: str) -> tuple[Resource, str, str]:
    parts = path.strip("/").split("/")
    parts = parts[2:] if parts[0] == "api" else parts[3:]
    namespace = ""
    if parts[0] == "namespaces" and len(parts) > 2:
        namespace, parts = parts[1], parts[2:]
    of = next(each for each in RESOURCES.values() if each.plural == parts[0])
    return of, namespace, parts[1] if len(parts) > 1 else ""


def _matches(manifest: Manifest, of: Resource, namespace: str, query: dict[str, str]) -> bool:
    metadata = manifest["metadata"]
    if (manifest["kind"], manifest["apiVersion"]) != (of.kind, of.api_version):
        return False
    said = metadata.get("labels") or {}
    wanted = [each.partition("=") for each in query.get("labelSelector", "").split(",") if each]
    labelled = all(said.get(key) == value if is_equal else key in said for key, is_equal, value in wanted)
    field = query.get("fieldSelector", "")
    return namespace in ("", metadata.get("namespace", "")) and labelled and field in (
        "",
        f"metadata.name={metadata['name']}",
    )  # fmt: skip


def _merged(before: Any, change: Any) -> Any:
    """RFC 7396."""
    if not isinstance(change, dict):
        return change
    found = dict(before) if isinstance(before, dict) else {}
    for key, value in change.items():
        if value is None:
            found.pop(key, None)
        else:
            found[key] = _merged(found.get(key), value)
    return found


def _stored(manifest: Manifest) -> Manifest:
    """A Secret's `stringData` becomes `data`."""
    written = {
        name: base64.b64encode(text.encode()).decode() for name, text in (manifest.get("stringData") or {}).items()
    }
    rest = {key: value for key, value in manifest.items() if key != "stringData"}
    return rest | ({"data": {**(rest.get("data") or {}), **written}} if rest["kind"] == "Secret" else {})


def _status(code: int, reason: str) -> Manifest:
    return {"kind": "Status", "code": code, "reason": reason, "message": f"{reason} by the double"}


def _stamp(double: ApiDouble) -> str:
    return f"2026-01-01T00:{double._version // 60 % 60:02}:{double._version % 60:02}Z"


def _kubeconfig(port: int) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "double",
        "clusters": [{"name": "double", "cluster": {"server": f"http://127.0.0.1:{port}"}}],
        "users": [{"name": "somebody", "user": {"token": "t"}}],
        "contexts": [{"name": "double", "context": {"cluster": "double", "user": "somebody", "namespace": "headway"}}],
    }


def _object(kind: str, name: str, namespace: str, spec: Manifest, **metadata: Any) -> Manifest:
    named = {"name": name, "namespace": namespace, **metadata}
    return {"apiVersion": "headway.dev/v1alpha1", "kind": kind, "metadata": named, "spec": spec}


def model(name: str, namespace: str = "default", **spec: Any) -> Manifest:
    said = {"source": "builtin://mock", "engine": "mock", "task": "chat", **spec}
    return _object("Model", name, namespace, said)


def tenant(name: str, **spec: Any) -> Manifest:
    return _object("Tenant", name, "headway", spec)


def slice_of(
    model_name: str, *endpoints: tuple[str, int], namespace: str = "default", revision: str = "r1", **conditions: bool
) -> Manifest:
    """Ready pods at (address, port), all of one port; `conditions` of all of them."""
    said = {"ready": True, "serving": True, "terminating": False} | conditions
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "addressType": "IPv4",
        "metadata": {
            "name": f"{model_name}-{revision}-{endpoints[0][1] if endpoints else 0}",
            "namespace": namespace,
            "labels": {"headway.dev/model": model_name, "headway.dev/revision": revision},
        },
        "ports": [{"name": "http", "port": port} for _, port in endpoints[:1]],
        "endpoints": [
            {
                "addresses": [host],
                "conditions": said,
                "targetRef": {"kind": "Pod", "name": f"{model_name}-{number}", "uid": f"{host}:{port}"},
            }
            for number, (host, port) in enumerate(endpoints)
        ],
    }
