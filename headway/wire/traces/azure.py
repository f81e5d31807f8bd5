"""Azure LLM inference traces of 2023 (conversation, code) and 2024: `TIMESTAMP,ContextTokens,GeneratedTokens`.

https://github.com/Azure/AzurePublicDataset, CC-BY 4.0; Patel et al., "Splitwise", ISCA 2024; Stojkovic et al.,
"DynamoLLM", 2024. Times are UTC, with seven decimals (2023) or six and an offset (2024). Neither has sessions or
prefixes. Rows without a prompt or an answer are passed over and counted.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from headway.perf.traffic.trace import Call
from headway.wire.traces.fields import Row, Table
from headway.wire.traces.lines import Lines

__all__ = ["COLUMNS", "read"]

COLUMNS = ("TIMESTAMP", "ContextTokens", "GeneratedTokens")


def read(lines: Lines) -> Iterator[Call | None]:
    for row in Table(lines, COLUMNS).rows():
        prompt, output = row.count("contexttokens"), row.count("generatedtokens")
        at = _seconds(row)
        yield Call(at, prompt, output) if prompt and output else None


def _seconds(row: Row) -> float:
    try:
        time = datetime.fromisoformat(row.text("timestamp"))
    except ValueError:
        raise row.fault("timestamp", "a time like 2023-11-16 18:15:46.6805900") from None
    return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()
