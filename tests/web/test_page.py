"""The page in a real browser: what a reader sees as Snapshots come, go, and are hostile."""

from __future__ import annotations

import time

from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from headway.control.snapshot import Snapshot
from tests.support.ports import free_port
from tests.support.running import eventually
from tests.support.snapshots import Stage, a_decision, a_model, a_replica, a_snapshot
from tests.support.web import console_errors, look, page_of, serving, shown

DOWNLOAD = {"stage": "download", "label": "model.gguf", "done": 5e8, "total": 2e9, "unit": "bytes", "eta": 130}


def sees(chrome: Chrome, text: str, where: str = "body") -> None:
    eventually(lambda: text in shown(chrome, where) or None, 10)


def count(chrome: Chrome, selector: str) -> int:
    return len(chrome.find_elements(By.CSS_SELECTOR, selector))


def test_without_models_it_says_what_to_type(chrome: Chrome, page: str) -> None:
    chrome.get(page)
    sees(chrome, "No models yet")
    assert "headway up smollm2-135m-instruct" in shown(chrome, "#models")
    assert not chrome.find_element(By.ID, "send").is_enabled()
    assert not chrome.find_element(By.CLASS_NAME, "traffic").is_displayed()


def test_models_show_state_reason_and_next_action(chrome: Chrome, page: str, stage: Stage) -> None:
    failing = a_replica("big-0", state="backoff", reason="EngineExited", message="ended with status 1", restarts=3,
                        next_action="headway logs big-0", pid=None)  # fmt: skip
    stage.show(
        a_snapshot(
            a_model("chat", replicas=[a_replica("chat-0"), a_replica("chat-1", pid=4712)]),
            a_model("big", state="failed", reason="NotEnoughMemory", message="needs 42.3 GB, 9.4 GB free",
                    next_action="choose a smaller quantisation", replicas=[failing]),
        )
    )  # fmt: skip
    chrome.get(page)
    sees(chrome, "2 of 2 replicas ready", "[aria-label='Model chat']")
    row = shown(chrome, "[aria-label='Model chat'] tbody")
    assert row.split() == ["chat-0", "Ready", "4711", "4", "212", "MB", "0", "running", "0", "12", "min", "More"]
    big = shown(chrome, "[aria-label='Model big']")
    for text in ("Failed", "Not enough memory: needs 42.3 GB, 9.4 GB free", "Next: choose a smaller quantisation",
                 "Waiting to restart", "Engine exited: ended with status 1", "Next: headway logs big-0"):  # fmt: skip
        assert text in big
    shapes = "[aria-label='Model {}'] header .status svg"
    assert [count(chrome, shapes.format(name) + " circle") for name in ("chat", "big")] == [1, 0]  # not by colour alone
    assert chrome.title == "1 of 2 ready · Headway"


def test_progress_is_a_bar_with_an_estimate(chrome: Chrome, page: str, stage: Stage) -> None:
    waiting = a_replica("chat-0", state="preparing", reason="Preparing", message="fetching", pid=None)
    stage.show(a_snapshot(a_model("chat", state="preparing", progress=DOWNLOAD, replicas=[waiting])))
    chrome.get(page)
    sees(chrome, "Downloading: model.gguf\n500 MB of 2 GB, about 2 min left")
    bar = chrome.find_element(By.CSS_SELECTOR, "#models progress")
    assert float(bar.get_attribute("value") or 0) == 5e8
    assert bar.get_attribute("aria-label") == "Downloading: model.gguf"
    unknown = DOWNLOAD | {"total": None, "eta": None}
    stage.show(a_snapshot(a_model("chat", state="preparing", progress=unknown, replicas=[waiting])))
    eventually(lambda: count(chrome, "#models progress:indeterminate") == 1, 10)


