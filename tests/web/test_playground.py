"""The playground in a real browser, against a real streaming server on another origin."""

from __future__ import annotations

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from tests.support.ports import free_port
from tests.support.running import eventually
from tests.support.snapshots import Stage, a_model, a_snapshot
from tests.support.web import console_errors, page_of, serving, shown
from tests.web.fake_gateway import ANSWER, REQUEST_ID, FakeGateway


@pytest.fixture
def talk(chrome: Chrome, page: str, stage: Stage, gateway: FakeGateway) -> Chrome:
    """The page with a chat model, a base model and an embedding model, ready to be talked to."""
    models = a_model("chat"), a_model("base", task="completion"), a_model("search", task="embedding")
    stage.show(a_snapshot(*models, gateway={"address": gateway.address}))
    chrome.get(page)
    eventually(lambda: chrome.find_element(By.ID, "send").is_enabled(), 10)
    return chrome


def say(chrome: Chrome, text: str) -> None:
    chrome.find_element(By.ID, "prompt").send_keys(text, Keys.ENTER)


def last(chrome: Chrome, part: str = "") -> str:
    return shown(chrome, f"#log .turn:last-child {part}")


def ended(chrome: Chrome, state: str, turns: int = 1) -> None:
    eventually(lambda: len(chrome.find_elements(By.CSS_SELECTOR, f"#log .turn.{state}")) == turns, 10)


def fill(chrome: Chrome, field: str, text: str) -> None:
    box = chrome.find_element(By.ID, field)
    box.clear()
    box.send_keys(text)


def test_an_answer_streams_and_is_measured(talk: Chrome) -> None:
    say(talk, "What is the capital of France?")
    ended(talk, "done")
    plain, code, rest = ANSWER.split("```")
    assert plain.strip() in last(talk, ".answer p:first-child")
    assert last(talk, ".answer pre").strip() == code.removeprefix("python").strip()
    assert rest.strip() in last(talk, ".answer p:last-child")  # its markup is text
    measures = last(talk, ".measures")
    assert measures.startswith("chat")
    for text in ("TTFT", "tokens/s", f"{len(ANSWER.split(' '))} tokens", REQUEST_ID):
        assert text in measures
    assert shown(talk, "#live").startswith("Answer done: The capital of France is Paris.")


def test_only_models_that_talk_are_offered(talk: Chrome) -> None:
    options = talk.find_elements(By.CSS_SELECTOR, "#model option")
    assert [each.text for each in options] == ["chat", "base"]


def test_the_conversation_and_the_settings_are_sent(talk: Chrome, gateway: FakeGateway) -> None:
    fill(talk, "system", "Be brief.")
    fill(talk, "temperature", "0.2")
    fill(talk, "max-tokens", "64")
    say(talk, "First")
    ended(talk, "done")
    say(talk, "fail please")
    ended(talk, "failed")
    say(talk, "Second")
    ended(talk, "done", 2)
    body = gateway.asked[-1]
    assert {name: body[name] for name in ("model", "temperature", "max_tokens", "stream")} == {
        "model": "chat", "temperature": 0.2, "max_tokens": 64, "stream": True,
    }  # fmt: skip
    said = [(message["role"], message["content"].strip()) for message in body["messages"]]
    assert said == [("system", "Be brief."), ("user", "First"), ("assistant", ANSWER), ("user", "Second")]
    assert all("503" in each for each in console_errors(talk))


def test_clear_forgets(talk: Chrome, gateway: FakeGateway) -> None:
    say(talk, "First")
    ended(talk, "done")
    talk.find_element(By.ID, "clear").click()
    assert "stays in this page" in shown(talk, "#log")
    say(talk, "Second")
    ended(talk, "done")
    assert [message["content"] for message in gateway.asked[-1]["messages"]] == ["Second"]


def test_a_base_model_continues_a_text(talk: Chrome, gateway: FakeGateway) -> None:
    talk.find_element(By.ID, "model").send_keys("base")
    eventually(lambda: not talk.find_element(By.ID, "system").is_displayed(), 10)
    say(talk, "The capital of France is")
    ended(talk, "done")
    assert gateway.asked[-1]["prompt"] == "The capital of France is"
    assert "Paris" in last(talk, ".answer")


def test_stop_closes_the_connection(talk: Chrome, gateway: FakeGateway) -> None:
    say(talk, "wait for me")
    eventually(lambda: last(talk, ".answer").strip() == "The", 10)
    assert not talk.find_element(By.ID, "send").is_displayed()
    assert talk.find_element(By.ID, "log").get_attribute("aria-busy") == "true"
    talk.find_element(By.ID, "stop").click()
    ended(talk, "stopped")
    assert gateway.left.wait(10), "the engine's work would go on"
    assert "stopped by you" in last(talk, ".measures")
    assert talk.find_element(By.ID, "send").is_displayed()


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ("break", "the engine died in mid-answer (engine_died)"),
        ("cut", "The connection closed before the answer was complete."),
        ("fail", "no replica of 'chat' is ready (no_endpoint). Try again in 2 s."),
    ],
)
def test_errors_are_told_in_words(talk: Chrome, asked: str, told: str) -> None:
    say(talk, asked)
    ended(talk, "failed")
    assert told in last(talk, ".error")
    assert REQUEST_ID in last(talk, ".measures")
    assert (last(talk, ".answer").strip() != "") == (asked != "fail")  # what had come is kept
    assert all("503" in each for each in console_errors(talk))


def test_trying_again_takes_the_place_of_the_failure(talk: Chrome, gateway: FakeGateway) -> None:
    say(talk, "break")
    ended(talk, "failed")
    talk.find_element(By.CSS_SELECTOR, ".error button").click()
    eventually(lambda: len(gateway.asked) == 2, 10)
    ended(talk, "failed")
    assert gateway.asked[0] == gateway.asked[1]


def test_a_gateway_that_moved(chrome: Chrome, page: str, stage: Stage) -> None:
    stage.show(a_snapshot(a_model("chat"), gateway={"address": "http://127.0.0.1:9/v1"}))
    chrome.get(page)
    eventually(lambda: chrome.find_element(By.ID, "send").is_enabled(), 10)
    say(chrome, "Hello")
    ended(chrome, "failed")
    assert "The gateway's address has changed since this page was loaded. Reload" in last(chrome, ".error")
    assert all("9/v1" in each for each in console_errors(chrome))


def test_a_gateway_that_does_not_answer(chrome: Chrome) -> None:
    nobody = f"http://127.0.0.1:{free_port()}"
    stage = Stage(a_snapshot(a_model("chat"), gateway={"address": f"{nobody}/v1"}))
    with serving(page_of(stage)) as origin:
        chrome.get(origin)
        eventually(lambda: chrome.find_element(By.ID, "send").is_enabled(), 10)
        say(chrome, "Hello")
        ended(chrome, "failed")
        assert f"The gateway at {nobody} does not answer." in last(chrome, ".error")
        stage.end()
    assert all("ERR_CONNECTION_REFUSED" in each for each in console_errors(chrome))


def test_settings_out_of_range_are_not_sent(talk: Chrome, gateway: FakeGateway) -> None:
    fill(talk, "temperature", "9")
    say(talk, "Hello")
    assert talk.find_element(By.CSS_SELECTOR, "#temperature:invalid")
    assert gateway.asked == []
