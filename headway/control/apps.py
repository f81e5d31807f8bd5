"""Apps on this machine: which shall run, whose key each has, and which stop because nobody uses them.

An App runs as a Replica of the Site does. Its key and the password that it asks people for lie in the state's secrets,
`secret:app-NAME/key` and `/token`; the gateway knows the key's hash alone.
"""

from __future__ import annotations

import asyncio
import secrets
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from headway.engines.app import revision_of
from headway.paths import StateDir
from headway.policy import idle
from headway.policy.converge import Want
from headway.policy.decision import Action, Decision
from headway.sites.base import Replica, ReplicaState
from headway.sites.local.use import BUSY, cpu_seconds, is_connected
from headway.spec.app import App
from headway.spec.fault import Fault
from headway.spec.revision import Revision
from headway.store.apps import DesiredApp
from headway.store.desired import DesiredState
from headway.store.keys import hash_key

__all__ = ["Apps", "tenant_of"]

LOOK_EVERY = 2.0
"""Seconds between two looks at who uses an App: `idle` is minutes."""


def tenant_of(app: App, tenants: Iterable[str]) -> str:
    """Whose key it gets; empty where there is no Tenant at all. Raises Fault where that is not clear."""
    names = sorted(tenants)
    if app.tenant and app.tenant not in names:
        raise Fault(f"there is no Tenant {app.tenant}", f"write one, or use one of: {', '.join(names) or 'none'}",
                    ("tenant",))  # fmt: skip
    if not app.tenant and len(names) > 1:
        raise Fault("says no tenant, and there are several", f"write tenant: {names[0]}", ("tenant",))
    return app.tenant or (names[0] if names else "")


@dataclass(slots=True)
class _Use:
    at: float  # of the last use, Unix seconds
    looked: float
    cpu: float
    pid: int | None


class Apps:
    def __init__(self, wanted: DesiredState, state: StateDir) -> None:
        self._wanted, self._state = wanted, state
        self._uses: dict[str, _Use] = {}

    def all(self) -> dict[str, DesiredApp]:
        return self._wanted.apps.all()

    def wants(self, apps: Mapping[str, DesiredApp]) -> list[Want]:
        return [Want(name, each.revision.id, int(each.awake)) for name, each in apps.items()]

    def tenant(self, app: App) -> str:
        """Whose key it has; empty: nobody's."""
        try:
            return tenant_of(app, self._wanted.tenants.all())
        except Fault:  # its Tenant is gone
            return ""

    def used_at(self, name: str) -> float | None:
        """Unix seconds; None before the first look."""
        use = self._uses.get(name)
        return use.at if use else None

    async def look(self, apps: Mapping[str, DesiredApp], replicas: Iterable[Replica], now: float) -> list[Decision]:
        """Note who is used, and put to sleep whom nobody uses: the decisions that did so."""
        running = {each.model: each for each in replicas if each.model in apps and each.state is ReplicaState.READY}
        for name in self._uses.keys() - running.keys():
            del self._uses[name]
        made = []
        for name, replica in running.items():
            use = self._uses.setdefault(name, _Use(now, now, 0.0, None))
            if now - use.looked >= LOOK_EVERY or use.pid != replica.pid:
                await asyncio.to_thread(_look, use, replica, now)
            decision = idle.decide(name, apps[name].app.idle, use.at, use.looked)  # by what was seen, not by the clock
            if decision.action is Action.DRAIN and apps[name].awake:
                self._wanted.apps.set_awake(name, False)
                made.append(decision)
        return made

    def wake(self, name: str) -> None:
        self._wanted.apps.set_awake(name, True)
        self._uses.pop(name, None)

    def revise(self, app: App, now: float) -> Revision:
        """With a key of its own, made where it has none that is right. Call it within the Tenants' transaction."""
        tenant = tenant_of(app, self._wanted.tenants.all())
        key = self._key(app, tenant, now) if tenant else ""
        token = self._token(app.name) if app.whole.preset.token else ""
        return revision_of(app, key=key, token=token)

    def settle(self, now: float) -> None:
        """Tenants came or went: whose key is not right any more gets another one."""
        for name, each in self.all().items():
            try:
                revision = self.revise(each.app, now)
            except Fault:  # its Tenant is gone: it keeps a key that is refused, and says so when it calls
                continue
            if revision != each.revision:
                self._wanted.apps.revise(name, revision)

    def forget(self, name: str, now: float) -> None:
        """An App that is not wanted any more: its key ends; what it stored stays."""
        self._end_keys(name, now)
        shutil.rmtree(self._folder(name), ignore_errors=True)
        self._uses.pop(name, None)

    def read(self, name: str, what: str) -> str:
        """The secret itself; empty where there is none."""
        path = self._folder(name) / what
        return path.read_text().strip() if path.exists() else ""

    def _key(self, app: App, tenant: str, now: float) -> str:
        known = self.read(app.name, "key")
        sha256, scope = hash_key(known) if known else "", app.models
        for each in self._wanted.keys.all(tenant):
            if each.sha256 == sha256 and each.is_valid(now) and each.models == scope:
                return _reference(app.name, "key")
        self._end_keys(app.name, now)
        made = self._wanted.keys.new(tenant, now=now, name=_label(app.name), models=scope)
        self._write(app.name, "key", made.secret)
        return _reference(app.name, "key")

    def _end_keys(self, name: str, now: float) -> None:
        for each in self._wanted.keys.all():
            if each.name == _label(name) and each.is_valid(now):
                self._wanted.keys.revoke(each.id, now)

    def _token(self, name: str) -> str:
        if not self.read(name, "token"):
            self._write(name, "token", secrets.token_urlsafe(24))
        return _reference(name, "token")

    def _write(self, name: str, what: str, value: str) -> None:
        folder = self._folder(name)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = folder / what
        path.touch(mode=0o600)
        path.write_text(value)

    def _folder(self, name: str) -> Path:
        return self._state.secrets / f"app-{name}"


def _look(use: _Use, replica: Replica, now: float) -> None:
    assert replica.pid is not None  # noqa: S101 - it is ready
    cpu = cpu_seconds(replica.pid)
    span = max(now - use.looked, 1e-3)
    computes = use.pid == replica.pid and (cpu - use.cpu) / span > BUSY
    if use.pid != replica.pid or computes or is_connected(replica.pid, replica.port):
        use.at = now
    use.looked, use.cpu, use.pid = now, cpu, replica.pid


def _label(app: str) -> str:
    return f"app {app}"


def _reference(app: str, what: str) -> str:
    return f"secret:app-{app}/{what}"