def test_it_updates_live_and_keeps_what_was_opened(chrome: Chrome, page: str, stage: Stage) -> None:
    stage.show(a_snapshot(a_model("chat", state="starting", reason="Starting", message="loading the weights")))
    chrome.get(page)
    sees(chrome, "Starting: loading the weights")
    more = chrome.find_element(By.CSS_SELECTOR, "button[aria-label='Details of chat-0']")
    more.send_keys(Keys.ENTER)
    sees(chrome, "logs/chat-0.log")
    stage.show(a_snapshot(a_model("another"), a_model("chat", message="")))
    sees(chrome, "Ready", "[aria-label='Model chat'] header")
    assert "loading the weights" not in shown(chrome)
    assert "logs/chat-0.log" in shown(chrome, "[aria-label='Model chat']")
    assert more == chrome.switch_to.active_element  # neither replaced nor robbed of the focus
    assert shown(chrome, "#live") == "Model another: Ready. Model chat: Ready."
    stage.show(a_snapshot(a_model("another")))
    eventually(lambda: count(chrome, "#models article") == 1, 10)


def test_decisions_come_on_top_with_their_numbers(chrome: Chrome, page: str, stage: Stage) -> None:
    first = a_decision(object="chat", message="1 of 2 wanted replicas exists")
    second = a_decision(object="big", action="wait", reason="NotEnoughMemory", message="needs 42.3 GB, 9.4 GB free",
                        numbers={"needed_bytes": 42_300_000_000, "host": "a"}, look_again=30.0)  # fmt: skip
    stage.show(a_snapshot(a_model(), decisions=[first]))
    chrome.get(page)
    sees(chrome, "Start chat too few replicas\n\n1 of 2 wanted replicas exists", "#decisions")
    chrome.find_element(By.CSS_SELECTOR, "#decisions summary").send_keys(Keys.ENTER)
    sees(chrome, "wanted\n2\nhave\n1", "#decisions")
    stage.show(a_snapshot(a_model(), decisions=[second, first]))
    sees(chrome, "Wait big not enough memory\n\nneeds 42.3 GB, 9.4 GB free", "#decisions li:first-child")
    assert "wanted\n2" in shown(chrome, "#decisions li:last-child")  # still open
    chrome.find_element(By.CSS_SELECTOR, "#decisions li:first-child summary").click()
    sees(chrome, "needed_bytes\n42.3 GB\nhost\na\nlooks again\nafter 30 s", "#decisions")


def test_fifty_decisions_are_folded(chrome: Chrome, page: str, stage: Stage) -> None:
    many = [a_decision(message=f"decision {i}") for i in range(50)]
    stage.show(a_snapshot(a_model(), decisions=many))
    chrome.get(page)
    eventually(lambda: count(chrome, "#decisions li") == 8, 10)
    chrome.find_element(By.XPATH, "//button[text()='Show all 50']").click()
    assert count(chrome, "#decisions li") == 50


def test_charts_follow_the_gateway(chrome: Chrome, page: str, stage: Stage) -> None:
    def traffic(tokens: float, running: int, waiting: int) -> Snapshot:
        told = {"tokens_per_second": tokens, "running": running, "waiting": waiting, "requests_total": 1234}
        return a_snapshot(a_model(), gateway={"address": stage.snapshot().gateway.address} | told)

    stage.show(traffic(41.5, 3, 1))
    chrome.get(page)
    sees(chrome, "1,234 requests since the gateway started, 0 failed")
    said = "[...document.querySelectorAll('.plot')].map((plot) => plot.getAttribute('aria-label')).join(' ')"
    eventually(lambda: "highest 41.5" in chrome.execute_script(f"return {said}"), 10)
    stage.show(traffic(7, 0, 0))
    eventually(lambda: "generated now 7; highest 41.5" in chrome.execute_script(f"return {said}"), 10)
    assert "running now 0, waiting now 0; highest 3" in chrome.execute_script(f"return {said}")
    drawn = "return document.querySelector('path.line.tokens[d*=L]')?.getAttribute('d') ?? ''"
    eventually(lambda: chrome.execute_script(drawn), 10)


def test_the_machine(chrome: Chrome, page: str, stage: Stage) -> None:
    gpu = {
        "uuid": "GPU-1",
        "product": "NVIDIA L4",
        "memory_bytes": 24e9,
        "free_bytes": 6e9,
        "parent": "",
        "profile": "",
    }
    stage.show(a_snapshot(a_model(), site={"accelerators": [gpu], "notes": ["NVLink could not be read"]}))
    chrome.get(page)
    sees(chrome, "NVLink could not be read", "#machine")
    told = shown(chrome, "#machine")
    for text in ("9.4 GB free of 16 GB", "NVIDIA L4", "6 GB free of 24 GB", "Cores\n8", "routing table 3"):
        assert text in told


