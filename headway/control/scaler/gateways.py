"""Reading all gateways of a cluster, as long as somebody wants to know.

They are found by the EndpointSlices of their Service. One that does not answer is left out; when none does, nothing is
noted, and whoever asks is told so.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl
import time
from collections.abc import Iterable, Mapping
from typing import Any

from headway.control.cluster.single_writer import SERVICE
from headway.control.scaler.figures import Figures, read_figures, together
from headway.control.scaler.history import History
from headway.wire.kube.cluster import Cluster
from headway.wire.kube.manifest import Manifest
from headway.wire.kube.mirror import Mirror
from headway.wire.kube.resource import resource

__all__ = ["Gateways", "addresses"]

log = logging.getLogger(__name__)

LOOK = 5.0
"""Seconds between two readings: KEDA asks every 15 to 30 s, and a load that rises shows in the next one."""
WANTED = 300.0
"""Seconds after the last question in which readings go on: KEDA asks more often; who has removed it pays nothing."""
STALE = 30.0
"""Seconds after which what was read last is not told any more."""
TIMEOUT = 4.0


class Gateways:
    """`histories`: by Model."""

    def __init__(self, cluster: Cluster, namespace: str) -> None:
        self.histories: dict[str, History] = {}
        self._slices = Mirror(
            cluster,
            resource("EndpointSlice"),
            lambda _: None,
            namespace=namespace,
            labels=f"kubernetes.io/service-name={SERVICE}",
        )
        self._asked = self._read = float("-inf")
        self._wanted, self._noted = asyncio.Event(), asyncio.Event()

    async def open(self) -> None:
        await self._slices.open()

    async def close(self) -> None:
        await self._slices.close()

    async def run(self) -> None:
        """Until it is cancelled."""
        import httpx2  # noqa: PLC0415

        trust = ssl.create_default_context()  # a pod's certificate names its Service, and what it tells are numbers
        trust.check_hostname, trust.verify_mode = False, ssl.CERT_NONE
        async with httpx2.AsyncClient(timeout=TIMEOUT, verify=trust, trust_env=False) as http:
            while True:
                if time.monotonic() - self._asked > WANTED:
                    self._wanted.clear()
                    self.histories.clear()
                    await self._wanted.wait()
                await self.look(http)
                await asyncio.sleep(LOOK)

    async def fresh(self) -> bool:
        """Whether what is known is not older than STALE; the first question waits for the first reading."""
        self._asked = time.monotonic()
        self._wanted.set()
        if self._read < self._asked - STALE:
            self._noted.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(TIMEOUT + 1.0):
                    await self._noted.wait()
        return self._read >= self._asked - STALE

    async def look(self, http: Any) -> None:
        urls = addresses(self._slices.objects.values())
        texts = await asyncio.gather(*(_get(http, each) for each in urls))
        read = {url: read_figures(text) for url, text in zip(urls, texts, strict=True) if text is not None}
        if read:
            self.note(read, time.monotonic())

    def note(self, read: Mapping[str, Mapping[str, Figures]], now: float) -> None:
        """`read`: by gateway and Model."""
        self._read = now
        self._noted.set()
        models = {model for each in read.values() for model in each}
        for model in models:
            parts = {url: each[model] for url, each in read.items() if model in each}
            self.histories.setdefault(model, History()).add(now, together(parts))
        for gone in self.histories.keys() - models:
            del self.histories[gone]


def addresses(slices: Iterable[Manifest]) -> list[str]:
    """Base URLs of the gateways' pods that are ready."""
    found = set()
    for each in slices:
        port = next((one for one in each.get("ports") or () if one.get("name") == "http"), None)
        for endpoint in each.get("endpoints") or () if port else ():
            if (endpoint.get("conditions") or {}).get("ready", True) is not False:
                scheme = "https" if (port or {}).get("appProtocol") == "https" else "http"
                host = endpoint["addresses"][0]
                found.add(f"{scheme}://{f'[{host}]' if ':' in host else host}:{(port or {})['port']}")
    return sorted(found)


async def _get(http: Any, url: str) -> str | None:
    import httpx2  # noqa: PLC0415

    try:
        answer = await http.get(f"{url}/metrics")
    except httpx2.HTTPError as error:
        log.info("the gateway at %s does not answer: %s", url, str(error) or type(error).__name__)
        return None
    return str(answer.text) if answer.status_code == 200 else None
