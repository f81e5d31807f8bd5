"""Headway: one file says what a team wants of a model; one command serves it, on a laptop or on Kubernetes."""

__version__ = "0.1.0"
