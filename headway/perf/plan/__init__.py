"""The search for what to serve a model on: facts in, a ranked table of choices out. Pure."""
