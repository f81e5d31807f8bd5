"""How the constants of the model of performance are found: `python -m headway.perf.fit DATA` (extra `headway[fit]`)."""
