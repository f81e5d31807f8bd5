"""A worker's part in caches of answers: what may be kept, what is asked of the hub's vault, and what comes of it."""
