"""Weights brought to a folder in a pod, whole or not there at all: what `headway weights` does for every source."""
