"""`headway bench` beside inference-perf, aiperf and guidellm: `python -m benchmarks.bench` (see command.py).

How it is measured, and why so:
- The server is the mock engine, whose latencies are exact and which writes down when each request came and when its
  tokens were written: that file is the truth, whatever a tool says of itself.
- A tool has one core for all of its processes, the server another. CPU is what the kernel charged to the tool and all
  of its children (wait4).
- The tools take turns in each round, every other round in reverse; figures are medians over the rounds, with the
  lowest and highest beside them.
- Each tool is set up as its own documentation says for such a load, from PyPI in an environment of its own, with a
  tokenizer that is made here: nothing is fetched while it runs.
"""
