"""A real browser and a real HTTP server for tests of pages.

`browser(profile)` starts headless Chromium (skips, saying why, where there is none); `serving(app)` runs an ASGI
application under uvicorn on a loopback port; `shown` is what a reader sees; `console_errors` is its log.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service
from starlette.applications import Starlette
from starlette.middleware import Middleware

from headway.web.guard import guard
from headway.web.page import routes
from tests.support.snapshots import Stage

__all__ = ["browser", "console_errors", "look", "page_of", "serving", "shown"]

DEADLINE = 20.0
_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
_FLAGS = (
    "--headless=new",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-domain-reliability",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--no-proxy-server",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
)


@contextlib.contextmanager
def browser(profile: Path, *, width: int = 1440, height: int = 1000) -> Iterator[Chrome]:
    """Headless Chromium with a profile of its own that reaches this machine's loopback and nothing else."""
    program = next(filter(None, map(shutil.which, _BROWSERS)), None)
    driver = shutil.which("chromedriver")
    if program is None or driver is None:
        pytest.skip("needs a browser: apt-get install chromium chromium-driver")
    options = ChromeOptions()
    options.binary_location = program
    for flag in (*_FLAGS, f"--user-data-dir={profile}", f"--window-size={width},{height}"):
        options.add_argument(flag)
    if os.geteuid() == 0:
        options.add_argument("--no-sandbox")  # Chromium's sandbox refuses to run as root
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    chrome = Chrome(options=options, service=Service(executable_path=driver))
    chrome.set_page_load_timeout(DEADLINE)
    chrome.set_script_timeout(DEADLINE)
    try:
        yield chrome
    finally:
        chrome.quit()


def look(chrome: Chrome, *, width: int = 1440, height: int = 1000, dark: bool = False) -> None:
    """Make the page this wide, exactly (a window cannot be as narrow as a phone), in light or dark."""
    size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
    chrome.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
    chrome.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})


def console_errors(chrome: Chrome) -> list[str]:
    """What the browser logged as an error since the last call."""
    return [entry["message"] for entry in chrome.get_log("browser") if entry["level"] == "SEVERE"]


def shown(chrome: Chrome, selector: str = "body") -> str:
    """The text that a reader sees in the first element that matches, empty when none does; never a stale element."""
    script = "return document.querySelector(arguments[0])?.innerText ?? ''"
    return str(chrome.execute_script(script, selector))  # type: ignore[no-untyped-call]


@contextlib.contextmanager
def serving(app: Any, *, port: int = 0) -> Iterator[str]:
    """Serve an ASGI application from a thread; yields its origin. Leaves no thread and no socket behind."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    listener.listen(64)
    config = uvicorn.Config(app, log_level="error", lifespan="off", timeout_graceful_shutdown=2)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="page under test")
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(DEADLINE)
        listener.close()
        assert not thread.is_alive(), "the server did not stop"


def page_of(stage: Stage) -> Starlette:
    """What the control process serves, over a Stage."""
    address = stage.snapshot().gateway.address
    return Starlette(
        routes=routes(stage.snapshot, stage.watch), middleware=[Middleware(guard, gateway=lambda: address)]
    )
