"""Predictions beside measurements: read a measured row, predict it, say by how much the prediction misses."""
