"""The speed of the gateway against its peers, on one core each: `python benchmarks/gateway` (see command.py).

How it is measured, and why so:
- The proxy alone has one core; the null backend (8 endpoints, backend.c) and the load generator (load.c) share another.
  Both are C on epoll, so that neither is the bottleneck; `direct` shows how much they leave.
- Every proxy runs the whole time, idle but for its turn. A round is: for each workload, each proxy in turn. So two
  proxies meet the same workload within seconds, and their ratio is taken inside a round; the figure is the median over
  the rounds, with the lowest and highest beside it.
- CPU time is that of all processes of the proxy (user and system, from /proc): a helper process does not look cheap.
- A run that the machine spoiled is dropped and repeated, a bounded number of times; what stays spoiled says so
  (validity.py).
- Peers are set up as a user who wants speed would: one worker, logs off, their known traps avoided (configs.py).
"""
