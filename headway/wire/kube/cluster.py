"""The verbs of the Kubernetes API that Headway uses, on objects as JSON has them.

Every write is a server-side apply by a field manager of its own, so that fields which others own stay theirs
(kubernetes.io, "Server-Side Apply"). Every request has a deadline. A refusal is an ApiRefusal with the server's own
words; a server that does not answer is an UnreachableError.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import msgspec

from headway.errors import HeadwayError, UnreachableError
from headway.wire.kube.access import Access
from headway.wire.kube.manifest import Manifest
from headway.wire.kube.resource import Resource, resource

if TYPE_CHECKING:
    import httpx2

__all__ = ["MANAGER", "ApiRefusal", "Change", "Cluster", "Listing"]

MANAGER = "headway"
PAGE = 500
SWITCHED = 101
WATCH_SECONDS = 300
"""The server ends a watch after this; the next one goes on from the last version seen."""
QUIET_SECONDS = 150.0
"""A watch that says nothing for so long is taken for broken: a server sends a bookmark about every minute, and a
network that was cut without a word must not be waited for."""


class ApiRefusal(HeadwayError):
    """The API server said no. `status`: HTTP; `reason`: the API's own, like NotFound, Conflict, Forbidden."""

    code = "api_refused"

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.status, self.reason = status, reason

    @property
    def passes(self) -> bool:
        """Not about what was asked: the server is starting, or has too much to do (a CRD was just made: 429)."""
        return self.status == 429 or self.status >= 500


@dataclass(frozen=True, slots=True)
class Listing:
    items: list[Manifest]
    version: str


@dataclass(frozen=True, slots=True)
class Change:
    """One event of a watch: ADDED, MODIFIED, DELETED, or BOOKMARK (only its resourceVersion counts)."""

    type: str
    object: Manifest


