"""Observe, decide, apply: the loop that makes what is into what is wanted."""
