"""Apps of this machine as they are told."""

from __future__ import annotations

from collections.abc import Sequence

from headway.control.replica_view import TELLING, model_state, progress_of, replica_view, url_host
from headway.control.snapshot import AppView
from headway.policy.decision import Reason
from headway.sites.base import Replica, ReplicaState
from headway.store.apps import DesiredApp

__all__ = ["app_view"]


def app_view(wanted: DesiredApp, replicas: Sequence[Replica], tenant: str, used: float | None) -> AppView:
    """`replicas`: of this App; `tenant`: whose key it has; `used`: Unix seconds of the last use that was seen."""
    current = [each for each in replicas if each.revision == wanted.revision.id]
    ready = [each for each in current if each.state is ReplicaState.READY]
    telling = min(current, key=lambda each: TELLING.index(each.state), default=None)
    name, state = wanted.app.name, model_state(int(wanted.awake), current, ready)
    asleep = not wanted.awake and not replicas
    return AppView(
        name=name,
        state="asleep" if asleep else state if wanted.awake else "stopping",
        reason=Reason.IDLE if not wanted.awake else telling.reason if telling else Reason.PREPARING,
        message=_message(name, asleep, telling),
        next_action=telling.next_action if telling and state != "ready" else "",
        program=wanted.app.preset or " ".join(wanted.app.whole.command) or wanted.app.whole.image,
        tenant=tenant,
        revision=wanted.revision.id,
        address=next((f"http://{url_host(each.host)}:{each.port}" for each in ready), ""),
        replicas_wanted=int(wanted.awake),
        replicas_ready=len(ready),
        since=max((each.since for each in current), default=wanted.created),
        replicas=[replica_view(each) for each in replicas],
        idle=wanted.app.idle,
        used=used,
        progress=progress_of(telling.progress) if telling and telling.progress else None,
    )


def _message(name: str, asleep: bool, telling: Replica | None) -> str:
    if asleep:
        return f"nobody used it; headway open {name} starts it again"
    return telling.message if telling else "it has not begun yet"