class Cluster:
    """One connection pool to one API server. `manager`: the field manager of what is applied."""

    def __init__(self, access: Access, *, manager: str = MANAGER) -> None:
        self.access, self._http, self._manager = access, access.http, manager

    @classmethod
    def open(cls, context: str = "", namespace: str = "", *, manager: str = MANAGER) -> Self:
        return cls(Access.open(context, namespace), manager=manager)

    @property
    def namespace(self) -> str:
        return self.access.namespace

    async def get(self, of: Resource, name: str, namespace: str = "", *, sub: str = "") -> Manifest | None:
        """None: there is none."""
        try:
            return await self._ask("GET", of.path(self._within(of, namespace), name, sub))
        except ApiRefusal as refusal:
            if refusal.status == 404:
                return None
            raise

    async def list(self, of: Resource, namespace: str = "", *, labels: str = "", fields: str = "") -> Listing:
        """All of them, page by page. An empty namespace: of all namespaces."""
        found: list[Manifest] = []
        asked: dict[str, Any] = {"limit": PAGE, "labelSelector": labels, "fieldSelector": fields}
        while True:
            page = await self._ask("GET", of.path(namespace), asked)
            found += ({"apiVersion": of.api_version, "kind": of.kind} | each for each in page["items"])
            if not (more := page["metadata"].get("continue")):
                return Listing(found, page["metadata"]["resourceVersion"])
            asked["continue"] = more

    async def apply(self, manifest: Manifest, *, force: bool = True, sub: str = "", dry_run: bool = False) -> Manifest:
        """Server-side apply. `force`: take fields over that another manager owns; else a Conflict names it."""
        of = resource(manifest["kind"], manifest["apiVersion"])
        path = of.path(self._within(of, manifest["metadata"].get("namespace", "")), manifest["metadata"]["name"], sub)
        asked = {"fieldManager": self._manager, "force": str(force).lower()} | ({"dryRun": "All"} if dry_run else {})
        return await self._ask("PATCH", path, asked, manifest, "application/apply-patch+yaml")

    async def create(self, manifest: Manifest) -> Manifest:
        """For what must not be there yet (leases, events); AlreadyExists is an ApiRefusal of status 409."""
        of = resource(manifest["kind"], manifest["apiVersion"])
        path = of.path(self._within(of, manifest["metadata"].get("namespace", "")))
        return await self._ask("POST", path, {"fieldManager": self._manager}, manifest)

    async def replace(self, manifest: Manifest) -> Manifest:
        """A whole new state, only if its resourceVersion is still the server's."""
        of = resource(manifest["kind"], manifest["apiVersion"])
        path = of.path(self._within(of, manifest["metadata"].get("namespace", "")), manifest["metadata"]["name"])
        return await self._ask("PUT", path, {"fieldManager": self._manager}, manifest)

    async def patch(
        self, of: Resource, name: str, change: Mapping[str, Any], namespace: str = "", *, sub: str = ""
    ) -> Manifest:
        """A JSON merge patch (RFC 7396): null removes."""
        path = of.path(self._within(of, namespace), name, sub)
        return await self._ask(
            "PATCH", path, {"fieldManager": self._manager}, dict(change), "application/merge-patch+json"
        )

    async def delete(
        self, of: Resource, name: str, namespace: str = "", *, uid: str = "", grace: int | None = None
    ) -> bool:
        """Whether there was one. `uid`: only that very object; `grace`: seconds its pods have to end."""
        how: Manifest = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Background"}
        how |= ({"preconditions": {"uid": uid}} if uid else {}) | (
            {} if grace is None else {"gracePeriodSeconds": grace}
        )
        try:
            await self._ask("DELETE", of.path(self._within(of, namespace), name), {}, how)
        except ApiRefusal as refusal:
            if refusal.status == 404:
                return False
            raise
        return True

    async def watch(
        self, of: Resource, namespace: str = "", *, version: str = "", labels: str = "", fields: str = ""
    ) -> AsyncIterator[Change]:
        """Changes after `version`, until the server ends the watch. An ApiRefusal of status 410: list anew."""
        asked = {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "timeoutSeconds": WATCH_SECONDS,
            "resourceVersion": version,
            "labelSelector": labels,
            "fieldSelector": fields,
        }
        async with self._stream(of.path(namespace), asked, quiet=QUIET_SECONDS) as answer:
            async for line in answer.aiter_lines():
                event = msgspec.json.decode(line)
                if event["type"] == "ERROR":
                    raise _refusal(event["object"], event["object"].get("code", 500))
                yield Change(event["type"], event["object"])

    async def lines(self, path: str, asked: Mapping[str, Any]) -> AsyncIterator[str]:
        """Lines of an endless answer, like a pod's log."""
        async with self._stream(path, asked, quiet=None) as answer:
            async for line in answer.aiter_lines():
                yield line

    @asynccontextmanager
    async def upgraded(self, path: str, asked: Mapping[str, Any], head: Mapping[str, str]) -> AsyncIterator[Any]:
        """The connection itself (`read`, `write`), once the server has agreed to speak another protocol on it."""
        async with self._stream(path, asked, quiet=None, head=head) as answer:
            if answer.status_code != SWITCHED:
                raise ApiRefusal(answer.status_code, "", "the API server does not pass this on to the node")
            yield answer.extensions["network_stream"]

    async def ask(self, path: str) -> Manifest:
        """GET of anything: `/version`, `/apis`, `/openapi/v3`."""
        return await self._ask("GET", path)

    async def close(self) -> None:
        await self._http.aclose()

    def _within(self, of: Resource, namespace: str) -> str:
        return (namespace or self.namespace) if of.namespaced else ""

    async def _ask(
        self,
        method: str,
        path: str,
        asked: Mapping[str, Any] | None = None,
        body: Manifest | None = None,
        media: str = "application/json",
    ) -> Manifest:
        content = None if body is None else msgspec.json.encode(body)
        headers = {} if body is None else {"content-type": media}
        with self._told():
            answer = await self._http.request(method, path, params=_said(asked), content=content, headers=headers)
        if answer.status_code >= 400:
            raise _refused(answer.status_code, answer.content)
        found: Manifest = msgspec.json.decode(answer.content)
        return found

    @asynccontextmanager
    async def _stream(
        self, path: str, asked: Mapping[str, Any], *, quiet: float | None, head: Mapping[str, str] | None = None
    ) -> AsyncIterator[httpx2.Response]:
        import httpx2  # noqa: PLC0415

        patience = httpx2.Timeout(10.0, read=quiet)
        with self._told():
            async with self._http.stream("GET", path, params=_said(asked), headers=head, timeout=patience) as answer:
                if answer.status_code >= 400:
                    raise _refused(answer.status_code, await answer.aread())
                yield answer

    def _told(self) -> _Unreachable:
        return _Unreachable(self.access.server)


class _Unreachable:
    """Turns what the HTTP client raises into one error that names the server."""

    def __init__(self, server: str) -> None:
        self._server = server

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        if error is None:
            return
        import httpx2  # noqa: PLC0415

        if isinstance(error, httpx2.HTTPError | OSError):
            told = str(error) or type(error).__name__
            raise UnreachableError(
                f"the API server at {self._server} does not answer: {told}", hint="check the context and the network"
            ) from error


def _said(asked: Mapping[str, Any] | None) -> dict[str, Any]:
    return {name: value for name, value in (asked or {}).items() if value != ""}


def _refused(status: int, body: bytes) -> ApiRefusal:
    try:
        return _refusal(msgspec.json.decode(body), status)
    except (msgspec.DecodeError, AttributeError):
        return ApiRefusal(status, "", f"the API server answered {status}: {body[:200].decode(errors='replace')}")


def _refusal(said: Manifest, status: int) -> ApiRefusal:
    return ApiRefusal(status, said.get("reason") or "", said.get("message") or f"the API server answered {status}")
