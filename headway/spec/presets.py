"""Workloads that people run, ready to use: `headway bench --workload chat`. Each says where its numbers are from.

They are documents as a user would write them, so that `preset_text` is a good start for one's own. Their rate is 1/s and
they name no model: whoever runs one says both.
"""

from __future__ import annotations

from headway.errors import UsageError
from headway.spec.fault import nearest
from headway.spec.load import load
from headway.spec.workload import Workload

__all__ = ["PRESETS", "preset", "preset_text"]

_TEXTS = {
    "chat": """\
# People talking to an assistant: short questions, longer answers, a few turns, and time to read between them.
# Turns and tokens: WildChat (Zhao et al., ICLR 2024, table 1): 2.54 turns of 295.6 (sd 1609) tokens, answered with
# 441.3 (sd 410.9). Thinking: one's own reckoning, 20 s to read and write. The system prompt: one block of 512 tokens
# opens every prompt of the Mooncake conversation trace (Qin et al., FAST 2025).
kind: Workload
name: chat
arrivals: {rate: 1/s}
prompt: {mean: 295.6, sd: 1609, max: 8k}
output: {mean: 441.3, sd: 410.9, max: 4k}
prefix: {tokens: 512}
sessions: {turns: {p50: 1, p75: 3, p90: 5, p95: 8, max: 20}, think: {mean: 20s}}
context: 32k
slo: {ttft: 500ms, itl: 50ms}
""",
    "rag": """\
# Questions answered from documents that a search has found: a shared instruction, then passages, a short answer.
kind: Workload
name: rag
arrivals: {rate: 1/s}
prompt: {p50: 2400, p90: 3400, p99: 5000}
output: {p50: 190, p90: 480, p99: 1000}
prefix: {tokens: 1k}
slo: {ttft: 1s, itl: 50ms}
""",
    "agent": """\
# A coding agent at work: each turn adds what a tool said to a context that grows, and asks for the next step.
# TraceLab (Zhu et al., arXiv 2606.30560, 2026), Codex: tokens appended and written in a step, and steps for one request
# of a user (1 and those that tools begin: median 1, p90 20, p99 86).
kind: Workload
name: agent
arrivals: {rate: 1/s}
prompt: {p25: 406, p50: 886, p90: 8310, max: 32k}
output: {p25: 70, p50: 184, p90: 939, p99: 3508, max: 8k}
prefix: {tokens: 4k, count: 10, zipf: 1}
sessions: {turns: {p50: 2, p90: 21, p99: 87, max: 200}, think: {mean: 5s}}
context: 128k
slo: {ttft: 2s, itl: 50ms}
""",
    "code": """\
# Completion as a developer types: the file around the cursor, and a few tokens that must come at once.
# Azure's coding service, 11 November 2023 (Patel et al., "Splitwise", ISCA 2024; CC-BY 4.0).
kind: Workload
name: code
arrivals: {rate: 1/s}
prompt: {p50: 1500, p90: 5000, p99: 7000}
output: {p50: 13, p90: 60, p99: 250}
slo: {ttft: 200ms, e2e: 1s}
""",
    "summarise": """\
# Long documents in, a paragraph out: nearly all of the work is reading.
# The arXiv summarisation set as Sarathi-Serve uses it (Agrawal et al., OSDI 2024, table 2).
kind: Workload
name: summarise
arrivals: {rate: 1/s}
prompt: {p50: 7059, p90: 12985, max: 16k}
output: {p50: 208, p90: 371, max: 1k}
slo: {ttft: 5s, itl: 100ms}
""",
    "embed": """\
# A search index: queries of people, and passages that are being indexed beside them.
# Words for a query and a document of the sets in BEIR (Thakur et al., NeurIPS 2021, table 1), 1.3 tokens for a word.
kind: Workload
name: embed
operation: embedding
arrivals: {rate: 1/s}
mix:
- {weight: 1, prompt: {p10: 7, p50: 12, p90: 26, max: 64}}
- {weight: 1, prompt: {p10: 60, p50: 165, p90: 300, max: 512}}
slo: {e2e: 200ms}
""",
}
PRESETS = tuple(_TEXTS)


def preset_text(name: str) -> str:
    """As a file. Raises UsageError when there is none of that name."""
    if name not in _TEXTS:
        meant = nearest(name, PRESETS)
        hint = f"did you mean {meant}?" if meant else f"there are {', '.join(PRESETS)}; or name a file"
        raise UsageError(f"no workload {name!r} is built in", hint=hint)
    return _TEXTS[name]


def preset(name: str) -> Workload:
    """Raises UsageError."""
    (found,) = load(preset_text(name), f"the workload {name}", "/")
    assert isinstance(found, Workload)  # noqa: S101
    return found