def test_snippets_hold_the_real_address_and_model(chrome: Chrome, page: str, stage: Stage) -> None:
    base = stage.snapshot().gateway.address
    models = a_model("chat"), a_model("it's", task="embedding")
    stage.show(a_snapshot(*models, gateway={"address": base}))
    chrome.get(page)
    sees(chrome, f"curl '{base}/chat/completions'", "#code pre")
    chrome.find_element(By.XPATH, "//div[@id='code']//button[text()='Python']").click()
    code = shown(chrome, "#code pre")
    assert f'client = OpenAI(base_url="{base}", api_key="none")' in code
    compile(code, "snippet", "exec")
    chrome.find_element(By.CSS_SELECTOR, "#code select").send_keys("it's")
    sees(chrome, "client.embeddings.create(", "#code pre")
    chrome.find_element(By.XPATH, "//div[@id='code']//button[text()='curl']").click()
    sees(chrome, """-d '{"model":"it'\\''s",""", "#code pre")  # quoted for a shell


def test_copying(chrome: Chrome, page: str, stage: Stage) -> None:
    allowed = {"origin": page, "permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"]}
    chrome.execute_cdp_cmd("Browser.grantPermissions", allowed)
    chrome.get(page)
    sees(chrome, "Gateway ready")
    chrome.find_element(By.CSS_SELECTOR, "#head button.copy").click()
    sees(chrome, "Copied", "#live")
    pasted = chrome.execute_async_script("navigator.clipboard.readText().then(arguments[0])")
    assert pasted == stage.snapshot().gateway.address


def test_hostile_values_stay_text(chrome: Chrome, page: str, stage: Stage) -> None:
    evil = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"
    replica = a_replica(evil, state="failed", reason=evil, message=evil + "!", next_action=evil, address=evil, log=evil,
                        derived={evil: evil}, gpus=[evil], progress=DOWNLOAD | {"label": evil})  # fmt: skip
    model = a_model(evil, state="failed", reason=evil, message=evil, next_action=evil, engine=evil, source=evil,
                    revision=evil, replicas=[replica], derived={evil: evil})  # fmt: skip
    decision = a_decision(object=evil, action=evil, reason=evil, message=evil, numbers={evil: evil})
    gpu = {"uuid": evil, "product": evil, "profile": evil, "memory_bytes": 1, "free_bytes": 1, "parent": ""}
    site = {"name": evil, "kind": evil, "notes": [evil], "accelerators": [gpu]}
    broken = {"state": "failed", "message": evil, "address": stage.snapshot().gateway.address}
    stage.show(a_snapshot(model, decisions=[decision], site=site, gateway=broken))
    chrome.get(page)
    sees(chrome, evil, "#models h3")
    chrome.find_element(By.CSS_SELECTOR, "#models button.plain").click()
    for where in ("#head", "#models .why", "#models .more", "#decisions", "#machine", "#code"):
        sees(chrome, "onerror", where)
    assert count(chrome, "img") == 1  # the mark in the header
    assert count(chrome, "script") == 1
    assert chrome.title == "0 of 1 ready · Headway"


def test_the_policy_stops_scripts_and_strangers(chrome: Chrome, page: str) -> None:
    chrome.get(page)
    sees(chrome, "No models yet")
    chrome.execute_script(
        "const script = document.createElement('script');"
        "script.append('document.title = \"owned\"'); document.body.append(script);"
    )
    assert chrome.title != "owned"
    stranger = "fetch('http://127.0.0.1:9/').then(() => arguments[0]('reached'), () => arguments[0]('kept in'))"
    assert chrome.execute_async_script(stranger) == "kept in"
    told = console_errors(chrome)
    assert [each for each in told if "will not be executed" in each]
    assert all(each.startswith("security") or "Content Security Policy" in each for each in told)


