"""The page of a real control process in Chromium: real models, a real answer in the playground.

`HEADWAY_PAGE_PICTURE=docs/page.png` also takes the picture that README.md shows.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from tests.support.running import Headway, eventually
from tests.support.web import browser, console_errors, look, shown


@pytest.fixture(scope="module")
def chrome(serving: Headway, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    with browser(tmp_path_factory.mktemp("chromium")) as made:
        look(made, width=1440, height=1000)
        made.get(f"http://127.0.0.1:{serving.page_port}/")
        yield made


def test_it_shows_what_runs(serving: Headway, chrome: Chrome) -> None:
    eventually(lambda: "embed" in shown(chrome, "#models"))
    told = shown(chrome, "#models")
    for model in serving.ls():
        assert model["name"] in told
        assert str(model["replicas"][0]["pid"]) in told
    assert f"http://127.0.0.1:{serving.port}/v1" in shown(chrome, "#head")
    assert "replica" in shown(chrome, "#decisions")


def test_the_playground_answers(serving: Headway, chrome: Chrome) -> None:
    eventually(lambda: chrome.find_element(By.ID, "send").is_enabled())
    temperature = chrome.find_element(By.ID, "temperature")
    temperature.clear()
    temperature.send_keys("0")
    chrome.find_element(By.ID, "prompt").send_keys("What is the capital of France?", Keys.ENTER)
    eventually(lambda: chrome.find_elements(By.CSS_SELECTOR, "#log .turn.done"))
    told = shown(chrome, "#log .turn:last-child")
    assert "Paris" in told
    assert "TTFT" in told
    assert console_errors(chrome) == []
    if picture := os.environ.get("HEADWAY_PAGE_PICTURE"):
        for _ in range(12):  # something for the charts to show
            serving.run("chat", "chat", "Write a story about a lighthouse.", "--max-tokens", "160")
        Path(picture).write_bytes(chrome.get_screenshot_as_png())
