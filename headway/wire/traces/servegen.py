"""ServeGen: what each client of a service sent, window by window, as laws and not request by request.

https://github.com/alibaba/ServeGen, Apache-2.0; Xiang et al., "ServeGen", NSDI 2026. Two forms are read: its own
folders (`servegen_folder`), and the same in two files, `NAME.traces.csv` with
`client,t_start_s,rate_rps,cv,dist,param1,param2` (windows of 600 s; param1 is the shape of the gaps' law) and
`NAME.lengths.jsonl` with `{"client", "t", "input_tokens_q", "output_tokens_q"}` (quantiles from t seconds on).
Requests are drawn from them by the seed (`perf.traffic.clients`). A client whose lengths are not in the second file has
those of all the others together, each as its rate weighs, so that the traffic is as dense as it was.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import msgspec

from headway.perf.traffic.clients import Client, LengthTable, Window, calls_of
from headway.perf.traffic.trace import Call
from headway.wire.traces import servegen_folder
from headway.wire.traces.fields import Table
from headway.wire.traces.lines import Lines, fault
from headway.wire.traces.servegen_folder import WINDOW_SECONDS, quantiles, window_of

__all__ = ["COLUMNS", "calls"]

COLUMNS = ("client", "t_start_s", "rate_rps", "dist", "param1")
_PARTS = (".traces.csv", ".lengths.jsonl")


class _Lengths(msgspec.Struct):
    client: str
    t: float | str
    mean_rate_rps: float = 1.0
    input_tokens_q: list[float] = []
    output_tokens_q: list[float] = []


_DECODER = msgspec.json.Decoder(_Lengths)


def calls(path: Path, start: float, end: float, seed: int) -> Iterator[Call]:
    """Of windows that touch [start, end) alone, so that an hour of a week costs an hour's memory."""
    read = servegen_folder.clients if path.is_dir() else _clients
    yield from calls_of(read(path, start, end), start, end, seed)


def _clients(path: Path, start: float, end: float) -> list[Client]:
    windows: dict[str, list[Window]] = {}
    lines = Lines(path)
    for row in Table(lines, COLUMNS).rows():
        begins = row.number("t_start_s")
        if begins < end and begins + WINDOW_SECONDS > start:
            cells = row.text("rate_rps"), row.text("dist"), row.text("param1")
            if window := window_of(lines, (begins, WINDOW_SECONDS), *cells):
                windows.setdefault(row.text("client"), []).append(window)
    beside = _beside(path)
    tables, together = _tables(beside)
    return [
        Client(name, tuple(sorted(found, key=lambda each: each.start)), tables.get(name) or (together,))
        for name, found in windows.items()
    ]


def _beside(path: Path) -> Path:
    """The file of lengths. Raises SpecError when there is none."""
    name = path.name.removesuffix(".gz")
    wanted = name.removesuffix(_PARTS[0]) + _PARTS[1]
    if name.endswith(_PARTS[0]):
        for each in (path.with_name(wanted + ".gz"), path.with_name(wanted)):
            if each.exists():
                return each
    message = f"a trace of ServeGen has its lengths in a second file, and there is no {wanted} beside it"
    raise fault(path, 0, message, "name the two NAME.traces.csv and NAME.lengths.jsonl (.gz or not), in one folder")


def _tables(path: Path) -> tuple[dict[str, tuple[LengthTable, ...]], LengthTable]:
    """By client; and all of them in one."""
    found: dict[str, list[LengthTable]] = {}
    prompts: dict[float, float] = defaultdict(float)
    outputs: dict[float, float] = defaultdict(float)
    lines = Lines(path)
    for text in lines:
        if not text.strip():
            continue
        try:
            line = _DECODER.decode(text)
            table = LengthTable(float(line.t), tuple(line.input_tokens_q), tuple(line.output_tokens_q))
        except (msgspec.MsgspecError, ValueError) as error:
            raise lines.fault(f"not lengths of ServeGen: {error}", "fetch the file again") from None
        if not table.prompt or not table.output:
            continue  # the file has such lines: a client without requests in these days
        found.setdefault(line.client, []).append(table)
        for parts, values in ((prompts, table.prompt), (outputs, table.output)):
            for value in values:
                parts[value] += line.mean_rate_rps / len(values)
    if not found:
        raise fault(path, 0, "found no lengths", "fetch the file again")
    together = LengthTable(0.0, quantiles(prompts), quantiles(outputs))
    return {client: tuple(sorted(each, key=lambda table: table.start)) for client, each in found.items()}, together