def test_a_lost_control_process_is_told_and_found_again(chrome: Chrome, stage: Stage) -> None:
    port = free_port()
    stage.show(a_snapshot(a_model("chat"), gateway={"address": stage.snapshot().gateway.address}))
    with serving(page_of(stage), port=port) as origin:
        chrome.get(origin)
        sees(chrome, "1 of 1 replica ready")
        stage.end()
    sees(chrome, "The control process is not answering. The gateway and the models may still be serving.", "#banner")
    assert "chat" in shown(chrome, "#models")  # the last known state, greyed
    assert "grayscale" in chrome.find_element(By.ID, "models").value_of_css_property("filter")
    assert chrome.find_element(By.ID, "send").is_enabled()  # the gateway is called directly
    successor = Stage(
        a_snapshot(a_model("chat"), a_model("second"), gateway={"address": stage.snapshot().gateway.address})
    )
    with serving(page_of(successor), port=port):
        sees(chrome, "second", "#models")
        assert shown(chrome, "#banner") == ""
        assert chrome.find_element(By.ID, "models").value_of_css_property("filter") == "none"
        successor.end()
    assert all("ERR_CONNECTION_REFUSED" in each for each in console_errors(chrome))


def test_it_fits_a_phone(chrome: Chrome, page: str, stage: Stage) -> None:
    long = "a-model-with-a-rather-long-name-" + "x" * 60
    downloading = a_replica(f"{long}-0", state="preparing", message="/" + "y" * 200, progress=DOWNLOAD)
    stage.show(a_snapshot(a_model(long, state="preparing", source="hf://" + "z" * 120, replicas=[downloading])))
    for width in (390, 1440):
        look(chrome, width=width)
        chrome.get(page)
        sees(chrome, long, "#models")
        assert chrome.execute_script("return document.documentElement.scrollWidth <= innerWidth")


def test_every_control_has_a_name(chrome: Chrome, page: str, stage: Stage) -> None:
    stage.show(a_snapshot(a_model("chat"), a_model("search", task="embedding"), decisions=[a_decision()]))
    chrome.get(page)
    sees(chrome, "search", "#models")
    controls = chrome.find_elements(By.CSS_SELECTOR, "button, select, input, textarea, summary, progress, meter, a")
    assert len(controls) > 20
    assert [
        each.get_attribute("outerHTML") for each in controls if each.is_displayed() and not each.accessible_name
    ] == []


def test_text_is_readable_in_both_schemes(chrome: Chrome, page: str, stage: Stage) -> None:
    states = ("ready", "degraded", "preparing", "stopping", "failed")
    stage.show(a_snapshot(*(a_model(state, state=state) for state in states), decisions=[a_decision()]))
    chrome.get(page)
    for dark in (False, True):
        look(chrome, dark=dark)
        sees(chrome, "Failed", "#models")
        poor = chrome.execute_script(CONTRAST)
        assert poor == [], "dark" if dark else "light"


def test_a_moved_gateway_is_followed_by_a_reload(chrome: Chrome, page: str, stage: Stage) -> None:
    chrome.get(page)
    sees(chrome, "No models yet")
    chrome.execute_script("window.before = true")
    stage.show(a_snapshot(a_model("chat"), gateway={"address": "http://127.0.0.1:1/v1"}))
    deadline = time.monotonic() + 10
    while chrome.execute_script("return window.before"):
        assert time.monotonic() < deadline
    sees(chrome, "http://127.0.0.1:1/v1", "#head")


# The texts whose contrast with their own background is under 4.5 (WCAG AA), as "text colour background ratio".
CONTRAST = """
const channel = (v) => (v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
const light = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
const rgba = (text) => text.match(/[\\d.]+/g).map(Number);
const behind = (node) => {
  for (; node; node = node.parentElement) {
    const colour = rgba(getComputedStyle(node).backgroundColor);
    if (colour.length < 4 || colour[3] === 1) return colour;
  }
  throw new Error("nothing is painted behind");
};
const poor = [];
for (const node of document.querySelectorAll("body *:not(option)")) {
  const text = [...node.childNodes].filter((child) => child.nodeType === 3).map((child) => child.data.trim()).join("");
  if (!text || !node.checkVisibility() || node.disabled || node.namespaceURI.endsWith("svg")) continue;
  const [front, back] = [light(rgba(getComputedStyle(node).color)), light(behind(node))];
  const ratio = (Math.max(front, back) + 0.05) / (Math.min(front, back) + 0.05);
  if (ratio < 4.5) poor.push(`${text.slice(0, 40)}: ${ratio.toFixed(2)}`);
}
return poor;
"""
