"""Where Headway keeps things: state (one per user, mode 0700) and a cache shared by all runs."""

from __future__ import annotations

import hashlib
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from headway.errors import ResourceError

__all__ = ["StateDir", "cache_dir"]

LONGEST_SOCKET_PATH = 90
"""Bytes. The kernel allows 107 (Linux) or 103 (macOS) for the path of a UNIX socket; the names take some."""


def cache_dir() -> Path:
    """Models, engine binaries: `$HEADWAY_CACHE_DIR`, else `$XDG_CACHE_HOME/headway`, else `~/.cache/headway`."""
    if chosen := os.environ.get("HEADWAY_CACHE_DIR"):
        return Path(chosen).expanduser().absolute()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser().absolute() / "headway"


@dataclass(frozen=True, slots=True)
class StateDir:
    """The folder of one local Headway; everything that must survive its processes lies here."""

    root: Path

    @classmethod
    def default(cls) -> StateDir:
        """`$HEADWAY_STATE_DIR`, else `$XDG_STATE_HOME/headway`, else `~/.local/state/headway`."""
        if chosen := os.environ.get("HEADWAY_STATE_DIR"):
            return cls(Path(chosen).expanduser().absolute())
        base = Path(os.environ.get("XDG_STATE_HOME") or "~/.local/state").expanduser().absolute()
        return cls(base / "headway")

    def create(self) -> StateDir:
        """Make the folder and its rooms, readable by the user alone."""
        for folder in (self.root, self.logs, self.run, self.secrets):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self.run.stat().st_uid != os.getuid():
            raise ResourceError(f"{self.run} belongs to another user", hint="set HEADWAY_STATE_DIR to another folder")
        return self

    @property
    def database(self) -> Path:
        return self.root / "headway.db"

    @property
    def requests(self) -> Path:
        """The request log (store.request_log)."""
        return self.root / "requests.db"

    @property
    def lock(self) -> Path:
        """Held (flock) by the one control process of this state directory."""
        return self.root / "control.lock"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def secrets(self) -> Path:
        """`secret:NAME/KEY` is read from the file NAME/KEY in here when the environment lacks it."""
        return self.root / "secrets"

    @property
    def apps(self) -> Path:
        """What Apps store, a folder each."""
        return self.root / "apps"

    @property
    def sites(self) -> Path:
        """The Sites that `headway site add` was told of: NAME.yaml, and the name in use in `used`."""
        return self.root / "sites"

    @property
    def run(self) -> Path:
        """Sockets and the RoutingTable; elsewhere when the state directory's path is too long for sockets."""
        inside = self.root / "run"
        if len(os.fsencode(inside)) <= LONGEST_SOCKET_PATH:
            return inside
        name = hashlib.sha256(os.fsencode(self.root)).hexdigest()[:16]
        return Path(tempfile.gettempdir()) / f"headway-{os.getuid()}-{name}"

    @property
    def control_socket(self) -> Path:
        return self.run / "control.sock"

    @property
    def table(self) -> Path:
        """The newest RoutingTable, as the gateway reads it."""
        return self.run / "table.json"

    @property
    def heard(self) -> Path:
        """When it was changed is when the cluster was last heard, of a gateway that runs in one."""
        return self.run / "heard"

    @property
    def gateway_socket(self) -> Path:
        return self.run / "gateway.sock"
