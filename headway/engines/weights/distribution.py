"""The distribution API of container registries: manifests, and blobs that are checked by their digest.

A registry that wants a name gets OCI_USERNAME and OCI_PASSWORD, for a token where it gives them out. Blobs are often
redirected to a store elsewhere, which never sees the token.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

from headway.engines.rate import Rate
from headway.errors import SourceError, UnreachableError
from headway.spec.source import Source

__all__ = ["PIECE", "Repository"]

USER, PASSWORD = "OCI_USERNAME", "OCI_PASSWORD"
SECONDS = 30.0
"""Without a byte."""
PIECE = 1 << 20
INDEXES = ("application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json")
MANIFESTS = ("application/vnd.oci.image.manifest.v1+json", "application/vnd.docker.distribution.manifest.v2+json")
MOST_MANIFEST = 4 << 20


class Repository:
    """One repository of one registry. Loopback is asked by http, every other by https."""

    def __init__(self, source: Source, host: str, name: str) -> None:
        self.source, self._name = source, name
        local = urlsplit(f"//{host}").hostname in ("localhost", "127.0.0.1", "::1")
        self._base = f"{'http' if local else 'https'}://{host}/v2/{name}"
        self._token = ""

    def manifest(self, reference: str) -> Mapping[str, Any]:
        """Of an index the first that is for this kind of machine: weights are the same for all."""
        found = self._json(f"manifests/{reference}", ", ".join((*MANIFESTS, *INDEXES)))
        if "manifests" in found:
            platforms = [each for each in found["manifests"] if (each.get("platform") or {}).get("os") != "unknown"]
            if not platforms:
                raise SourceError(f"{self.source}: its index is empty", hint="name another tag")
            found = self._json(f"manifests/{platforms[0]['digest']}", ", ".join(MANIFESTS))
        if not isinstance(found.get("layers"), list):
            raise SourceError(f"{self.source}: its manifest has no layers", hint="name an image or an artifact")
        return found

    def blob(self, layer: Mapping[str, Any], target: Path, rate: Rate) -> None:
        """Raises SourceError where it is not what its digest says."""
        total, done, hashed = int(layer["size"]), 0, hashlib.sha256()
        with self._ask(f"blobs/{layer['digest']}", "*/*") as answer, target.open("wb") as file:
            while piece := answer.read(PIECE):
                done += file.write(piece)
                hashed.update(piece)
                rate.line(f"Progress {done} of {total}")
        if f"sha256:{hashed.hexdigest()}" != layer["digest"]:
            raise SourceError(f"{self.source}: {layer['digest'][:19]} is not what came", hint="it is fetched again")

    def _json(self, path: str, accept: str) -> dict[str, Any]:
        with self._ask(path, accept) as answer:
            try:
                found = json.loads(answer.read(MOST_MANIFEST))
            except ValueError as error:
                raise SourceError(f"{self.source}: the registry sent no manifest", hint="check the name") from error
        return dict(found) if isinstance(found, dict) else {}

    @contextmanager
    def _ask(self, path: str, accept: str) -> Iterator[HTTPResponse]:
        """A redirect (to a store of blobs) does not take our token along."""
        try:
            try:
                answer = self._open(path, accept)
            except urllib.error.HTTPError as error:
                if error.code != 401 or self._token:
                    raise
                error.close()
                self._token = self._authenticate(error.headers.get("WWW-Authenticate", ""))
                answer = self._open(path, accept)
            with answer:
                yield answer
        except urllib.error.HTTPError as error:
            error.close()
            raise self._refused(error.code) from error
        except (OSError, HTTPException) as error:
            if getattr(error, "filename", None):
                raise  # of our own disk
            raise UnreachableError(
                f"{self.source}: {error}", hint="check the registry's name and the network"
            ) from error

    def _open(self, path: str, accept: str) -> HTTPResponse:
        request = urllib.request.Request(f"{self._base}/{path}", headers={"Accept": accept})  # noqa: S310
        if self._token:
            request.add_unredirected_header("Authorization", self._token)
        answer: HTTPResponse = urllib.request.urlopen(request, timeout=SECONDS)  # noqa: S310 - http or https, as above
        return answer

    def _authenticate(self, challenge: str) -> str:
        user, password = os.environ.get(USER, ""), os.environ.get(PASSWORD, "")
        basic = f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}" if user else ""
        said = dict(re.findall(r'(\w+)="([^"]*)"', challenge))
        if "realm" not in said or not challenge.casefold().startswith("bearer"):
            return basic
        query = urlencode({"service": said.get("service", ""), "scope": f"repository:{self._name}:pull"})
        request = urllib.request.Request(f"{said['realm']}?{query}")  # noqa: S310
        if basic:
            request.add_unredirected_header("Authorization", basic)
        with urllib.request.urlopen(request, timeout=SECONDS) as answer:  # noqa: S310
            told = json.loads(answer.read(MOST_MANIFEST))
        return f"Bearer {told.get('token') or told.get('access_token', '')}"

    def _refused(self, status: int) -> SourceError:
        if status in (401, 403):
            hint = f"give it a user: env: {{{USER}: secret:NAME/user, {PASSWORD}: secret:NAME/password}}"
            return SourceError(f"{self.source}: the registry lets nobody in without a name", hint=hint)
        hint = "check name and tag" if status == 404 else "try again later"
        return SourceError(f"{self.source}: the registry answered {status}", hint=hint)
