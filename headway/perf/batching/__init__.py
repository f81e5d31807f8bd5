"""One replica of an engine as a state machine: continuous batching, paged KV, prefix cache, adapters.

    replica.py     what is asked of it and what it does next; the way in
    schedule.py    which sequences the next step takes (vLLM v1's rules)
    decoding.py    those that get one token a step, so that a run of steps costs no work for each
    sequence.py    one request inside
    blocks.py      the KV cache in blocks, and the tree of prefixes in it
    segments.py    a prompt's pieces as runs of whole blocks
    adapters.py    LoRA slots

Pure: time is passed in, and nothing is drawn. The simulator's replicas are these, and the model of performance takes
its closed-loop times to first token from one.
"""

from headway.perf.batching.replica import Event, Happens, Ran, Replica, Watch
from headway.perf.batching.sequence import Request

__all__ = ["Event", "Happens", "Ran", "Replica", "Request", "Watch"]
