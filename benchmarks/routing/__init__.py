"""Routing quality: how long requests wait for a first token behind Headway and its peers, on the same engines."""
