"""Measures a server as its users feel it, and says when a measurement is none."""
