"""Workloads that people run, ready to use: `headway bench --workload chat`. Each says where its numbers are from.

They are documents as a user would write them, so that `preset_text` is a good start for one's own. Their rate is 1/s
and they name no model: whoever runs one says both.
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
# Turns and tokens: WildChat (Zhao et al., ICLR 2024, table 1): 2.54 turns of 295.6 tokens (sd 1609), answered with
# 441.3 (sd 410.9); 3.7 % of talks have more than 10 turns. Thinking: half of the people of RAGPulse (arXiv
# 2511.12979) ask again within 40 s. System prompt: one block of 512 tokens opens every prompt of Mooncake's
# conversations (FAST 2025).
kind: Workload
name: chat
arrivals: {rate: 1/s}
prompt: {mean: 295.6, sd: 1609, max: 8k}
output: {mean: 441.3, sd: 410.9, max: 4k}
prefix: {tokens: 512}
sessions: {turns: {p50: 1, p75: 3, p90: 5, p95: 8, max: 20}, think: {mean: 40s}}
context: 32k
slo: {ttft: 500ms, itl: 50ms}
""",
    "rag": """\
# Questions answered from passages that a search has found: a shared instruction, then what is this question's alone.
# RAGPulse, 7,106 requests of a university's assistant (arXiv 2511.12979, data at 3672232d45d7): tokens as recorded;
# three instructions, whose first 512 tokens are the same each time (77, 20 and 4 % of requests), then the hour,
# six passages, the history and the question.
kind: Workload
name: rag
arrivals: {rate: 1/s}
prompt: {p5: 543, p10: 598, p25: 2242, p50: 2628, p75: 2925, p90: 3447, p95: 3913, p99: 4927, max: 7200}
output: {p5: 66, p10: 83, p25: 131, p50: 234, p75: 385, p90: 563, p95: 670, p99: 891, max: 2183}
prefix: {tokens: 512, count: 3, zipf: 2}
slo: {ttft: 1s, itl: 50ms}
""",
    "agent": """\
# A coding agent at work: each turn adds what a tool said to a context that grows, and asks for the next step.
# TraceLab (Zhu et al., arXiv 2606.30560, 2026), Codex: tokens that a step appends and writes; steps for one request
# of a user: 1 and those that tools begin (median 1, p90 20, p99 86). The first context: 12k tokens (610 Codex runs of
# SWE-bench Pro, vLLM and Mooncake, May 2026). Our own reckoning: ten such beginnings, and 5 s for a tool.
kind: Workload
name: agent
arrivals: {rate: 1/s}
prompt: {p25: 406, p50: 886, p90: 8310, max: 32k}
output: {p25: 70, p50: 184, p90: 939, p99: 3508, max: 8k}
prefix: {tokens: 12k, count: 10, zipf: 1}
sessions: {turns: {p50: 2, p90: 21, p99: 87, max: 200}, think: {mean: 5s}}
context: 128k
slo: {ttft: 2s, itl: 50ms}
""",
    "code": """\
# Completion as a developer types: the file around the cursor, and a few tokens that must come at once.
# Azure's coding service, 8,819 requests of 16 November 2023 (Patel et al., "Splitwise", ISCA 2024; CC-BY 4.0; data at
# b469a113cedc): tokens as recorded.
kind: Workload
name: code
arrivals: {rate: 1/s}
prompt: {p1: 17, p5: 75, p10: 147, p25: 578, p50: 1469, p75: 2745, p90: 5194, p95: 7315, p99: 7436, max: 7437}
output: {p1: 6, p10: 7, p25: 9, p50: 13, p75: 24, p90: 55, p95: 90, p99: 252, max: 1899}
slo: {ttft: 200ms, e2e: 1s}
""",
    "summarise": """\
# Long documents in, a paragraph out: nearly all of the work is reading.
# The arXiv summarisation set as Sarathi-Serve uses it (Agrawal et al., OSDI 2024, table 2): median and p90.
kind: Workload
name: summarise
arrivals: {rate: 1/s}
prompt: {p50: 7059, p90: 12985, max: 16k}
output: {p50: 208, p90: 371, max: 1k}
slo: {ttft: 5s, itl: 100ms}
""",
    "embed": """\
# A search index: queries of people, and passages that are being indexed beside them.
# The mean words of a query and of a document over the sets of BEIR (Thakur et al., NeurIPS 2021, table 1; MS MARCO: 6
# and 56), at 1.3 tokens for a word; a passage is cut at 512 tokens, the window of most embedders.
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
