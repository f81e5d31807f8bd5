from __future__ import annotations

from collections.abc import Iterator

import pytest
from selenium.webdriver import Chrome

from tests.support.snapshots import Stage, a_snapshot
from tests.support.web import browser, console_errors, look, page_of, serving
from tests.web.fake_gateway import FakeGateway


@pytest.fixture(scope="session")
def session_chrome(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    with browser(tmp_path_factory.mktemp("chromium")) as chrome:
        yield chrome


@pytest.fixture
def chrome(session_chrome: Chrome) -> Iterator[Chrome]:
    """The session's browser, at desktop size, on an empty page."""
    look(session_chrome)
    yield session_chrome
    session_chrome.get("about:blank")
    console_errors(session_chrome)


@pytest.fixture(scope="session")
def session_gateway() -> Iterator[FakeGateway]:
    fake = FakeGateway()
    with serving(fake.app) as origin:
        fake.address = f"{origin}/v1"
        yield fake


@pytest.fixture
def gateway(session_gateway: FakeGateway) -> FakeGateway:
    session_gateway.asked.clear()
    session_gateway.left.clear()
    return session_gateway


@pytest.fixture
def stage(gateway: FakeGateway) -> Stage:
    return Stage(a_snapshot(gateway={"address": gateway.address}))


@pytest.fixture
def origin(stage: Stage) -> Iterator[str]:
    """Where the page is served."""
    with serving(page_of(stage)) as address:
        yield address
        stage.end()


@pytest.fixture
def page(chrome: Chrome, origin: str) -> Iterator[str]:
    """Where the page is served, for the browser. A test that provokes console errors has to take them."""
    yield origin
    left = console_errors(chrome)
    chrome.get("about:blank")  # before its server goes away
    assert left == []
