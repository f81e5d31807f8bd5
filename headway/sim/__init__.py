"""A fleet in virtual time: recorded or made-up traffic, through the policies of production, to engines that are
reckoned and not run.

    run.py       simulate(fleet, traffic) -> Outcome: the way in
    fleet.py     what is simulated
    front.py     the gateway: limits, names and Routes
    pool.py      one Model: routing, lines, retries           keeper.py   how many replicas it has
    measure/     what is counted, in bounded memory           outcome.py  what was found

Engines are `perf.batching`, decisions are `policy`; nothing here reads a clock or draws a number that has no seed.
"""
