"""Addresses for pods that really answer on this machine.

EndpointSlices refuse loopback addresses, so pods get some of 198.18.0.0/15, which is set apart for tests (RFC 2544,
RFC 5735) and which one local route makes this machine's own. That takes the right to administer the network: root has
it, and so has anybody within `unshare --user --map-root-user --net`. Without it pods have addresses and nobody
answers there.
"""

from __future__ import annotations

import ipaddress
import socket
import subprocess
from itertools import count

__all__ = ["Addresses"]

RANGE = ipaddress.ip_network("198.18.0.0/15")
BLOCK = 21
"""Prefix of what one test run takes: 2,046 pods."""
CLAIM = 9
"""The port (discard) whose listener on a block's first address says that the block is taken."""


class Addresses:
    """`real`: somebody can listen on them."""

    def __init__(self) -> None:
        self.real = _route()
        self._claim: socket.socket | None = None
        self._block = self._claimed() if self.real else next(RANGE.subnets(new_prefix=BLOCK))
        self._free: list[str] = []
        self._next = count(2)

    def take(self) -> str:
        """Of those given back the oldest one last, so that a new pod is not taken for one that just went."""
        index = next(self._next)
        if index < self._block.num_addresses - 1:
            return str(self._block[index])
        assert self._free, "no address is left for one more pod"
        return self._free.pop(0)

    def give_back(self, address: str) -> None:
        self._free.append(address)

    def close(self) -> None:
        if self._claim:
            self._claim.close()

    def _claimed(self) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
        for block in RANGE.subnets(new_prefix=BLOCK):
            claim = socket.socket()
            try:
                claim.bind((str(block[1]), CLAIM))
                claim.listen()
            except OSError:
                claim.close()
                continue
            self._claim = claim
            return block
        raise AssertionError(f"every block of {RANGE} is taken")


def _route() -> bool:
    argv = ["ip", "route", "replace", "local", str(RANGE), "dev", "lo"]
    try:
        subprocess.run(["ip", "link", "set", "lo", "up"], capture_output=True, check=False)
        return subprocess.run(argv, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False
