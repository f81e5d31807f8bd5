"""An App as `status` and `explain` tell it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

__all__ = ["tell_app"]


def tell_app(
    app: dict[str, Any], now: float, decisions: Sequence[dict[str, Any]] = (), *, as_json: bool = False
) -> None:
    if as_json:
        print(json.dumps(app, indent=2))
        return
    from headway.cli.progress import told  # noqa: PLC0415
    from headway.cli.tables import decisions_table, replicas_table, show  # noqa: PLC0415
    from headway.cli.words import ago, duration  # noqa: PLC0415

    print(f"{app['name']}  {app['state']}: {told(app)}")
    if app["next_action"]:
        print(f"next: {app['next_action']}")
    print(f"{app['program']}  (app{', revision ' + app['revision'] if app['revision'] else ''})")
    if app["idle"] is not None:
        used = f", used {ago(now, app['used'])} ago" if app["used"] else ""
        print(f"stops after {duration(app['idle'])} without use{used}")
    if app["address"]:
        print(f"{app['address']}  (headway open {app['name']})")
    if app["replicas"]:
        show(replicas_table(app, now))
    if decisions:
        print("\nWhat was decided, newest first:")
        show(decisions_table(list(decisions), now))
