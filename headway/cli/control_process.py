"""The control process with its page: `python -m headway.cli.control_process`, started by `headway up`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from starlette.applications import Starlette
from starlette.types import ASGIApp

from headway.control.api import ControlApi
from headway.control.process import run
from headway.control.settings import ControlSettings
from headway.control.view import View
from headway.paths import StateDir
from headway.web.guard import guard
from headway.web.page import routes


def main() -> None:
    parser = argparse.ArgumentParser(description="Headway's control process; headway up starts it.")
    parser.add_argument("--state-dir", type=Path, required=True)
    parser.add_argument("--host", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--page-port", type=int, required=True)
    parser.add_argument("--gateway-workers", type=int, default=1)
    parser.add_argument("--gateway-option", action="append", default=[])
    asked = parser.parse_args()
    settings = ControlSettings(
        StateDir(asked.state_dir),
        asked.host,
        asked.port,
        asked.page_port,
        asked.gateway_workers,
        tuple(asked.gateway_option),
    )

    def page(api: ControlApi, view: View) -> ASGIApp:
        app = Starlette(routes=routes(view.snapshot, api.watch))
        return guard(app, hosts=[asked.host], gateway=view.gateway_address)

    sys.exit(run(settings, page))


if __name__ == "__main__":
    main()
