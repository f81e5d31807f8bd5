"""Equal requests at the same time share one answer, whoever of them fails, leaves or is killed."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import signal
from collections import Counter
from pathlib import Path

import psutil

from headway.policy.caching import CacheRule, CacheRules
from tests.gateway.conftest import Start
from tests.support.caches import (
    ANSWERS,
    FRESH,
    counting,
    fared,
    repeat,
    running,
    said,
    says,
    so_many_run,
)
from tests.support.gateway import (
    STREAM_HEAD,
    Asked,
    Peer,
    Truncated,
    answer_bytes,
    ask,
    chat_body,
    chunked,
    completion,
    endpoint,
    event,
    eventually,
    raw,
    request_bytes,
    route,
)


async def test_of_equal_requests_at_once_one_goes_to_the_engine(tmp_path: Path, engine: Start) -> None:
    numbers = itertools.count(1)

    async def gated(asked: Asked, peer: Peer) -> None:
        text = f"answer {next(numbers)}"
        await peer.engine.gate.wait()
        await peer.send(answer_bytes(completion(text)))

    one = await engine(gated)
    async with running(tmp_path, route(endpoint(one.url), cache=ANSWERS)) as live:
        asking = [asyncio.create_task(repeat(live)) for _ in range(30)]
        await eventually(lambda: so_many_run(live, 30))
        await eventually(lambda: len(one.asked) == 1)
        one.gate.set()
        answers = await asyncio.gather(*asking)
        assert {said(each) for each in answers} == {"answer 1"}
        assert Counter(map(fared, answers)) == {"hit": 29, "miss": 1}
        assert len(one.asked) == 1


async def test_nobody_waits_where_the_rule_says_so_nor_longer_than_it_says(tmp_path: Path, engine: Start) -> None:
    async def gated(asked: Asked, peer: Peer) -> None:
        await peer.engine.gate.wait()
        await peer.send(answer_bytes(completion("late")))

    one = await engine(gated)
    for number, wait in enumerate((0.0, 0.3)):
        one.gate.clear()
        model = route(endpoint(one.url), cache=CacheRules(CacheRule(wait=wait)))
        (tmp_path / str(number)).mkdir()
        async with running(tmp_path / str(number), model) as live:
            before = len(one.asked)
            asking = [asyncio.create_task(repeat(live)) for _ in range(3)]
            await eventually(lambda before=before: len(one.asked) == before + 3)
            one.gate.set()
            assert [said(each) for each in await asyncio.gather(*asking)] == ["late"] * 3


async def test_when_the_leader_fails_the_next_one_tries(tmp_path: Path, engine: Start) -> None:
    """Its engine breaks in mid-stream: its caller is told, nobody else is."""

    async def breaking(asked: Asked, peer: Peer) -> None:
        await peer.send(STREAM_HEAD + chunked(event("half ")))
        await peer.engine.gate.wait()
        peer.reset()

    one = await engine(breaking, counting())
    async with running(tmp_path, route(endpoint(one.url), cache=ANSWERS)) as live:
        asking = [asyncio.create_task(repeat(live, stream=True)) for _ in range(8)]
        await eventually(lambda: so_many_run(live, 8))
        one.gate.set()
        answers = await asyncio.gather(*asking)
        failed = [each for each in answers if "error" in each.events[-1]]
        good = [each for each in answers if each not in failed]
        assert (len(failed), len(one.asked)) == (1, 2)
        assert {said(each) for each in good} == {"answer 1"}
        assert Counter(map(fared, good)) == {"miss": 1, "hit": 6}


async def test_a_caller_that_leaves_while_it_leads_hands_over(tmp_path: Path, engine: Start) -> None:
    async def hanging(asked: Asked, peer: Peer) -> None:
        await peer.until_gone()

    one = await engine(hanging, counting())
    async with running(tmp_path, route(endpoint(one.url), cache=ANSWERS)) as live:
        _, leaver = await asyncio.open_connection("127.0.0.1", live.port)
        leaver.write(request_bytes(body=chat_body(temperature=0)))
        await eventually(lambda: len(one.asked) == 1)
        asking = [asyncio.create_task(repeat(live)) for _ in range(4)]
        waiter_gone = asyncio.create_task(raw(live.port, request_bytes(body=chat_body(temperature=0))))
        await eventually(lambda: so_many_run(live, 6))
        waiter_gone.cancel()
        await eventually(lambda: so_many_run(live, 5))
        leaver.close()
        assert {said(each) for each in await asyncio.gather(*asking)} == {"answer 1"}
        assert (len(one.asked), one.gone) == (2, 1)
        records = (await live.records()).records
        assert Counter((each.status, each.cache) for each in records) == {
            (499, "miss"): 2,
            (200, "hit"): 3,
            (200, "miss"): 1,
        }


async def test_a_deadline_ends_the_wait_for_another(tmp_path: Path, engine: Start) -> None:
    async def hanging(asked: Asked, peer: Peer) -> None:
        await peer.until_gone()

    one = await engine(hanging, counting())
    async with running(tmp_path, route(endpoint(one.url), cache=ANSWERS), workers=1) as live:
        first = asyncio.create_task(raw(live.port, request_bytes(body=chat_body(temperature=0))))
        await eventually(lambda: len(one.asked) == 1)
        late = await ask(live.port, temperature=0, headers=["x-headway-timeout: 200ms"])
        assert (late.status, late.error["code"]) == (504, "deadline_exceeded")
        assert len(one.asked) == 1
        first.cancel()
        await eventually(lambda: says(live, "answer 1"))


async def test_no_torn_answer_is_ever_given_whoever_is_killed(tmp_path: Path, engine: Start) -> None:
    """Answers of many packets, and workers killed with -9 while they bring them."""

    async def large(asked: Asked, peer: Peer) -> None:
        await peer.send(answer_bytes(completion(str(asked.json["seed"]) * 400_000)))

    one = await engine(large)
    stop, seen = asyncio.Event(), Counter[str]()
    async with running(tmp_path, route(endpoint(one.url), cache=ANSWERS)) as live:

        async def storm(seed: int) -> None:
            for turn in itertools.count():
                try:
                    answer = await ask(live.port, seed=seed, headers=FRESH if turn % 2 else [])
                except (Truncated, OSError):  # its worker was killed
                    seen["killed"] += 1
                else:
                    assert said(answer) == str(seed) * 400_000
                    seen[fared(answer)] += 1
                if stop.is_set():
                    return

        storms = [asyncio.create_task(storm(seed)) for seed in range(1, 5)]
        hub = psutil.Process(live.child.pid)
        kills = 0
        while kills < 4 or not seen["killed"]:  # a kill may fall between two answers: those do not count
            assert kills < 100, "no kill fell into an answer"
            kills += 1
            await eventually(lambda kills=kills: min(seen["hit"], seen["miss"]) >= 4 * kills)
            await eventually(lambda: len(hub.children()) == 2)
            for worker in hub.children():
                worker.kill()
        stop.set()
        await asyncio.gather(*storms)
        for seed in range(1, 5):
            assert said(await ask(live.port, seed=seed)) == str(seed) * 400_000


async def test_without_its_hub_the_gateway_answers_and_says_so(tmp_path: Path, engine: Start) -> None:
    one = await engine(counting())
    async with running(tmp_path, route(endpoint(one.url), cache=ANSWERS), workers=1) as live:
        await repeat(live)
        (worker,) = psutil.Process(live.child.pid).children()
        live.child.kill()
        live.child.wait()
        try:
            answers = [await repeat(live) for _ in range(2)]
            assert [fared(each) for each in answers] == ["bypass", "bypass"]
        finally:
            worker.terminate()
            worker.wait(10)


async def test_a_hub_that_hangs_delays_an_answer_and_keeps_none(tmp_path: Path, engine: Start) -> None:
    one = await engine(counting())
    async with running(tmp_path, route(endpoint(one.url), cache=ANSWERS), workers=1) as live:
        await repeat(live)
        os.kill(live.child.pid, signal.SIGSTOP)
        try:
            assert said(await repeat(live)) == "answer 2"
        finally:
            os.kill(live.child.pid, signal.SIGCONT)
        await eventually(lambda: says(live, "answer 2"))
        assert json.loads(one.asked[0].body)["temperature"] == 0
